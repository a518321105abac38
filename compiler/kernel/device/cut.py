"""Cuts folds with few results into pieces, so that every multiprocessor has some."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ..build import Draft
from ..processor import Device
from ..split import Piece, Scratch, can_split, cut_fold, why_cut
from .rows import Fold
from .walk import size_or, tiles_of

__all__ = ["Cut", "cut_in_pieces"]

LONG = 1 << 20  # what stands for sizes that are not known
SHORTEST_ROW, SHORTEST_COLUMN = 4096, 64  # elements of a piece, at least
OPEN_ROW, OPEN_COLUMN = 16384, 256  # elements of a piece of an axis of unknown size
TILES = 2  # for each multiprocessor
COLUMNS = 128  # that a tile covers, about


class Cut(Struct, frozen=True):
    """The fold of pieces, the draft that folds their results, and why there are two."""

    pieces: Fold
    rest: Draft
    piece: Piece
    why: str


def cut_in_pieces(fold: Fold, device: Device, scratch: Scratch) -> Cut | None:
    """The two folds, or None where one kernel does as well."""
    draft = fold.draft
    if not can_split(draft):
        return None
    length = _length(fold, device)
    if length is None:
        return None
    first, second, piece = cut_fold(
        draft, fold.along, length, scratch, pieces_first=not fold.is_row
    )
    why = why_cut(_tiles(fold), draft.extent(fold.along), piece)
    return Cut(replace(fold, draft=first), second, piece, why)


def _tiles(fold: Fold) -> int:
    """How many tiles have the results."""
    step = {} if fold.is_row or fold.beside is None else {fold.beside: COLUMNS}
    return tiles_of(fold.draft, step, otherwise=LONG)


def _length(fold: Fold, device: Device) -> int | None:
    """How long pieces are: of sizes alone, so that results do not depend on anything else."""
    extent = fold.draft.extent(fold.along)
    tiles = _tiles(fold)
    if 2 * tiles > device.multiprocessors:
        return None
    shortest = SHORTEST_ROW if fold.is_row else SHORTEST_COLUMN
    if not isinstance(extent, int):
        return OPEN_ROW if fold.is_row else OPEN_COLUMN
    inner = 1
    for axis in fold.others:
        inner *= size_or(fold.draft.extent(axis), 1)
    wanted = -(-TILES * device.multiprocessors // tiles)
    shortest = max(1, shortest // inner)
    pieces = min(wanted, extent // shortest)
    if pieces < 2:
        return None
    unit = 256 if fold.is_row and extent >= 4096 else 8
    return -(-extent // (pieces * unit)) * unit
