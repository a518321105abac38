"""The facts of each launch: what it is, where it comes from, what it moves, how often it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from ..ir.dims import Dim
from ..kernel.phases import Kernel
from ..kernel.regions import turns
from ..targets.target import Usage
from .cost import kernel_bytes
from .kernels import described, format_kernel, shortened
from .records import user_lines
from .text import as_bundle, bytes_text, count_text, seconds_text, table

__all__ = ["KernelRecord", "KernelRecords", "kernel_records"]


class KernelRecord(Struct, frozen=True):
    """One launch: what it is, where it comes from, what it moves, and its text."""

    number: int
    name: str
    kind: str
    operations: tuple[str, ...]
    lines: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    tiles: Dim
    nbytes: Dim
    work: Dim
    text: str
    usage: Usage | None = None
    why: str = ""
    phases: int = 0  # of its parts; none where a library does the work
    turns: Dim = 1  # how often it runs, as far as that is known; `nbytes` are those of one

    @property
    def code(self) -> str:
        """The text of the kernel."""
        return self.text

    def as_dict(self) -> dict[str, Any]:
        """Everything as text and numbers, for JSON."""
        numbers = {
            "tiles": self.tiles,
            "bytes": self.nbytes,
            "work": self.work,
            "turns": self.turns,
        }
        return {
            "name": self.name,
            "kind": self.kind,
            **({"why": self.why} if self.why else {}),
            "operations": list(self.operations),
            "lines": list(self.lines),
            "reads": list(self.reads),
            "writes": list(self.writes),
            **{k: v if isinstance(v, int) else str(v) for k, v in numbers.items()},
            **({} if self.usage is None else {"device": self.usage.as_dict()}),
        }


class KernelRecords(tuple[KernelRecord, ...]):
    """The launches in order; it prints as a table."""

    __slots__ = ()

    def table(self) -> str:
        """A line a launch; with what it takes of a device where it runs on one."""
        columns: list[tuple[Sequence[str], Callable[[KernelRecord], Sequence[str]]]]
        columns = [(("launch", "kind", "operations", "lines", "tiles", "bytes"), _cells)]
        if any(k.turns != 1 for k in self):
            columns.append((("turns",), lambda k: (count_text(k.turns),)))
        if any(k.usage for k in self):
            columns.append((_USAGE, lambda k: _usage_cells(k.usage)))
        names = [name for some, _ in columns for name in some]
        return table(names, [[c for _, cells in columns for c in cells(k)] for k in self], left=4)

    __str__ = table
    _repr_mimebundle_ = as_bundle


_USAGE = ("threads", "registers", "shared", "occupancy", "compiled in")


def _cells(k: KernelRecord) -> tuple[str, ...]:
    return (
        f"k{k.number}",
        k.kind,
        shortened(", ".join(k.operations)),
        ", ".join(k.lines[:2]) + (" …" if len(k.lines) > 2 else ""),
        count_text(k.tiles),
        bytes_text(k.nbytes),
    )


def _usage_cells(usage: Usage | None) -> tuple[str, ...]:
    """Dashes stand for what is not known; spilled registers are told beside those in use."""
    if usage is None:
        return ("–",) * len(_USAGE)
    registers = "–" if usage.registers is None else str(usage.registers)
    spilled = f" + {usage.spilled} bytes spilled" if usage.spilled else ""
    limited = f" ({usage.limit})" if usage.limit else ""
    return (
        str(usage.threads),
        f"{registers}{spilled}",
        bytes_text(usage.shared),
        "–" if usage.occupancy is None else f"{100 * usage.occupancy:.0f} %{limited}",
        "–" if usage.seconds is None else seconds_text(usage.seconds),
    )


def kernel_records(tree: Sequence[Kernel], usages: Sequence[Usage | None] = ()) -> KernelRecords:
    """What there is to say about each launch, those of loops and branches as well."""
    launches = tuple(turns(tree))
    return KernelRecords(
        KernelRecord(
            number,
            kernel.name,
            kernel.kind,
            tuple(dict.fromkeys(node.op.name for node in kernel.nodes)),
            tuple(user_lines(kernel.nodes)),
            tuple(map(described, kernel.reads)),
            tuple(map(described, kernel.writes)),
            kernel.tiles,
            kernel_bytes(kernel),
            kernel.work,
            format_kernel(kernel),
            usage,
            kernel.why,
            sum(1 for part in kernel.parts for _ in part.every_phase()),
            often,
        )
        for number, ((kernel, often), usage) in enumerate(
            zip(launches, usages or (None,) * len(launches), strict=True)
        )
    )
