"""A network that is being trained: what is picked, where it stands, and how it looks now."""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct

from ..training.diverged import DivergedError
from .data import Points, drawn, square
from .network import Network
from .programs import SIZE, Program, Programs, Summary
from .settings import Settings, SettingsError

__all__ = ["Frame", "Number", "Session", "State", "dots", "levels_text"]

MOST_POINTS = 1000  # of the loss curves; beyond, every other one is dropped
_EPOCHS = {"1 epoch": 1, "10 epochs": 10}
_FULL_SECONDS = 0.03  # of steps between two pictures at full speed


class Frame(Struct, frozen=True):
    """The network at one moment; maps are signed bytes in base64, −127 to 127."""

    epoch: float
    step: int
    train_loss: float
    test_loss: float
    train_accuracy: float
    test_accuracy: float
    weights: list[Any]
    biases: list[Any]
    output: str
    neurons: str


class Number(Struct, frozen=True, forbid_unknown_fields=True):
    """A weight of a layer, from a `source` to a neuron, and its value; without one, the bias."""

    layer: Annotated[int, Meta(ge=0)]
    neuron: Annotated[int, Meta(ge=0)]
    value: Annotated[float, Meta(ge=-1000, le=1000)]
    source: Annotated[int, Meta(ge=0)] | None = None


class State(Struct, frozen=True):
    """Everything but the frame: what changes only when somebody picks something."""

    settings: Settings
    problem: str
    train: list[Any]
    test: list[Any]
    program: Summary
    history: list[tuple[float, float, float]]


