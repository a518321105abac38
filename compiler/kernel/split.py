"""Splits a fold of many elements into few results: partial results first, then their fold.

How it is cut depends on sizes alone, so that the result has the same bits on any number of cores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..ir.dims import Dim, Symbol, ceil_div
from .body import Body
from .build import Draft
from .phases import Buffer, Instr, Reduce

__all__ = ["Piece", "split_fold"]

PIECE = 8192  # elements of the folded axis in one partial result
WORTH_SPLITTING = 4 * PIECE
MANY_RESULTS = 32  # so many independent folds keep the cores busy without being split


@dataclass(frozen=True, slots=True)
class Piece:
    """An axis that is folded in pieces of `length`, numbered by a symbol."""

    axis: Symbol
    length: int
    number: Symbol


Scratch = Callable[[Buffer, tuple[Dim, ...]], Buffer]


def split_fold(draft: Draft, scratch: Scratch) -> tuple[Draft, Draft, Piece] | None:
    """The two drafts and how the axis is cut; None when one kernel does as well."""
    folds = [i for i in draft.bodies[0] if i.op == "reduce"] if draft.bodies else []
    if not folds or not _is_worth(draft) or not _can(draft, folds):
        return None
    axis = next(iter(draft.reduced))
    kept = tuple(a for a in draft.axes if a != axis)
    sizes = tuple(draft.extent(a) for a in kept)
    pieces = ceil_div(draft.extent(axis), PIECE)
    piece = Symbol(f"{axis.name}_piece", 0, pieces - 1, 1)
    writer, reader = _silent_body(), _silent_body()
    position = tuple(a + 0 for a in kept)
    for fold in folds:
        reduce: Reduce = fold.detail
        like = Buffer(reduce.local.name, reduce.local.dtype, ())
        partial = scratch(like, (*sizes, pieces))
        index, shape = (*position, piece + 0), (*sizes, pieces)
        writer.store(partial, index, shape, writer.get(reduce.local))
        value = reader.load(partial, index, shape)
        reader.reduce(replace(reduce, over=frozenset({piece})), value)
    first = Draft(draft.axes, draft.extents, (draft.bodies[0], writer.finish()))
    second_axes = (*kept, piece)
    second = Draft(second_axes, (*sizes, pieces), (reader.finish(), *draft.bodies[1:]))
    return first, second, Piece(axis, PIECE, piece)


def _is_worth(draft: Draft) -> bool:
    """One long folded axis and few results."""
    if len(draft.reduced) != 1:
        return False
    results: Dim = 1
    for axis, extent in zip(draft.axes, draft.extents, strict=True):
        if axis not in draft.reduced:
            results = results * extent
    length = draft.extent(next(iter(draft.reduced)))
    few = isinstance(results, int) and results < MANY_RESULTS
    return few and not (isinstance(length, int) and length < WORTH_SPLITTING)


def _can(draft: Draft, folds: list[Instr]) -> bool:
    """Only the first phase walks the folded axis, with folds whose state is their result."""
    axis = next(iter(draft.reduced))
    if any(axis in i.axes for body in draft.bodies[1:] for i in body):
        return False
    if any(i.op == "reduce" for body in draft.bodies[1:] for i in body):
        return False
    if draft.axes[-1] != axis:
        return False
    return all(fold.detail.reduction.instruction is not None for fold in folds)


def _silent_body() -> Body:
    def nothing(_: object) -> Buffer:
        raise AssertionError("a partial result reads no graph node")

    return Body(lambda _: False, nothing)
