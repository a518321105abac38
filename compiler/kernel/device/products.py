"""Products: operands go through shared memory block by block, sums stay in registers."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from ...ir.dims import Dim, Symbol
from ..build import Draft
from ..phases import Access, Axis, Instr, Local, Loop, Part, Phase, Serial
from ..processor import Device
from ..products import last_kept, row_axis
from ..rewrite import counted_through, needed, rewritten
from ..split import Piece
from .walk import Spread, lanes_along, size_or, stride_along, tiles_of

__all__ = ["Tiling", "factors", "loads_after", "plan_tiling", "schedule_tiling"]

THREADS = 256
SIDES = (128, 64, 32, 16)  # rows or columns of a tile, the largest first
SHORT = 8  # rows, columns or depth below which nothing is gained from shared memory
DEPTH = 16  # of a block
LARGE = 1 << 11  # what stands for sizes that are not known


class Tiling(Struct, frozen=True):
    """A product of two factors: its axes, and the sides of a tile."""

    draft: Draft
    row: Symbol
    column: Symbol
    down: Symbol
    rows: int
    columns: int
    depth: int
    piece: Piece | None = None  # of the sum, that a tile adds up

    @property
    def threads(self) -> int:
        """As many as leave each with a square of sums."""
        return min(THREADS, max(32, self.rows * self.columns // 16))

    @property
    def length(self) -> Dim:
        """Of the sum of a tile."""
        return self.draft.extent(self.down) if self.piece is None else self.piece.length

    def axes(self, rows: int, columns: int) -> tuple[Axis, ...]:
        """Tiles of so many rows and columns."""
        cut = {self.row: rows, self.column: columns}
        piece = None if self.piece is None else self.piece.number
        return tuple(
            Axis(a, n, None if a == self.down else cut.get(a, 1), piece if a == piece else None)
            for a, n in zip(self.draft.axes, self.draft.extents, strict=True)
        )

    def serial(self, block: int, phases: tuple[Phase, ...], stages: int) -> Serial:
        """The loop over the sum of a tile, in blocks."""
        start, stop = (None, None) if self.piece is None else self.piece.span
        return Serial(self.down, block, phases, stages, start=start, stop=stop)


def plan_tiling(draft: Draft, device: Device, piece: Piece | None = None) -> Tiling | None:
    """The axes and tiles of a product with rows, columns and one folded axis, if it has them; of
    sums in pieces, one of the axes counts these."""
    folded = [axis for axis in draft.axes if axis in draft.reduced]
    if len(folded) > 1:
        draft, _ = counted_through(draft, folded)
    column = last_kept(draft)
    row = None if column is None else row_axis(draft, column)
    if row is None or column is None or len(draft.reduced) != 1 or len(draft.bodies) != 2:
        return None
    (down,) = draft.reduced
    sizes = [size_or(draft.extent(axis), LARGE) for axis in (row, column, down)]
    if min(sizes) < SHORT or factors(draft, row, column) is None:
        return None
    rows, columns = _sides(draft, row, column, device)
    depth = DEPTH if sizes[2] >= DEPTH else SHORT
    return Tiling(draft, row, column, down, rows, columns, depth, piece)


def _sides(draft: Draft, row: Symbol, column: Symbol, device: Device) -> tuple[int, int]:
    """Large tiles, which read less, unless some multiprocessors would have none."""
    narrow = draft.bodies[0][-1].dtype.itemsize <= 4 and loads_after(draft, row, column) <= 1
    most = SIDES[0] if narrow else SIDES[1]
    best = (SIDES[-1], SIDES[-1])
    for rows in (side for side in SIDES if side <= most):
        for columns in (rows, rows // 2):
            fits = all(
                size_or(draft.extent(axis), LARGE) > side // 2
                for axis, side in ((row, rows), (column, columns))
            )
            tiles = tiles_of(draft, {row: rows, column: columns}, otherwise=LARGE)
            if fits and columns >= SIDES[-1] and tiles >= device.multiprocessors:
                return rows, columns
    for axis_side in (32, 16):
        if tiles_of(draft, {row: axis_side, column: axis_side}, otherwise=LARGE) >= 32:
            return axis_side, axis_side
    return best


def loads_after(draft: Draft, row: Symbol, column: Symbol) -> int:
    """How many further values belong to each sum: they fill registers beside it."""
    loads = (i for i in draft.bodies[1] if i.op == "load")
    return sum({row, column} <= load.axes for load in loads)


def factors(draft: Draft, row: Symbol, column: Symbol) -> tuple[Instr, Instr] | None:
    """The factor that varies with the rows and that which varies with the columns."""
    value = draft.bodies[0][-1].args[0]
    if value.op != "mul":
        return None
    for left, right in (value.args, value.args[::-1]):
        apart = column not in left.axes and row not in right.axes
        if apart and row in left.axes and column in right.axes:
            return left, right
    return None


def schedule_tiling(tiling: Tiling, device: Device) -> Part:
    """Blocks of both factors are put into locals, then every thread adds up its square."""
    draft = tiling.draft
    fold, after = draft.bodies
    found = factors(draft, tiling.row, tiling.column)
    assert found is not None
    instead, phases = {}, []
    for factor, axis, side in zip(
        found, (tiling.row, tiling.column), (tiling.rows, tiling.columns), strict=True
    ):
        kept = Local(f"{axis.name}_block", factor.dtype, (tiling.down, axis))
        put = Instr("put", (factor,), factor.dtype, kept, factor.axes)
        body = (*needed(fold, (factor,)), put)
        loops = _loading(tiling, body, axis, side, device)
        phases.append(Phase(loops, body))
        instead[factor] = Instr("get", (), factor.dtype, kept, frozenset(kept.axes))
    square = tuple(_square(tiling))
    phases.append(Phase((Loop(tiling.down), *square), rewritten(fold, instead)))
    axes = tiling.axes(tiling.rows, tiling.columns)
    serial = tiling.serial(tiling.depth, tuple(phases), stages=2)
    return Part(axes, (serial, Phase(square, after)))


def _square(tiling: Tiling) -> Iterator[Loop]:
    """Rows and columns of the sums of one thread, in vectors of neighbouring ones."""
    across = 16 if tiling.threads == THREADS else 8
    down = tiling.threads // across
    for axis, side, threads in (
        (tiling.row, tiling.rows, down),
        (tiling.column, tiling.columns, across),
    ):
        each = side // threads
        lanes = min(4, each)
        yield Loop(axis, lanes, each // lanes, threads, rolled=False)


def _loading(
    tiling: Tiling, body: tuple[Instr, ...], axis: Symbol, side: int, device: Device
) -> tuple[Loop, ...]:
    """All threads load a block of a factor, neighbours along its contiguous axis."""
    along, across = tiling.down, axis
    lengths = {tiling.down: tiling.depth, axis: side}
    if _is_contiguous(body, axis):
        along, across = axis, tiling.down
    lanes = min(lanes_along(body, along, device), lengths[along])
    threads = min(tiling.threads, lengths[along] // lanes)
    inner = Spread(lanes, lengths[along] // (threads * lanes), threads)
    outer_threads = min(tiling.threads // threads, lengths[across])
    outer = Spread(1, lengths[across] // outer_threads, outer_threads)
    return outer.loop(across), inner.loop(along)


def _is_contiguous(body: tuple[Instr, ...], axis: Symbol) -> bool:
    loads = (i for i in body if isinstance(i.detail, Access))
    return any(stride_along(load, axis) == 1 for load in loads)
