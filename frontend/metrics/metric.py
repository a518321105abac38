"""What a metric is: three pure functions around a state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType

from ..losses.arguments import fitting_weights
from ..names import Made
from ..numpy.shared import convert, traced

__all__ = ["Metric", "quotient", "weights_like"]

Array = Any
State = dict[str, Array]


class Metric(Made, frozen=True, eq=False):
    """`init()`, `update(state, y_true, y_pred, sample_weight=None)` and `result(state)`.

    >>> import symfuse as sf
    >>> error = sf.metrics.MeanAbsoluteError()
    >>> state = error.update(error.init(), [[0.0], [0.0]], [[1.0], [3.0]])
    >>> state = error.update(state, [[0.0]], [[5.0]])
    >>> float(error.result(state))
    3.0
    """

    name: str
    init: Callable[[], State]
    update: Callable[..., State]
    result: Callable[[State], Array]

    def __call__(self, *values: Array, sample_weight: Array | None = None) -> Array:
        """The metric of these examples alone."""
        return self.result(self.update(self.init(), *values, sample_weight=sample_weight))


def weights_like(values: Array, sample_weight: Array | None) -> Array:
    """An f64 weight for each value; weights of the first axes hold for those that follow."""
    values = traced(values)
    weights = convert(traced(1.0 if sample_weight is None else sample_weight), DType.F64)
    return np.broadcast_to(fitting_weights(weights, values), values.shape)


def quotient(part: Array, whole: Array) -> Array:
    """part / whole, 0 where whole is 0."""
    is_empty = whole == 0.0
    return np.where(is_empty, 0.0, part / np.where(is_empty, 1.0, whole))
