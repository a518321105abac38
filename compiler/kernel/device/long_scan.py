"""Running folds of long rows: pieces are folded, then run through from where those before ended."""

from __future__ import annotations

from msgspec.structs import replace

from symfuse.runtime.dtypes import DType

from ...ir.dims import Dim, Symbol, ceil_div
from ..build import Draft
from ..phases import Access, Buffer, Instr, Local, Reduce
from ..processor import Device
from ..rewrite import needed, rewritten
from ..schedules import Step
from ..split import Piece, Scratch, why_cut
from .rows import plan_fold, schedule_fold
from .scan import has_columns, schedule_scan
from .walk import tiles_of

__all__ = ["is_worth_cutting", "scan_in_pieces"]

PIECE = 8192  # elements of a row that one tile walks
WORTH_CUTTING = 8 * PIECE


def is_worth_cutting(draft: Draft, device: Device) -> bool:
    """Few rows, each long, of a fold whose state is its result."""
    if len(draft.reduced) != 1 or has_columns(draft):
        return False
    length = draft.extent(next(iter(draft.reduced)))
    few = 2 * tiles_of(draft, {}) <= device.multiprocessors
    known = _scan_of(draft).detail.reduction.instruction is not None
    return few and known and isinstance(length, int) and length >= WORTH_CUTTING


def scan_in_pieces(draft: Draft, device: Device, scratch: Scratch) -> tuple[Step, ...]:
    """The fold of each piece, the running fold of those, and at last the one that is wanted."""
    (along,) = draft.reduced
    scan = _scan_of(draft)
    kept = tuple(axis for axis in draft.axes if axis != along)
    count = ceil_div(draft.extent(along), PIECE)
    piece = Piece(along, PIECE, Symbol(f"{along.name}_piece", 0, count - 1, 1))
    shape = (*(draft.extent(axis) for axis in kept), count)
    folded, reached = (scratch(Buffer("running", scan.dtype, ()), shape) for _ in range(2))
    offset: Dim = 0
    for axis, size in zip((*kept, piece.number), shape, strict=True):
        offset = offset * size + axis
    places = (Access(folded, offset), Access(reached, offset))
    folds = plan_fold(_folds(draft, scan, places[0], piece), device)
    middle = _middle(kept, shape, scan, places, piece)
    last = _last(draft, scan, places[1], piece)
    why = why_cut(tiles_of(draft, {}), draft.extent(along), piece)
    return (
        Step(schedule_fold(folds, device, piece), "partial reduce", "_pieces", why),
        Step(schedule_scan(middle, device), "partial scan", "_between"),
        Step(schedule_scan(last, device, piece)),
    )


def _scan_of(draft: Draft) -> Instr:
    return next(i for i in draft.bodies[0] if i.op == "scan")


def _folds(draft: Draft, scan: Instr, place: Access, piece: Piece) -> Draft:
    """The fold of every piece."""
    old: Reduce = scan.detail
    total = Local("piece", scan.dtype, old.local.axes)
    fold = Reduce(total, replace(old.reduction, is_scan=False), old.over)
    reduce = Instr("reduce", scan.args, scan.dtype, fold, scan.axes)
    get = Instr("get", (), scan.dtype, total, frozenset(total.axes))
    axes = frozenset((*total.axes, piece.number))
    store = Instr("store", (get,), scan.dtype, place, axes)
    return replace(draft, bodies=((*needed(draft.bodies[0], scan.args), reduce), (get, store)))


def _middle(
    kept: tuple[Symbol, ...],
    shape: tuple[Dim, ...],
    scan: Instr,
    places: tuple[Access, Access],
    piece: Piece,
) -> Draft:
    """The running fold over the pieces."""
    old: Reduce = scan.detail
    axes = frozenset((*kept, piece.number))
    load = Instr("load", (), scan.dtype, places[0], axes)
    state = Reduce(Local("running", scan.dtype, kept), old.reduction, frozenset({piece.number}))
    running = Instr("scan", (load,), scan.dtype, state, axes)
    store = Instr("store", (running,), scan.dtype, places[1], axes)
    return Draft((*kept, piece.number), shape, ((load, running, store),))


def _last(draft: Draft, scan: Instr, place: Access, piece: Piece) -> Draft:
    """The running fold inside of each piece, on top of what the pieces before it have reached."""
    reduction = scan.detail.reduction
    number = frozenset({piece.number})
    later = Instr("below", (), DType.BOOL, (0, piece.number + 0), number)
    (identity,) = reduction.identity(scan.dtype)
    access = replace(place, offset=place.offset - 1, guarded=True, otherwise=identity)
    before = Instr("load", (later,), scan.dtype, access, number | set(scan.detail.local.axes))
    own = replace(scan)
    assert reduction.instruction is not None
    whole = Instr(reduction.instruction, (before, own), scan.dtype, None, scan.axes | before.axes)
    return replace(draft, bodies=(rewritten(draft.bodies[0], {scan: whole}),))
