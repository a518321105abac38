"""The loops around compiled steps: over epochs and batches, with callbacks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from typing import Any

import numpy as np
from msgspec import Struct

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

from ..callbacks.callback import Callbacks
from ..nn.layer import Variables
from ..tracing.tree import flatten, map_leaves
from .batches import Batches, example_count
from .carried import Carried
from .diverged import expect_finite
from .history import History
from .interrupts import Interrupts, between_steps
from .objectives import Goals
from .progress import Silent

__all__ = ["Progress", "Validation", "evaluated", "fitted", "predicted"]

Tree = Any


class Progress(Struct):
    """Where a fit is: its epoch, the batches of it that are done, and what metrics they gave.

    `batches` is how many the epoch has, where that is known.
    """

    epoch: int = 0
    batch: int = 0
    metrics: Tree = None
    batches: int | None = None


class Validation(Struct, frozen=True):
    """What a model is tested with after every `every` epochs."""

    batches: Batches
    every: int = 1

    def __post_init__(self) -> None:
        expect_positive("validation_freq", self.every)


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
    expect_positive("steps_per_epoch", steps)
    history = History()
    model.history, model.stop_training = history, False
    count = steps or batches.count
    goals, stream = _begun(model, batches, _stream(model, batches, steps, epochs.start))
    where = model.epoch, model.progress.batch
    callbacks.call("on_train_begin", {})
    if where != (model.epoch, model.progress.batch):  # a callback has gone back to a checkpoint
        stream = _stream(model, batches, steps, model.progress.epoch)
    try:
        with between_steps() as interrupts:
            for epoch in range(max(epochs.start, model.progress.epoch), epochs.stop):
                model.progress.batches = count
                callbacks.call("on_epoch_begin", epoch, {})
                display.begin(f"epoch {epoch + 1}/{epochs.stop}", count)
                logs = _epoch(model, stream, goals, callbacks, display, interrupts)
                model.epoch += 1
                stream = _stream(model, batches, steps, epoch + 1)
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


def _stream(model: Any, batches: Batches, steps: int | None, epoch: int) -> Iterator[Any]:
    """The batches of an epoch of this fit: from its middle, if the model was loaded from there."""
    if not model.resumes:
        model.progress = Progress()
    model.progress.epoch, model.resumes = epoch, False
    _expect_same_count(model.progress, steps or batches.count)
    done = model.progress.batch
    return islice(batches.of(model.epoch, done), None if steps is None else max(steps - done, 0))


def _expect_same_count(progress: Progress, count: int | None) -> None:
    known = progress.batches
    if progress.batch and None not in (known, count) and known != count:
        raise ArgumentError(
            f"the model is in the middle of an epoch of {known} batches, and there are {count}",
            fix="pass the data and the batch_size of before, or save models at ends of epochs",
            loc=user_location(),
        )


def _begun(model: Any, batches: Batches, stream: Iterator[Any]) -> tuple[Goals, Iterator[Any]]:
    """What the model is trained for, and all batches, of which the first one has told it."""
    first = next(stream, None)
    if first is None and model.progress.batch:  # a checkpoint was behind the last one
        return model.ready(next(batches.of(model.epoch))), stream
    if first is None:
        raise _no_data("fit")
    return model.ready(first), chain((first,), stream)


def _epoch(
    model: Any,
    batches: Iterator[Any],
    goals: Goals,
    callbacks: Callbacks,
    display: Silent,
    stop: Interrupts,
) -> dict[str, Any]:
    """The metrics of one pass over the batches."""
    watched = callbacks.watches("on_train_batch_begin") or callbacks.watches("on_train_batch_end")
    carried, progress = None, model.progress
    try:
        for at, batch in enumerate(batches, progress.batch):
            if carried is None:
                goals = model.ready(batch)
                carried = Carried({**model.carry(), "metrics": progress.metrics or goals.init()})
            if watched:
                callbacks.call("on_train_batch_begin", at, {})
            carried.step(model.programs, model.step_key, batch)
            if not math.isfinite(carried.loss):
                expect_finite(model, carried.tree, batch, f"batch {at} of epoch {model.epoch + 1}")
            progress.batch = at + 1
            later = _Later(goals, carried)
            display.step(example_count(batch), later)
            if watched:
                _keep(model, carried)
                callbacks.call("on_train_batch_end", at, later())
                carried = Carried({**model.carry(), "metrics": progress.metrics})
            stop.check()
    finally:
        if carried is not None:
            _keep(model, carried)
    if not progress.batch:
        raise _used_up(model.epoch)
    logs: dict[str, Any] = goals.logs(progress.metrics)
    return logs


def _keep(model: Any, carried: Carried) -> None:
    """Let the model have what the last step gave."""
    carry = carried.tree
    model.take(carry)
    model.progress.metrics = carry["metrics"]


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
        display.step(example_count(batch), partial(goals.logs, carry["metrics"]))
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

    def __init__(self, goals: Any, carried: Carried) -> None:
        self._goals, self._carried = goals, carried

    def __call__(self) -> dict[str, Any]:
        return dict(self._goals.logs(self._carried.tree["metrics"]))


def _no_data(what: str) -> ArgumentError:
    return ArgumentError(
        f"{what}: there are no examples", fix="pass at least one batch", loc=user_location()
    )


def _used_up(epochs: int) -> ArgumentError:
    return ArgumentError(
        f"fit: there are no batches after {epochs} epochs: what gives them is used up",
        fix="give what can be gone through again, such as a list or an sf.data.Dataset, or say"
        " how many batches an epoch has, by steps_per_epoch",
        loc=user_location(),
    )


def expect_positive(name: str, value: int | None) -> None:
    """Raise ArgumentError where a number of batches or epochs is not at least 1."""
    if value is not None and value < 1:
        raise ArgumentError(f"{name}={value}", fix="give 1 or more", loc=user_location())


def copied(values: Variables) -> Variables:
    """Arrays of one's own: a step overwrites those of the model."""
    found: Variables = map_leaves(np.copy, values)
    return found
