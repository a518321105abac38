"""Layers of several values: called with a list of them."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from ..numpy import matmul
from ..numpy.creation import full
from ..numpy.shared import normal_axis
from .layer import Layer, Stepwise
from .masks import every
from .scope import Scope

__all__ = ["Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract"]


class _Merging(Stepwise):
    """A layer of several values of one shape: steps count that do in all of them."""

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return every(mask)


class Add(_Merging):
    """The sum of all values.

    >>> import numpy as np
    >>> import symfuse as sf
    >>> sf.nn.Add().apply({}, {}, [np.ones(2), np.ones(2)])[0].tolist()
    [2.0, 2.0]
    """

    def call(self, scope: Scope, inputs: Any) -> Any:
        return reduce(np.add, inputs)


class Subtract(_Merging):
    """The first value minus the second."""

    def call(self, scope: Scope, inputs: Any) -> Any:
        first, second = inputs
        return first - second


class Multiply(_Merging):
    """The product of all values, element by element."""

    def call(self, scope: Scope, inputs: Any) -> Any:
        return reduce(np.multiply, inputs)


class Average(_Merging):
    """The mean of all values."""

    def call(self, scope: Scope, inputs: Any) -> Any:
        return reduce(np.add, inputs) * (1.0 / len(inputs))


class Maximum(_Merging):
    """The greatest of the values at each place."""

    def call(self, scope: Scope, inputs: Any) -> Any:
        return reduce(np.maximum, inputs)


class Minimum(_Merging):
    """The least of the values at each place."""

    def call(self, scope: Scope, inputs: Any) -> Any:
        return reduce(np.minimum, inputs)


class Concatenate(Stepwise):
    """The values one behind the other along an axis; along that of time, their masks, too."""

    axis: int = -1

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None or normal_axis(self.axis, inputs[0].ndim) != 1:
            return every(mask)
        pairs = zip(inputs, mask, strict=True)
        return np.concatenate(
            [full(x.shape[:2], True) if own is None else own for x, own in pairs], axis=1
        )

    def call(self, scope: Scope, inputs: Any) -> Any:
        return np.concatenate(list(inputs), axis=self.axis)


class Dot(Layer):
    """Σ x · y along an axis of each, for every example; with `normalize`, of unit vectors."""

    axes: Any
    normalize: bool = False

    def call(self, scope: Scope, inputs: Any) -> Any:
        first, second = _pair(self.axes)
        x, y = (
            np.moveaxis(one, axis, -1) for one, axis in zip(inputs, (first, second), strict=True)
        )
        if self.normalize:
            x, y = (v / np.sqrt(np.sum(v * v, axis=-1, keepdims=True)) for v in (x, y))
        if x.ndim == y.ndim == 2:
            return np.sum(x * y, axis=-1, keepdims=True)
        return matmul(x, np.swapaxes(y, -1, -2))


def _pair(axes: Any) -> tuple[int, int]:
    return (axes, axes) if isinstance(axes, int) else (axes[0], axes[1])
