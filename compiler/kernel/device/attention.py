"""Attention: a tile of queries stays, blocks of keys and values go by in shared memory.

Threads stand in a square: those of one row of it share rows of queries, and divide the keys of a
block among themselves, or the width of the values. So what belongs to a row, to scores or to sums
stays in registers; the weights go from one division to the other through shared memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import prod

from msgspec import Struct

from ...ir.dims import Dim, Symbol, maximum
from ..attention import AttentionDraft
from ..phases import Access, Axis, Instr, Loop, Part, Phase, Serial
from ..processor import Device
from .walk import Spread, lanes_along, size_or, stride_along

__all__ = [
    "AttentionTiling",
    "load_block",
    "neighbours",
    "plan_attention",
    "schedule_attention",
    "spread_of_width",
    "too_few_tiles",
]

DOWN, ACROSS = 8, 16  # threads along the queries, and along keys or width
THREADS = DOWN * ACROSS
ROWS, KEYS = (8, 4, 2), (4, 2, 1)  # that each thread has, the most first
WORDS = 64  # registers for scores and sums
SHARED = 99 << 10  # bytes that each device has for a block
LARGE = 1 << 11  # what stands for sizes that are not known


class AttentionTiling(Struct, frozen=True):
    """How many rows and keys each thread has in a block, and how many blocks are under way."""

    rows: int
    keys: int
    stages: int

    @property
    def row_tile(self) -> int:
        return self.rows * DOWN

    @property
    def block(self) -> int:
        return self.keys * ACROSS


def plan_attention(draft: AttentionDraft, device: Device) -> AttentionTiling | str:
    """The largest tile that registers and shared memory allow, or why there is none."""
    depth, width = draft.sizes[draft.depth], draft.sizes[draft.width]
    if not isinstance(depth, int) or not isinstance(width, int):
        return "the depth of a head is not known when it is compiled"
    words = -(-draft.dtype.itemsize // 4)
    across = spread_of_width(width)
    each = across.lanes * across.copies
    for stages in (2, 1):
        for rows in ROWS:
            for keys in KEYS if stages == 2 else KEYS[1:]:
                tiling = AttentionTiling(rows, keys, stages)
                fits = _shared_bytes(draft, tiling, depth, width) <= SHARED
                held = rows * (keys + each) * words
                if fits and held <= WORDS and not _is_too_large(draft, tiling, device):
                    return tiling
    return f"a head of depth {depth} and width {width} leaves no room for a block of keys"


def _shared_bytes(draft: AttentionDraft, tiling: AttentionTiling, depth: int, width: int) -> int:
    """Queries, blocks of keys and values, and weights, with some bytes between their rows."""
    q, k, v = (body[-1].dtype.itemsize for body in (draft.query, draft.keys, draft.values))
    pad = 16
    queries: int = tiling.row_tile * (depth * q + pad)
    blocks: int = tiling.block * (depth * k + pad + spread_of_width(width).step * v)
    weights: int = tiling.row_tile * (tiling.block * draft.dtype.itemsize + pad)
    return queries + tiling.stages * blocks + weights


def _is_too_large(draft: AttentionDraft, tiling: AttentionTiling, device: Device) -> bool:
    """Whether a smaller tile has fewer idle rows, or more of the multiprocessors at work."""
    outer = [draft.sizes[axis] for axis in draft.outer]
    fewer = too_few_tiles(draft.sizes[draft.row], tiling.row_tile, outer, device)
    return tiling.rows != ROWS[-1] and fewer


def too_few_tiles(size: Dim, tile: int, outer: Iterable[Dim], device: Device) -> bool:
    """Whether tiles of an axis are half idle, or leave multiprocessors without one."""
    tiles = -(-size_or(size, LARGE) // tile) * prod(size_or(n, 1) for n in outer)
    short = isinstance(size, int) and size <= tile // 2
    return short or tiles < device.multiprocessors


def spread_of_width(width: int) -> Spread:
    """The width among the threads of a row, in vectors where it is wide enough."""
    lanes = next(n for n in (4, 2, 1) if n == 1 or (width % n == 0 and width // n >= ACROSS))
    return Spread(lanes, -(-width // (lanes * ACROSS)), ACROSS)


def schedule_attention(
    draft: AttentionDraft, tiling: AttentionTiling, device: Device, diagonal: int | None
) -> Part:
    """The tiles of an attention; with a diagonal, keys more than that ahead are left out."""
    return _Schedule(draft, tiling, device, diagonal).part()


class _Schedule:
    def __init__(
        self, draft: AttentionDraft, tiling: AttentionTiling, device: Device, diagonal: int | None
    ) -> None:
        self.draft, self.tiling, self.device, self.diagonal = draft, tiling, device, diagonal
        self.depth, self.width = (size_or(draft.sizes[s], 1) for s in (draft.depth, draft.width))
        self.number = Symbol(f"{draft.row.name}_tile", 0, None, 1)
        self.lengths = {
            draft.row: tiling.row_tile,
            draft.key: tiling.block,
            draft.depth: self.depth,
            draft.width: spread_of_width(self.width).step,
        }
        self.of_rows = Loop(draft.row, 1, tiling.rows, DOWN, rolled=False)
        self.of_keys = Loop(draft.key, 1, tiling.keys, ACROSS, rolled=False)
        self.of_width = spread_of_width(self.width).loop(draft.width)

    def part(self) -> Part:
        draft = self.draft
        serial = Serial(
            draft.key,
            self.tiling.block,
            tuple(self._block()),
            self.tiling.stages,
            draft.carried,
            self._stop(),
        )
        begin = (
            self._load(draft.query, draft.row, draft.depth),
            self._of_rows(draft.begin_rows),
            Phase((self.of_rows, self.of_width), draft.begin_sums),
        )
        results = [Phase((self.of_rows, self.of_width), draft.results)]
        if draft.stored_rows:
            results.append(self._of_rows(draft.stored_rows))
        return Part(tuple(self._axes()), (*begin, serial, *self._hidden(), *results))

    def _axes(self) -> Iterator[Axis]:
        sizes, draft = self.draft.sizes, self.draft
        for axis in draft.outer:
            yield Axis(axis, sizes[axis], 1)
        yield Axis(draft.row, sizes[draft.row], self.tiling.row_tile, self.number)
        yield Axis(draft.key, sizes[draft.key])
        yield Axis(draft.depth, self.depth, self.lengths[draft.depth])
        yield Axis(draft.width, self.width, self.lengths[draft.width])

    def _stop(self) -> Dim | None:
        """Behind the last key that the last row of a tile may see."""
        if self.diagonal is None:
            return None
        return (self.number + 1) * self.tiling.row_tile + self.diagonal

    def _hidden(self) -> Iterator[Phase | Serial]:
        """What the keys add that no row of the tile may see."""
        draft, stop, block = self.draft, self._stop(), self.tiling.block
        if draft.hidden is None or stop is None:
            return
        keys = Loop(draft.key, 1, 1, DOWN)
        phases = (
            Phase((keys,), draft.hidden.counts),
            Phase((keys, self.of_width), draft.hidden.values),
        )
        yield Serial(draft.key, block, phases, start=maximum(stop, 0) + block - 1)
        yield self._of_rows(draft.hidden.rows)

    def _block(self) -> Iterator[Phase]:
        draft = self.draft
        yield self._load(draft.keys, draft.key, draft.depth)
        yield self._load(draft.values, draft.key, draft.width)
        square = (self.of_rows, self.of_keys)
        yield Phase((Loop(draft.depth, neighbours(self.depth)), *square), draft.scores)
        yield Phase(square, draft.greatest)
        yield self._of_rows(draft.shrink)
        yield Phase(square, draft.weights)
        yield self._of_rows(draft.next_rows)
        results = (self.of_rows, self.of_width)
        yield Phase(results, draft.shrink_sums)
        yield Phase((Loop(draft.key, neighbours(self.tiling.block)), *results), draft.products)

    def _load(self, body: tuple[Instr, ...], down: Symbol, along: Symbol) -> Phase:
        return load_block(body, (down, along), self.lengths, self.device)

    def _of_rows(self, body: tuple[Instr, ...]) -> Phase:
        """What the threads of a row of the square all do."""
        return Phase((self.of_rows,), body, ACROSS)


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


def neighbours(length: int) -> int:
    """Neighbours that are read at once."""
    return next(n for n in (4, 2, 1) if length % n == 0)


def _power_below(number: int) -> int:
    """The largest power of two that is not above a number."""
    return 1 << number.bit_length() - 1
