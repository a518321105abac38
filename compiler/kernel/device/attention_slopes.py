"""The derivatives of an attention: a tile stays, blocks of the other axis go by in shared memory.

Threads stand in a square, as for the attention itself: those of one row of it share rows of the
tile, and divide the indices of a block among themselves, or the width of what is summed. Scores,
slopes and sums stay in registers; factors of sums go from one division to the other through shared
memory. Queries and keys have a part each, side by side in one launch.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from ...ir.dims import Dim, Symbol, maximum
from ..attention_slopes import Block, Side, SlopesDraft
from ..phases import Axis, Loop, Part, Phase, Serial
from ..processor import Device
from .attention import (
    ACROSS,
    DOWN,
    SHARED,
    load_block,
    neighbours,
    spread_of_width,
    too_few_tiles,
)
from .walk import size_or

__all__ = ["SideTiling", "plan_slopes", "schedule_slopes"]

TALL, WIDE = (8, 4, 2), (4, 2, 1)  # indices of a tile and of a block that each thread has
WORDS = 96  # registers for scores, slopes and sums
PAD = 16  # bytes between the rows of a block


class SideTiling(Struct, frozen=True):
    """How many indices of the tile and of a block a thread has, and how many blocks it awaits."""

    tall: int
    wide: int
    stages: int

    @property
    def tile(self) -> int:
        return self.tall * DOWN

    @property
    def block(self) -> int:
        return self.wide * ACROSS


def plan_slopes(draft: SlopesDraft, device: Device) -> tuple[SideTiling, ...] | str:
    """The largest tile of each side that registers and shared memory allow, or why none does."""
    depth, width = draft.sizes[draft.depth], draft.sizes[draft.width]
    if not isinstance(depth, int) or not isinstance(width, int):
        return "the depth of a head is not known when it is compiled"
    found = [_plan(draft, side, device) for side in draft.sides]
    if None in found:
        return f"a head of depth {depth} and width {width} leaves no room for its derivatives"
    return tuple(tiling for tiling in found if tiling is not None)


def _plan(draft: SlopesDraft, side: Side, device: Device) -> SideTiling | None:
    outer = [draft.sizes[axis] for axis in draft.outer]
    for stages in (2, 1):
        for tall in TALL:
            for wide in WIDE if stages == 1 else WIDE[:2]:
                tiling = SideTiling(tall, wide, stages)
                fewer = too_few_tiles(draft.sizes[side.down], tiling.tile, outer, device)
                roomy = _shared_bytes(draft, side, tiling) <= SHARED
                if (
                    roomy
                    and _words(draft, side, tiling) <= WORDS
                    and (tall == TALL[-1] or not fewer)
                ):
                    return tiling
    return None


def _words(draft: SlopesDraft, side: Side, tiling: SideTiling) -> int:
    """Registers of a thread for scores and slopes, and for sums."""
    squares = 1 + bool(side.slopes)
    spreads = [spread_of_width(size_or(draft.sizes[s.along], 1)) for s in side.sums]
    each = sum(spread.lanes * spread.copies for spread in spreads)
    return tiling.tall * (squares * tiling.wide + each) * -(-draft.dtype.itemsize // 4)


def _shared_bytes(draft: SlopesDraft, side: Side, tiling: SideTiling) -> int:
    """The blocks of the tile and those that go by, and factors."""

    def rows(block: Block, count: int) -> int:
        length = spread_of_width(size_or(draft.sizes[block.along], 1)).step
        return count * (length * block.body[-1].dtype.itemsize + PAD)

    own = sum(rows(block, tiling.tile) for block in side.own)
    passing = sum(rows(block, tiling.block) for block in side.passing)
    puts = [instr for instr in side.factors if instr.op == "put"]
    factors = sum(tiling.tile * (tiling.block * put.dtype.itemsize + PAD) for put in puts)
    return own + tiling.stages * passing + factors


def schedule_slopes(
    draft: SlopesDraft, tilings: tuple[SideTiling, ...], device: Device, diagonal: int | None
) -> tuple[Part, ...]:
    """The tiles of both sides; with a diagonal, keys more than that ahead are left out."""
    pairs = zip(draft.sides, tilings, strict=True)
    return tuple(_Schedule(draft, side, tiling, device, diagonal).part() for side, tiling in pairs)


class _Schedule:
    def __init__(
        self,
        draft: SlopesDraft,
        side: Side,
        tiling: SideTiling,
        device: Device,
        diagonal: int | None,
    ) -> None:
        self.draft, self.side, self.tiling, self.device = draft, side, tiling, device
        self.diagonal = diagonal
        self.number = Symbol(f"{side.down.name}_tile", 0, None, 1)
        free = {s: size_or(draft.sizes[s], 1) for s in (draft.depth, draft.width)}
        self.spreads = {symbol: spread_of_width(size) for symbol, size in free.items()}
        self.lengths = {symbol: spread.step for symbol, spread in self.spreads.items()}
        self.lengths |= {side.down: tiling.tile, side.across: tiling.block}
        self.of_tile = Loop(side.down, 1, tiling.tall, DOWN, rolled=False)
        self.of_block = Loop(side.across, 1, tiling.wide, ACROSS, rolled=False)

    def part(self) -> Part:
        """The tiles of one side."""
        side, start, stop = self.side, *self._visible()
        carried = tuple(total.local for total in side.sums)
        block, stages = self.tiling.block, self.tiling.stages
        loop = Serial(side.across, block, tuple(self._block()), stages, carried, stop, start)
        results = [Phase(self._along(total.along), total.results) for total in side.sums]
        return Part(tuple(self._axes()), (*self._begin(), loop, *self._hidden(loop), *results))

    def _axes(self) -> Iterator[Axis]:
        draft, side = self.draft, self.side
        for axis in draft.outer:
            yield Axis(axis, draft.sizes[axis], 1)
        yield Axis(side.down, draft.sizes[side.down], self.tiling.tile, self.number)
        yield Axis(side.across, draft.sizes[side.across])
        for axis, spread in self.spreads.items():
            yield Axis(axis, size_or(draft.sizes[axis], 1), spread.step)

    def _visible(self) -> tuple[Dim | None, Dim | None]:
        """Where the blocks begin and end of which a tile sees anything."""
        first = self.number * self.tiling.tile
        if self.diagonal is None:
            return None, None
        if self.side.down is self.draft.key:
            return first - self.diagonal, None
        return None, first + self.tiling.tile + self.diagonal

    def _begin(self) -> Iterator[Phase]:
        for block in self.side.own:
            yield self._load(block)
        if self.side.rows:
            yield Phase((self.of_tile,), self.side.rows, ACROSS)
        for total in self.side.sums:
            yield Phase(self._along(total.along), total.begin)

    def _block(self) -> Iterator[Phase]:
        side, draft = self.side, self.draft
        for block in side.passing:
            yield self._load(block)
        for axis, body in ((draft.depth, side.scores), (draft.width, side.slopes)):
            if body:
                over = Loop(axis, neighbours(size_or(draft.sizes[axis], 1)))
                yield Phase((over, self.of_tile, self.of_block), body)
        yield Phase((self.of_tile, self.of_block), side.factors)
        over = Loop(side.across, neighbours(self.tiling.block))
        for total in side.sums:
            yield Phase((over, *self._along(total.along)), total.products)

    def _hidden(self, loop: Serial) -> Iterator[Serial]:
        """What comes of the blocks that are left out."""
        across = Loop(loop.symbol, 1, 1, DOWN)
        phases = tuple(
            Phase((across, self.spreads[total.along].loop(total.along)), total.hidden)
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
        return self.of_tile, self.spreads[axis].loop(axis)

    def _load(self, block: Block) -> Phase:
        return load_block(block.body, (block.down, block.along), self.lengths, self.device)
