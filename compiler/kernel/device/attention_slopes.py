"""The derivatives of an attention: a tile stays, blocks of the other axis go by in shared memory.

Queries and keys have a part each, side by side in one launch.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir.dims import Dim, Symbol, maximum
from ..attention_slopes import Block, Side, SlopesDraft
from ..phases import Axis, Loop, Part, Phase, Serial
from ..processor import Device
from .square import SHARED, Square, load_block, squares, too_few_tiles
from .walk import size_or

__all__ = ["plan_slopes", "schedule_slopes"]

WORDS = 128  # registers for scores, slopes, factors and sums, …
WORDS_OF_FRAGMENTS = 160  # … and where the rest needs few
PAD = 16  # bytes between the rows of a block


def plan_slopes(draft: SlopesDraft, device: Device) -> tuple[Square, ...] | str:
    """The largest tile of each side that registers and shared memory allow, or why none does."""
    depth, width = draft.sizes[draft.depth], draft.sizes[draft.width]
    if not isinstance(depth, int) or not isinstance(width, int):
        return "the depth of a head is not known when it is compiled"
    found = [_plan(draft, side, (depth, width), device) for side in draft.sides]
    if None in found:
        return f"a head of depth {depth} and width {width} leaves no room for its derivatives"
    return tuple(square for square in found if square is not None)


def _plan(draft: SlopesDraft, side: Side, sizes: tuple[int, int], device: Device) -> Square | None:
    outer = [draft.sizes[axis] for axis in draft.outer]
    widths = [size_or(draft.sizes[total.along], 1) for total in side.sums]
    every = [block.body[-1].dtype for block in (*side.own, *side.passing)]
    factors = [instr.dtype for instr in side.factors if instr.op == "put"]
    blocks = 1 + bool(side.slopes) + len(factors)
    for square in squares([*every, *factors], sizes):
        words = WORDS if square.fragment is None else WORDS_OF_FRAGMENTS
        roomy = _shared_bytes(draft, side, square) <= SHARED
        few = square.words(blocks, widths, draft.dtype.itemsize) <= words
        if roomy and few and not too_few_tiles(draft.sizes[side.down], square, outer, device):
            return square
    return None


def _shared_bytes(draft: SlopesDraft, side: Side, square: Square) -> int:
    """The blocks of the tile and those that go by, and factors."""

    def rows(block: Block, count: int) -> int:
        length = square.length(size_or(draft.sizes[block.along], 1))
        return count * (length * block.body[-1].dtype.itemsize + PAD)

    own = sum(rows(block, square.tile) for block in side.own)
    passing = sum(rows(block, square.block) for block in side.passing)
    puts = [instr for instr in side.factors if instr.op == "put"]
    factors = sum(square.tile * (square.block * put.dtype.itemsize + PAD) for put in puts)
    folded = [square.shared_fold(n, draft.dtype.itemsize) for n in _hidden_widths(draft, side)]
    return own + square.stages * passing + factors + max(folded, default=0)


def _hidden_widths(draft: SlopesDraft, side: Side) -> list[int]:
    return [size_or(draft.sizes[total.along], 1) for total in side.sums if total.hidden]


def schedule_slopes(
    draft: SlopesDraft, found: tuple[Square, ...], device: Device, diagonal: int | None
) -> tuple[Part, ...]:
    """The tiles of both sides; with a diagonal, keys more than that ahead are left out."""
    pairs = zip(draft.sides, found, strict=True)
    return tuple(_Schedule(draft, side, square, device, diagonal).part() for side, square in pairs)


class _Schedule:
    def __init__(
        self,
        draft: SlopesDraft,
        side: Side,
        square: Square,
        device: Device,
        diagonal: int | None,
    ) -> None:
        self.draft, self.side, self.square, self.device = draft, side, square, device
        self.diagonal = diagonal
        self.number = Symbol(f"{side.down.name}_tile", 0, None, 1)
        self.sizes = {s: size_or(draft.sizes[s], 1) for s in (draft.depth, draft.width)}
        self.lengths = {symbol: square.length(size) for symbol, size in self.sizes.items()}
        self.lengths |= {side.down: square.tile, side.across: square.block}
        self.tile, self.block = square.of_tile(side.down), square.of_block(side.across)

    def part(self) -> Part:
        """The tiles of one side."""
        side, start, stop = self.side, *self._visible()
        carried = tuple(total.local for total in side.sums)
        block, stages = self.square.block, self.square.stages
        loop = Serial(side.across, block, tuple(self._block()), stages, carried, stop, start)
        results = [Phase(self._along(total.along), total.results) for total in side.sums]
        return Part(tuple(self._axes()), (*self._begin(), loop, *self._hidden(loop), *results))

    def _axes(self) -> Iterator[Axis]:
        draft, side = self.draft, self.side
        for axis in draft.outer:
            yield Axis(axis, draft.sizes[axis], 1)
        yield Axis(side.down, draft.sizes[side.down], self.square.tile, self.number)
        yield Axis(side.across, draft.sizes[side.across])
        for axis, size in self.sizes.items():
            yield Axis(axis, size, self.lengths[axis])

    def _visible(self) -> tuple[Dim | None, Dim | None]:
        """Where the blocks begin and end of which a tile sees anything."""
        first = self.number * self.square.tile
        if self.diagonal is None:
            return None, None
        if self.side.down is self.draft.key:
            return first - self.diagonal, None
        return None, first + self.square.tile + self.diagonal

    def _begin(self) -> Iterator[Phase]:
        for block in self.side.own:
            yield self._load(block)
        if self.side.rows:
            yield self.square.of_rows(self.side.down, self.side.rows)
        for total in self.side.sums:
            yield Phase(self._along(total.along), total.begin)

    def _block(self) -> Iterator[Phase]:
        side, draft, square = self.side, self.draft, self.square
        for block in side.passing:
            yield self._load(block)
        both = (self.tile, self.block)
        for axis, body in ((draft.depth, side.scores), (draft.width, side.slopes)):
            if body:
                yield square.multiplied(axis, self.sizes[axis], both, body)
        yield Phase(both, side.factors)
        for total in side.sums:
            loops = self._along(total.along)
            yield square.multiplied(side.across, square.block, loops, total.products)

    def _hidden(self, loop: Serial) -> Iterator[Serial]:
        """What comes of the blocks that are left out."""
        phases = tuple(
            self.square.folded(loop.symbol, self._along(total.along)[1], total.hidden)
            for total in self.side.sums
            if total.hidden
        )
        if phases and loop.stop is not None:
            after = maximum(loop.stop, 0) + loop.block - 1
            yield Serial(loop.symbol, loop.block, phases, start=after)
        if phases and loop.start is not None:
            yield Serial(loop.symbol, loop.block, phases, stop=loop.first)

    def _along(self, axis: Symbol) -> tuple[Loop, Loop]:
        """The tile down, and the width of a sum across."""
        return self.tile, self.square.of_width(axis, self.sizes[axis])

    def _load(self, block: Block) -> Phase:
        return load_block(block.body, (block.down, block.along), self.lengths, self.device)
