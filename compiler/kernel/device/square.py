"""How threads share the tiles of an attention: in a square, one axis down and others across.

Those of one row of the square share rows of a tile, and divide among themselves the indices of a
block of the other axis, or the width of what is summed. So what belongs to a row, to scores or to
sums stays in registers; factors of sums go from one division to the other through shared memory.
Where the factors of all products are halves, the square is that of the fragments of warps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import prod

from msgspec import Struct

from symfuse.runtime.dtypes import DType

from ...ir.dims import Dim, Symbol
from ..fragments import PAIR, QUADS, fragment_of
from ..fragments import ROWS as GROUP
from ..phases import Access, Fragment, Instr, Loop, Phase
from ..processor import Device
from .walk import Spread, lanes_along, size_or, stride_along

__all__ = ["SHARED", "Square", "load_block", "squares", "too_few_tiles"]

DOWN, ACROSS = 8, 16  # threads of a square
WARPS = 4  # of a square of fragments, each with rows of its own
THREADS = DOWN * ACROSS
TALL, BLOCKS = (8, 4, 2), (64, 32, 16)  # rows that each thread has and indices of a block
SHARED = 99 << 10  # bytes that each device has for a block of threads
LARGE = 1 << 11  # what stands for sizes that are not known


class Square(Struct, frozen=True):
    """`tall` rows of a tile for each thread, blocks of so many indices, and how many of these are
    under way; with a `fragment`, warps multiply matrices."""

    tall: int
    block: int
    stages: int
    fragment: Fragment | None = None

    @property
    def tile(self) -> int:
        """The rows of a tile."""
        return self.tall * self._down

    @property
    def _down(self) -> int:
        return DOWN if self.fragment is None else GROUP * WARPS

    @property
    def _warps(self) -> int:
        return 1 if self.fragment is None else WARPS

    @property
    def _across(self) -> int:
        return ACROSS if self.fragment is None else QUADS

    def of_tile(self, axis: Symbol) -> Loop:
        """The walk of the axis down."""
        return Loop(axis, 1, self.tall, self._down, rolled=False, warps=self._warps)

    def of_block(self, axis: Symbol) -> Loop:
        """The walk of a block across."""
        if self.fragment is not None:
            return self._by_pairs(axis, self.block)
        return Loop(axis, 1, self.block // ACROSS, ACROSS, rolled=False)

    def of_width(self, axis: Symbol, length: int) -> Loop:
        """The walk across of what is summed."""
        if self.fragment is not None:
            return self._by_pairs(axis, length)
        return _spread(length).loop(axis)

    def _by_pairs(self, axis: Symbol, length: int) -> Loop:
        return Loop(axis, PAIR, length // (PAIR * QUADS), QUADS, rolled=False)

    def length(self, size: int) -> int:
        """The places that a walk across has for so many indices."""
        return size if self.fragment is not None else _spread(size).step

    def of_rows(self, axis: Symbol, body: tuple[Instr, ...]) -> Phase:
        """What the threads of a row of the square all do."""
        return Phase((self.of_tile(axis),), body, self._across)

    def folded(self, axis: Symbol, width: Loop | None, body: tuple[Instr, ...]) -> Phase:
        """A fold along the axis of blocks by all threads of the square."""
        down = Loop(axis, 1, 1, self._down, warps=self._warps)
        return Phase((down,) if width is None else (down, width), body)

    def multiplied(
        self, over: Symbol, length: int, loops: tuple[Loop, Loop], body: tuple[Instr, ...]
    ) -> Phase:
        """Sums of products over an axis."""
        if self.fragment is not None:
            return Phase((Loop(over, self.fragment.depth), *loops), body, fragment=self.fragment)
        lanes = next(n for n in (4, 2, 1) if length % n == 0)
        return Phase((Loop(over, lanes), *loops), body)

    def words(self, blocks: int, widths: Iterable[int], itemsize: int) -> int:
        """Registers of a thread for so many values of a block, and sums of these widths."""
        each = blocks * self.block // self._across
        each += sum(self.length(n) // self._across for n in widths)
        return self.tall * each * -(-itemsize // 4)

    def shared_fold(self, width: int, itemsize: int) -> int:
        """Bytes of shared memory by which all threads fold something of this width."""
        return THREADS * self.length(width) // self._across * itemsize


def squares(operands: Iterable[DType], sizes: Iterable[int]) -> Iterator[Square]:
    """The squares for products of operands of these types and sizes along what is summed and what
    is not, the largest first."""
    types = set(operands)
    fragment = fragment_of(types.pop()) if len(types) == 1 else None
    whole = fragment is not None and all(size % fragment.depth == 0 for size in sizes)
    if whole and fragment is not None and fragment.dtype.is_half:
        yield from (Square(2, block, n, fragment) for n in (2, 1) for block in BLOCKS)
    for stages in (2, 1):
        for tall in TALL:
            yield from (Square(tall, block, stages) for block in BLOCKS[2 - stages :])


def too_few_tiles(size: Dim, square: Square, outer: Iterable[Dim], device: Device) -> bool:
    """Whether tiles of an axis are half idle, or leave multiprocessors without one, and smaller
    ones would not."""
    if square.fragment is not None or square.tall == TALL[-1]:
        return False
    tiles = -(-size_or(size, LARGE) // square.tile) * prod(size_or(n, 1) for n in outer)
    short = isinstance(size, int) and size <= square.tile // 2
    return short or tiles < device.multiprocessors


def _spread(width: int) -> Spread:
    """The width among the threads of a row, in vectors where it is wide enough."""
    lanes = next(n for n in (4, 2, 1) if n == 1 or (width % n == 0 and width // n >= ACROSS))
    return Spread(lanes, -(-width // (lanes * ACROSS)), ACROSS)


def load_block(
    body: tuple[Instr, ...],
    axes: tuple[Symbol, Symbol],
    lengths: Mapping[Symbol, int],
    device: Device,
) -> Phase:
    """All threads load a block, neighbours along the axis where they find neighbours."""
    outer, inner = axes
    loads = [i for i in body if isinstance(i.detail, Access)]
    if any(stride_along(i, outer) == 1 for i in loads):
        inner, outer = outer, inner
    lanes = lanes_along(body, inner, device)
    while lanes > 1 and lengths[inner] % lanes:
        lanes //= 2
    near = _power_below(min(THREADS, -(-lengths[inner] // lanes)))
    far = _power_below(min(THREADS // near, lengths[outer]))
    return Phase((Loop(outer, 1, 1, far), Loop(inner, lanes, 1, near)), body)


def _power_below(number: int) -> int:
    """The largest power of two that is not above a number."""
    return 1 << number.bit_length() - 1