class Session:
    """One person's network; not for several threads at once.

    >>> session = Session(Settings(data="gauss", layers=()))
    >>> session.advance(session.epoch_steps)
    >>> session.frame().epoch
    1.0
    """

    program: Program
    points: Points
    history: list[tuple[float, float, float]]
    steps: int
    step_seconds: float
    _seen: int
    _carry: list[Any]
    _penalty_rate: Any

    def __init__(self, settings: Settings | None = None, programs: Programs | None = None) -> None:
        self.settings = settings or Settings()
        self.programs = programs or Programs()
        self._grid = square(SIZE)
        self._begin(self.programs.of(Network.of(self.settings)), drawn(self.settings))

    def change(self, given: Mapping[str, Any]) -> Settings:
        """Take other settings; training starts again unless they are rates, batch size or speed.

        Returns all settings. Raises SettingsError, and keeps them, where one is not allowed.
        """
        old, new = self.settings, self.settings.changed(given)
        network, program = Network.of(new), self.program
        if network != program.network:
            program = self.programs.of(network)
        self.settings = new
        if program is not self.program or _data_of(new) != _data_of(old):
            self._begin(program, drawn(new))
        else:
            self._continue()
        return new

    def reset(self) -> None:
        """Start again from the first weights."""
        self._begin(self.program, self.points)

    def set(self, number: Number) -> None:
        """Give a weight or a bias another value; training goes on from there.

        Raises SettingsError where the network has no such number.

        >>> session = Session(Settings(layers=()))
        >>> session.set(Number(layer=0, neuron=0, source=1, value=2.5))
        >>> session.frame().weights[0][1]
        [2.5]
        """
        place = (number.neuron,) if number.source is None else (number.source, number.neuron)
        try:
            layer = self.params[number.layer]
            layer["bias" if number.source is None else "weights"][place] = number.value
        except IndexError:
            sizes = "-".join(map(str, self.program.network.sizes))
            raise SettingsError(
                f"the network {sizes} has no such weight", fix="pick one that is drawn"
            ) from None

    @property
    def epoch_steps(self) -> int:
        """Steps of one pass over the training points; the last batch may be smaller."""
        return math.ceil(len(self.points.train_y) / self.settings.batch_size)

    @property
    def epoch(self) -> float:
        """How often each training point has been seen."""
        return self._seen / len(self.points.train_y)

    def play(self) -> None:
        """Train for as long as the speed says lies between two pictures."""
        if self.settings.speed == "full":
            self._advance_for(_FULL_SECONDS)
        else:
            self.advance(_EPOCHS.get(self.settings.speed, 0) * self.epoch_steps or 1)

    def advance(self, steps: int) -> None:
        """Run the compiled step; raises DivergedError where the loss is no number any more."""
        began, step, points = time.perf_counter(), self.program.step, self.points
        for _ in range(steps):
            batch = self._next_batch()
            loss, *self._carry = step(
                batch, points.train_x, points.train_y, self._penalty_rate, *self._carry
            )
            if not math.isfinite(loss):
                raise self._diverged(float(loss))
            self.steps += 1
            self._seen += len(batch)
        self.step_seconds = (time.perf_counter() - began) / steps

    def frame(self) -> Frame:
        """The network now, with a new point on the loss curves."""
        p, params = self.points, self.params
        train_loss, test_loss, *shares, output, neurons = self.program.look(
            self._grid, p.train_x, p.train_y, p.test_x, p.test_y, *self._carry
        )
        self._remember((round(self.epoch, 3), float(train_loss), float(test_loss)))
        return Frame(
            epoch=round(self.epoch, 3),
            step=self.steps,
            train_loss=float(train_loss),
            test_loss=float(test_loss),
            train_accuracy=float(shares[0]),
            test_accuracy=float(shares[1]),
            weights=[_rounded(layer["weights"]) for layer in params],
            biases=[_rounded(layer["bias"]) for layer in params],
            output=levels_text(output),
            neurons=levels_text(neurons),
        )

    def state(self) -> State:
        """What a page that has just been opened needs beside the frame."""
        p, problem = self.points, self.program.network.problem
        return State(
            self.settings,
            problem,
            dots(p.train_x, p.train_y, problem),
            dots(p.test_x, p.test_y, problem),
            self.program.summary(self.settings.batch_size, len(p.train_y)),
            list(self.history),
        )

    @property
    def params(self) -> list[dict[str, Any]]:
        """Weights and bias of each layer now."""
        return self.program.params(self._carry)

    def _begin(self, program: Program, points: Points) -> None:
        self.program, self.points = program, points
        self._carry = program.start(self.settings.seed, self.settings.learning_rate)
        self.steps, self._seen, self.step_seconds = 0, 0, 0.0
        self.history = []
        self._shuffle = np.random.default_rng(self.settings.seed)
        self._continue()

    def _continue(self) -> None:
        """Take the rates over: they are arguments of the compiled step."""
        self._carry = self.program.with_rate(self._carry, self.settings.learning_rate)
        self._penalty_rate = np.asarray(self.settings.penalty_rate, np.float32)

    def _next_batch(self) -> Any:
        """The next examples of an order that is drawn anew for each epoch."""
        start = self._seen % len(self.points.train_y)
        if start == 0:
            self._order = self._shuffle.permutation(len(self.points.train_y))
        return self._order[start : start + self.settings.batch_size]

    def _advance_for(self, seconds: float) -> None:
        """Train for this long, an epoch at a time."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            self.advance(self.epoch_steps)

    def _remember(self, point: tuple[float, float, float]) -> None:
        if self.history and self.history[-1][0] >= point[0]:
            return
        self.history.append(point)
        if len(self.history) > MOST_POINTS:
            del self.history[1::2]

    def _diverged(self, loss: float) -> DivergedError:
        return DivergedError(
            f"the loss is {loss} in step {self.steps + 1}; the picture shows the network before it",
            fix="lower the learning rate or the rate of the penalty, then reset",
        )


def levels_text(levels: Any) -> str:
    """i8 values in base64."""
    return base64.b64encode(np.ascontiguousarray(levels).tobytes()).decode()


def _data_of(settings: Settings) -> tuple[Any, ...]:
    return settings.data, settings.noise, settings.train_share, settings.seed


def dots(x: Any, y: Any, problem: str) -> list[Any]:
    """[x1, x2, target] of each point, the target between −1 and 1."""
    target = 2 * y - 1 if problem == "classification" else y
    return _rounded(np.column_stack([x, target]))


def _rounded(values: Any) -> list[Any]:
    found: list[Any] = np.round(np.asarray(values, float), 4).tolist()
    return found
