"""Gives every intermediate buffer its place in one arena, and results the memory of donated inputs.

Lifetimes are exact because the order of launches is fixed. Buffers of known size are packed by
offsets, largest first; buffers of symbolic size share slots with those of the same size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain

from msgspec import Struct
from msgspec.structs import replace

from ..ir.dims import Dim, maximum, product
from ..kernel.phases import Buffer, Kernel
from ..kernel.regions import leaves

__all__ = ["Lifetime", "MemoryPlan", "buffer_bytes", "plan_memory", "region_slots"]

ALIGNMENT = 64
RESTING = 1 << 20  # bytes of a buffer whose memory can wait a little


class Lifetime(Struct, frozen=True):
    """A buffer, the launches that first write and last read it, and where it lies meanwhile."""

    buffer: Buffer
    first: int
    last: int
    offset: Dim
    nbytes: Dim


class MemoryPlan(Struct, frozen=True, eq=False, dict=True):
    """Where the intermediate buffers lie; `arena` is the bytes of scratch memory.

    What tells how good the plan is, is worked out when asked for: no program needs it.
    """

    lifetimes: tuple[Lifetime, ...]
    arena: Dim
    alignment: int

    @cached_property
    def lower_bound(self) -> Dim:
        """The most bytes that some launch finds alive: no plan for this order can do with less."""
        return maximum(0, *dict.fromkeys(map(self._alive, {life.first for life in self.lifetimes})))

    @cached_property
    def unshared(self) -> Dim:
        """What it would take if nothing were reused."""
        return sum((_aligned(life.nbytes, self.alignment) for life in self.lifetimes), 0)

    def _alive(self, at: int) -> Dim:
        """The bytes that a launch finds alive; a result written over an operand counts once."""
        alive = {
            life.offset: life.nbytes for life in self.lifetimes if life.first <= at <= life.last
        }
        return sum(alive.values(), 0)


def plan_memory(
    launches: Sequence[Kernel],
    external: Iterable[Buffer],
    alignment: int = ALIGNMENT,
    rest: int = 0,
) -> MemoryPlan:
    """Places for all buffers that are not inputs, outputs or constants of the program.

    The numbers of launches count kernels, those of loops and branches where they stand. For so
    many launches the memory of small buffers has a `rest` before it is used again, so that these
    need not wait for each other.
    """
    flat = tuple(leaves(launches))
    outside = {*external, *region_slots(launches)}
    blocks = [
        replace(block, rest=rest) if _is_small(block.nbytes) else block
        for block in _blocks(flat, _spans(launches, outside), set(_given(launches)))
    ]
    placed = _pack([block for block in blocks if isinstance(block.nbytes, int)], alignment)
    arena: Dim = max((_number(p.offset) + _number(p.nbytes) for p in placed), default=0)
    symbolic = [block for block in blocks if not isinstance(block.nbytes, int)]
    placed, arena = _slots(symbolic, placed, arena, alignment)
    lifetimes = tuple(life for one in placed for life in one.lifetimes())
    return MemoryPlan(lifetimes, arena, alignment)


def buffer_bytes(buffer: Buffer) -> Dim:
    """The size of a buffer."""
    return product(buffer.shape) * buffer.dtype.itemsize


class _Block(Struct, frozen=True):
    """Memory that buffers of one size hold in turn, each written over the one before it."""

    turns: tuple[tuple[Buffer, int, int], ...]
    nbytes: Dim
    offset: Dim = 0
    rest: int = 0

    @property
    def first(self) -> int:
        return self.turns[0][1]

    @property
    def last(self) -> int:
        return self.turns[-1][2]

    def overlaps(self, other: _Block) -> bool:
        return self.first <= other.last + other.rest and other.first <= self.last + self.rest

    def lifetimes(self) -> Iterator[Lifetime]:
        for buffer, first, last in self.turns:
            yield Lifetime(buffer, first, last, self.offset, self.nbytes)


def _is_small(nbytes: Dim) -> bool:
    return isinstance(nbytes, int) and nbytes <= RESTING


def region_slots(launches: Iterable[Kernel]) -> tuple[Buffer, ...]:
    """The buffers of loops that move over others, and have no place of their own."""
    found: list[Buffer] = []
    for kernel in launches:
        if kernel.region is not None:
            found += kernel.region.slots
            for body in kernel.region.bodies:
                found += region_slots(body)
    return tuple(found)


def _given(launches: Iterable[Kernel]) -> Iterator[Buffer]:
    """What loops and branches are given: a kernel inside may have to read it again."""
    for kernel in launches:
        if kernel.region is not None:
            yield from kernel.reads
            for body in kernel.region.bodies:
                yield from _given(body)


def _spans(launches: Sequence[Kernel], outside: set[Buffer]) -> dict[Buffer, tuple[int, int]]:
    """The launches that first write and last touch each buffer; what a loop touches from outside
    is in use from its first launch to its last."""
    spans: dict[Buffer, tuple[int, int]] = {}

    def walk(sequence: Sequence[Kernel], start: int) -> int:
        at = start
        for kernel in sequence:
            first = at
            for body in kernel.region.bodies if kernel.region is not None else ():
                at = walk(body, at)
            at = max(at, first + 1) if kernel.region is None else at
            for buffer in (*kernel.writes, *kernel.reads):
                if buffer not in outside:
                    low, high = spans.get(buffer, (first, at - 1))
                    spans[buffer] = (min(low, first), max(high, at - 1))
        return at

    walk(launches, 0)
    return dict(sorted(spans.items(), key=lambda item: item[1][0]))


def _blocks(
    launches: Sequence[Kernel], spans: Mapping[Buffer, tuple[int, int]], kept: set[Buffer]
) -> tuple[_Block, ...]:
    """A result takes the block of an operand that ends with it, where it may be overwritten."""
    blocks: dict[Buffer, _Block] = {}  # by the buffer that holds the block last
    for buffer, (first, last) in spans.items():
        turn, nbytes = (buffer, first, last), buffer_bytes(buffer)
        before = next(
            (
                operand
                for operand in launches[first].reads
                if operand in blocks
                and operand not in kept
                and blocks[operand].last == first
                and blocks[operand].nbytes == nbytes
                and launches[first].reads_in_place(operand, buffer)
            ),
            None,
        )
        turns = () if before is None else blocks.pop(before).turns
        blocks[buffer] = _Block((*turns, turn), nbytes)
    return tuple(blocks.values())


def _pack(blocks: Sequence[_Block], alignment: int) -> list[_Block]:
    """Largest first, each at the lowest offset that is free for its whole life."""
    placed: list[tuple[int, int, _Block]] = []  # with where they begin and end
    for block in sorted(blocks, key=lambda b: (-_number(b.nbytes), b.first)):
        size = _number(_aligned(block.nbytes, alignment))
        busy = sorted((start, stop) for start, stop, other in placed if other.overlaps(block))
        offset = 0
        for start, stop in busy:
            if offset + size <= start:
                break
            offset = max(offset, stop)
        placed.append((offset, offset + size, replace(block, offset=offset)))
    return [block for _, _, block in placed]


def _slots(
    blocks: Sequence[_Block], placed: list[_Block], arena: Dim, alignment: int
) -> tuple[list[_Block], Dim]:
    """Behind the packed part, one slot for each set of equal sizes that are alive together."""
    known: dict[Dim, list[_Block]] = {}
    for block in sorted(blocks, key=lambda b: b.first):
        same = known.setdefault(block.nbytes, [])
        taken = {other.offset for other in same if other.overlaps(block)}
        free = [other.offset for other in same if other.offset not in taken]
        offset = free[0] if free else _aligned(arena, alignment)
        if not free:
            arena = offset + block.nbytes
        same.append(replace(block, offset=offset))
    return [*placed, *chain.from_iterable(known.values())], arena


def _aligned(nbytes: Dim, alignment: int) -> Dim:
    """Rounded up to where the next buffer may begin."""
    return (nbytes + (alignment - 1)) // alignment * alignment


def _number(value: Dim) -> int:
    assert isinstance(value, int)
    return value
