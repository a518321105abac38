"""Where the time of a program goes: each launch measured where it stands, beside the whole."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from statistics import median
from typing import Any

from msgspec import Struct, to_builtins

from symfuse.runtime.profile import time_launches

from ..ir.dims import evaluate
from ..kernel.phases import Kernel
from ..kernel.regions import lines
from ..targets.llvm.machine import Level
from ..targets.llvm.program import chunk_count
from .cost import kernel_bytes, kernel_flops
from .records import Compiled, user_lines
from .text import as_bundle, bytes_text, seconds_text, share_text, with_facts

__all__ = ["Profile", "ProfileRow", "Section", "profile"]

_DEVICE = "symfuse.runtime.cuda.profile"


class ProfileRow(Struct, frozen=True):
    """One launch: the median of its seconds, the bytes it touches, its arithmetic instructions,
    the user's lines; of a launch in a loop, the seconds of all its `turns` and the rest of one."""

    name: str
    kind: str
    seconds: float
    nbytes: int
    flops: int
    chunks: int
    lines: tuple[str, ...]
    turns: int = 1

    @property
    def bytes_per_second(self) -> float:
        """Of all turns; 0 of a launch that did not run."""
        return self.nbytes * self.turns / self.seconds if self.seconds else 0.0

    @property
    def flops_per_second(self) -> float:
        """Of all turns; 0 of a launch that did not run."""
        return self.flops * self.turns / self.seconds if self.seconds else 0.0


class Section(Struct, frozen=True):
    """A loop, a branch or a kernel in the tree of launches, and the numbers of the rows inside."""

    depth: int
    words: str
    rows: tuple[int, ...]
    is_kernel: bool


class Profile(Struct, frozen=True):
    """Medians over rounds. Each turn of each time contains `overhead`, of reading the clock.

    `whole` is the program in one call, as users call it, without clocks inside. `tree` is how the
    launches stand in loops and branches.
    """

    rows: tuple[ProfileRow, ...]
    whole: float
    overhead: float
    threads: int
    rounds: int
    tree: tuple[Section, ...]

    @property
    def total(self) -> float:
        """The launches together."""
        return self._seconds(range(len(self.rows)))

    def table(self) -> str:
        """A line a launch, in its loops and branches, and what the whole takes."""
        turns = ("turns",) if any(row.turns != 1 for row in self.rows) else ()
        header = ("kernel", "time", "share", *turns, "bytes", "GB/s", "GFLOP/s", "chunks", "lines")
        rows = [self._line(section, len(header)) for section in self.tree]
        clock = f"each turn contains {seconds_text(self.overhead)} of measurement; "
        fact = (
            f"whole program {seconds_text(self.whole)}, its kernels "
            f"{seconds_text(self.total)}; {clock if self.overhead else ''}"
            f"medians of {self.rounds} rounds, at most {self.threads} threads"
        )
        return with_facts(header, rows, [fact])

    __str__ = table
    _repr_mimebundle_ = as_bundle

    def chrome_trace(self) -> dict[str, Any]:
        """The launches one after the other, inside loops and branches, as chrome://tracing and
        Perfetto read them, for JSON."""
        starts = list(accumulate((row.seconds * 1e6 for row in self.rows), initial=0.0))
        events = [self._event(section, starts) for section in self.tree]
        return {"traceEvents": events, "displayTimeUnit": "ns"}

    def as_dict(self) -> dict[str, Any]:
        """Everything as numbers and text, for JSON."""
        found: dict[str, Any] = to_builtins(self)
        return found

    def _seconds(self, rows: Iterable[int]) -> float:
        return sum(self.rows[number].seconds for number in rows)

    def _event(self, section: Section, starts: Sequence[float]) -> dict[str, Any]:
        start = starts[section.rows[0]] if section.rows else 0.0
        length = sum(self.rows[number].seconds * 1e6 for number in section.rows)
        kind, facts = "region", dict[str, Any]()
        if section.is_kernel:
            row = self.rows[section.rows[0]]
            kind = row.kind
            facts = {"bytes": row.nbytes * row.turns, "turns": row.turns, "lines": list(row.lines)}
        place = {"ph": "X", "pid": 0, "tid": 0, "ts": start, "dur": length}
        return {"name": section.words, "cat": kind, **place, "args": facts}

    def _line(self, section: Section, columns: int) -> tuple[str, ...]:
        """The cells of a line; of a loop or branch what the launches inside take."""
        seconds = self._seconds(section.rows)
        name = "  " * section.depth + section.words
        took = seconds_text(seconds) if seconds else _NOTHING
        cells = (name, took, share_text(seconds, self.total))
        if not section.is_kernel:
            return cells + ("",) * (columns - len(cells))
        row = self.rows[section.rows[0]]
        turns = (str(row.turns),) if columns > _COLUMNS else ()
        return (*cells, *turns, *_rates(row))


