"""The arguments of losses and metrics: predictions as floats, targets in their type."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType

from ..numpy.shared import common_dtype, convert, floating, traced

__all__ = ["EPSILON", "inside", "predictions", "real_pair", "smoothed"]

EPSILON = 1e-7
"""How far probabilities stay from 0 and 1 where their logarithm is taken."""


def predictions(y_pred: Any) -> Any:
    """Predictions as floating-point numbers; halves in f32, so that sums keep their digits."""
    y_pred = traced(y_pred)
    return convert(y_pred, floating(common_dtype(y_pred)).computed)


def real_pair(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Targets and predictions in the element type of the predictions."""
    y_pred = predictions(y_pred)
    dtype: DType = common_dtype(y_pred)
    return convert(traced(y_true), dtype), y_pred


def smoothed(y_true: Any, label_smoothing: float, classes: Any) -> Any:
    """Targets of which a share is spread over all classes."""
    if not label_smoothing:
        return y_true
    return y_true * (1.0 - label_smoothing) + label_smoothing / classes


def inside(probability: Any) -> Any:
    """A probability held away from 0 and 1."""
    return np.minimum(np.maximum(probability, EPSILON), 1.0 - EPSILON)
