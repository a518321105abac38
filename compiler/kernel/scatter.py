"""Additions at computed places: a copy of the operand, then one update after the other.

Tiles divide the axes along which updates stay in their row or column, so that all updates of
one element are added in the same tile, in the order of their index.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from ..ir.dims import Dim, Symbol
from ..ir.node import Node
from .body import Body, Index
from .build import Storage
from .domain import axis_symbols
from .phases import Axis, Buffer, Instr, Loop, Part, Phase
from .processor import Processor

__all__ = ["Additions", "build_scatter", "schedule_scatter"]

MOST_VECTORS = 4  # of neighbouring columns in one tile


class _Axes(Struct, frozen=True):
    """Some axes: symbols and sizes."""

    symbols: tuple[Symbol, ...]
    sizes: tuple[Dim, ...]

    @classmethod
    def of(cls, sizes: tuple[Dim, ...], hint: str) -> _Axes:
        return cls(axis_symbols(sizes, hint), sizes)

    @property
    def index(self) -> Index:
        return tuple(0 if n == 1 else s + 0 for s, n in zip(self.symbols, self.sizes, strict=True))

    @property
    def walked(self) -> tuple[tuple[Symbol, Dim], ...]:
        return tuple((s, n) for s, n in zip(self.symbols, self.sizes, strict=True) if n != 1)


class Additions(Struct, frozen=True):
    """A copy of the operand, then the updates, each over some axes and those that are `kept`."""

    before: tuple[tuple[Symbol, Dim], ...]
    own: tuple[tuple[Symbol, Dim], ...]
    after: tuple[tuple[Symbol, Dim], ...]
    places: tuple[tuple[Symbol, Dim], ...]
    copy: tuple[Instr, ...]
    add: tuple[Instr, ...]

    @property
    def kept(self) -> tuple[tuple[Symbol, Dim], ...]:
        """The axes along which no update leaves its row or column."""
        return (*self.before, *self.after)


def build_scatter(node: Node, sees_through: Callable[[Node], bool], storage: Storage) -> Additions:
    """What an operation does that adds updates to a copy of its operand."""
    axis, updates = node.attr("axis"), node.inputs[2]
    before = _Axes.of(node.shape[:axis], "b")
    after = _Axes.of(node.shape[axis + 1 :], "a")
    own = _Axes.of((node.shape[axis],), "d")
    places = _Axes.of(updates.shape[axis : updates.rank - len(after.sizes)], "u")
    body = Body(sees_through, storage)
    copy = _copy(body, node, storage(node), (*before.index, *own.index, *after.index))
    add = _add(body, node, storage(node), (before.index, places.index, after.index))
    return Additions(before.walked, own.walked, after.walked, places.walked, copy, add)


def schedule_scatter(work: Additions, processor: Processor) -> Part:
    """Tiles of neighbouring columns; each copies them, then adds one update after the other."""
    lanes = processor.lanes((*work.copy, *work.add))
    column = work.after[-1] if work.after and lanes > 1 else None
    block = _block(column, lanes)
    axes = (
        *(Axis(s, n, block[0].step if block and s == block[0].symbol else 1) for s, n in work.kept),
        *(Axis(s, n) for s, n in (*work.own, *work.places)),
    )
    copied = tuple(Loop(s) for s, _ in work.own)
    added = tuple(Loop(s) for s, _ in work.places)
    return Part(axes, (Phase((*copied, *block), work.copy), Phase((*added, *block), work.add)))


def _block(column: tuple[Symbol, Dim] | None, lanes: int) -> tuple[Loop, ...]:
    """The vectors of neighbouring columns that a tile covers."""
    if column is None:
        return ()
    symbol, size = column
    most = -(-size // lanes) if isinstance(size, int) else MOST_VECTORS
    return (Loop(symbol, lanes, max(1, min(MOST_VECTORS, most)), rolled=False),)


def _copy(body: Body, node: Node, result: Buffer, index: Index) -> tuple[Instr, ...]:
    value = body.value(node.inputs[0], index)
    body.store(result, index, node.shape, value)
    return body.finish()


def _add(
    body: Body, node: Node, result: Buffer, position: tuple[Index, Index, Index]
) -> tuple[Instr, ...]:
    """One update, added where the indices say; they lie along the axis or replace it."""
    before, places, after = position
    _, indices, updates = node.inputs
    at = (*before, *places, *after)
    along = indices.rank == updates.rank
    found = body.value(indices, at if along else places)
    last = body.index(node.shape[node.attr("axis")] - 1)
    zero = body.index(0)
    place = body.max(body.min(body.convert(found, zero.dtype), last), zero)
    index = (*before, place, *after)
    body.accumulate(result, index, node.shape, body.value(updates, at))
    return body.finish()
