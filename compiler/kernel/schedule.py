"""Decides how a draft is walked: tiles, vector axis, copies. Decisions are data (a `Part`)."""

from __future__ import annotations

from msgspec.structs import replace

from ..ir.dims import Dim, Symbol, coefficient, substitute
from .build import Draft
from .phases import Access, Axis, Instr, Loop, Part, Phase, Reduce, body_cost
from .processor import Processor
from .split import Piece

__all__ = ["copies_along", "schedule_rows", "turns_ahead", "walked_axes"]

TILE = 4096  # indices of one tile of a long axis of a map
SQUARE = 64  # indices along both axes of a tile of a transposed map
MOST_TURNED = 16  # vectors that are turned over together
SMALL_BODY, LARGE_BODY = 24, 90  # costs that decide how many copies share a loop turn
APART = 3  # scalar additions that one of several elements takes which do not lie side by side
AHEAD = 8  # turns of a short loop after which what is fetched has come
# Bytes of a row: shorter ones the processor sees coming, longer ones do not stay until then.
LEAST_AHEAD, MOST_AHEAD = 1 << 10, 1 << 18


def schedule_rows(draft: Draft, processor: Processor, piece: Piece | None = None) -> Part:
    """Maps run along the contiguous axis; folds along it or, if it is kept, beside it.

    With a piece, each tile folds one piece of the axis.
    """
    if not draft.axes:
        return Part((), tuple(Phase((), body) for body in draft.bodies))
    instrs = [instr for body in draft.bodies for instr in body]
    vector = _contiguous_axis(draft, instrs)
    lanes = processor.lanes(instrs)
    if not draft.reduced:
        other = _square_with(draft, vector, lanes)
        if other is not None:
            return _in_squares(draft, vector, other, lanes)
        longer = _longer_than(draft, vector, lanes)
        if longer is not None:
            return _across_short(draft, longer, vector, lanes)
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
        walked = walked_axes(body)
        loops = [Loop(symbol) for symbol in inside if symbol in walked]
        if vector in walked:
            copies = copies_along(body, draft.extent(vector), lanes)
            loops.append(Loop(vector, lanes, copies))
        phases.append(Phase(tuple(loops), body))
    return Part(axes, _with_next_row(phases, draft, vector))


def _with_next_row(phases: list[Phase], draft: Draft, vector: Symbol) -> tuple[Phase, ...]:
    """The next row is fetched while the most is done with this one: processors that look ahead by
    themselves stop at the ends of pages, and what begins a row does little but wait for it."""
    along = [phase for phase in phases if any(loop.symbol == vector for loop in phase.loops)]
    rows = [symbol for symbol in draft.axes if symbol not in draft.reduced]
    if len(along) < 2 or not rows:
        return tuple(phases)
    reads = dict.fromkeys(i.detail for i in along[0].body if i.op == "load")
    ahead = tuple(_moved(read, rows[-1], 1) for read in reads if _is_row(read, vector, rows[-1]))
    busiest = max(along, key=_has_time)
    return tuple(replace(p, ahead=ahead) if p is busiest else p for p in phases)


def _has_time(phase: Phase) -> tuple[bool, int]:
    return not any(i.op == "store" for i in phase.body), body_cost(phase.body)


def _is_row(read: Access, vector: Symbol, row: Symbol) -> bool:
    step = coefficient(read.offset, row)
    if read.strides or read.guarded or coefficient(read.offset, vector) != 1:
        return False
    nbytes = step * read.buffer.dtype.itemsize if isinstance(step, int) else 0
    return LEAST_AHEAD <= nbytes <= MOST_AHEAD


def _moved(read: Access, axis: Symbol, by: int) -> Access:
    """The same place so many indices further along an axis."""
    return replace(read, offset=substitute(read.offset, {axis: axis + by}))


def _square_with(draft: Draft, vector: Symbol, lanes: int) -> Symbol | None:
    """The axis along which something is contiguous that is not so along the vectors, if turning
    squares of it over is worth their code."""
    (body,) = draft.bodies
    if not 1 < lanes <= MOST_TURNED or body_cost(body) > SMALL_BODY:
        return None
    plain = [i.detail for i in body if i.op == "load" and not i.args]
    turned = [read for read in plain if coefficient(read.offset, vector) not in (None, 0, 1)]
    sides = [axis for axis in draft.axes if not _is_below(draft.extent(axis), lanes)]
    found = (a for a in sides for read in turned if coefficient(read.offset, a) == 1)
    return next(found, None) if vector in sides else None


