"""Metrics that count right and wrong answers by kind."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import is_equal
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArgumentError

from ..limits import SIZE
from ..losses.arguments import alike, class_numbers, predictions, same_shape
from ..names import remembered
from ..numpy.shared import convert, traced
from .metric import Metric, State, quotient, weights_like

__all__ = ["AUC", "ConfusionMatrix", "F1Score", "Precision", "Recall"]

Array = Any
_NUDGE = 1e-7  # by which the outermost thresholds of a curve lie outside of 0 and 1


@remembered
def Precision(threshold: float = 0.5, name: str = "precision") -> Metric:
    """How many of the examples called positive are so.

    >>> import symfuse as sf
    >>> float(sf.metrics.Precision()([0, 1, 1, 1], [0.9, 0.1, 0.8, 0.7]).round(4))
    0.6667
    """

    def result(state: State) -> Array:
        found = state["true_positives"]
        return quotient(found, found + state["false_positives"])

    return _answers(name, threshold, result)


@remembered
def Recall(threshold: float = 0.5, name: str = "recall") -> Metric:
    """How many of the positive examples are called so.

    >>> import symfuse as sf
    >>> float(sf.metrics.Recall()([0, 1, 1, 1], [0.9, 0.1, 0.8, 0.7]).round(4))
    0.6667
    """

    def result(state: State) -> Array:
        found = state["true_positives"]
        return quotient(found, found + state["false_negatives"])

    return _answers(name, threshold, result)


@remembered
def F1Score(threshold: float = 0.5, name: str = "f1_score") -> Metric:
    """The harmonic mean of precision and recall, of all answers together.

    >>> import symfuse as sf
    >>> float(sf.metrics.F1Score()([0, 1, 1, 1], [0.9, 0.1, 0.8, 0.7]).round(4))
    0.6667
    """

    def result(state: State) -> Array:
        twice = 2.0 * state["true_positives"]
        return quotient(twice, twice + state["false_positives"] + state["false_negatives"])

    return _answers(name, threshold, result)


def _answers(name: str, threshold: float, result: Any) -> Metric:
    """Counts of right and wrong answers at one threshold."""

    def init() -> State:
        kinds = ("true_positives", "false_positives", "false_negatives")
        return {kind: np.asarray(0.0) for kind in kinds}

    def update(
        state: State, y_true: Array, y_pred: Array, sample_weight: Array | None = None
    ) -> State:
        y_true, y_pred = alike(y_true, predictions(y_pred))
        weights = weights_like(y_pred, sample_weight)
        is_true, is_called = y_true > 0.5, y_pred > threshold
        cases = {
            "true_positives": is_true & is_called,
            "false_positives": ~is_true & is_called,
            "false_negatives": is_true & ~is_called,
        }
        return {
            kind: state[kind] + np.sum(np.where(case, weights, 0.0)) for kind, case in cases.items()
        }

    return Metric(name, init, update, result)


@remembered
def AUC(num_thresholds: int = 200, curve: str = "ROC", name: str = "auc") -> Metric:
    """The area under the ROC or precision-recall ("PR") curve through evenly spaced thresholds.

    >>> import symfuse as sf
    >>> float(sf.metrics.AUC(3)([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]))
    0.75
    """
    if curve not in ("ROC", "PR") or num_thresholds < 2:
        raise ArgumentError(
            f"curve={curve!r} with {num_thresholds} thresholds is not known",
            fix='give curve="ROC" or "PR", and at least 2 thresholds',
            loc=user_location(),
        )
    inner = np.arange(1, num_thresholds - 1) / (num_thresholds - 1)
    thresholds = np.concatenate([[-_NUDGE], inner, [1.0 + _NUDGE]])

    def init() -> State:
        kinds = ("true_positives", "false_positives", "true_negatives", "false_negatives")
        return {kind: np.zeros(num_thresholds) for kind in kinds}

    def update(
        state: State, y_true: Array, y_pred: Array, sample_weight: Array | None = None
    ) -> State:
        y_true, y_pred = alike(y_true, predictions(y_pred))
        weights = np.reshape(weights_like(y_pred, sample_weight), (1, -1))
        is_true = np.reshape(y_true > 0.5, (1, -1))
        scores = np.reshape(convert(y_pred, DType.F64), (1, -1))
        is_called = scores > thresholds[:, None]
        cases = {
            "true_positives": is_true & is_called,
            "false_positives": ~is_true & is_called,
            "true_negatives": ~is_true & ~is_called,
            "false_negatives": is_true & ~is_called,
        }
        return {
            kind: state[kind] + np.sum(np.where(case, weights, 0.0), axis=1)
            for kind, case in cases.items()
        }

    return Metric(name, init, update, _area_roc if curve == "ROC" else _area_pr)


def _area_roc(state: State) -> Array:
    """The area by trapezoids."""
    true, false = state["true_positives"], state["false_positives"]
    height = quotient(true, true + state["false_negatives"])
    across = quotient(false, false + state["true_negatives"])
    return np.sum((across[:-1] - across[1:]) * (height[:-1] + height[1:]) / 2.0)


def _area_pr(state: State) -> Array:
    """The area where counts, not precisions, go along straight lines, as Davis and Goadrich say."""
    true, false = state["true_positives"], state["false_positives"]
    called = true + false
    slope = quotient(true[:-1] - true[1:], called[:-1] - called[1:])
    start = true[1:] - slope * called[1:]
    is_usable = (called[:-1] > 0.0) & (called[1:] > 0.0)
    ratio = np.where(is_usable, called[:-1] / np.where(is_usable, called[1:], 1.0), 1.0)
    parts = slope * ((true[:-1] - true[1:]) + start * np.log(ratio))
    return np.sum(quotient(parts, true[1:] + state["false_negatives"][1:]))


@remembered
def ConfusionMatrix(num_classes: int, name: str = "confusion_matrix") -> Metric:
    """How often examples of class i (rows) were called j (columns); y_pred are numbers or scores.

    Numbers that are no classes are not counted.

    >>> import symfuse as sf
    >>> sf.metrics.ConfusionMatrix(2)([0, 1, 1], [0, 1, 0]).tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    SIZE.expect(num_classes, "ConfusionMatrix", "num_classes")
    classes = np.arange(num_classes)

    def init() -> State:
        return {"matrix": np.zeros((num_classes, num_classes))}

    def update(
        state: State, y_true: Array, y_pred: Array, sample_weight: Array | None = None
    ) -> State:
        true, called = traced(y_true), traced(y_pred)
        if not same_shape(true.shape, called.shape) and is_equal(called.shape[-1], 1) is not True:
            true, called = class_numbers(true, called), np.argmax(called, axis=-1)
        true, called = alike(true, called)
        weights = np.reshape(weights_like(true, sample_weight), (-1, 1))
        rows = np.where(np.reshape(true, (-1, 1)) == classes, weights, 0.0)
        columns = convert(np.reshape(called, (-1, 1)) == classes, DType.F64)
        return {"matrix": state["matrix"] + rows.T @ columns}

    return Metric(name, init, update, lambda state: state["matrix"])
