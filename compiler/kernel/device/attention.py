"""Attention: a tile of queries stays, blocks of keys and values go by in shared memory."""

from __future__ import annotations

from collections.abc import Iterator

from ...ir.dims import Dim, Symbol, maximum
from ..attention import AttentionDraft
from ..phases import Axis, Instr, Part, Phase, Serial
from ..processor import Device
from .square import SHARED, Square, load_block, squares, too_few_tiles
from .walk import size_or

__all__ = ["plan_attention", "schedule_attention"]

WORDS = 64  # registers for scores and sums, …
WORDS_OF_FRAGMENTS = 96  # … and where the rest needs few
PAD = 16  # bytes between the rows of a block


def plan_attention(draft: AttentionDraft, device: Device) -> Square | str:
    """The largest tile that registers and shared memory allow, or why there is none."""
    depth, width = draft.sizes[draft.depth], draft.sizes[draft.width]
    if not isinstance(depth, int) or not isinstance(width, int):
        return "the depth of a head is not known when it is compiled"
    operands = [body[-1].dtype for body in (draft.query, draft.keys, draft.values)]
    outer = [draft.sizes[axis] for axis in draft.outer]
    for square in squares(operands, (depth, width)):
        words = WORDS if square.fragment is None else WORDS_OF_FRAGMENTS
        fits = _shared_bytes(draft, square, depth, width) <= SHARED
        few = square.words(1, (width,), draft.dtype.itemsize) <= words
        if fits and few and not too_few_tiles(draft.sizes[draft.row], square, outer, device):
            return square
    return f"a head of depth {depth} and width {width} leaves no room for a block of keys"


def _shared_bytes(draft: AttentionDraft, square: Square, depth: int, width: int) -> int:
    """Queries, blocks of keys and values, and weights, with some bytes between their rows."""
    q, k, v = (body[-1].dtype.itemsize for body in (draft.query, draft.keys, draft.values))
    queries: int = square.tile * (depth * q + PAD)
    blocks: int = square.block * (depth * k + PAD + square.length(width) * v + PAD)
    weight: int = next(i for i in draft.weights if i.op == "put").dtype.itemsize
    weights: int = square.tile * (square.block * weight + PAD)
    folded = 0 if draft.hidden is None else square.shared_fold(width, draft.dtype.itemsize)
    return queries + square.stages * blocks + weights + folded


def schedule_attention(
    draft: AttentionDraft, square: Square, device: Device, diagonal: int | None
) -> Part:
    """The tiles of an attention; with a diagonal, keys more than that ahead are left out."""
    return _Schedule(draft, square, device, diagonal).part()


class _Schedule:
    def __init__(
        self, draft: AttentionDraft, square: Square, device: Device, diagonal: int | None
    ) -> None:
        self.draft, self.square, self.device, self.diagonal = draft, square, device, diagonal
        self.depth, self.width = (size_or(draft.sizes[s], 1) for s in (draft.depth, draft.width))
        self.number = Symbol(f"{draft.row.name}_tile", 0, None, 1)
        self.lengths = {
            draft.row: square.tile,
            draft.key: square.block,
            draft.depth: self.depth,
            draft.width: square.length(self.width),
        }
        self.tile, self.keys = square.of_tile(draft.row), square.of_block(draft.key)
        self.of_width = square.of_width(draft.width, self.width)

    def part(self) -> Part:
        """The tiles, and what runs in each."""
        draft, square = self.draft, self.square
        block, stop = tuple(self._block()), self._stop()
        serial = Serial(draft.key, square.block, block, square.stages, draft.carried, stop)
        begin = (
            self._load(draft.query, draft.row, draft.depth),
            square.of_rows(draft.row, draft.begin_rows),
            Phase((self.tile, self.of_width), draft.begin_sums),
        )
        results = [Phase((self.tile, self.of_width), draft.results)]
        if draft.stored_rows:
            results.append(square.of_rows(draft.row, draft.stored_rows))
        return Part(tuple(self._axes()), (*begin, serial, *self._hidden(), *results))

    def _axes(self) -> Iterator[Axis]:
        sizes, draft = self.draft.sizes, self.draft
        for axis in draft.outer:
            yield Axis(axis, sizes[axis], 1)
        yield Axis(draft.row, sizes[draft.row], self.square.tile, self.number)
        yield Axis(draft.key, sizes[draft.key])
        yield Axis(draft.depth, self.depth, self.lengths[draft.depth])
        yield Axis(draft.width, self.width, self.lengths[draft.width])

    def _stop(self) -> Dim | None:
        """Behind the last key that the last row of a tile may see."""
        if self.diagonal is None:
            return None
        return (self.number + 1) * self.square.tile + self.diagonal

    def _hidden(self) -> Iterator[Phase | Serial]:
        """What the keys add that no row of the tile may see."""
        draft, square, stop = self.draft, self.square, self._stop()
        if draft.hidden is None or stop is None:
            return
        phases = (
            square.folded(draft.key, None, draft.hidden.counts),
            square.folded(draft.key, self.of_width, draft.hidden.values),
        )
        after = maximum(stop, 0) + square.block - 1
        yield Serial(draft.key, square.block, phases, start=after)
        yield square.of_rows(draft.row, draft.hidden.rows)

    def _block(self) -> Iterator[Phase]:
        draft, square = self.draft, self.square
        yield self._load(draft.keys, draft.key, draft.depth)
        yield self._load(draft.values, draft.key, draft.width)
        both = (self.tile, self.keys)
        yield square.multiplied(draft.depth, self.depth, both, draft.scores)
        yield Phase(both, draft.greatest)
        yield square.of_rows(draft.row, draft.shrink)
        yield Phase(both, draft.weights)
        yield square.of_rows(draft.row, draft.next_rows)
        results = (self.tile, self.of_width)
        yield Phase(results, draft.shrink_sums)
        yield square.multiplied(draft.key, square.block, results, draft.products)

    def _load(self, body: tuple[Instr, ...], down: Symbol, along: Symbol) -> Phase:
        return load_block(body, (down, along), self.lengths, self.device)