def _is_below(extent: Dim, least: int) -> bool:
    return isinstance(extent, int) and extent < least


def _in_squares(draft: Draft, vector: Symbol, other: Symbol, lanes: int) -> Part:
    """Tiles are squares, of smaller ones that registers hold."""
    sides = {vector: SQUARE, other: SQUARE}
    axes = tuple(
        Axis(symbol, extent, sides.get(symbol, 1))
        for symbol, extent in zip(draft.axes, draft.extents, strict=True)
    )
    loops = (Loop(other, copies=lanes), Loop(vector, lanes))
    return Part(axes, tuple(Phase(loops, body) for body in draft.bodies))


def _longer_than(draft: Draft, vector: Symbol, lanes: int) -> Symbol | None:
    """The axis to fill vectors along where the contiguous one would leave half of them empty, if
    that is worth reading and writing across memory."""
    short = draft.extent(vector)
    if not isinstance(short, int) or 2 * short > lanes:
        return None
    longer = next((a for a in reversed(draft.axes) if not _is_below(draft.extent(a), lanes)), None)
    if longer is None:
        return None
    (body,) = draft.bodies
    is_worth = short * _cost_along(body, longer, lanes) < lanes * _cost_along(body, vector, lanes)
    return longer if is_worth else None


def _cost_along(body: tuple[Instr, ...], axis: Symbol, lanes: int) -> int:
    """Scalar additions that a vector of points along an axis is worth."""
    apart = sum(_is_apart(i, axis) for i in body if isinstance(i.detail, Access))
    return body_cost(body) + apart * APART * lanes


def _is_apart(instr: Instr, axis: Symbol) -> bool:
    """Whether an access takes the elements of a vector one by one."""
    step = coefficient(instr.detail.offset, axis)
    alone = step == 0 and any(axis in arg.axes for arg in instr.args if instr.op == "load")
    return alone or step not in (-1, 0, 1) or bool(instr.detail.strides)


def _across_short(draft: Draft, vector: Symbol, short: Symbol, lanes: int) -> Part:
    """Vectors along a longer axis, with all indices of the short one in each turn."""
    sides = {vector: _map_tile(draft.extent(vector)), short: None}
    axes = tuple(
        Axis(symbol, extent, sides.get(symbol, 1))
        for symbol, extent in zip(draft.axes, draft.extents, strict=True)
    )
    extent = draft.extent(short)
    assert isinstance(extent, int)
    loops = (Loop(short, copies=extent), Loop(vector, lanes))
    return Part(axes, tuple(Phase(loops, body) for body in draft.bodies))


def _beside(draft: Draft, vector: Symbol, lanes: int) -> Part:
    """Each tile is a block of neighbouring columns: folds run down the rows of the block."""
    copies = min(copies_along(body, draft.extent(vector), lanes) for body in draft.bodies)
    tile = lanes * copies
    axes = tuple(
        Axis(symbol, extent, tile if symbol == vector else _row_tile(draft, symbol))
        for symbol, extent in zip(draft.axes, draft.extents, strict=True)
    )
    phases = []
    for body in draft.bodies:
        walked = walked_axes(body)
        loops = [Loop(a.symbol) for a in axes if a.tile is None and a.symbol in walked]
        if vector in walked:
            loops.append(Loop(vector, lanes, copies, rolled=False))
        ahead = turns_ahead(body, loops[-2].symbol) if len(loops) > 1 and vector in walked else ()
        phases.append(Phase(tuple(loops), body, ahead=ahead))
    return Part(axes, tuple(phases))


def turns_ahead(body: tuple[Instr, ...], inner: Symbol) -> tuple[Access, ...]:
    """What a loop reads from another line of memory at each turn, at some turns later."""
    reads = dict.fromkeys(i.detail for i in body if i.op == "load" and not i.args)
    far = (read for read in reads if coefficient(read.offset, inner) not in (None, 0, 1))
    return tuple(_moved(read, inner, AHEAD) for read in far)


def walked_axes(body: tuple[Instr, ...]) -> frozenset[Symbol]:
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


def copies_along(body: tuple[Instr, ...], extent: Dim, lanes: int) -> int:
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
