"""Cuts folds with few results into pieces, so that every multiprocessor has some."""

from __future__ import annotations

from msgspec.structs import replace

from ..build import Draft
from ..processor import Device
from ..split import Piece, Scratch, can_split, cut_fold
from .rows import Fold
from .walk import size_or, tiles_of

__all__ = ["cut_in_pieces"]

LONG = 1 << 20  # what stands for sizes that are not known
SHORTEST_ROW, SHORTEST_COLUMN = 4096, 64  # elements of a piece, at least
OPEN_ROW, OPEN_COLUMN = 16384, 256  # elements of a piece of an axis of unknown size
TILES = 2  # for each multiprocessor
COLUMNS = 128  # that a tile covers, about


def cut_in_pieces(fold: Fold, device: Device, scratch: Scratch) -> tuple[Fold, Draft, Piece] | None:
    """The fold of pieces and the draft that folds their results; None where one kernel does."""
    draft = fold.draft
    if not can_split(draft):
        return None
    length = _length(fold, device)
    if length is None:
        return None
    first, second, piece = cut_fold(
        draft, fold.along, length, scratch, pieces_first=not fold.is_row
    )
    return replace(fold, draft=first), second, piece


def _length(fold: Fold, device: Device) -> int | None:
    """How long pieces are: of sizes alone, so that results do not depend on anything else."""
    extent = fold.draft.extent(fold.along)
    step = {} if fold.is_row or fold.beside is None else {fold.beside: COLUMNS}
    tiles = tiles_of(fold.draft, step, otherwise=LONG)
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
