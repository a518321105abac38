"""Times of the launches of one program, each where it stands, and of the program as it is."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .buffers import empty
from .host.caller import Caller
from .host.loader import load_image
from .program import Program

__all__ = ["Timeline", "time_launches"]

Array = np.ndarray[Any, Any]

WARM_UP = 3
SHORTEST = 0.2  # seconds that the rounds take together, unless there are MOST of them
LEAST, MOST = 10, 2000
_POINTER = ctypes.c_void_p
_TIMED = ctypes.CFUNCTYPE(ctypes.c_int32, *[_POINTER] * 3, ctypes.c_int32, _POINTER)


class Timeline(NamedTuple):
    """Seconds of each launch and of the whole program, round by round.

    The time of a launch inside of loops is that of all its `turns` together. `parts` is what each
    launch is cut into, chunks or blocks, for these values of the symbols, `sizes`.
    """

    launches: tuple[tuple[float, ...], ...]
    whole: tuple[float, ...]
    overhead: float  # of reading the clock, which is in the time of each turn and of the whole
    threads: int
    turns: tuple[int, ...]
    sizes: tuple[int, ...]
    parts: tuple[int, ...]


def time_launches(
    program: Program,
    chunks: Callable[[Sequence[int]], Sequence[int]],
    values: Sequence[Any],
    threads: int,
) -> Timeline:
    """The times of a program whose image has `timed` and `whole`, the same with clocks inside.

    `chunks` gives, from the values of the symbols, into how many parts the program cuts each
    launch. Arrays are copied: donated ones survive, and every round begins with the same values.
    """
    code = load_image(program.code)
    caller = Caller(program, code, threads=threads, verify=False)
    given = caller.take_inputs(values)
    arrays = [np.array(x) if a.donated else x for x, a in zip(given, program.inputs, strict=True)]
    sizes, shapes, arena = caller.solve(arrays)
    outputs = caller.make_outputs(arrays, shapes, None)
    pointers = caller.pointers([*arrays, *outputs])
    scratch = empty((arena,), np.uint8)
    places = (pointers.ctypes.data, sizes.ctypes.data, scratch.ctypes.data)
    times = np.zeros((len(program.launches) + 2, 2), np.int64)
    functions = [_TIMED(code.address(name)) for name in ("whole", "timed")]
    changed = [(x, y) for x, y in zip(arrays, given, strict=True) if x is not y]

    def measure() -> Array:
        times[:] = 0
        for function in functions:
            for array, original in changed:
                np.copyto(array, original)
            function(*places, threads, times.ctypes.data)
        return times[:, 0] / 1e9

    *launches, whole, nothing = map(tuple, np.array(_rounds(measure)).T.tolist())
    often = tuple(times[:-2, 1].tolist())
    overhead = float(np.median(nothing))
    known = tuple(sizes[: len(program.symbols)].tolist())
    parts = tuple(chunks(known))
    return Timeline(tuple(launches), whole, overhead, threads, often, known, parts)


def _rounds(measure: Callable[[], Array]) -> list[Array]:
    """What is measured in each round, after those that warm up."""
    found: list[Array] = []
    start = time.perf_counter()
    while len(found) < WARM_UP + LEAST or (
        len(found) < WARM_UP + MOST and time.perf_counter() - start < SHORTEST
    ):
        found.append(measure())
    return found[WARM_UP:]
