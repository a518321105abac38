"""Times of several callables in interleaved rounds, so that all meet the same disturbances.

A sample of a short call is many of them in a row, after one that is not counted: what is measured
is a program that is called again and again, and not how its threads wake up after those of others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, TypeVar

import numpy as np
from msgspec import Struct

__all__ = ["Times", "interleaved", "orders", "repetitions", "sample"]

_T = TypeVar("_T")
SHORTEST = 5e-3  # seconds of one sample; shorter calls are repeated inside it
MOST = 10_000  # calls in one sample


class Times(Struct, frozen=True):
    """Seconds per call, one for each round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return float(np.median(self.seconds))

    @property
    def p10(self) -> float:
        return float(np.percentile(self.seconds, 10))

    @property
    def p90(self) -> float:
        return float(np.percentile(self.seconds, 90))

    def as_dict(self) -> dict[str, float]:
        return {"median": self.median, "p10": self.p10, "p90": self.p90}


def interleaved(calls: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, Times]:
    """Each round calls everything once, or often enough to be measured."""
    inner = {name: repetitions(call) for name, call in calls.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for order in orders(list(calls), rounds):
        for name in order:
            seconds[name].append(sample(calls[name], inner[name]))
    return {name: Times(tuple(found)) for name, found in seconds.items()}


def orders(items: Sequence[_T], rounds: int) -> Iterator[Sequence[_T]]:
    """An order for each round, so that nobody always comes after the same other one, whose threads
    may still be awake."""
    for number in range(rounds):
        yield Random(number).sample(items, len(items))


def repetitions(call: Callable[[], Any]) -> int:
    """How many calls make a sample long enough; warms up on the way."""
    call()
    count = 1
    while count < MOST:
        took = sample(call, count) * count
        if took >= SHORTEST:
            break
        count *= 2 if took > SHORTEST / 8 else 8
    return min(count, MOST)


def sample(call: Callable[[], Any], count: int) -> float:
    """Seconds per call of `count` calls in a row; if they are several, after one more."""
    if count > 1:
        call()
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count
