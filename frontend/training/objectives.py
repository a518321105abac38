"""What a model is trained for: losses and metrics for each of its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from symfuse.compiler.ir.dims import is_equal
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArgumentError, ShapeError

from .. import metrics as known_metrics
from ..losses import get as loss_of
from ..names import unique
from ..numpy.shared import convert, size_number, traced
from ..tracing.tree import flatten, map_leaves

__all__ = ["Goal", "Goals", "Objectives", "in_order"]

Array = Any
Tree = Any
LOSS = known_metrics.Mean("loss")


class Goal(Struct, frozen=True, eq=False):
    """One output: its loss, the factor of it in the whole loss, and its metrics by name."""

    name: str
    loss: Any
    factor: float
    metrics: Mapping[str, Any]
    weighted: Mapping[str, Any]


class Goals(Struct, frozen=True, eq=False):
    """All outputs, in order; with several, logs have the name of the output before the metric."""

    each: tuple[Goal, ...]

    def init(self) -> dict[str, Any]:
        """The states of all metrics before an epoch."""
        means = dict.fromkeys(("loss", *self._part_names()), LOSS)
        return {name: metric.init() for name, metric in {**means, **self._metrics()}.items()}

    def losses(
        self, y_true: Tree, y_pred: Tree, weight: Array | None, masks: Sequence[Array | None]
    ) -> list[Array]:
        """The loss of each output that has one, of what its mask lets count."""
        rows = zip(self.each, *self._pairs(y_true, y_pred), masks, strict=True)
        return [
            goal.loss(*fitted(true, pred), weight, mask)
            for goal, true, pred, mask in rows
            if goal.loss is not None
        ]

    def total(self, losses: Sequence[Array]) -> Array:
        """The loss that is to become small."""
        factors = [goal.factor for goal in self.each if goal.loss is not None]
        parts = [
            loss if factor == 1 else loss * factor
            for loss, factor in zip(losses, factors, strict=True)
        ]
        return sum(parts[1:], parts[0]) if parts else 0.0

    def update(
        self,
        states: Mapping[str, Any],
        loss: Array,
        losses: Sequence[Array],
        y_true: Tree,
        y_pred: Tree,
        weight: Array | None,
        masks: Sequence[Array | None],
    ) -> dict[str, Any]:
        """The states of all metrics after one more batch."""
        trues, preds = self._pairs(y_true, y_pred)
        count = convert(traced(size_number(preds[0].shape[0])), DType.F64)
        means = {"loss": loss, **dict(zip(self._part_names(), losses, strict=False))}
        new = {
            name: LOSS.update(states[name], value, sample_weight=count)
            for name, value in means.items()
        }
        for goal, true, pred, mask in zip(self.each, trues, preds, masks, strict=True):
            if goal.metrics or goal.weighted:
                true, pred = fitted(true, pred)
            both = _both(weight, mask)
            for name, metric in goal.metrics.items():
                new[name] = metric.update(states[name], true, pred, sample_weight=mask)
            for name, metric in goal.weighted.items():
                new[name] = metric.update(states[name], true, pred, sample_weight=both)
        return new

    def logs(self, states: Mapping[str, Any]) -> dict[str, float]:
        """Every metric as a number, the loss first; those that are arrays stay arrays."""
        metrics, here = self._metrics(), map_leaves(np.asarray, dict(states))
        found = {name: metrics.get(name, LOSS).result(state) for name, state in here.items()}
        return {name: _plain(value) for name, value in found.items()}

    def _part_names(self) -> list[str]:
        """The losses of single outputs, where there are several."""
        if len(self.each) == 1:
            return []
        return [f"{goal.name}_loss" for goal in self.each if goal.loss is not None]

    def _metrics(self) -> dict[str, Any]:
        return {
            name: metric
            for goal in self.each
            for name, metric in {**goal.metrics, **goal.weighted}.items()
        }

    def _pairs(self, y_true: Tree, y_pred: Tree) -> tuple[list[Array], list[Array]]:
        preds = flatten(y_pred)[0]
        names = [goal.name for goal in self.each]
        if isinstance(y_true, Mapping) and not _is_nested(y_pred, names):
            trues = _each("y", y_true, names, shared=False)
        else:
            trues = flatten(y_true)[0] if y_true is not None else [None] * len(preds)
        if len(trues) != len(preds):
            raise ArgumentError(
                f"there are {len(trues)} targets for {len(preds)} outputs",
                fix="give one array for each output, in a list, or in a dict by name:"
                f" {', '.join(goal.name for goal in self.each)}",
                loc=user_location(),
            )
        return trues, preds


class Objectives(Struct, frozen=True, eq=False):
    """Losses and metrics as the user gave them to `compile`."""

    loss: Any = None
    loss_weights: Any = None
    metrics: Any = None
    weighted_metrics: Any = None

    def goals(self, names: Sequence[str], y_true: Tree, y_pred: Tree) -> Goals:
        """What each output is trained for, from the specs of targets and outputs."""
        preds = flatten(y_pred)[0]
        trues = in_order(y_true, names, len(preds))
        many = len(preds) > 1
        losses = _each("loss", self.loss, names, shared=True)
        factors = _each("loss_weights", self.loss_weights, names, shared=True)
        metrics = _lists("metrics", self.metrics, names)
        weighted = _lists("weighted_metrics", self.weighted_metrics, names)
        taken = {"loss", *(f"{name}_loss" for name in names if many)}
        return Goals(
            tuple(
                Goal(
                    name,
                    None if losses[at] is None else loss_of(losses[at]),
                    1.0 if factors[at] is None else float(factors[at]),
                    _named(metrics[at], name if many else "", trues[at], preds[at], taken),
                    _named(weighted[at], name if many else "", trues[at], preds[at], taken),
                )
                for at, name in enumerate(names)
            )
        )


def _both(weight: Array | None, mask: Array | None) -> Array | None:
    """Weights of examples, or of steps, where the mask is true, and 0 elsewhere."""
    if weight is None or mask is None:
        return mask if weight is None else weight
    weight = traced(weight)
    for _ in range(len(mask.shape) - len(weight.shape)):
        weight = np.expand_dims(weight, -1)
    return np.where(mask, weight, 0.0)


def fitted(y_true: Array, y_pred: Array) -> tuple[Array, Array]:
    """Targets and predictions, both with a last axis of outputs where there is one number each."""
    if y_true is None:
        raise ArgumentError(
            "there are no targets for a loss or metric", fix="pass y", loc=user_location()
        )
    y_true = traced(y_true)
    if len(y_pred.shape) == 1:
        y_pred = np.expand_dims(y_pred, -1)
    if len(y_true.shape) == len(y_pred.shape) - 1 and is_equal(y_pred.shape[-1], 1) is True:
        y_true = np.expand_dims(y_true, -1)
    return y_true, y_pred


def _is_nested(y_pred: Tree, names: Sequence[str]) -> bool:
    """Whether outputs are in containers in a dict, which have no names for `compile`."""
    return isinstance(y_pred, Mapping) and set(y_pred) != set(names)


def in_order(y_true: Tree, names: Sequence[str], count: int) -> list[Any]:
    """The target of each output, from one, a list, or a dict by name; None where there is none."""
    if y_true is None:
        return [None] * count
    if isinstance(y_true, Mapping):
        return [y_true.get(name) for name in names]
    found = flatten(y_true)[0]
    return found if len(found) == count else [*found, *[None] * (count - len(found))]


def _each(what: str, given: Any, names: Sequence[str], *, shared: bool) -> list[Any]:
    """One entry for each output, from one, a list, or a dict by name."""
    if isinstance(given, Mapping):
        unknown = sorted(given.keys() - set(names))
        if unknown:
            raise ArgumentError(
                f"{what}: there is no output {unknown[0]!r}",
                fix=f"the outputs are {', '.join(names)}",
                loc=user_location(),
            )
        return [given.get(name) for name in names]
    if isinstance(given, list | tuple):
        if len(given) != len(names):
            raise ArgumentError(
                f"{what} has {len(given)} entries for {len(names)} outputs",
                fix=f"give one for each of {', '.join(names)}",
                loc=user_location(),
            )
        return list(given)
    return [given if shared else None] * len(names)


def _lists(what: str, given: Any, names: Sequence[str]) -> list[list[Any]]:
    """The metrics of each output; a plain list belongs to a single output, or to every one."""
    if given is None:
        return [[] for _ in names]
    if isinstance(given, str) or callable(given):
        given = [given]
    if isinstance(given, Mapping) or any(isinstance(one, list | tuple) for one in given):
        found = _each(what, given, names, shared=False)
        return [[] if one is None else one if isinstance(one, list) else [one] for one in found]
    return [list(given) for _ in names]


def _named(
    given: Sequence[Any], prefix: str, y_true: Any, y_pred: Any, taken: set[str]
) -> dict[str, Any]:
    """Metrics by names that no other has; a second precision is precision_1."""
    found = {}
    for one in given:
        metric = known_metrics.get(_accuracy(one, y_true, y_pred))
        name = "accuracy" if one in ("accuracy", "acc") else metric.name
        title = unique(f"{prefix}_{name}" if prefix else name, taken)
        found[title] = metric
        taken.add(title)
    return found


def _accuracy(metric: Any, y_true: Any, y_pred: Any) -> Any:
    """Which accuracy is meant: of one score, of numbered classes, or of one-hot rows."""
    if metric not in ("accuracy", "acc") or y_true is None:
        return metric
    if len(y_pred.shape) == 1 or is_equal(y_pred.shape[-1], 1) is True:
        return "binary_accuracy"
    if len(y_true.shape) < len(y_pred.shape) or is_equal(y_true.shape[-1], 1) is True:
        return "sparse_categorical_accuracy"
    if len(y_true.shape) != len(y_pred.shape):
        raise ShapeError(
            f"accuracy: targets of shape {tuple(y_true.shape)}, outputs {tuple(y_pred.shape)}",
            fix="give class numbers, or rows with one entry for each class",
            loc=user_location(),
        )
    return "categorical_accuracy"


def _plain(value: Any) -> Any:
    array = np.asarray(value)
    return float(array) if array.shape == () else array
