"""Splits a fold of many elements into few results: partial results first, then their fold.

How it is cut depends on sizes alone, so that the result has the same bits on any number of cores.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from ..ir.dims import Dim, Symbol, ceil_div
from .body import Body
from .build import Draft
from .phases import Buffer, Reduce

__all__ = ["Piece", "Scratch", "can_split", "cut_fold", "split_fold", "why_cut"]

PIECE = 8192  # elements of the folded axis in one partial result
WORTH_SPLITTING = 4 * PIECE
MANY_RESULTS = 32  # so many independent folds keep the cores busy without being split


class Piece(Struct, frozen=True):
    """An axis that is folded in pieces of `length`, numbered by a symbol."""

    axis: Symbol
    length: int
    number: Symbol

    @property
    def span(self) -> tuple[Dim, Dim]:
        """Where the piece begins, and where the one after it does."""
        first = self.number * self.length
        return first, first + self.length


Scratch = Callable[[Buffer, tuple[Dim, ...]], Buffer]


def why_cut(tiles: int, extent: Dim, piece: Piece) -> str:
    """The reason to fold in pieces where so many tiles would have the results."""
    have = "one tile has" if tiles == 1 else f"{tiles} tiles have"
    return f"{have} all results, so folds of {extent} are cut into pieces of {piece.length}"


def split_fold(draft: Draft, scratch: Scratch) -> tuple[Draft, Draft, Piece] | None:
    """The two drafts and how the axis is cut; None when one kernel does as well."""
    if not draft.bodies or len(draft.reduced) != 1 or not _is_worth(draft):
        return None
    axis = next(iter(draft.reduced))
    if draft.axes[-1] != axis or not can_split(draft):
        return None
    return cut_fold(draft, axis, PIECE, scratch)


def can_split(draft: Draft) -> bool:
    """Whether only the first phase walks folded axes, with folds whose state is their result."""
    folds = [i for i in draft.bodies[0] if i.op == "reduce"]
    if not folds:
        return False
    rest = [i for body in draft.bodies[1:] for i in body]
    if any(i.op == "reduce" or i.axes & draft.reduced for i in rest):
        return False
    return all(fold.detail.reduction.instruction is not None for fold in folds)


def cut_fold(
    draft: Draft, axis: Symbol, length: int, scratch: Scratch, *, pieces_first: bool = False
) -> tuple[Draft, Draft, Piece]:
    """Folds of pieces of an axis, and the folds of those; partial results lie one beside the
    other along the pieces, or with `pieces_first` along the kept axes."""
    kept = tuple(a for a in draft.axes if a not in draft.reduced)
    sizes = tuple(draft.extent(a) for a in kept)
    pieces = ceil_div(draft.extent(axis), length)
    piece = Symbol(f"{axis.name}_piece", 0, pieces - 1, 1)
    writer, reader = _silent_body(), _silent_body()
    position = tuple(a + 0 for a in kept)
    index = (piece + 0, *position) if pieces_first else (*position, piece + 0)
    shape = (pieces, *sizes) if pieces_first else (*sizes, pieces)
    for fold in (i for i in draft.bodies[0] if i.op == "reduce"):
        reduce: Reduce = fold.detail
        like = Buffer(reduce.local.name, reduce.local.dtype, ())
        partial = scratch(like, shape)
        writer.store(partial, index, shape, writer.get(reduce.local))
        value = reader.load(partial, index, shape)
        reader.reduce(replace(reduce, over=frozenset({piece})), value)
    first = Draft(draft.axes, draft.extents, (draft.bodies[0], writer.finish()))
    axes = (piece, *kept) if pieces_first else (*kept, piece)
    second = Draft(axes, shape, (reader.finish(), *draft.bodies[1:]))
    return first, second, Piece(axis, length, piece)


def _is_worth(draft: Draft) -> bool:
    """One long folded axis and few results."""
    results: Dim = 1
    for axis, extent in zip(draft.axes, draft.extents, strict=True):
        if axis not in draft.reduced:
            results = results * extent
    length = draft.extent(next(iter(draft.reduced)))
    few = isinstance(results, int) and results < MANY_RESULTS
    return few and not (isinstance(length, int) and length < WORTH_SPLITTING)


def _silent_body() -> Body:
    def nothing(_: object) -> Buffer:
        raise AssertionError("a partial result reads no graph node")

    return Body(lambda _: False, nothing)
