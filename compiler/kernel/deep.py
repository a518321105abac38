"""Cuts long sums of products into pieces, so that what the tiles of one piece read stays in cache.

Gradients of kernels are such: few sums, of products over all places of all images. Tile after tile
would read all of both operands from memory.
"""

from __future__ import annotations

from msgspec import Struct

from ..ir.dims import Symbol, coefficient, product
from .build import Draft
from .processor import Processor
from .rewrite import counted_through
from .split import Piece, Scratch, can_split, cut_fold

__all__ = ["Deep", "cut_deep_product"]

SHARE = 2  # a piece's data fill all but one part in so many of the cache
SHORTEST = 128  # products in one piece of a sum: fewer cost less than to store it
LARGEST = 8  # bytes of sums for each byte that a piece reads, at most


class Deep(Struct, frozen=True):
    """The sums of pieces, and the sums of those; `piece` says how the axis is cut."""

    pieces: Draft
    rest: Draft
    piece: Piece


def cut_deep_product(draft: Draft, processor: Processor, scratch: Scratch) -> Deep | None:
    """The two drafts, or None where one does as well."""
    folded = [axis for axis in draft.axes if axis in draft.reduced]
    if not folded or not can_split(draft):
        return None
    outer = folded[:-1] or folded
    step = _bytes_of_step(draft, outer[-1])
    length = None if step is None else _length(draft, folded, outer, step, processor)
    if length is None:
        return None
    whole = outer[0]
    if len(outer) > 1:
        draft, whole = counted_through(draft, outer)
        draft = _outermost(draft, whole)
    return Deep(*cut_fold(draft, whole, length, scratch, pieces_first=True))


def _bytes_of_step(draft: Draft, axis: Symbol) -> int | None:
    """How much more one step along the axis reads, if that is known."""
    loads = [i for i in draft.bodies[0] if i.op == "load"]
    if not loads or any(load.args for load in loads):
        return None
    total = 0
    for load in loads:
        step = coefficient(load.detail.offset, axis)
        if not isinstance(step, int) or step < 2:  # side by side: read line by line anyway
            return None
        total += step * load.dtype.itemsize
    return total


def _length(
    draft: Draft, folded: list[Symbol], outer: list[Symbol], step: int, processor: Processor
) -> int | None:
    """Steps in one piece: few enough for the cache, so many that partial sums cost little."""
    inner = product(draft.extent(axis) for axis in folded if axis not in outer)
    results = product(draft.extent(a) for a in draft.axes if a not in draft.reduced)
    if not isinstance(inner, int) or not isinstance(results, int):
        return None
    length = (processor.cache_bytes - processor.cache_bytes // SHARE) // step
    partial_bytes = results * draft.bodies[0][-1].dtype.itemsize
    extent = product(draft.extent(axis) for axis in outer)
    short = extent < 2 * length if isinstance(extent, int) else len(folded) == 1
    if short or length * inner < SHORTEST or partial_bytes > LARGEST * length * step:
        return None
    return length


def _outermost(draft: Draft, whole: Symbol) -> Draft:
    """The same axes, one of them first."""
    order = (whole, *(axis for axis in draft.axes if axis != whole))
    return Draft(order, tuple(map(draft.extent, order)), draft.bodies)
