"""Schedules of products: register tiles of rows × columns, and the order in which they go by."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from ..ir.dims import Dim, Symbol, coefficient
from .build import Draft
from .pack import Scratch, displaces, pack, wants_panels
from .phases import Axis, Loop, Part, Phase
from .processor import PAGE, Processor
from .schedule import turns_ahead
from .split import Piece

__all__ = ["last_kept", "row_axis", "schedule_contraction"]

# Register tiles for 32 and for 16 vector registers: rows × vectors of columns.
LARGE_TILES = (
    *((14, 2), (8, 3), (6, 4), (12, 2), (4, 6), (2, 8), (9, 3), (10, 2), (7, 3), (5, 4)),
    *((16, 1), (12, 1), (8, 1), (4, 1), (2, 1), (8, 2), (4, 2), (2, 2), (4, 4), (2, 4), (4, 3)),
)
SMALL_TILES = (
    *((6, 2), (4, 3), (4, 2), (3, 4), (2, 4), (2, 5), (5, 2)),
    *((8, 1), (6, 1), (4, 1), (2, 1), (2, 2), (2, 3)),
)
MOST_VECTORS = 8  # of one row, where there are no rows to share the columns
WHOLE = 1.03  # times as good is a tile that needs no code for what is cut off at an edge
WHOLE_ROWS = (4, 8, 16)  # of a tile, that one vector holds
CONFLICT_ROWS = 8  # of a tile, where elements of neighbouring rows displace each other in cache


class _Tiling(Struct, frozen=True):
    """How one product is cut: unrolled rows and columns, or vectors down a folded axis."""

    draft: Draft
    rows: Loop | None
    columns: Loop | None
    inner: Loop | None = None
    panels: Mapping[Symbol, Symbol] = {}
    piece: Piece | None = None

    def part(self, processor: Processor) -> Part:
        """The tiles in an order that keeps one operand in cache while the other goes by."""
        unrolled = tuple(loop for loop in (self.rows, self.columns) if loop is not None)
        last = self.columns if self._right_stays(processor) else self.rows
        order = sorted(self.draft.axes, key=lambda axis: self._place(axis, last))
        folded = [Loop(a) for a in self.draft.axes if self._is_plain_fold(a)]
        vectors = () if self.inner is None else (self.inner,)
        fold, after = self.draft.bodies
        ahead = turns_ahead(fold, folded[-1].symbol) if folded else ()
        turns = Phase((*folded, *vectors, *unrolled), fold, ahead=ahead)
        return Part(tuple(map(self._axis, order)), (turns, Phase(unrolled, after)))

    def _right_stays(self, processor: Processor) -> bool:
        """Whether the operand that varies along the columns fits into the cache as a whole."""
        if self.columns is None:
            return False
        axes = [a for a in self.draft.axes if a in self.draft.reduced or a == self.columns.symbol]
        nbytes = self.draft.bodies[0][-1].dtype.itemsize
        for axis in axes:
            extent = self.draft.extent(axis)
            nbytes *= extent if isinstance(extent, int) else 1
        return nbytes <= processor.cache_bytes // 2

    def _place(self, axis: Symbol, last: Loop | None) -> int:
        """Pieces of sums and batches first, then the tiles' two axes, then what is folded."""
        if axis in self.draft.reduced:
            return -1 if self.piece and axis == self.piece.axis else 3
        if last is not None and axis == last.symbol:
            return 2
        return 1 if axis in (loop.symbol for loop in (self.rows, self.columns) if loop) else 0

    def _is_plain_fold(self, axis: Symbol) -> bool:
        return axis in self.draft.reduced and not (self.inner and self.inner.symbol == axis)

    def _axis(self, axis: Symbol) -> Axis:
        extent = self.draft.extent(axis)
        if self.piece and axis == self.piece.axis:
            return Axis(axis, extent, self.piece.length, self.piece.number)
        if axis in self.draft.reduced:
            return Axis(axis, extent)
        for loop in (self.rows, self.columns):
            if loop is not None and loop.symbol == axis:
                return Axis(axis, extent, loop.step, self.panels.get(axis))
        return Axis(axis, extent, 1)


def schedule_contraction(
    draft: Draft, processor: Processor, scratch: Scratch, piece: Piece | None = None
) -> tuple[Part, ...]:
    """Products of register tiles, across the columns, or down k for few rows of a transpose.

    The last part computes the product; parts before it copy operands into panels. With a piece,
    each tile adds up one piece of the axis.
    """
    lanes = processor.lanes(draft.bodies[0])
    column = last_kept(draft)
    row = row_axis(draft, column)
    rows, vectors = _tile_shape(draft, row, column, lanes, processor)
    across = _Tiling(
        draft,
        None if row is None else Loop(row, 1, rows, rolled=False),
        None if column is None else Loop(column, lanes, vectors, rolled=False),
        piece=piece,
    )
    if across.columns is not None and wants_panels(draft, across.columns):
        return _packed(across, processor, scratch)
    down = _down(draft)
    if down is not None and not _is_across(draft, column):
        return (replace(_dot_tiling(draft, row, column, down, lanes), piece=piece).part(processor),)
    return (across.part(processor),)


