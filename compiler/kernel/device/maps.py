"""Maps: threads along the contiguous axis, and along others where that is short."""

from __future__ import annotations

from ...ir.dims import Symbol
from ..build import Draft
from ..phases import Axis, Instr, Local, Part, Phase, body_cost
from ..processor import Device
from ..rewrite import needed, rewritten
from .walk import Spread, contiguous_axis, cover, lanes_along, size_or, stride_along, tiles_of

__all__ = ["schedule_map"]

THREADS = 256
FEWEST_THREADS = 64  # of a tile, below which small maps are not cut further
SMALL_BODY, LARGE_BODY = 30, 120  # costs that decide how many vectors a thread has under way
VALUES = 32  # words that the loads of a thread may fill
SQUARE = 64  # indices of both axes of a tile that is transposed
NARROW = 16  # indices below which an axis is not worth transposing


def schedule_map(draft: Draft, device: Device) -> Part:
    """Tiles of neighbouring elements; squares where memory is contiguous along two axes."""
    if not draft.axes:
        return Part((), tuple(Phase((), body) for body in draft.bodies))
    instrs = [instr for body in draft.bodies for instr in body]
    stores = [i for i in instrs if i.op == "store"]
    vector = contiguous_axis(draft, stores or instrs)
    other = _other_axis(draft, instrs, vector)
    if other is not None and len(draft.bodies) == 1:
        return _transposing(draft, other, vector, device)
    vector = contiguous_axis(draft, instrs)
    lanes = lanes_along(instrs, vector, device)
    spreads = _smaller(draft, _spreads(draft, vector, lanes), vector, device)
    order = [a for a in draft.axes if a != vector] + [vector]
    loops = tuple(spreads[a].loop(a) for a in order if spreads[a].step > 1)
    axes = tuple(
        Axis(a, n, spreads[a].step) for a, n in zip(draft.axes, draft.extents, strict=True)
    )
    return Part(axes, tuple(Phase(loops, body) for body in draft.bodies))


def _spreads(draft: Draft, vector: Symbol, lanes: int) -> dict[Symbol, Spread]:
    """Threads for the contiguous axis first, then for those beside it."""
    copies = min(_copies(body, lanes) for body in draft.bodies)
    if not all(isinstance(extent, int) for extent in draft.extents):
        copies = min(2, copies)
    spreads = {vector: cover(draft.extent(vector), lanes, THREADS, copies)}
    threads, copies = THREADS // spreads[vector].threads, copies // spreads[vector].copies
    for axis in reversed(draft.axes):
        if axis == vector:
            continue
        spreads[axis] = cover(draft.extent(axis), 1, max(1, threads), max(1, copies))
        threads, copies = threads // spreads[axis].threads, copies // spreads[axis].copies
    return spreads


def _copies(body: tuple[Instr, ...], lanes: int) -> int:
    """How many vectors a thread has under way: as many as its registers allow."""
    cost = body_cost(body)
    wanted = 4 if cost <= SMALL_BODY else 2 if cost <= LARGE_BODY else 1
    wanted *= 2 if lanes == 1 else 1
    loads = sum(max(1, i.dtype.itemsize // 4) for i in body if i.op == "load")
    while wanted > 1 and wanted * lanes * loads > VALUES:
        wanted //= 2
    return wanted


def _smaller(
    draft: Draft, spreads: dict[Symbol, Spread], vector: Symbol, device: Device
) -> dict[Symbol, Spread]:
    """Less for each thread, then fewer threads, until all multiprocessors have a tile or two."""
    spreads = dict(spreads)
    while tiles_of(draft, {a: s.step for a, s in spreads.items()}) < 2 * device.multiprocessors:
        threads = 1
        for spread in spreads.values():
            threads *= spread.threads
        with_copies = [a for a in draft.axes if spreads[a].copies > 1]
        if with_copies:
            old = spreads[with_copies[0]]
            spreads[with_copies[0]] = Spread(old.lanes, (old.copies + 1) // 2, old.threads)
            continue
        if threads <= FEWEST_THREADS:
            break
        axis = next(a for a in (*draft.axes, vector) if spreads[a].threads > 1)
        old = spreads[axis]
        spreads[axis] = Spread(old.lanes, old.copies, old.threads // 2)
    return spreads


def _other_axis(draft: Draft, instrs: list[Instr], vector: Symbol) -> Symbol | None:
    """An axis along which loads are contiguous that are strided along that of the stores."""
    if size_or(draft.extent(vector), SQUARE) < NARROW:
        return None
    for axis in draft.axes:
        wide = size_or(draft.extent(axis), SQUARE) >= NARROW
        if axis != vector and wide and _turned(instrs, axis, vector):
            return axis
    return None


def _turned(instrs: list[Instr], axis: Symbol, vector: Symbol) -> list[Instr]:
    """The loads that are contiguous along an axis and strided along the vector axis."""
    return [i for i in instrs if i.op == "load" and _is_turned(i, axis, vector)]


def _is_turned(load: Instr, axis: Symbol, vector: Symbol) -> bool:
    if load.args:
        return False
    along, across = stride_along(load, axis), stride_along(load, vector)
    return along == 1 and across not in (0, 1)


def _transposing(draft: Draft, axis: Symbol, vector: Symbol, device: Device) -> Part:
    """What is contiguous along one axis is loaded along it, kept, and used along the other."""
    (body,) = draft.bodies
    loads = _turned(list(body), axis, vector)
    side = _side(draft, loads, (axis, vector), device)
    puts, instead = [], {}
    for number, load in enumerate(loads):
        kept = Local(f"turned{number}", load.dtype, (vector, axis))
        axes = frozenset(kept.axes)
        puts.append(Instr("put", (load,), load.dtype, kept, axes | load.axes))
        instead[load] = Instr("get", (), load.dtype, kept, axes)
    first = (*needed(body, loads), *puts)
    rest = rewritten(body, instead)
    phases = []
    for there, along, across in ((first, axis, vector), (rest, vector, axis)):
        wide = Spread(lanes_along(there, along, device), 1)
        threads = min(side // wide.lanes, THREADS)
        inner = Spread(wide.lanes, side // (threads * wide.lanes), threads)
        outer_threads = min(THREADS // threads, side)
        outer = Spread(1, side // outer_threads, outer_threads)
        phases.append(Phase((outer.loop(across), inner.loop(along)), there))
    cut = {axis: side, vector: side}
    axes_ = tuple(Axis(a, n, cut.get(a, 1)) for a, n in zip(draft.axes, draft.extents, strict=True))
    return Part(axes_, tuple(phases))


def _side(draft: Draft, loads: list[Instr], pair: tuple[Symbol, Symbol], device: Device) -> int:
    """The side of a square tile: large, unless shared memory or the matrix is small."""
    element = sum(load.dtype.itemsize for load in loads)
    side = SQUARE
    while side > NARROW and (
        side * (side + 1) * element > device.shared_bytes
        or tiles_of(draft, dict.fromkeys(pair, side)) < device.multiprocessors
        or any(size_or(draft.extent(a), SQUARE) <= side // 2 for a in pair)
    ):
        side //= 2
    return side