_COLUMNS = 8  # of a table without turns
_NOTHING = "–"


def _rates(row: ProfileRow) -> tuple[str, ...]:
    return (
        bytes_text(row.nbytes),
        f"{row.bytes_per_second / 1e9:.1f}" if row.turns else _NOTHING,
        f"{row.flops_per_second / 1e9:.1f}" if row.flops and row.turns else _NOTHING,
        str(row.chunks),
        ", ".join(row.lines),
    )


def profile(compiled: Compiled, values: Sequence[Any], threads: int, level: Level) -> Profile:
    """Time the launches on these values: on the processor by code with clocks in it, which is
    generated for that; what prints or checks is silent there.

    A device has its kernels one by one as it is; there, `chunks` are blocks.
    """
    program = compiled.program
    if (image := compiled.written.timed(level)) is not None:
        timed = replace(program, image=image)
        timeline = time_launches(timed, _chunks_of(compiled), values, threads)
    else:
        # What drives devices is loaded where there is a program for one.
        timeline = importlib.import_module(_DEVICE).time_launches(program, values)
    sizes = dict(zip(program.symbols, timeline.sizes, strict=True))
    given = (timeline.launches, timeline.turns, timeline.parts)
    rows = tuple(_row(*one, sizes) for one in zip(compiled.launches, *given, strict=True))
    whole, rounds = median(timeline.whole), len(timeline.whole)
    tree = tuple(_sections(compiled.tree))
    return Profile(rows, whole, timeline.overhead, timeline.threads, rounds, tree)


def _chunks_of(compiled: Compiled) -> Callable[[Sequence[int]], Sequence[int]]:
    """Into how many chunks each launch is cut, by the values of the symbols."""

    def chunks(found: Sequence[int]) -> list[int]:
        sizes = dict(zip(compiled.program.symbols, found, strict=True))
        return [chunk_count(kernel, sizes) for kernel in compiled.launches]

    return chunks


def _row(
    kernel: Kernel, seconds: Sequence[float], turns: int, chunks: int, sizes: Mapping[str, int]
) -> ProfileRow:
    return ProfileRow(
        kernel.name,
        kernel.kind,
        median(seconds),
        evaluate(kernel_bytes(kernel), sizes),
        evaluate(kernel_flops(kernel), sizes),
        chunks,
        tuple(user_lines(kernel.nodes)),
        turns,
    )


def _sections(tree: Sequence[Kernel]) -> Iterator[Section]:
    """The lines of the tree; those below one are the ones that stand further in."""
    found = list(lines(tree))
    numbers = list(accumulate((kernel.region is None for _, _, kernel in found), initial=0))
    for at, (depth, words, kernel) in enumerate(found):
        below = (k for k in range(at + 1, len(found)) if found[k][0] <= depth)
        stop = numbers[next(below, len(found))]
        yield Section(depth, words, tuple(range(numbers[at], stop)), kernel.region is None)
