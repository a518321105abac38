"""Cuts folds and products of few results into pieces, so that every multiprocessor has some.

Where results are few tiles, most multiprocessors would have none: tiles fold pieces, which are then
folded. How they are cut depends on sizes alone, and pieces are folded in the order of their places:
every run gives the same bits.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ...ir.dims import Dim, Symbol
from ..build import Draft
from ..merge import merge_axes
from ..processor import Device
from ..split import Piece, Scratch, can_split, cut_fold, why_cut
from .products import LARGE, Tiling
from .rows import Fold
from .walk import size_or, tiles_of

__all__ = ["Cut", "cut_in_pieces", "cut_product"]

LONG = 1 << 20  # what stands for sizes that are not known
TILES = 2  # for each multiprocessor
COLUMNS = 128  # that a tile of a fold covers, about
SIDE = 64  # of a tile of a product that reads each operand often enough


class _Grain(Struct, frozen=True):
    """The elements of a piece, at least; those of a piece of an axis of unknown size; and what they
    are a multiple of."""

    shortest: int
    open: int
    unit: int


ROW, COLUMN = _Grain(4096, 16384, 256), _Grain(64, 256, 8)
PRODUCT = _Grain(256, 2048, 64)  # a multiple of any block


class Cut(Struct, frozen=True):
    """The folds of pieces, the folds of their results, and why there are two."""

    pieces: Draft
    rest: Draft
    piece: Piece
    why: str


def cut_in_pieces(fold: Fold, device: Device, scratch: Scratch) -> Cut | None:
    """The two drafts of a fold, or None where one kernel does as well."""
    step = {} if fold.is_row or fold.beside is None else {fold.beside: COLUMNS}
    tiles, grain = tiles_of(fold.draft, step, otherwise=LONG), _grain(fold)
    first = not fold.is_row
    return _cut(fold.draft, fold.along, tiles, grain, device, scratch, pieces_first=first)


def _grain(fold: Fold) -> _Grain:
    """Pieces are shorter where further axes are folded with them."""
    grain, inner = ROW if fold.is_row else COLUMN, 1
    for axis in fold.others:
        inner *= size_or(fold.draft.extent(axis), 1)
    is_short = fold.length is not None and fold.length < ROW.shortest
    unit = COLUMN.unit if is_short else grain.unit
    return replace(grain, shortest=max(1, grain.shortest // inner), unit=unit)


def cut_product(tiling: Tiling, device: Device, scratch: Scratch) -> Cut | None:
    """The two drafts of a product, one piece to a tile, or None where one kernel does as well."""
    draft, sides = tiling.draft, {tiling.row: SIDE, tiling.column: SIDE}
    tiles = tiles_of(draft, sides, otherwise=LARGE)
    found = _cut(draft, tiling.down, tiles, PRODUCT, device, scratch, pieces_first=True)
    if found is None:
        return None
    number, first = found.piece.number, found.pieces
    extents = (found.rest.extent(number), *first.extents)
    pieces = Draft((number, *first.axes), extents, first.bodies)
    return replace(found, pieces=pieces, rest=merge_axes(found.rest))


def _cut(
    draft: Draft,
    along: Symbol,
    tiles: int,
    grain: _Grain,
    device: Device,
    scratch: Scratch,
    *,
    pieces_first: bool,
) -> Cut | None:
    extent = draft.extent(along)
    length = _length(extent, tiles, grain, device)
    if length is None or not can_split(draft):
        return None
    first, rest, piece = cut_fold(draft, along, length, scratch, pieces_first=pieces_first)
    return Cut(first, rest, piece, why_cut(tiles, extent, piece))


def _length(extent: Dim, tiles: int, grain: _Grain, device: Device) -> int | None:
    """How long pieces are, if the axis is worth cutting."""
    if 2 * tiles > device.multiprocessors:
        return None
    if not isinstance(extent, int):
        return grain.open
    wanted = -(-TILES * device.multiprocessors // tiles)
    pieces = min(wanted, extent // grain.shortest)
    return -(-extent // (pieces * grain.unit)) * grain.unit if pieces >= 2 else None
