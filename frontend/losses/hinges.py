"""Losses that want a margin between classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arguments import real_pair

__all__ = ["categorical_hinge", "hinge", "squared_hinge"]

Array = Any


def hinge(y_true: Array, y_pred: Array) -> Array:
    """The mean of max(1 − y_true · y_pred, 0); targets are −1 and 1, or 0 and 1.

    >>> import symfuse as sf
    >>> sf.losses.hinge([[-1.0, 1.0]], [[0.5, 0.5]]).tolist()
    [1.0]
    """
    return np.mean(_missing(y_true, y_pred), axis=-1)


def squared_hinge(y_true: Array, y_pred: Array) -> Array:
    """The mean of max(1 − y_true · y_pred, 0)².

    >>> import symfuse as sf
    >>> sf.losses.squared_hinge([[-1.0, 1.0]], [[0.5, 0.5]]).tolist()
    [1.25]
    """
    return np.mean(np.square(_missing(y_true, y_pred)), axis=-1)


def categorical_hinge(y_true: Array, y_pred: Array) -> Array:
    """max(1 + the highest score of a wrong class − the score of the right one, 0).

    >>> import symfuse as sf
    >>> sf.losses.categorical_hinge([[0.0, 1.0]], [[0.5, 1.0]]).tolist()
    [0.5]
    """
    y_true, y_pred = real_pair(y_true, y_pred)
    right = np.sum(y_true * y_pred, axis=-1)
    wrong = np.max((1.0 - y_true) * y_pred, axis=-1)
    return np.maximum(wrong - right + 1.0, 0.0)


def _missing(y_true: Array, y_pred: Array) -> Array:
    """What is missing to the margin. Classes 0 and 1 become −1 and 1, each by itself."""
    y_true, y_pred = real_pair(y_true, y_pred)
    sign = np.where(y_true == 0.0, -1.0, y_true)
    return np.maximum(1.0 - sign * y_pred, 0.0)
