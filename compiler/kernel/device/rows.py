"""Folds: a few threads, a warp or a block for each row; or threads across columns and down them."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ...ir.dims import Symbol, upper_bound
from ..build import Draft
from ..phases import Axis, Instr, Loop, Part, body_cost
from ..processor import Device
from ..split import Piece
from .keeping import keep_loads, kept_words, most_words, recompute
from .walk import (
    WASTE,
    Spread,
    contiguous_axis,
    lanes_along,
    phases_of,
    power_of_two,
    size_or,
    tiles_of,
)

__all__ = ["Fold", "plan_fold", "schedule_fold"]

THREADS = 256
VECTORS = 8  # of a row for each thread of a warp, beyond which a block shares it
WORDS = 32  # that a thread keeps of a row, unless a block is as large as can be
MOVED = 3  # values that a phase loads or stores for each register that they take, about
ENOUGH = 512  # threads for each multiprocessor that keep memory busy
VALUES = 32  # that the loads of a thread may fill
COPIES = 4  # vectors or rows that a thread has under way where rows are read piece by piece
COLUMN_THREADS = 32  # across columns where there are rows enough for the others
FEW_ROWS = 4  # rows for each thread that go down a column, at least
RESERVED = 1024  # bytes of shared memory for values of whole rows


class Fold(Struct, frozen=True):
    """A draft with folds: the axis that threads share, whether memory is contiguous there, and the
    kept axis that threads are dealt out to as well."""

    draft: Draft
    along: Symbol
    beside: Symbol | None
    lanes: int
    is_row: bool

    @property
    def length(self) -> int | None:
        """The size of the folded axis, if that is a number."""
        extent = self.draft.extent(self.along)
        return extent if isinstance(extent, int) else None

    @property
    def others(self) -> tuple[Symbol, ...]:
        """Further folded axes, which are walked step by step."""
        return tuple(a for a in self.draft.axes if a in self.draft.reduced and a != self.along)


def plan_fold(draft: Draft, device: Device) -> Fold:
    """Whether the folds run along memory or across it."""
    instrs = [instr for body in draft.bodies for instr in body]
    vector = contiguous_axis(draft, instrs)
    kept = [axis for axis in draft.axes if axis not in draft.reduced]
    lanes = lanes_along(instrs, vector, device)
    if vector in draft.reduced or not _is_wide(draft, vector):
        folded = [a for a in draft.axes if a in draft.reduced]
        along = vector if vector in draft.reduced else max(folded, key=lambda a: _size(draft, a))
        lanes = lanes if along == vector else 1
        return Fold(draft, along, kept[-1] if kept else None, lanes, is_row=True)
    along = max(draft.reduced, key=lambda a: (_size(draft, a), draft.axes.index(a)))
    return Fold(draft, along, vector, lanes, is_row=False)


def _size(draft: Draft, axis: Symbol) -> int:
    return size_or(draft.extent(axis), 1 << 20)


def _is_wide(draft: Draft, vector: Symbol) -> bool:
    """Whether a row of neighbouring columns fills half of what memory delivers at once."""
    return _size(draft, vector) >= 4


def schedule_fold(fold: Fold, device: Device, piece: Piece | None = None) -> Part:
    """Rows or columns; with a piece, each tile folds one piece of the axis."""
    plan = _row_plan if fold.is_row else _column_plan
    down, across = plan(fold, device, piece)
    draft, down, rolled = _kept(fold, (down, across), device, piece)
    loops = [Loop(axis) for axis in fold.others]
    threaded = [down.loop(fold.along, rolled=rolled)]
    if fold.beside is not None and across.step > 1:
        beside = across.loop(fold.beside)
        threaded = [beside, *threaded] if fold.is_row else [*threaded, beside]
    cut = {fold.beside: across.step}
    axes = []
    for symbol, extent in zip(draft.axes, draft.extents, strict=True):
        if symbol == fold.along and piece is not None:
            axes.append(Axis(symbol, extent, piece.length, piece.number))
        elif symbol in draft.reduced:
            own = None if rolled or symbol != fold.along else down.step
            axes.append(Axis(symbol, extent, own))
        else:
            axes.append(Axis(symbol, extent, cut.get(symbol, 1)))
    return Part(tuple(axes), phases_of(draft.bodies, [*loops, *threaded]))


def _kept(
    fold: Fold, spreads: tuple[Spread, Spread], device: Device, piece: Piece | None
) -> tuple[Draft, Spread, bool]:
    """The draft with what fits kept in registers, how the axis is walked, and whether in steps."""
    bare, (down, across) = recompute(fold.draft), spreads
    if piece is not None or fold.length is None or fold.others:
        return bare, down, True
    drafts = [keep_loads(fold.draft), fold.draft, keep_loads(bare)]
    drafts = [draft for draft in drafts if kept_words(draft)]
    each = -(-fold.length // (down.threads * down.lanes))
    elements = each * down.lanes * across.lanes * across.copies
    most = device.registers_for(down.threads * across.threads)
    for draft in drafts:
        beside = 1 if down.threads < device.most_threads else max(1, _loads(fold, draft))
        if elements * most_words(draft) * beside <= most:
            return draft, replace(down, copies=each), False
    for draft in drafts if fold.is_row else ():
        if any(elements * words <= most for words in kept_words(draft).values()):
            continue
        for copies in range(down.copies, 0, -1):  # fewer reach less far beyond the end of a row
            walk = replace(down, copies=copies)
            if _shared_bytes(draft, fold.length, walk, across) <= device.most_shared_bytes:
                return draft, walk, True
    return bare, down, True


def _shared_bytes(draft: Draft, length: int, down: Spread, across: Spread) -> int:
    """Shared memory for rows up to where the last step ends, and for what threads exchange."""
    rows = -(-length // down.step) * down.step * across.step
    states = max(sum(_state_bytes(i) for i in body if i.op == "reduce") for body in draft.bodies)
    kept = 4 * sum(kept_words(draft).values())
    return rows * kept + down.threads * across.threads * states + RESERVED


def _state_bytes(fold: Instr) -> int:
    """What a thread exchanges of a fold."""
    dtypes = fold.detail.reduction.dtypes(fold.args[0].dtype)
    return sum(dtype.itemsize for dtype in dtypes)


def _loads(fold: Fold, draft: Draft) -> int:
    """How many values of a row a phase has under way, at most, where registers are scarce."""
    return max(sum(i.op == "load" and fold.along in i.axes for i in b) for b in draft.bodies)


def _row_plan(fold: Fold, device: Device, piece: Piece | None) -> tuple[Spread, Spread]:
    """Threads of a row, and how many rows share a block."""
    rows = tiles_of(fold.draft, {}) * _pieces(fold, piece)
    length = piece.length if piece is not None else fold.length
    if length is None:
        most = upper_bound(fold.draft.extent(fold.along))
        short = most is not None and most <= VECTORS * fold.lanes * device.warp
        threads, vectors = device.warp if short else THREADS, COPIES * THREADS
    else:
        vectors = max(1, -(-length // fold.lanes))
        words = _words(fold) if piece is None else 0
        threads = _row_threads(vectors, length * words, rows, device)
    copies = max(1, min(_row_copies(fold, threads, device), -(-vectors // threads)))
    beside = 1
    most_rows = size_or(fold.draft.extent(fold.beside), THREADS) if fold.beside else 1
    while (
        beside * threads < THREADS
        and beside < most_rows
        and (beside * threads < device.warp or rows // beside >= 4 * device.multiprocessors)
    ):
        beside *= 2
    return Spread(fold.lanes, copies, threads), Spread(1, 1, beside)


def _words(fold: Fold) -> int:
    """Registers for each element of a row: those that are kept, or what a phase moves besides."""
    moved = (
        sum(i.op in ("load", "store") and fold.along in i.axes for i in body)
        for body in fold.draft.bodies
    )
    return max(most_words(keep_loads(fold.draft)), max(moved) // MOVED)


def _row_threads(vectors: int, words: int, rows: int, device: Device) -> int:
    """A power of two: a warp or part of it for short rows, a block for long ones, and more where
    a row has to stay in registers or where there are few rows."""
    threads = min(device.warp, power_of_two(vectors))
    if vectors > VECTORS * device.warp:
        threads = THREADS
    while threads < device.most_threads and words > WORDS * threads:
        threads *= 2
    if _waste(vectors, threads) > WASTE and words <= 2 * WORDS * threads:
        threads = min(threads, threads // 2, key=lambda n: _waste(vectors, n))
    while 2 * threads <= min(power_of_two(vectors), device.most_threads) and (
        rows * threads < device.multiprocessors * ENOUGH
    ):
        threads *= 2
    return threads


def _waste(vectors: int, threads: int) -> float:
    """How much more threads of a row are there for than it has."""
    return -(-vectors // threads) * threads / vectors


def _pieces(fold: Fold, piece: Piece | None) -> int:
    return -(-_size(fold.draft, fold.along) // piece.length) if piece is not None else 1


def _row_copies(fold: Fold, threads: int, device: Device) -> int:
    """How many vectors a thread has under way: as many as work and registers allow."""
    cost = max(body_cost(body) for body in fold.draft.bodies)
    copies = COPIES if cost <= 40 else 2 if cost <= 120 else 1
    values = fold.lanes * max(1, _loads(fold, fold.draft))
    most = VALUES if threads < device.most_threads else VALUES // 2
    while copies > 1 and copies * values > most:
        copies //= 2
    return copies


def _column_plan(fold: Fold, device: Device, piece: Piece | None) -> tuple[Spread, Spread]:
    """Threads down a block of columns, and across it."""
    assert fold.beside is not None
    length = size_or(fold.draft.extent(fold.along), 1 << 20) if piece is None else piece.length
    vectors = -(-_size(fold.draft, fold.beside) // fold.lanes)
    columns = power_of_two(min(vectors, COLUMN_THREADS))
    rows = power_of_two(-(-length // FEW_ROWS)) if length > FEW_ROWS else 1
    rows = min(rows, THREADS // columns)
    while columns * rows < THREADS and columns < vectors:
        columns *= 2
    tiles = tiles_of(fold.draft, {fold.beside: columns * fold.lanes}) * _pieces(fold, piece)
    while (
        rows * columns < device.most_threads
        and rows * FEW_ROWS < length
        and (tiles * rows * columns < device.multiprocessors * ENOUGH)
    ):
        rows *= 2
    if piece is None and fold.length is not None:
        words = length * fold.lanes * most_words(keep_loads(fold.draft))
        while rows * columns < device.most_threads and words > WORDS * rows:
            rows *= 2
    copies = max(1, min(COPIES, -(-length // rows)))
    return Spread(1, copies, rows), Spread(fold.lanes, 1, columns)
