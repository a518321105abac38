"""Learning rates that change: functions of the number of updates so far, also while traced."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArgumentError

from ..limits import SHARE, number
from ..names import remembered
from ..numpy.shared import convert, traced
from .optimizer import Schedule

__all__ = [
    "Constant",
    "CosineDecay",
    "ExponentialDecay",
    "InverseSquareRootDecay",
    "InverseTimeDecay",
    "OneCycle",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "StepDecay",
    "WarmUp",
]


_LENGTH = number(0, above=True)


@remembered
def Constant(learning_rate: float) -> Schedule:
    """The same rate for ever.

    >>> import symfuse as sf
    >>> float(sf.optim.Constant(0.1)(1000))
    0.1
    """
    return lambda step: _number(step) * 0.0 + learning_rate


@remembered
def StepDecay(initial_learning_rate: float, decay_steps: int, decay_rate: float = 0.1) -> Schedule:
    """The rate times decay_rate after every decay_steps updates.

    >>> import symfuse as sf
    >>> [float(sf.optim.StepDecay(8.0, 10, 0.5)(step)) for step in (0, 9, 10, 20)]
    [8.0, 8.0, 4.0, 2.0]
    """
    return ExponentialDecay(initial_learning_rate, decay_steps, decay_rate, staircase=True)


@remembered
def ExponentialDecay(
    initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False
) -> Schedule:
    """initial · decay_rate ^ (step / decay_steps), the exponent a whole number with `staircase`.

    >>> import symfuse as sf
    >>> float(sf.optim.ExponentialDecay(1.0, 10, 0.25)(5))
    0.5
    """
    _LENGTH.expect(decay_steps, "ExponentialDecay", "decay_steps")

    def schedule(step: Any) -> Any:
        return initial_learning_rate * decay_rate ** _stairs(step, decay_steps, staircase)

    return schedule


@remembered
def InverseTimeDecay(
    initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False
) -> Schedule:
    """initial / (1 + decay_rate · step / decay_steps).

    >>> import symfuse as sf
    >>> float(sf.optim.InverseTimeDecay(1.0, 10, 0.5)(20))
    0.5
    """
    _LENGTH.expect(decay_steps, "InverseTimeDecay", "decay_steps")

    def schedule(step: Any) -> Any:
        return initial_learning_rate / (1.0 + decay_rate * _stairs(step, decay_steps, staircase))

    return schedule


@remembered
def InverseSquareRootDecay(initial_learning_rate: float) -> Schedule:
    """initial / √(step + 1).

    >>> import symfuse as sf
    >>> float(sf.optim.InverseSquareRootDecay(1.0)(3))
    0.5
    """
    return lambda step: initial_learning_rate / np.sqrt(_number(step) + 1.0)


@remembered
def PolynomialDecay(
    initial_learning_rate: float,
    decay_steps: int,
    end_learning_rate: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
) -> Schedule:
    """(initial − end) · (1 − step / decay_steps) ^ power + end, then end; or again with `cycle`.

    >>> import symfuse as sf
    >>> [float(sf.optim.PolynomialDecay(1.0, 10, 0.0)(step)) for step in (0, 5, 10, 50)]
    [1.0, 0.5, 0.0, 0.0]
    """
    _LENGTH.expect(decay_steps, "PolynomialDecay", "decay_steps")

    def schedule(step: Any) -> Any:
        step = _number(step)
        if cycle:
            length = decay_steps * np.maximum(np.ceil(step / decay_steps), 1.0)
        else:
            length, step = float(decay_steps), np.minimum(step, float(decay_steps))
        left = 1.0 - step / length
        return (initial_learning_rate - end_learning_rate) * left**power + end_learning_rate

    return schedule


@remembered
def PiecewiseConstantDecay(boundaries: Sequence[float], values: Sequence[float]) -> Schedule:
    """values[0] up to and with step boundaries[0], then values[1], and so on.

    >>> import symfuse as sf
    >>> schedule = sf.optim.PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1])
    >>> [float(schedule(step)) for step in (10, 11, 20, 21)]
    [1.0, 0.5, 0.5, 0.1]
    """
    if len(values) != len(boundaries) + 1:
        raise ArgumentError(
            f"{len(boundaries)} boundaries are between {len(boundaries) + 1} values, "
            f"got {len(values)}",
            fix="give one value more than boundaries",
            loc=user_location(),
        )

    if list(boundaries) != sorted(boundaries):
        raise ArgumentError(
            f"the boundaries {list(boundaries)} are not in order",
            fix="sort them, and the values with them",
            loc=user_location(),
        )

    def schedule(step: Any) -> Any:
        step = _number(step)
        rate: Any = values[-1]
        for boundary, value in zip(reversed(boundaries), reversed(values[:-1]), strict=True):
            rate = np.where(step <= boundary, value, rate)
        return rate

    return schedule


@remembered
def CosineDecay(
    initial_learning_rate: float,
    decay_steps: int,
    alpha: float = 0.0,
    warmup_target: float | None = None,
    warmup_steps: int = 0,
) -> Schedule:
    """Half a cosine from initial to alpha · initial within decay_steps, then constant.

    With a warm-up the rate first rises from initial to `warmup_target` in a straight line, and the
    cosine begins there.

    >>> import symfuse as sf
    >>> [round(float(sf.optim.CosineDecay(1.0, 10)(step)), 12) for step in (0, 5, 10, 99)]
    [1.0, 0.5, 0.0, 0.0]
    """
    _LENGTH.expect(decay_steps, "CosineDecay", "decay_steps")
    top = initial_learning_rate if warmup_target is None else warmup_target

    def cosine(step: Any) -> Any:
        done = np.minimum(step, float(decay_steps)) / decay_steps
        return top * ((1.0 - alpha) * 0.5 * (1.0 + np.cos(math.pi * done)) + alpha)

    def schedule(step: Any) -> Any:
        step = _number(step)
        if warmup_target is None or not warmup_steps:
            return cosine(step)
        rising = initial_learning_rate + (top - initial_learning_rate) * (step / warmup_steps)
        return np.where(step < warmup_steps, rising, cosine(np.maximum(step - warmup_steps, 0.0)))

    return schedule


@remembered
def WarmUp(schedule: float | Schedule, warmup_steps: int, start: float = 0.0) -> Schedule:
    """A straight line from `start` in warmup_steps updates to where the schedule then begins.

    >>> import symfuse as sf
    >>> [float(sf.optim.WarmUp(1.0, 4)(step)) for step in (0, 1, 4, 9)]
    [0.0, 0.25, 1.0, 1.0]
    """
    _LENGTH.expect(warmup_steps, "WarmUp", "warmup_steps")
    after = schedule if callable(schedule) else Constant(schedule)

    def warmed(step: Any) -> Any:
        step = _number(step)
        share = step / warmup_steps
        rising = start + (after(0.0 * step) - start) * share
        return np.where(share < 1.0, rising, after(np.maximum(step - warmup_steps, 0.0)))

    return warmed


@remembered
def OneCycle(
    max_learning_rate: float,
    total_steps: int,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """Cosines from max / div_factor up to max, and down to a final_div_factor-th of the start.

    >>> import symfuse as sf
    >>> schedule = sf.optim.OneCycle(1.0, 12, pct_start=0.5, div_factor=10)
    >>> [round(float(schedule(step)), 6) for step in (0, 5, 11)]
    [0.1, 1.0, 1e-05]
    """
    _LENGTH.expect(total_steps, "OneCycle", "total_steps")
    SHARE.expect(pct_start, "OneCycle", "pct_start")
    low = max_learning_rate / div_factor
    peak, last = pct_start * total_steps - 1.0, total_steps - 1.0

    def schedule(step: Any) -> Any:
        step = np.minimum(_number(step), last)
        up = _between(low, max_learning_rate, _share(step, peak))
        down = _between(max_learning_rate, low / final_div_factor, _share(step - peak, last - peak))
        return np.where(step <= peak, up, down)

    return schedule


def _between(start: float, end: float, share: Any) -> Any:
    """Half a cosine from start to end."""
    return end + (start - end) * 0.5 * (1.0 + np.cos(math.pi * share))


def _share(done: Any, length: float) -> Any:
    """How much of a length is done; all of none."""
    return done / length if length else 1.0


def _stairs(step: Any, length: int, staircase: bool) -> Any:
    share = _number(step) / length
    return np.floor(share) if staircase else share


def _number(step: Any) -> Any:
    return convert(traced(step), DType.F64)
