"""Metrics that are means of something over all examples."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType

from ..losses import loss as losses
from ..losses.arguments import alike
from ..losses.distances import mean_absolute_error, mean_squared_error
from ..losses.loss import Loss
from ..names import remembered
from ..numpy.shared import convert, traced
from .metric import Metric, State, quotient, weights_like

__all__ = [
    "Mean",
    "MeanAbsoluteError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "RootMeanSquaredError",
    "Sum",
]

Array = Any


@remembered
def Mean(name: str = "mean") -> Metric:
    """The weighted mean of all values, as of losses: `update(state, values)`.

    >>> import symfuse as sf
    >>> float(sf.metrics.Mean()([1.0, 3.0], sample_weight=[1.0, 3.0]))
    2.5
    """
    return _averaged(name, traced, _mean)


@remembered
def Sum(name: str = "sum") -> Metric:
    """The weighted sum of all values: `update(state, values)`.

    >>> import symfuse as sf
    >>> float(sf.metrics.Sum()([1.0, 3.0]))
    4.0
    """
    return _averaged(name, traced, lambda state: state["total"])


@remembered
def MeanMetricWrapper(
    fn: Callable[..., Array] | Loss, name: str | None = None, **settings: Any
) -> Metric:
    """The mean of what a loss or a function of (y_true, y_pred) gives for each example; those of a
    class that a loss ignores do not count.

    >>> import symfuse as sf
    >>> metric = sf.metrics.MeanMetricWrapper(sf.losses.huber, delta=2.0)
    >>> float(metric([[0.0], [0.0]], [[1.0], [2.0]]))
    1.25
    """
    loss = losses.get(fn)
    title = name or (loss.name if isinstance(fn, Loss) else str(getattr(fn, "__name__", "mean")))
    given = {**loss.settings, **settings}
    counts = None if loss.counts is None else partial(loss.counts, **given)
    return _averaged(title, partial(loss.function, **given), _mean, counts)


@remembered
def MeanSquaredError(name: str = "mean_squared_error") -> Metric:
    """The mean of (y_true − y_pred)²; arrays of one axis have one number for each example.

    >>> import symfuse as sf
    >>> float(sf.metrics.MeanSquaredError()([[0.0], [0.0]], [[1.0], [3.0]]))
    5.0
    """
    return _averaged(name, _apart(mean_squared_error), _mean)


@remembered
def MeanAbsoluteError(name: str = "mean_absolute_error") -> Metric:
    """The mean of |y_true − y_pred|; arrays of one axis have one number for each example.

    >>> import symfuse as sf
    >>> float(sf.metrics.MeanAbsoluteError()([[0.0], [0.0]], [[1.0], [3.0]]))
    2.0
    """
    return _averaged(name, _apart(mean_absolute_error), _mean)


@remembered
def RootMeanSquaredError(name: str = "root_mean_squared_error") -> Metric:
    """The root of the mean of (y_true − y_pred)²; arrays of one axis have a number an example.

    >>> import symfuse as sf
    >>> float(sf.metrics.RootMeanSquaredError()([[0.0], [0.0]], [[3.0], [3.0]]))
    3.0
    """
    return _averaged(name, _apart(mean_squared_error), lambda state: np.sqrt(_mean(state)))


def _apart(loss: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """The loss of each example, also where these are not rows but numbers."""

    def apart(y_true: Array, y_pred: Array) -> Array:
        y_true, y_pred = alike(y_true, y_pred)
        if y_pred.ndim == 1:
            y_true, y_pred = y_true[..., None], y_pred[:, None]
        return loss(y_true, y_pred)

    return apart


def _mean(state: State) -> Array:
    return quotient(state["total"], state["count"])


def _averaged(
    name: str,
    function: Callable[..., Array],
    result: Callable[[State], Array],
    counts: Callable[..., Array | None] | None = None,
) -> Metric:
    """Sums in f64 of what a function gives for each example, and of the weights; those of examples
    that do not count are 0."""

    def init() -> State:
        return {"total": np.asarray(0.0), "count": np.asarray(0.0)}

    def update(state: State, *values: Array, sample_weight: Array | None = None) -> State:
        found = convert(traced(function(*values)), DType.F64)
        weights = weights_like(found, sample_weight)
        if counts is not None and (own := counts(*values)) is not None:
            weights = weights * weights_like(found, own)
        return {
            "total": state["total"] + np.sum(found * weights),
            "count": state["count"] + np.sum(weights),
        }

    return Metric(name, init, update, result)
