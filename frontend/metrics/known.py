"""Metrics by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..names import by_name, expect_made
from . import accuracies, counts, means
from .means import MeanMetricWrapper
from .metric import Metric

__all__ = ["get"]

_KNOWN: dict[str, Callable[[], Metric]] = {
    make().name: make
    for make in (
        *(getattr(accuracies, name) for name in accuracies.__all__),
        counts.AUC,
        counts.F1Score,
        counts.Precision,
        counts.Recall,
        means.MeanAbsoluteError,
        means.MeanSquaredError,
        means.RootMeanSquaredError,
    )
}
_SHORT = {"mse": "mean_squared_error", "mae": "mean_absolute_error", "acc": "accuracy"}


def get(identifier: Any) -> Metric:
    """The metric of a name such as "mse", or the mean of a loss, or of what a function gives.

    >>> import symfuse as sf
    >>> sf.metrics.get("mae").name
    'mean_absolute_error'
    """
    if isinstance(identifier, Metric):
        return identifier
    expect_made("metric", identifier)
    if callable(identifier):
        return MeanMetricWrapper(identifier)
    return by_name("metric", identifier, _KNOWN, _SHORT)()
