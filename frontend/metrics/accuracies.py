"""How many predictions are right."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType

from ..limits import SIZE
from ..losses.arguments import alike, class_numbers, predictions
from ..names import remembered
from ..numpy.shared import convert, traced
from .means import MeanMetricWrapper
from .metric import Metric

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
]

Array = Any


@remembered
def Accuracy(name: str = "accuracy") -> Metric:
    """How often y_pred equals y_true.

    >>> import symfuse as sf
    >>> float(sf.metrics.Accuracy()([1, 2, 3, 4], [1, 2, 0, 4]))
    0.75
    """

    def right(y_true: Array, y_pred: Array) -> Array:
        y_true, y_pred = alike(y_true, y_pred)
        return y_true == y_pred

    return MeanMetricWrapper(right, name)


@remembered
def BinaryAccuracy(threshold: float = 0.5, name: str = "binary_accuracy") -> Metric:
    """How often y_pred is on the side of the threshold that y_true, 0 or 1, says.

    >>> import symfuse as sf
    >>> float(sf.metrics.BinaryAccuracy()([1, 0, 1, 1], [0.9, 0.4, 0.2, 0.6]))
    0.75
    """

    def right(y_true: Array, y_pred: Array) -> Array:
        y_true, y_pred = alike(y_true, predictions(y_pred))
        return (y_true > 0.5) == (y_pred > threshold)

    return MeanMetricWrapper(right, name)


@remembered
def CategoricalAccuracy(name: str = "categorical_accuracy") -> Metric:
    """How often the highest score is at the highest target.

    >>> import symfuse as sf
    >>> float(sf.metrics.CategoricalAccuracy()([[0, 1], [1, 0]], [[0.1, 0.9], [0.4, 0.6]]))
    0.5
    """

    def right(y_true: Array, y_pred: Array) -> Array:
        y_true, y_pred = alike(y_true, y_pred)
        return np.argmax(y_true, axis=-1) == np.argmax(y_pred, axis=-1)

    return MeanMetricWrapper(right, name)


@remembered
def SparseCategoricalAccuracy(name: str = "sparse_categorical_accuracy") -> Metric:
    """How often the highest score is at the class whose number y_true is.

    >>> import symfuse as sf
    >>> float(sf.metrics.SparseCategoricalAccuracy()([1, 0], [[0.1, 0.9], [0.4, 0.6]]))
    0.5
    """

    def right(y_true: Array, y_pred: Array) -> Array:
        return class_numbers(y_true, y_pred) == np.argmax(traced(y_pred), axis=-1)

    return MeanMetricWrapper(right, name)


@remembered
def TopKCategoricalAccuracy(k: int = 5, name: str = "top_k_categorical_accuracy") -> Metric:
    """How often fewer than k scores are higher than that at the highest target.

    >>> import symfuse as sf
    >>> float(sf.metrics.TopKCategoricalAccuracy(2)([[0, 0, 1]], [[0.1, 0.5, 0.4]]))
    1.0
    """

    SIZE.expect(k, "TopKCategoricalAccuracy", "k")

    def right(y_true: Array, y_pred: Array) -> Array:
        y_true, y_pred = alike(y_true, predictions(y_pred))
        return _among(k, np.argmax(y_true, axis=-1), y_pred)

    return MeanMetricWrapper(right, name)


@remembered
def SparseTopKCategoricalAccuracy(
    k: int = 5, name: str = "sparse_top_k_categorical_accuracy"
) -> Metric:
    """How often fewer than k scores are higher than that of the class whose number y_true is.

    >>> import symfuse as sf
    >>> float(sf.metrics.SparseTopKCategoricalAccuracy(1)([2], [[0.1, 0.5, 0.4]]))
    0.0
    """

    SIZE.expect(k, "SparseTopKCategoricalAccuracy", "k")

    def right(y_true: Array, y_pred: Array) -> Array:
        return _among(k, class_numbers(y_true, y_pred), predictions(y_pred))

    return MeanMetricWrapper(right, name)


def _among(k: int, labels: Array, scores: Array) -> Array:
    """Counting what is higher needs no sorting; a score that is no number is never right."""
    chosen = np.take_along_axis(scores, np.expand_dims(labels, -1), axis=-1)
    higher = np.sum(convert(scores > chosen, DType.I64), axis=-1)
    return (higher < k) & np.isfinite(np.squeeze(chosen, axis=-1))
