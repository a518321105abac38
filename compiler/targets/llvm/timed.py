"""A program that tells its times: the launches of `main` once more, with a clock around each.

The code is generated when a profile is asked for; `main` itself knows nothing of clocks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from symfuse.runtime.host.reporting import NAME as REPORT

from ...kernel.phases import Kernel
from ..layout import Layout
from .launcher import Entries, Launcher
from .program import MAIN, function, write_launches
from .records import call, load, step, store
from .units import Function
from .writer import Writer

__all__ = ["timing_functions"]

# The clock that counts nanoseconds: on macOS the monotonic one counts microseconds.
_CLOCK = getattr(time, "CLOCK_UPTIME_RAW", getattr(time, "CLOCK_MONOTONIC", 1))
_PARAMS = (*MAIN, ("ptr", "%times"))
_GIVEN = ", ".join(f"{type_} {name}" for type_, name in MAIN)


def timing_functions(
    kernels: Sequence[Kernel], layout: Layout, entries: Entries
) -> Iterator[Function]:
    """`timed` and `whole`, which run the program as `main` does and fill the table `times`, and
    what is called in place of reports to Python, which would be repeated in every run.

    A row of the table is nanoseconds and runs: of each launch by `timed`; by `whole` of the
    program, and in the last row of nothing, which is what reading the clock takes.
    """
    yield function("timed", partial(_timed, kernels, layout, entries))
    yield function("whole", partial(_whole, len(entries)))
    yield function(REPORT, _silence)


class _TimedLauncher(Launcher):
    """Adds the time of each launch to the row of its number."""

    def __init__(self, rows: Mapping[str, int], *given: Any) -> None:
        super().__init__(*given)
        self._rows, self._clock = rows, _Clock(self.w)

    def _launch(self, kernel: Kernel) -> None:
        before = self._clock.now()
        super()._launch(kernel)
        self._clock.add(before, self._rows[kernel.name])


class _Clock:
    """Reads the clock of the system, and adds to a row of the table what has passed."""

    def __init__(self, w: Writer) -> None:
        self.w, self._place = w, w.alloca("[2 x i64]", align=16)

    def now(self) -> str:
        """Nanoseconds."""
        w = self.w
        call(w, "i32", "clock_gettime", f"i32 {_CLOCK}", f"ptr {self._place}")
        seconds, rest = load(w, self._place), load(w, self._place, 8)
        return w.emit(f"add i64 {w.emit(f'mul i64 {seconds}, 1000000000')}, {rest}")

    def add(self, before: str, row: int) -> None:
        """Count one run, which has taken the time since `before`."""
        took = self.w.emit(f"sub i64 {self.now()}, {before}")
        for column, more in enumerate((took, "1")):
            place = step(self.w, "%times", 2 * row + column)
            store(self.w, "i64", self.w.emit(f"add i64 {load(self.w, place)}, {more}"), place)


def _timed(
    kernels: Sequence[Kernel], layout: Layout, entries: Entries, declarations: set[str]
) -> str:
    w = Writer("timed", _PARAMS, "i32", declarations=declarations)
    rows = {kernel.name: number for number, kernel in enumerate(entries)}
    return write_launches(w, kernels, layout, entries, partial(_TimedLauncher, rows))


def _whole(row: int, declarations: set[str]) -> str:
    w = Writer("whole", _PARAMS, "i32", declarations=declarations)
    w.declare("declare i32 @main(ptr, ptr, ptr, i32)")
    clock = _Clock(w)
    before = clock.now()
    status = w.emit(f"call i32 @main({_GIVEN})")
    clock.add(before, row)
    clock.add(clock.now(), row + 1)  # last, as the first reading of all takes longer
    w.line(f"ret i32 {status}")
    return w.text()


def _silence(declarations: set[str]) -> str:
    params = [("ptr", "%text"), ("ptr", "%operands"), ("ptr", "%dims")]
    w = Writer(REPORT, params, declarations=declarations)
    w.line("ret void")
    return w.text()