def _packed(tiling: _Tiling, processor: Processor, scratch: Scratch) -> tuple[Part, ...]:
    """The copies into panels of columns, and of rows where these get into each other's way."""
    loops = [tiling.columns]
    if tiling.rows is not None and displaces(tiling.draft, tiling.rows.symbol):
        lanes = tiling.rows.copies if tiling.rows.copies in WHOLE_ROWS else 1
        loops.append(Loop(tiling.rows.symbol, lanes, tiling.rows.copies // lanes, rolled=False))
    parts: list[Part] = []
    for loop in loops:
        assert loop is not None
        packed = pack(tiling.draft, loop, scratch)
        panels = {**tiling.panels, loop.symbol: packed.number}
        tiling = replace(tiling, draft=packed.draft, panels=panels)
        parts.extend(packed.parts)
    return (*parts, tiling.part(processor))


def _dot_tiling(
    draft: Draft, row: Symbol | None, column: Symbol | None, down: Symbol, lanes: int
) -> _Tiling:
    """A tile of rows × columns of vectors that run down k, added up at the end."""
    rows = 1 if row is None else _best_copies(draft.extent(row), (4, 3, 2, 1))
    choices = (4, 3, 2, 1) if rows > 1 else (8, 4, 2, 1)
    columns = 1 if column is None else _best_copies(draft.extent(column), choices)
    return _Tiling(
        draft,
        None if row is None else Loop(row, 1, rows, rolled=False),
        None if column is None else Loop(column, 1, columns, rolled=False),
        Loop(down, lanes, 1 if rows * columns > 1 else 4),
    )


def _tile_shape(
    draft: Draft, row: Symbol | None, column: Symbol | None, lanes: int, processor: Processor
) -> tuple[int, int]:
    """Rows and vectors of columns of a register tile: full use of the registers, little waste."""
    if column is None:
        return (_best_copies(draft.extent(row), (8, 4, 2, 1)) if row else 1), 1
    columns = draft.extent(column)
    most = max(1, -(-columns // lanes)) if isinstance(columns, int) else MOST_VECTORS
    if row is None or draft.extent(row) == 1:
        return 1, max(1, min(MOST_VECTORS, most))
    known: tuple[tuple[int, int], ...] = LARGE_TILES if processor.registers >= 32 else SMALL_TILES
    rows = CONFLICT_ROWS if _rows_conflict(draft, row, column) else processor.registers
    if displaces(draft, row):  # so many are copied at once
        known = tuple(shape for shape in known if shape[0] in WHOLE_ROWS)

    def merit(shape: tuple[int, int]) -> float:
        wanted = _use(draft.extent(row), shape[0]) * _use(columns, shape[1] * lanes)
        return wanted * _rate(*shape) * (WHOLE if wanted == 1.0 else 1.0)

    return max((s for s in known if s[1] <= most and s[0] <= rows), key=merit)


def _rows_conflict(draft: Draft, row: Symbol, column: Symbol) -> bool:
    """Whether elements of neighbouring rows fall into one set of a first-level cache."""
    loads = [i for i in draft.bodies[0] if i.op == "load" and column not in i.axes]
    steps = [(coefficient(i.detail.offset, row), i.dtype.itemsize) for i in loads if row in i.axes]
    return any(isinstance(n, int) and n and n * size % PAGE == 0 for n, size in steps)


def _use(extent: Dim, tile: int) -> float:
    """The part of the tiles' work that is wanted."""
    if not isinstance(extent, int):
        return 1.0
    return extent / (-(-extent // tile) * tile) if extent else 1.0


def _rate(rows: int, vectors: int) -> float:
    """Products per cycle, relative. In a cycle two products and not quite two loads start; a
    vector of columns takes more than two to come from the second-level cache; a sum is ready for
    more after four."""
    products = rows * vectors
    cycles = max(products / 2, (rows + vectors) * 0.9, 2.6 * vectors, 4.0)
    return products / cycles


def _best_copies(extent: Dim, options: tuple[int, ...]) -> int:
    if not isinstance(extent, int):
        return options[0]
    return max(options, key=lambda n: (_use(extent, n) > 0.8, n if n <= extent else -n))


def _is_across(draft: Draft, column: Symbol | None) -> bool:
    """Whether the operand that varies along the columns is contiguous there."""
    if column is None:
        return False
    loads = [i for i in draft.bodies[0] if i.op == "load" and column in i.axes]
    return all(coefficient(i.detail.offset, column) == 1 for i in loads)


def _down(draft: Draft) -> Symbol | None:
    """The folded axis along which both operands are contiguous."""
    loads = [i for i in draft.bodies[0] if i.op == "load"]
    for axis in reversed(draft.axes):
        if axis in draft.reduced and all(
            axis not in i.axes or coefficient(i.detail.offset, axis) == 1 for i in loads
        ):
            return axis
    return None


def last_kept(draft: Draft) -> Symbol | None:
    kept = [axis for axis in draft.axes if axis not in draft.reduced]
    return kept[-1] if kept else None


def row_axis(draft: Draft, column: Symbol | None) -> Symbol | None:
    """The innermost kept axis along which the operand that varies with the columns does not."""
    with_column = [i for i in draft.bodies[0] if i.op == "load" and column in i.axes]
    for axis in reversed(draft.axes):
        if axis in draft.reduced or axis == column:
            continue
        if all(axis not in i.axes for i in with_column):
            return axis
    return None
