"""What a compiled program of a model does: one step of training, of testing, of predicting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

from ..nn.layer import Layer
from ..nn.scope import Run
from ..numpy.shared import traced
from ..random import fold_in
from ..tracing.tree import flatten, map_leaves
from ..transforms import value_and_grad
from .objectives import Goals

__all__ = ["changed", "loss_of", "predict_step", "test_step", "train_step"]

Tree = Any
Step = Callable[..., Any]


class Seen(NamedTuple):
    """What a model made of a batch: its outputs, and a mask or None for each."""

    y_pred: Tree
    masks: tuple[Any, ...]


def loss_of(model: Layer, goals: Goals, flags: Mapping[int, bool]) -> Step:
    """(params, state, batch, key or None) → the loss, and what else there is to know of it."""

    def loss(params: Tree, state: Tree, batch: Tree, key: Any) -> Any:
        run = Run(training=key is not None, key=key, flags=flags)
        y_pred, state = model.run(run, params, state, batch["x"])
        masks = [run.masks.of(leaf) for leaf in flatten(y_pred)[0]]
        parts = goals.losses(batch.get("y"), y_pred, batch.get("weight"), masks)
        if key is not None and not parts and not run.losses:
            raise _no_loss()
        total = sum((one for one in run.losses), goals.total(parts))
        return traced(total), (state, parts, Seen(y_pred, tuple(masks)))

    return loss


def train_step(model: Layer, goals: Goals, optimizer: Any, flags: Mapping[int, bool]) -> Step:
    """(carry, key, batch) → carry: loss, gradients, update and metrics in one program.

    Where the loss is no number, everything but the metrics stays as it was.
    """
    loss = loss_of(model, goals, flags)

    def train(carry: Tree, key: Any, batch: Tree) -> Tree:
        own = fold_in(key, carry["optimizer"]["step"])
        gradient = value_and_grad(loss, has_aux=True)
        (value, (state, parts, seen)), grads = gradient(carry["params"], carry["state"], batch, own)
        params, moved = optimizer.update(grads, carry["optimizer"], carry["params"])
        metrics = _metrics(goals, carry, value, parts, batch, seen)
        new = {"params": params, "state": state, "optimizer": moved}
        kept = {name: carry[name] for name in new}
        is_number = np.isfinite(value)
        new = map_leaves(lambda now, old: np.where(is_number, now, old), new, kept)
        return {**new, "metrics": metrics}

    return train


def test_step(model: Layer, goals: Goals) -> Step:
    """(carry, values, batch) → carry, which is the metrics alone, and what changed of the state."""
    loss = loss_of(model, goals, {})

    def test(carry: Tree, values: Tree, batch: Tree) -> Tree:
        value, (state, parts, seen) = loss(values["params"], values["state"], batch, None)
        metrics = _metrics(goals, carry, value, parts, batch, seen)
        return {"metrics": metrics}, changed(state, values["state"])

    return test


def predict_step(model: Layer) -> Step:
    """(values, batch) → outputs, and what changed of the state."""

    def predict(values: Tree, batch: Tree) -> Tree:
        y_pred, state = model.run(Run(), values["params"], values["state"], batch["x"])
        return y_pred, changed(state, values["state"])

    return predict


def changed(new: Tree, old: Tree) -> Tree:
    """What is another value than before, in the dicts where it was."""
    if not isinstance(new, dict):
        return new
    parts = {name: changed(part, old[name]) for name, part in new.items() if part is not old[name]}
    return {name: part for name, part in parts.items() if not (isinstance(part, dict) and not part)}


def _no_loss() -> ArgumentError:
    return ArgumentError(
        "the model has no loss to be trained for",
        fix='pass loss="mse" to compile, or add losses in layers by scope.add_loss',
        loc=user_location(),
    )


def _metrics(
    goals: Goals, carry: Tree, value: Any, parts: Any, batch: Tree, seen: Seen
) -> dict[str, Any]:
    y, weight = batch.get("y"), batch.get("weight")
    return goals.update(carry["metrics"], value, parts, y, seen.y_pred, weight, seen.masks)
