"""The memory plan as a report: who lies where, the peak, and what eager NumPy would use."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

from msgspec import Struct

from symfuse.runtime.errors import ArgumentError

from ..ir.dims import Dim, evaluate, maximum
from ..ir.graph import Graph
from ..ir.node import Node
from ..ir.regions import bundles, executed_regions
from ..kernel.phases import Kernel
from ..passes.plan_memory import MemoryPlan
from .text import as_bundle, bytes_text, with_facts

__all__ = [
    "EagerMemory",
    "MemoryReport",
    "MemoryRow",
    "byte_count",
    "eager_memory",
    "memory_report",
]

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_LIMIT = re.compile(r"([\d.]+)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_MOST = 1 << 40  # beyond, a size is as good as unlimited


class MemoryRow(Struct, frozen=True):
    """One buffer: its place in the arena and the launches that first write and last read it."""

    name: str
    type: str
    nbytes: Dim
    offset: Dim
    first: int
    last: int


class EagerMemory(Struct, frozen=True):
    """What NumPy allocates when it runs the traced function operation by operation."""

    total: Dim  # of all intermediate arrays
    peak: Dim  # of those alive at one time, each freed after its last use
    arrays: Dim


class MemoryReport(Struct, frozen=True):
    """Where intermediates lie. `peak` is the planned arena, as a formula in the sizes."""

    rows: tuple[MemoryRow, ...]
    launches: tuple[str, ...]
    peak: Dim
    lower_bound: Dim
    unshared: Dim
    eager: EagerMemory

    def peak_bytes(self, **sizes: int) -> int:
        """The planned bytes for sizes given by name."""
        return evaluate(self.peak, sizes)

    def fit(self, symbol: str, *, limit: int | str, **others: int) -> int:
        """The largest value of a symbol whose peak stays within the limit."""
        most = byte_count(limit)
        low, high = 0, _MOST
        if self.peak_bytes(**{symbol: 1}, **others) > most:
            return 0
        while high - low > 1:
            middle = (low + high) // 2
            fits = self.peak_bytes(**{symbol: middle}, **others) <= most
            low, high = (middle, high) if fits else (low, middle)
        return low

    def table(self) -> str:
        """A line a buffer, and the sums."""
        rows = [
            (row.name, row.type, bytes_text(row.nbytes), str(row.offset), _span(row))
            for row in self.rows
        ]
        header = ("buffer", "type", "bytes", "offset", "launches")
        sums = [
            ("planned peak", bytes_text(self.peak)),
            ("lower bound", bytes_text(self.lower_bound)),
            ("without sharing", bytes_text(self.unshared)),
            ("eager NumPy, peak", bytes_text(self.eager.peak)),
            ("eager NumPy, sum", f"{bytes_text(self.eager.total)} in {self.eager.arrays} arrays"),
        ]
        return with_facts(header, rows, (f"{name:<18} {value}" for name, value in sums), left=2)

    __str__ = table
    _repr_mimebundle_ = as_bundle

    def as_dict(self) -> dict[str, Any]:
        """Everything as text and numbers, for JSON."""
        return {
            "peak": _plain(self.peak),
            "lower_bound": _plain(self.lower_bound),
            "unshared": _plain(self.unshared),
            "eager_peak": _plain(self.eager.peak),
            "eager_total": _plain(self.eager.total),
            "eager_arrays": _plain(self.eager.arrays),
            "buffers": [
                {
                    "name": row.name,
                    "type": row.type,
                    "bytes": _plain(row.nbytes),
                    "offset": _plain(row.offset),
                    "first": row.first,
                    "last": row.last,
                }
                for row in self.rows
            ],
        }


def memory_report(plan: MemoryPlan, launches: Sequence[Kernel], traced: Graph) -> MemoryReport:
    """The plan of a program's launches beside what the traced function takes in eager NumPy."""
    rows = tuple(
        MemoryRow(
            life.buffer.name,
            f"{life.buffer.dtype}[{','.join(map(str, life.buffer.shape))}]",
            life.nbytes,
            life.offset,
            life.first,
            life.last,
        )
        for life in sorted(plan.lifetimes, key=lambda life: (life.first, str(life.offset)))
    )
    names = tuple(launch.name for launch in launches)
    eager = eager_memory(traced)
    return MemoryReport(rows, names, plan.arena, plan.lower_bound, plan.unshared, eager)


