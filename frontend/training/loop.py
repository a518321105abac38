"""The loops around compiled steps: over epochs and batches, with callbacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
from msgspec import Struct

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

from ..callbacks.callback import Callbacks
from ..nn.layer import Variables
from ..tracing.tree import flatten, map_leaves
from .batches import Batches, example_count
from .diverged import expect_finite
from .history import History
from .interrupts import Interrupts, between_steps
from .progress import Silent

__all__ = ["Validation", "evaluated", "fitted", "predicted"]

Tree = Any


class Validation(Struct, frozen=True):
    """What a model is tested with after every `every` epochs."""

    batches: Batches
    every: int = 1


def fitted(
    model: Any,
    batches: Batches,
    epochs: range,
    callbacks: Callbacks,
    display: Silent,
    validation: Validation | None,
    steps: int | None,
) -> History:
    """Train the model; what has been learnt so far stays with it, however this ends."""
    history = History()
    model.history, model.stop_training = history, False
    stream = _begun(model, _limited(batches.of(model.epoch), steps))
    callbacks.call("on_train_begin", {})
    try:
        with between_steps() as interrupts:
            for epoch in epochs:
                callbacks.call("on_epoch_begin", epoch, {})
                display.begin(f"epoch {epoch + 1}/{epochs.stop}", steps or batches.count)
                logs = _epoch(model, stream, callbacks, display, interrupts)
                model.epoch += 1
                stream = _limited(batches.of(model.epoch), steps)
                if validation is not None and (epoch + 1) % validation.every == 0:
                    found = evaluated(model, validation.batches)
                    logs |= {f"val_{name}": value for name, value in found.items()}
                display.end(logs)
                history.add(epoch, logs)
                callbacks.call("on_epoch_end", epoch, logs)
                if model.stop_training:
                    break
    finally:
        display.close()
    callbacks.call("on_train_end", {})
    return history


def _begun(model: Any, stream: Iterator[Any]) -> Iterator[Any]:
    """The batches again, after the first one has told what the model is built for."""
    first = next(stream, None)
    if first is None:
        raise _no_data("fit")
    model.ready(first)
    return chain((first,), stream)


def _epoch(
    model: Any, batches: Iterator[Any], callbacks: Callbacks, display: Silent, stop: Interrupts
) -> dict[str, Any]:
    """The metrics of one pass over the batches."""
    watched = callbacks.watches("on_train_batch_begin") or callbacks.watches("on_train_batch_end")
    goals, carry = None, {}
    try:
        for at, batch in enumerate(batches):
            if goals is None:
                goals = model.ready(batch)
                carry = {**model.carry(), "metrics": goals.init()}
            if watched:
                callbacks.call("on_train_batch_begin", at, {})
            program = model.programs.train(carry, model.step_key, batch)
            carry = program(carry, model.step_key, batch)
            expect_finite(model, carry, batch, f"batch {at} of epoch {model.epoch + 1}")
            later = _Later(goals, carry["metrics"])
            display.step(example_count(batch), later)
            if watched:
                model.take(carry)
                callbacks.call("on_train_batch_end", at, later())
                carry |= model.carry()
            stop.check()
    finally:
        if carry:
            model.take(carry)
    if goals is None:
        raise _no_data("fit")
    logs: dict[str, Any] = goals.logs(carry["metrics"])
    return logs


def evaluated(model: Any, batches: Batches, display: Silent | None = None) -> dict[str, Any]:
    """The loss and the metrics of all examples."""
    goals, carry, values = None, {}, {}
    display = display or Silent()
    for batch in batches.of(0):
        if goals is None:
            goals = model.ready(batch)
            carry, values = {"metrics": goals.init()}, model.values()
            display.begin("evaluate", batches.count)
        carry, moved = model.programs.test(carry, values, batch)(carry, values, batch)
        if moved:
            values = model.move(moved)
        display.step(example_count(batch), _Later(goals, carry["metrics"]))
    if goals is None:
        raise _no_data("evaluate")
    logs: dict[str, Any] = goals.logs(carry["metrics"])
    display.end(logs)
    display.close()
    return logs


def predicted(model: Any, batches: Batches) -> Tree:
    """The outputs for all examples, one behind the other."""
    parts = []
    for batch in batches.of(0):
        model.ready(batch)
        values = model.values()
        given = {"x": batch["x"]}
        part, moved = model.programs.predict(values, given)(values, given)
        if moved:
            model.move(moved)
        parts.append(part)
    if not parts:
        raise _no_data("predict")
    first = flatten(parts[0])[1]
    columns = zip(*(flatten(part)[0] for part in parts), strict=True)
    return first.unflatten([np.concatenate([*map(np.asarray, column)]) for column in columns])


class _Later:
    """Metrics that are worked out when somebody asks."""

    def __init__(self, goals: Any, states: Mapping[str, Any]) -> None:
        self._goals, self._states = goals, states

    def __call__(self) -> dict[str, Any]:
        return dict(self._goals.logs(self._states))


def _limited(batches: Iterator[Any], steps: int | None) -> Iterator[Any]:
    for at, batch in enumerate(batches):
        if steps is not None and at >= steps:
            return
        yield batch


def _no_data(what: str) -> ArgumentError:
    return ArgumentError(
        f"{what}: there are no examples", fix="pass at least one batch", loc=user_location()
    )


def copied(values: Variables) -> Variables:
    """Arrays of one's own: a step overwrites those of the model."""
    found: Variables = map_leaves(np.copy, values)
    return found
