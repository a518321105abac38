"""Where the time of a program goes: each launch measured by itself, beside the whole."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from msgspec import Struct, to_builtins

from symfuse.runtime.errors import UnsupportedError
from symfuse.runtime.profile import Timeline, time_launches
from symfuse.runtime.program import Program

from ..ir.dims import evaluate
from ..targets.llvm.link import link
from ..targets.llvm.machine import Level, host_machine
from ..targets.llvm.program import chunk_count
from .cost import kernel_bytes, kernel_flops
from .records import Compiled, user_lines
from .text import as_bundle, bytes_text, seconds_text, share_text, with_facts

__all__ = ["Profile", "ProfileRow", "profile"]

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
        return self.nbytes * self.turns / self.seconds if self.seconds else 0.0

    @property
    def flops_per_second(self) -> float:
        return self.flops * self.turns / self.seconds if self.seconds else 0.0


class Profile(Struct, frozen=True):
    """Medians over rounds. Every time contains `overhead`, which calling from Python takes.

    `whole` is the program in one call, as users call it, with one overhead for all launches.
    """

    rows: tuple[ProfileRow, ...]
    whole: float
    overhead: float
    threads: int
    rounds: int

    @property
    def total(self) -> float:
        """The launches together."""
        return sum(row.seconds for row in self.rows)

    def table(self) -> str:
        """A line a launch, and what the whole takes."""
        looped = any(row.turns != 1 for row in self.rows)
        rows = [
            (
                row.name,
                seconds_text(row.seconds),
                share_text(row.seconds, self.total),
                *((str(row.turns),) if looped else ()),
                bytes_text(row.nbytes),
                f"{row.bytes_per_second / 1e9:.1f}",
                f"{row.flops_per_second / 1e9:.1f}" if row.flops else "–",
                str(row.chunks),
                ", ".join(row.lines),
            )
            for row in self.rows
        ]
        turns = ("turns",) if looped else ()
        header = ("kernel", "time", "share", *turns, "bytes", "GB/s", "GFLOP/s", "chunks", "lines")
        fact = (
            f"whole program {seconds_text(self.whole)}, kernels one by one "
            f"{seconds_text(self.total)}; each time contains {seconds_text(self.overhead)} of "
            f"measurement; medians of {self.rounds} rounds, at most {self.threads} threads"
        )
        return with_facts(header, rows, [fact])

    __str__ = table
    _repr_mimebundle_ = as_bundle

    def chrome_trace(self) -> dict[str, Any]:
        """The launches one after the other as chrome://tracing and Perfetto read them, for JSON."""
        events, start = [], 0.0
        for row in self.rows:
            length = row.seconds * 1e6
            facts = {"bytes": row.nbytes * row.turns, "turns": row.turns, "lines": list(row.lines)}
            place = {"ph": "X", "pid": 0, "tid": 0, "ts": start, "dur": length}
            events.append({"name": row.name, "cat": row.kind, **place, "args": facts})
            start += length
        return {"traceEvents": events, "displayTimeUnit": "ns"}

    def as_dict(self) -> dict[str, Any]:
        """Everything as numbers and text, for JSON."""
        found: dict[str, Any] = to_builtins(self)
        return found


def profile(compiled: Compiled, values: Sequence[Any], threads: int, level: Level) -> Profile:
    """Time the launches on these values: on the processor by code that is generated for it.

    A device has its kernels one by one as it is; there, `chunks` are blocks.
    """
    if compiled.program.device is not None:
        return _profile_of_device(compiled, values)
    if any(kernel.region for kernel in compiled.tree):
        raise UnsupportedError(
            "on the processor, kernels inside loops and branches cannot be timed one by one",
            fix="time calls of the whole program, or profile the body of the loop by itself",
        )
    program = _opened(compiled, level)
    sizes: dict[str, int] = {}

    def chunks(found: Any) -> list[int]:
        sizes.update(zip(program.symbols, map(int, found), strict=False))
        return [chunk_count(kernel, sizes) for kernel in compiled.launches]

    timeline = time_launches(program, chunks, values, threads)
    parts = [chunk_count(kernel, sizes) for kernel in compiled.launches]
    return _summary(compiled, timeline, sizes, parts)


def _profile_of_device(compiled: Compiled, values: Sequence[Any]) -> Profile:
    # What drives devices is loaded where there is a program for one.
    found: Any = importlib.import_module(_DEVICE).time_launches(compiled.program, values)
    sizes = dict(zip(compiled.program.symbols, found.sizes, strict=True))
    return _summary(compiled, found.timeline, sizes, found.blocks, found.turns)


def _opened(compiled: Compiled, level: Level) -> Program:
    """The program with its kernels among the symbols of its image."""
    machine = host_machine()
    text = compiled.written.text.replace("define hidden void @", "define dso_local void @")
    image = link(machine.emit_object(f"{text}{machine.attributes}\n", level=level))
    program: Program = replace(compiled.program, image=image)
    return program


def _summary(
    compiled: Compiled,
    timeline: Timeline,
    sizes: Mapping[str, int],
    parts: Sequence[int],
    turns: Sequence[int] = (),
) -> Profile:
    kernels, often = compiled.launches, turns or (1,) * len(parts)
    rows = tuple(
        ProfileRow(
            kernel.name,
            kernel.kind,
            median(seconds),
            evaluate(kernel_bytes(kernel), sizes),
            evaluate(kernel_flops(kernel), sizes),
            count,
            tuple(user_lines(kernel.nodes)),
            times,
        )
        for kernel, seconds, count, times in zip(
            kernels, timeline.launches, parts, often, strict=True
        )
    )
    whole = median(timeline.whole)
    return Profile(rows, whole, timeline.overhead, timeline.threads, len(timeline.whole))