def eager_memory(graph: Graph) -> EagerMemory:
    """Arrays that are neither inputs, outputs nor views, each alive to its last reader.

    Those of a loop are made in each turn, in one where nobody knows how many there are; those of
    a choice are those of the branch with most.
    """
    return _eager(graph, frozenset(graph.outputs))


def _eager(graph: Graph, given: frozenset[Node] = frozenset()) -> EagerMemory:
    """The arrays that a graph makes, but for those given; its outputs are alive to the end."""
    last = _last_uses(graph)
    made = [n for n in graph.nodes if _allocates(n) and n not in given]
    freed: dict[int, list[Node]] = {}
    for node in made:
        freed.setdefault(last[node], []).append(node)
    own = [n for n in made if not _is_handed_on(n)]
    total: Dim = sum((n.type.nbytes for n in own), 0)
    arrays: Dim = len(own)
    alive: Dim = 0
    peak: Dim = 0
    kept = set(made)
    inside = {group[0]: _inside(group[0]) for group in bundles(graph.nodes).values()}
    for at, node in enumerate(graph.nodes):
        if (inner := inside.get(node)) is not None:
            peak = maximum(peak, alive + inner.peak)
            total, arrays = total + inner.total, arrays + inner.arrays
        if node in kept:
            alive = alive + node.type.nbytes
        peak = maximum(peak, alive)
        for gone in freed.get(at, ()):
            alive = alive - gone.type.nbytes
    return EagerMemory(total, peak, arrays)


def _inside(node: Node) -> EagerMemory:
    """What the graphs of a loop or branch make; a turn begins with what the one before has made."""
    bodies = [_eager(graph) for graph in executed_regions(node)]  # type: ignore[arg-type]
    peak = reduce(maximum, (body.peak for body in bodies))
    totals, counts = [body.total for body in bodies], [body.arrays for body in bodies]
    if "branches" in node.attrs:
        return EagerMemory(reduce(maximum, totals), peak, reduce(maximum, counts))
    if "carries" in node.attrs:
        carried = node.attrs["body"].outputs[: node.attr("carries")]
        peak = peak + sum((output.type.nbytes for output in carried), 0)
    turns: Dim = node.attrs.get("length", 1)
    return EagerMemory(sum(totals, 0) * turns, peak, sum(counts, 0) * turns)


def _is_handed_on(node: Node) -> bool:
    """Whether the graphs inside have made it: a carry, or what a branch gives."""
    return node.op.regional is not None and node.attr("result") < node.attrs.get(
        "carries", math.inf
    )


def _last_uses(graph: Graph) -> dict[Node, int]:
    """The position of the last reader of each node; a view keeps what it shows alive."""
    last: dict[Node, int] = {}
    for at, node in enumerate(graph.nodes):
        last[node] = at
        for source in node.inputs:
            for base in _shown(source):
                last[base] = at
    end = len(graph.nodes) - 1
    return last | {base: end for output in graph.outputs for base in _shown(output)}


def _shown(node: Node) -> Iterator[Node]:
    """The node and, where it is a view, what it is a view of."""
    yield node
    while node.op.moves is not None and node.inputs:
        node = node.inputs[0]
        yield node


def _allocates(node: Node) -> bool:
    return not (node.is_parameter or node.is_constant or node.op.moves is not None)


def byte_count(limit: int | str) -> int:
    """A number of bytes, as a number or as text such as "2 GB"."""
    if isinstance(limit, int):
        return limit
    found = _LIMIT.fullmatch(limit.strip())
    if found is None:
        raise ArgumentError(f"{limit!r} is no number of bytes", fix='write "2 GB" or "512 MiB"')
    number, unit, binary = found.groups()
    factor = 1024 ** "kmgt".index(unit.lower()) * 1024 if binary and unit else _UNITS[unit.lower()]
    return int(float(number) * factor)


def _span(row: MemoryRow) -> str:
    return f"{row.first}…{row.last}"


def _plain(dim: Dim) -> int | str:
    return dim if isinstance(dim, int) else str(dim)
