"""The arguments of losses and metrics: predictions as floats, targets in their type."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import is_equal
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError

from ..numpy.shared import common_dtype, convert, floating, traced

__all__ = [
    "EPSILON",
    "alike",
    "class_numbers",
    "fitting_weights",
    "inside",
    "predictions",
    "real_pair",
    "same_shape",
    "smoothed",
]

EPSILON = 1e-7
"""How far probabilities stay from 0 and 1 where their logarithm is taken."""


def predictions(y_pred: Any) -> Any:
    """Predictions as floating-point numbers; halves in f32, so that sums keep their digits."""
    y_pred = traced(y_pred)
    return convert(y_pred, floating(common_dtype(y_pred)).computed)


def alike(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Targets and predictions of one shape; where one lacks a last axis of size 1, it gets it.

    A single number is the target of all predictions. Other shapes raise ShapeError: broadcasting
    would compare each prediction with the targets of other examples.
    """
    y_true, y_pred = traced(y_true), traced(y_pred)
    if _lacks_last_of(y_true, y_pred):
        y_true = np.expand_dims(y_true, -1)
    elif _lacks_last_of(y_pred, y_true):
        y_pred = np.expand_dims(y_pred, -1)
    if y_true.ndim and not same_shape(y_true.shape, y_pred.shape):
        raise ShapeError(
            f"targets of shape {tuple(y_true.shape)} for predictions of {tuple(y_pred.shape)}",
            fix="give a target for each prediction; numbers of classes are for sparse losses and"
            " metrics",
            loc=user_location(),
        )
    return y_true, y_pred


def _lacks_last_of(one: Any, other: Any) -> bool:
    return 0 < one.ndim == other.ndim - 1 and is_equal(other.shape[-1], 1) is True


def same_shape(first: Any, second: Any) -> bool:
    """Whether two shapes are equal, as far as is known."""
    pairs = zip(first, second, strict=False)
    return len(first) == len(second) and all(is_equal(a, b) is not False for a, b in pairs)


def real_pair(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """`alike`, in the element type of the predictions."""
    y_true, y_pred = alike(y_true, predictions(y_pred))
    dtype: DType = common_dtype(y_pred)
    return convert(y_true, dtype), y_pred


def class_numbers(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Numbers of classes, one for each row of scores; they may have an axis of size 1 for it."""
    labels, scores = convert(traced(y_true), DType.I64), tuple(np.shape(y_pred))
    if len(labels.shape) == len(scores) and is_equal(labels.shape[axis], 1) is True:
        labels = np.squeeze(labels, axis=axis)
    at = axis % max(len(scores), 1)
    if not same_shape(labels.shape, scores[:at] + scores[at + 1 :]):
        raise ShapeError(
            f"numbers of classes of shape {tuple(np.shape(y_true))} for scores of shape {scores}",
            fix="give one whole number for each row of scores; rows of zeros and ones are for"
            " categorical losses and metrics",
            loc=user_location(),
        )
    return labels


def fitting_weights(weights: Any, losses: Any) -> Any:
    """Weights of the first axes with an axis of size 1 for each that follows."""
    given = tuple(weights.shape)
    if len(given) > len(losses.shape) and is_equal(given[-1], 1) is True:
        weights = np.squeeze(weights, axis=-1)
    for _ in range(len(losses.shape) - len(weights.shape) if weights.shape else 0):
        weights = np.expand_dims(weights, -1)
    pairs = list(zip(weights.shape, losses.shape, strict=False))
    fits = all(is_equal(a, b) is not False or is_equal(a, 1) is True for a, b in pairs)
    if len(weights.shape) > len(losses.shape) or not fits:
        raise ShapeError(
            f"weights of shape {given} for losses of shape {tuple(losses.shape)}",
            fix="give one weight for each example, or for each of its losses; functions of losses"
            " take the mean over the last axis: y[:, None] keeps examples apart",
            loc=user_location(),
        )
    return weights


def smoothed(y_true: Any, label_smoothing: float, classes: Any) -> Any:
    """Targets of which a share is spread over all classes."""
    if not label_smoothing:
        return y_true
    return y_true * (1.0 - label_smoothing) + label_smoothing / classes


def inside(probability: Any) -> Any:
    """A probability held away from 0 and 1."""
    return np.minimum(np.maximum(probability, EPSILON), 1.0 - EPSILON)
