"""How far distributions are from distributions: cross-entropies and divergences."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.location import scope

from ..numpy.shared import common_dtype, convert, size_number
from ..special import expit, log_softmax, softmax, softplus
from .arguments import EPSILON, class_numbers, inside, predictions, real_pair, smoothed

__all__ = [
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "gaussian_kl_divergence",
    "kl_divergence",
    "poisson",
    "sparse_categorical_crossentropy",
]

Array = Any
NO_CLASS = "label_of_no_class"
"""The scope in which a loss is made NaN for a label that is no class."""


def binary_crossentropy(
    y_true: Array,
    y_pred: Array,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """The mean of −y log p − (1 − y) log(1 − p), where p is y_pred, or its sigmoid `from_logits`.

    >>> import symfuse as sf
    >>> sf.losses.binary_crossentropy([[1.0]], [[0.0]], from_logits=True).round(6).tolist()
    [0.693147]
    """
    y_true, y_pred = real_pair(y_true, y_pred)
    y_true = smoothed(y_true, label_smoothing, 2.0)
    return np.mean(_binary(y_true, y_pred, from_logits), axis=axis)


def _binary(y_true: Array, y_pred: Array, from_logits: bool) -> Array:
    if from_logits:
        return softplus(y_pred) - y_true * y_pred
    p = inside(y_pred)
    return -(y_true * np.log(p) + (1.0 - y_true) * np.log1p(-p))


def categorical_crossentropy(
    y_true: Array,
    y_pred: Array,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """−Σ y log p, where p is y_pred divided by its sum, or its softmax `from_logits`.

    >>> import symfuse as sf
    >>> sf.losses.categorical_crossentropy([[0.0, 1.0]], [[0.75, 0.25]]).round(6).tolist()
    [1.386294]
    """
    y_true, y_pred = real_pair(y_true, y_pred)
    y_true = smoothed(y_true, label_smoothing, y_true.shape[axis])
    return -np.sum(y_true * _log_share(y_pred, from_logits, axis), axis=axis)


def sparse_categorical_crossentropy(
    y_true: Array,
    y_pred: Array,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Array:
    """−log p[y], where y is the number of a class; 0 for `ignore_class`, NaN for no class.

    >>> import symfuse as sf
    >>> sf.losses.sparse_categorical_crossentropy([1], [[0.75, 0.25]]).round(6).tolist()
    [1.386294]
    """
    y_pred = predictions(y_pred)
    labels, last = class_numbers(y_true, y_pred, axis), size_number(y_pred.shape[axis] - 1)
    logs = _log_share(y_pred, from_logits, axis)
    places = np.expand_dims(np.minimum(np.maximum(labels, 0), last), axis)
    chosen = np.squeeze(np.take_along_axis(logs, places, axis=axis), axis=axis)
    with scope(NO_CLASS):
        zero = np.where((labels >= 0) & (labels <= last), 0.0, np.nan)
        found = convert(zero, common_dtype(chosen)) - chosen
    is_counted = counted(labels, y_pred, ignore_class=ignore_class, axis=axis)
    return found if is_counted is None else np.where(is_counted, found, 0.0)


def counted(
    y_true: Array, y_pred: Array, ignore_class: int | None = None, axis: int = -1, **_: Any
) -> Array | None:
    """Where the class is not the one to be ignored, if there is one."""
    return None if ignore_class is None else class_numbers(y_true, y_pred, axis) != ignore_class


def _log_share(y_pred: Array, from_logits: bool, axis: int) -> Array:
    """Logarithms of the probabilities of the classes."""
    if from_logits:
        return log_softmax(y_pred, axis=axis)
    return np.log(_share(y_pred, axis))


def _share(y_pred: Array, axis: int) -> Array:
    return inside(y_pred / np.sum(y_pred, axis=axis, keepdims=True))


def binary_focal_crossentropy(
    y_true: Array,
    y_pred: Array,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """The binary cross-entropy with weights (1 − p)^gamma, p being that of the right class.

    `apply_class_balancing` weighs class 1 by alpha and class 0 by 1 − alpha.

    >>> import symfuse as sf
    >>> sf.losses.binary_focal_crossentropy([[1.0]], [[0.5]]).round(6).tolist()
    [0.173287]
    """
    y_true, y_pred = real_pair(y_true, y_pred)
    y_true = smoothed(y_true, label_smoothing, 2.0)
    found = _binary(y_true, y_pred, from_logits)
    p = expit(y_pred) if from_logits else y_pred
    right = y_true * p + (1.0 - y_true) * (1.0 - p)
    found = (1.0 - right) ** gamma * found
    if apply_class_balancing:
        found = (y_true * alpha + (1.0 - y_true) * (1.0 - alpha)) * found
    return np.mean(found, axis=axis)


def categorical_focal_crossentropy(
    y_true: Array,
    y_pred: Array,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """−Σ alpha (1 − p)^gamma y log p, where p is as in the categorical cross-entropy.

    >>> import symfuse as sf
    >>> sf.losses.categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).round(6).tolist()
    [0.043322]
    """
    y_true, y_pred = real_pair(y_true, y_pred)
    y_true = smoothed(y_true, label_smoothing, y_true.shape[axis])
    p = softmax(y_pred, axis=axis) if from_logits else _share(y_pred, axis)
    logs = _log_share(y_pred, from_logits, axis)
    return -np.sum(alpha * (1.0 - p) ** gamma * y_true * logs, axis=axis)


def kl_divergence(y_true: Array, y_pred: Array) -> Array:
    """Σ y log(y / p), both held between 10⁻⁷ and 1.

    >>> import symfuse as sf
    >>> sf.losses.kl_divergence([[0.5, 0.5]], [[0.25, 0.75]]).round(6).tolist()
    [0.143841]
    """
    y_true, y_pred = (np.minimum(np.maximum(y, EPSILON), 1.0) for y in real_pair(y_true, y_pred))
    return np.sum(y_true * (np.log(y_true) - np.log(y_pred)), axis=-1)


def gaussian_kl_divergence(mean: Array, log_variance: Array) -> Array:
    """Σ −½(1 + log σ² − μ² − σ²): from N(μ, σ²) to the standard normal distribution.

    >>> import symfuse as sf
    >>> sf.losses.gaussian_kl_divergence([[2.0, 0.0]], [[0.0, 0.0]]).tolist()
    [2.0]
    """
    mean, log_variance = real_pair(mean, log_variance)
    # expm1 keeps the digits of variances near 1, where the terms cancel.
    return 0.5 * np.sum(np.square(mean) + (np.expm1(log_variance) - log_variance), axis=-1)


def poisson(y_true: Array, y_pred: Array) -> Array:
    """The mean of p − y log(p + 10⁻⁷).

    >>> import symfuse as sf
    >>> sf.losses.poisson([[1.0]], [[1.0]]).round(6).tolist()
    [1.0]
    """
    y_true, y_pred = real_pair(y_true, y_pred)
    return np.mean(y_pred - y_true * np.log(y_pred + EPSILON), axis=-1)
