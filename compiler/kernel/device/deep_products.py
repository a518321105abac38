"""Products of few results and long sums: tiles add up pieces of the sums, which are then added.

Where results are few tiles, most multiprocessors would have none. How sums are cut depends on sizes
alone, and pieces are added in the order of their places: every run gives the same bits.
"""

from __future__ import annotations

from msgspec import Struct

from ...ir.dims import Dim
from ..build import Draft
from ..merge import merge_axes
from ..processor import Device
from ..split import Piece, Scratch, can_split, cut_fold, why_cut
from .products import LARGE, Tiling
from .walk import tiles_of

__all__ = ["DeepProduct", "cut_product"]

SIDE = 64  # of a tile that reads each operand often enough
SHORTEST = 256  # products in one piece of a sum: fewer cost less than to store it
OPEN = 2048  # products in a piece of a sum of unknown length
TILES = 2  # for each multiprocessor
UNIT = 64  # that pieces are a multiple of, and with that of any block


class DeepProduct(Struct, frozen=True):
    """The sums of pieces, one to a tile, and the sums of those; `why` it is cut."""

    pieces: Draft
    rest: Draft
    piece: Piece
    why: str


def cut_product(tiling: Tiling, device: Device, scratch: Scratch) -> DeepProduct | None:
    """The two drafts, or None where one does as well."""
    draft, sides = tiling.draft, {tiling.row: SIDE, tiling.column: SIDE}
    tiles = tiles_of(draft, sides, otherwise=LARGE)
    depth = draft.extent(tiling.down)
    length = _length(depth, tiles, device)
    if length is None or not can_split(draft):
        return None
    first, rest, piece = cut_fold(draft, tiling.down, length, scratch, pieces_first=True)
    extents = (rest.extent(piece.number), *first.extents)
    pieces = Draft((piece.number, *first.axes), extents, first.bodies)
    return DeepProduct(pieces, merge_axes(rest), piece, why_cut(tiles, depth, piece))


def _length(depth: Dim, tiles: int, device: Device) -> int | None:
    """How long pieces are, if the sums are worth cutting."""
    if 2 * tiles > device.multiprocessors:
        return None
    if not isinstance(depth, int):
        return OPEN
    wanted = -(-TILES * device.multiprocessors // tiles)
    pieces = min(wanted, depth // SHORTEST)
    return -(-depth // (pieces * UNIT)) * UNIT if pieces >= 2 else None
