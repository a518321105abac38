"""Times of the launches of one program on its device, by events around them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..profile import Timeline
from ..program import Program
from .arrays import DeviceArray, is_on_device
from .bound import Bound
from .clock import Clock
from .device import Device
from .executable import CudaExecutable
from .graph import Captured
from .launches import Enqueued

__all__ = ["time_launches"]

REPEATED = (
    10  # launches that are captured together at least, so that what stands around weighs little
)
MOST_TURNS = 64  # of a loop, that stand for all of them
WARM_UP = 2
SHORTEST = 0.2  # seconds that the rounds take together, unless there are MOST of them
LEAST, MOST = 7, 300


def time_launches(program: Program, values: Sequence[Any], where: Device | None = None) -> Timeline:
    """The times of each launch by itself, and of the captured whole, on these arguments; parts are
    blocks.

    Arguments are copied, so that donated ones survive. A launch is repeated on its own results.
    """
    executable = CudaExecutable(program, verify=False, where=where)
    bound = executable.bind_copies([_copy(value) for value in values])
    with executable.device:
        return _timed(executable.device, bound, len(program.launches))


def _copy(value: Any) -> Any:
    if isinstance(value, DeviceArray):
        return value.copy()
    return value if is_on_device(value) else np.array(value)


def _timed(device: Device, bound: Bound, count: int) -> Timeline:
    turns: dict[int, list[Enqueued]] = {}
    for at, launch in bound.launches():
        turns.setdefault(at, []).append(launch)
    samples = {at: every[:: -(-len(every) // MOST_TURNS)] for at, every in turns.items()}
    repeated = {at: -(-REPEATED // len(some)) for at, some in samples.items()}
    alone = {at: Captured(device, samples[at] * repeated[at]) for at in turns}
    scale = {at: len(turns[at]) / (len(samples[at]) * repeated[at]) for at in turns}
    rounds: list[tuple[list[float], float]] = []
    start = time.perf_counter()
    with Clock(device) as clock:
        while len(rounds) < WARM_UP + LEAST or (
            len(rounds) < WARM_UP + MOST and time.perf_counter() - start < SHORTEST
        ):
            row = [0.0] * count
            for at, captured in alone.items():
                row[at] = clock.seconds(captured.launch) * scale[at]
            rounds.append((row, clock.seconds(bound)))
    kept = rounds[WARM_UP:]
    columns = tuple(zip(*(row for row, _ in kept), strict=True))
    blocks = [getattr(turns[at][0], "blocks", 1) if at in turns else 0 for at in range(count)]
    often = tuple(len(turns.get(at, ())) for at in range(count))
    whole = tuple(once for _, once in kept)
    return Timeline(columns, whole, 0.0, 1, often, bound.sizes, tuple(blocks))
