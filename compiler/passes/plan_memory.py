"""Gives every intermediate buffer its place in one arena, and results the memory of donated inputs.

Lifetimes are exact because the order of launches is fixed. Buffers of known size are packed by
offsets, largest first; buffers of symbolic size share slots with those of the same size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..ir.dims import Dim, product
from ..kernel.phases import Buffer, Kernel

__all__ = ["Lifetime", "MemoryPlan", "plan_memory"]

ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A buffer, the launches that first write and last read it, and where it lies meanwhile."""

    buffer: Buffer
    first: int
    last: int
    offset: Dim
    nbytes: Dim

    def overlaps(self, other: Lifetime) -> bool:
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Where the intermediate buffers lie.

    `arena` is the bytes of scratch memory, `lower_bound` the most that is alive at one time, and
    `unshared` what it would take if nothing were reused.
    """

    lifetimes: tuple[Lifetime, ...]
    arena: Dim
    lower_bound: Dim
    unshared: Dim

    def offset(self, buffer: Buffer) -> Dim:
        """Bytes from the start of the arena."""
        return next(life.offset for life in self.lifetimes if life.buffer is buffer)


def plan_memory(launches: Sequence[Kernel], external: Iterable[Buffer]) -> MemoryPlan:
    """Places for all buffers that are not inputs, outputs or constants of the program."""
    outside = set(external)
    spans = _spans(launches, outside)
    sized = [(buffer, first, last, buffer_bytes(buffer)) for buffer, (first, last) in spans.items()]
    static = [entry for entry in sized if isinstance(entry[3], int)]
    symbolic = [entry for entry in sized if not isinstance(entry[3], int)]
    placed = _pack(static)
    arena: Dim = max((p.offset + p.nbytes for p in placed), default=0)  # type: ignore[type-var]
    lifetimes, arena = _slots(symbolic, placed, arena)
    unshared: Dim = 0
    for *_, nbytes in sized:
        unshared = unshared + _aligned(nbytes)
    return MemoryPlan(tuple(lifetimes), arena, _most_alive(lifetimes, len(launches)), unshared)


def buffer_bytes(buffer: Buffer) -> Dim:
    """The size of a buffer."""
    return product(buffer.shape) * buffer.dtype.itemsize


def _spans(launches: Sequence[Kernel], outside: set[Buffer]) -> dict[Buffer, tuple[int, int]]:
    spans: dict[Buffer, tuple[int, int]] = {}
    for at, kernel in enumerate(launches):
        for buffer in (*kernel.writes, *kernel.reads):
            if buffer not in outside:
                first, _ = spans.get(buffer, (at, at))
                spans[buffer] = (first, at)
    return spans


def _pack(entries: Sequence[tuple[Buffer, int, int, Dim]]) -> list[Lifetime]:
    """Largest first, each at the lowest offset that is free for its whole life."""
    placed: list[Lifetime] = []
    for buffer, first, last, nbytes in sorted(entries, key=lambda e: (-_number(e[3]), e[1])):
        life = Lifetime(buffer, first, last, 0, nbytes)
        busy = sorted(
            (_number(other.offset), _number(_aligned(other.offset + other.nbytes)))
            for other in placed
            if other.overlaps(life)
        )
        offset = 0
        for start, stop in busy:
            if offset + _number(_aligned(nbytes)) <= start:
                break
            offset = max(offset, stop)
        placed.append(Lifetime(buffer, first, last, offset, nbytes))
    return placed


def _slots(
    entries: Sequence[tuple[Buffer, int, int, Dim]], placed: list[Lifetime], arena: Dim
) -> tuple[list[Lifetime], Dim]:
    """Behind the packed part, one slot for each set of equal sizes that are alive together."""
    lifetimes = list(placed)
    for buffer, first, last, nbytes in sorted(entries, key=lambda e: e[1]):
        same = [life for life in lifetimes if life.nbytes == nbytes]
        taken = {life.offset for life in same if life.first <= last and first <= life.last}
        free = [life.offset for life in same if life.offset not in taken]
        if free:
            lifetimes.append(Lifetime(buffer, first, last, free[0], nbytes))
        else:
            offset = _aligned(arena)
            lifetimes.append(Lifetime(buffer, first, last, offset, nbytes))
            arena = offset + nbytes
    return lifetimes, arena


def _most_alive(lifetimes: Sequence[Lifetime], launches: int) -> Dim:
    most: Dim = 0
    for at in range(launches):
        alive: Dim = 0
        for life in lifetimes:
            if life.first <= at <= life.last:
                alive = alive + _aligned(life.nbytes)
        if isinstance(alive, int) and isinstance(most, int):
            most = max(most, alive)
        elif not isinstance(alive, int):
            most = alive if isinstance(most, int) else _larger(most, alive)
    return most


def _larger(one: Dim, other: Dim) -> Dim:
    return one if str(one) >= str(other) else other


def _aligned(nbytes: Dim) -> Dim:
    """Rounded up to whole cache lines."""
    return (nbytes + (ALIGNMENT - 1)) // ALIGNMENT * ALIGNMENT


def _number(value: Dim) -> int:
    assert isinstance(value, int)
    return value
