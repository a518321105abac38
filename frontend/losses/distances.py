"""How far numbers are from numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..special import softplus
from .arguments import EPSILON, real_pair

__all__ = [
    "cosine_similarity",
    "huber",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "squared_error",
]

Array = Any


def squared_error(y_true: Array, y_pred: Array) -> Array:
    """‖y_true − y_pred‖², the sum over the last axis.

    >>> import symfuse as sf
    >>> round(float(sf.losses.squared_error([0.0, 0.0, 1.0], [0.3, 0.0, 0.7])), 12)
    0.18
    """
    y_true, y_pred = real_pair(y_true, y_pred)
    return np.sum(np.square(y_true - y_pred), axis=-1)


def mean_squared_error(y_true: Array, y_pred: Array) -> Array:
    """The mean of (y_true − y_pred)².

    >>> import symfuse as sf
    >>> sf.losses.mean_squared_error([[0.0, 1.0]], [[1.0, 3.0]]).tolist()
    [2.5]
    """
    y_true, y_pred = real_pair(y_true, y_pred)
    return np.mean(np.square(y_true - y_pred), axis=-1)


def mean_absolute_error(y_true: Array, y_pred: Array) -> Array:
    """The mean of |y_true − y_pred|.

    >>> import symfuse as sf
    >>> sf.losses.mean_absolute_error([[0.0, 1.0]], [[1.0, 3.0]]).tolist()
    [1.5]
    """
    y_true, y_pred = real_pair(y_true, y_pred)
    return np.mean(np.abs(y_true - y_pred), axis=-1)


def mean_absolute_percentage_error(y_true: Array, y_pred: Array) -> Array:
    """100 times the mean of |y_true − y_pred| / |y_true|, which is held above 10⁻⁷.

    >>> import symfuse as sf
    >>> sf.losses.mean_absolute_percentage_error([[2.0, 4.0]], [[1.0, 3.0]]).tolist()
    [37.5]
    """
    y_true, y_pred = real_pair(y_true, y_pred)
    parts = np.abs((y_true - y_pred) / np.maximum(np.abs(y_true), EPSILON))
    return 100.0 * np.mean(parts, axis=-1)


def mean_squared_logarithmic_error(y_true: Array, y_pred: Array) -> Array:
    """The mean of (log(1 + y_true) − log(1 + y_pred))²; both are held above 10⁻⁷.

    >>> import symfuse as sf
    >>> sf.losses.mean_squared_logarithmic_error([[1.0]], [[1.0]]).tolist()
    [0.0]
    """
    y_true, y_pred = real_pair(y_true, y_pred)
    first, second = (np.log1p(np.maximum(y, EPSILON)) for y in (y_true, y_pred))
    return np.mean(np.square(first - second), axis=-1)


def log_cosh(y_true: Array, y_pred: Array) -> Array:
    """The mean of log(cosh(y_pred − y_true)), without overflow.

    >>> import symfuse as sf
    >>> sf.losses.log_cosh([[1.0]], [[1.0]]).tolist()
    [0.0]
    """
    y_true, y_pred = real_pair(y_true, y_pred)
    difference = np.abs(y_pred - y_true)
    # Below 1 the sum of the stable form would cancel; there sinh² keeps its digits.
    near = 0.5 * np.log1p(np.square(np.sinh(np.minimum(difference, 1.0))))
    far = difference + softplus(-2.0 * difference) - math.log(2.0)
    return np.mean(np.where(difference < 1.0, near, far), axis=-1)


def huber(y_true: Array, y_pred: Array, delta: float = 1.0) -> Array:
    """The mean of ½d² where |d| ≤ delta, and of delta · (|d| − ½delta) beyond.

    >>> import symfuse as sf
    >>> sf.losses.huber([[0.0, 0.0]], [[0.5, 2.0]]).tolist()
    [0.8125]
    """
    y_true, y_pred = real_pair(y_true, y_pred)
    difference = np.abs(y_pred - y_true)
    beyond = delta * (difference - 0.5 * delta)
    inner = 0.5 * np.square(difference)
    return np.mean(np.where(difference <= delta, inner, beyond), axis=-1)


def cosine_similarity(y_true: Array, y_pred: Array, axis: int = -1) -> Array:
    """The cosine of the angle; the class `CosineSimilarity` takes its negative.

    >>> import symfuse as sf
    >>> sf.losses.cosine_similarity([[0.0, 2.0]], [[3.0, 3.0]]).round(4).tolist()
    [0.7071]
    """
    y_true, y_pred = real_pair(y_true, y_pred)
    return np.sum(unit(y_true, axis) * unit(y_pred, axis), axis=axis)


def unit(x: Array, axis: int = -1) -> Array:
    """x divided by its length along an axis; what is nearly zero stays so."""
    square = np.sum(np.square(x), axis=axis, keepdims=True)
    return x / np.sqrt(np.maximum(square, 1e-12))
