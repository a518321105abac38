"""Decides how a draft is walked: tiles, vector axis, copies. Decisions are data (a `Part`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..ir.dims import Dim, Symbol, coefficient
from .build import Draft
from .pack import Scratch, pack, wants_panels
from .phases import Access, Axis, Instr, Loop, Part, Phase, Reduce, body_cost
from .split import Piece

__all__ = ["Width", "schedule_contraction", "schedule_rows"]

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
CONFLICT_ROWS = 8  # of a tile, where elements of neighbouring rows displace each other in cache
PAGE = 4096  # bytes at whose multiples addresses share a cache set
TILE = 4096  # indices of one tile of a long axis of a map
SMALL_BODY, LARGE_BODY = 24, 90  # costs that decide how many copies share a loop turn


@dataclass(frozen=True, slots=True)
class Width:
    """What a schedule must know of a processor: bytes of a vector register, and how many."""

    vector_bytes: int
    registers: int

    def lanes(self, instrs: Iterable[Instr]) -> int:
        """Elements that one register holds, of the widest type that goes to or from memory."""
        sizes = (i.dtype.itemsize for i in instrs if i.op in ("load", "store", "reduce", "put"))
        return max(1, self.vector_bytes // max(sizes, default=4))


def schedule_rows(draft: Draft, width: Width, piece: Piece | None = None) -> Part:
    """Maps run along the contiguous axis; folds along it or, if it is kept, beside it.

    With a piece, each tile folds one piece of the axis.
    """
    if not draft.axes:
        return Part((), tuple(Phase((), body) for body in draft.bodies))
    instrs = [instr for body in draft.bodies for instr in body]
    vector = _contiguous_axis(draft, instrs)
    lanes = width.lanes(instrs)
    if not draft.reduced:
        return _along(draft, vector, lanes, tile=_map_tile(draft.extent(vector)))
    if piece is not None:
        return _along(draft, piece.axis, lanes, tile=piece.length, number=piece.number)
    if vector in draft.reduced:
        return _along(draft, vector, lanes, tile=None)
    return _beside(draft, vector, lanes)


def _along(
    draft: Draft, vector: Symbol, lanes: int, tile: int | None, number: Symbol | None = None
) -> Part:
    """Each tile is a row: one index of every kept axis, the vector axis walked in order."""
    axes = tuple(
        Axis(symbol, extent, tile, number)
        if symbol == vector
        else Axis(symbol, extent, _row_tile(draft, symbol))
        for symbol, extent in zip(draft.axes, draft.extents, strict=True)
    )
    inside = [axis.symbol for axis in axes if axis.tile != 1 and axis.symbol != vector]
    phases = []
    for body in draft.bodies:
        walked = _walked(body)
        loops = [Loop(symbol) for symbol in inside if symbol in walked]
        if vector in walked:
            copies = _copies(body, draft.extent(vector), lanes)
            loops.append(Loop(vector, lanes, copies))
        phases.append(Phase(tuple(loops), body))
    return Part(axes, tuple(phases))


def _beside(draft: Draft, vector: Symbol, lanes: int) -> Part:
    """Each tile is a block of neighbouring columns: folds run down the rows of the block."""
    copies = min(_copies(body, draft.extent(vector), lanes) for body in draft.bodies)
    tile = lanes * copies
    axes = tuple(
        Axis(symbol, extent, tile if symbol == vector else _row_tile(draft, symbol))
        for symbol, extent in zip(draft.axes, draft.extents, strict=True)
    )
    phases = []
    for body in draft.bodies:
        walked = _walked(body)
        loops = [Loop(a.symbol) for a in axes if a.tile is None and a.symbol in walked]
        if vector in walked:
            loops.append(Loop(vector, lanes, copies, rolled=False))
        phases.append(Phase(tuple(loops), body))
    return Part(axes, tuple(phases))


def schedule_contraction(draft: Draft, width: Width, scratch: Scratch) -> tuple[Part, ...]:
    """Products of register tiles, across the columns, or down k for few rows of a transpose.

    The last part computes the product; a part before it copies an operand into panels.
    """
    lanes = width.lanes(draft.bodies[0])
    column = _last_kept(draft)
    row = _row_axis(draft, column)
    shape = _tile_shape(draft, row, column, lanes, width)
    if column is not None and wants_panels(draft, column, _extent(draft, row), shape[0]):
        packed = pack(draft, Loop(column, lanes, shape[1], rolled=False), scratch)
        tiles = _outer_tiles(packed.draft, row, column, shape, lanes, packed.number)
        return packed.part, tiles
    down = _down(draft)
    if down is not None and not _is_across(draft, column):
        return (_dot_tiles(draft, down, lanes),)
    return (_outer_tiles(draft, row, column, shape, lanes),)


def _outer_tiles(
    draft: Draft,
    row: Symbol | None,
    column: Symbol | None,
    shape: tuple[int, int],
    lanes: int,
    panel: Symbol | None = None,
) -> Part:
    """A tile of rows × columns in registers; each step of k adds an outer product."""
    rows, vectors = shape
    return _tiles(
        draft,
        {column: Loop(column, lanes, vectors, rolled=False)} if column else {},
        {row: Loop(row, 1, rows, rolled=False)} if row else {},
        {},
        panel,
    )


def _dot_tiles(draft: Draft, inner: Symbol, lanes: int) -> Part:
    """A tile of rows × columns of vectors that run down k, added up at the end."""
    column = _last_kept(draft)
    row = _row_axis(draft, column)
    rows = _best_copies(draft.extent(row), (4, 3, 2, 1)) if row else 1
    columns = _best_copies(draft.extent(column), (4, 3, 2, 1)) if column else 1
    if rows == 1 and column:
        columns = _best_copies(draft.extent(column), (8, 4, 2, 1))
    return _tiles(
        draft,
        {column: Loop(column, 1, columns, rolled=False)} if column else {},
        {row: Loop(row, 1, rows, rolled=False)} if row else {},
        {inner: Loop(inner, lanes, 1 if rows * columns > 1 else 4)},
    )


def _tiles(
    draft: Draft,
    column: dict[Symbol, Loop],
    row: dict[Symbol, Loop],
    inner: dict[Symbol, Loop],
    panel: Symbol | None = None,
) -> Part:
    """The part whose tiles are the steps of these loops; columns outermost, so that a block of
    the right operand stays in cache while the rows go by."""
    unrolled = {**row, **column}
    order = sorted(draft.axes, key=lambda a: (a in column) + 2 * (a in row) + 3 * _is_k(draft, a))
    axes = tuple(
        Axis(
            a,
            draft.extent(a),
            None if _is_k(draft, a) else unrolled[a].step if a in unrolled else 1,
            panel if a in column else None,
        )
        for a in order
    )
    folded = [inner.get(a, Loop(a)) for a in draft.axes if _is_k(draft, a) and a not in inner]
    nest = (*folded, *inner.values(), *row.values(), *column.values())
    after = (*row.values(), *column.values())
    fold, epilogue = draft.bodies
    return Part(axes, (Phase(nest, fold), Phase(after, epilogue)))


def _is_k(draft: Draft, axis: Symbol) -> bool:
    return axis in draft.reduced


def _tile_shape(
    draft: Draft, row: Symbol | None, column: Symbol | None, lanes: int, width: Width
) -> tuple[int, int]:
    """Rows and vectors of columns of a register tile: full use of the registers, little waste."""
    if column is None:
        return (_best_copies(draft.extent(row), (8, 4, 2, 1)) if row else 1), 1
    columns = draft.extent(column)
    most = max(1, -(-columns // lanes)) if isinstance(columns, int) else MOST_VECTORS
    if row is None or draft.extent(row) == 1:
        return 1, max(1, min(MOST_VECTORS, most))
    large = width.registers >= 32
    rows = CONFLICT_ROWS if _rows_conflict(draft, row, column) else width.registers
    shapes = [s for s in (LARGE_TILES if large else SMALL_TILES) if s[1] <= most and s[0] <= rows]

    def merit(shape: tuple[int, int]) -> float:
        wanted = _use(draft.extent(row), shape[0]) * _use(columns, shape[1] * lanes)
        return wanted * _rate(*shape)

    return max(shapes, key=merit)


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
    """Products per cycle, relative: two products and not quite two loads start in a cycle, and a
    sum is ready for the next product after four."""
    products = rows * vectors
    cycles = max(products / 2, (rows + vectors) * 0.75, 4.0)
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


def _extent(draft: Draft, axis: Symbol | None) -> Dim:
    return 1 if axis is None else draft.extent(axis)


def _down(draft: Draft) -> Symbol | None:
    """The folded axis along which both operands are contiguous."""
    loads = [i for i in draft.bodies[0] if i.op == "load"]
    for axis in reversed(draft.axes):
        if _is_k(draft, axis) and all(
            axis not in i.axes or coefficient(i.detail.offset, axis) == 1 for i in loads
        ):
            return axis
    return None


def _last_kept(draft: Draft) -> Symbol | None:
    kept = [axis for axis in draft.axes if not _is_k(draft, axis)]
    return kept[-1] if kept else None


def _row_axis(draft: Draft, column: Symbol | None) -> Symbol | None:
    """The innermost kept axis along which the operand that varies with the columns does not."""
    fold = draft.bodies[0]
    loads = [i for i in fold if i.op == "load"]
    with_column = [i for i in loads if column in i.axes]
    for axis in reversed(draft.axes):
        if _is_k(draft, axis) or axis == column:
            continue
        if all(axis not in i.axes for i in with_column):
            return axis
    return None


def _walked(body: tuple[Instr, ...]) -> frozenset[Symbol]:
    """The axes that the effects of a body vary with or fold."""
    none: frozenset[Symbol] = frozenset()
    return none.union(*(_effect_axes(i) for i in body if i.is_effect))


def _effect_axes(effect: Instr) -> frozenset[Symbol]:
    if effect.op == "reduce":
        fold: Reduce = effect.detail
        return fold.over | frozenset(fold.local.axes)
    if effect.op == "put":
        return frozenset(effect.detail.axes)
    return effect.axes


def _row_tile(draft: Draft, symbol: Symbol) -> int | None:
    return None if symbol in draft.reduced else 1


def _map_tile(extent: Dim) -> int | None:
    return None if isinstance(extent, int) and extent <= TILE else TILE


def _copies(body: tuple[Instr, ...], extent: Dim, lanes: int) -> int:
    """How many vectors share one loop turn: as many as registers and the axis allow."""
    cost = body_cost(body)
    wanted = 4 if cost <= SMALL_BODY else 2 if cost <= LARGE_BODY else 1
    if not isinstance(extent, int):
        return wanted
    return max(1, min(wanted, -(-extent // lanes)))


def _contiguous_axis(draft: Draft, instrs: list[Instr]) -> Symbol:
    """The axis along which most accesses are contiguous; the last one if they disagree."""
    accesses = [i.detail for i in instrs if isinstance(i.detail, Access)]

    def score(axis: Symbol) -> tuple[int, int]:
        steps = [coefficient(a.offset, axis) for a in accesses]
        contiguous = sum(step == 1 for step in steps)
        scattered = sum(step not in (0, 1) for step in steps)
        return contiguous - scattered, draft.axes.index(axis)

    return max(draft.axes, key=score)
