"""Times of the launches of one program, each run by itself in the order of the program."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .buffers import empty
from .host import library
from .host.caller import Caller
from .host.loader import LoadedImage, load_image
from .host.threads import PARALLEL
from .program import Program

__all__ = ["Timeline", "time_launches"]

Array = np.ndarray[Any, Any]

WARM_UP = 3
SHORTEST = 0.2  # seconds that the rounds take together, unless there are MOST of them
LEAST, MOST = 10, 2000
_POINTER = ctypes.c_void_p
_KERNEL = ctypes.CFUNCTYPE(None, _POINTER, ctypes.c_int32, ctypes.c_int32)
_MAIN = ctypes.CFUNCTYPE(ctypes.c_int32, _POINTER, _POINTER, _POINTER, ctypes.c_int32)
_POOL = ctypes.CFUNCTYPE(None, _POINTER, _POINTER, ctypes.c_int32, ctypes.c_int32)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Seconds of each launch and of the whole program, round by round."""

    launches: tuple[tuple[float, ...], ...]
    whole: tuple[float, ...]
    overhead: float  # of calling code from Python and reading the clock, which every time contains
    threads: int


def time_launches(
    program: Program, chunks: Callable[[Array], Sequence[int]], values: Sequence[Any], threads: int
) -> Timeline:
    """The times of a program whose kernels are symbols of its image.

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
    frame = np.array(places, np.int64)
    parts = chunks(sizes)
    calls = [
        _launch(code, launch.name, frame.ctypes.data, count, threads)
        for launch, count in zip(program.launches, parts, strict=True)
    ]
    main = _MAIN(code.address("main"))
    calls.append(lambda: main(*places, threads))
    changed = [(x, y) for x, y in zip(arrays, given, strict=True) if x is not y]
    rounds = _rounds(calls, changed)
    columns = tuple(zip(*rounds, strict=True))
    return Timeline(columns[:-1], columns[-1], _overhead(), threads)


def _launch(
    code: LoadedImage, name: str, frame: int, chunks: int, threads: int
) -> Callable[[], Any]:
    """One launch as the program makes it: in one part, or handed to the pool."""
    where = code.address(name)
    if chunks <= 1:
        kernel = _KERNEL(where)
        return lambda: kernel(frame, 0, 1)
    pool = _POOL(library.address(PARALLEL))
    return lambda: pool(where, frame, chunks, threads)


def _rounds(
    calls: Sequence[Callable[[], Any]], changed: Sequence[tuple[Array, Array]]
) -> list[tuple[float, ...]]:
    """Seconds of each call in rounds of all; the last is all others at once, on inputs as new."""
    found: list[tuple[float, ...]] = []
    start = time.perf_counter()
    while len(found) < WARM_UP + LEAST or (
        len(found) < WARM_UP + MOST and time.perf_counter() - start < SHORTEST
    ):
        row = []
        for at, call in enumerate(calls):
            if at in (0, len(calls) - 1):
                for array, original in changed:
                    np.copyto(array, original)
            before = time.perf_counter()
            call()
            row.append(time.perf_counter() - before)
        found.append(tuple(row))
    return found[WARM_UP:]


def _overhead() -> float:
    """Seconds that timing a call which does nothing takes."""
    nothing = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(library.address("abs"))
    seconds = []
    for _ in range(200):
        before = time.perf_counter()
        nothing(1)
        seconds.append(time.perf_counter() - before)
    return float(np.median(seconds))
