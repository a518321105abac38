"""Additions at computed places: every tile owns some of them and adds what belongs there."""

from __future__ import annotations

from math import prod

from msgspec.structs import replace

from symfuse.runtime.dtypes import DType

from ...ir.dims import Dim, Symbol, ceil_div
from ..phases import Access, Axis, Instr, Loop, Part, Phase
from ..processor import Device
from ..rewrite import needed, rewritten
from ..scatter import Additions
from .walk import lanes_along, power_of_two, size_or

__all__ = ["schedule_scatter"]

THREADS = 256
COLUMNS = 128  # that a tile covers
LONG = 1 << 20  # what stands for a size that is not known
AHEAD = 4  # indices or elements that a thread has under way
SHORTEST = 16  # places of a tile, at least: each tile reads all indices


def schedule_scatter(work: Additions, device: Device) -> Part:
    """Threads have columns of their own, tiles rows of their own; updates come in order.

    Every tile looks at all updates and adds those of its rows, so that nothing is added twice
    and the sums depend on no order but that of the updates.
    """
    column = work.after[-1] if work.after else work.before[-1] if work.before else None
    threads, cut = 1, {}
    if column is not None:
        threads = min(COLUMNS, power_of_two(size_or(column[1], LONG)))
        cut[column[0]] = threads
    block = (Loop(column[0], threads=threads, rolled=False),) if column and threads > 1 else ()
    kept = tuple(Axis(s, n, cut.get(s, 1)) for s, n in work.kept)
    places = tuple(Axis(s, n) for s, n in work.places)
    own, add = _own(work, kept, device)
    copy = _copying(work, own, block, device)
    added = [Loop(s) for s, _ in work.places]
    added[-1:] = [Loop(loop.symbol, copies=AHEAD) for loop in added[-1:]]
    phases = (Phase(copy, work.copy), Phase((*added, *block), add))
    return Part((*own, *kept, *places), phases)


def _copying(
    work: Additions, own: tuple[Axis, ...], block: tuple[Loop, ...], device: Device
) -> tuple[Loop, ...]:
    """Threads across columns and down them; or along the axis, if memory is contiguous there."""
    across = prod(loop.threads for loop in block)
    if work.after:
        spread = max(1, THREADS // across)
        down = (Loop(a.symbol, 1, AHEAD, min(spread, a.tile or 1)) for a in own)
        return (*down, *block)
    rows = tuple(Loop(loop.symbol) for loop in block)
    along = []
    for axis in own:
        lanes = lanes_along(work.copy, axis.symbol, device)
        threads = min(THREADS, max(1, (axis.tile or 1) // lanes))
        along.append(Loop(axis.symbol, lanes, AHEAD, threads))
    return (*rows, *along)


def _own(
    work: Additions, kept: tuple[Axis, ...], device: Device
) -> tuple[tuple[Axis, ...], tuple[Instr, ...]]:
    """The axis that updates choose a place on, cut among the tiles, and the addition in one."""
    if not work.own:
        return (), work.add
    ((symbol, extent),) = work.own
    tiles = 1
    for axis in kept:
        tiles *= -(-size_or(axis.extent, LONG) // (axis.tile or 1))
    length = _length(extent, tiles, device)
    number = Symbol(f"{symbol.name}_part", 0, ceil_div(extent, length) - 1, 1)
    return (Axis(symbol, extent, length, number),), _in_tile(work.add, number, length)


def _length(extent: Dim, tiles: int, device: Device) -> int:
    """Places that a tile owns: few enough for every multiprocessor to have a tile."""
    wanted = max(1, 2 * device.multiprocessors // max(1, tiles))
    size = size_or(extent, LONG)
    return max(SHORTEST, power_of_two(-(-size // wanted)))


def _in_tile(add: tuple[Instr, ...], number: Symbol, length: int) -> tuple[Instr, ...]:
    """The addition where the place is one of the tile's; elsewhere not even the update is read."""
    last = add[-1]
    place = last.args[1]
    first = Instr("index", (), place.dtype, number * length, frozenset({number}))
    after = Instr("index", (), place.dtype, number * length + length, frozenset({number}))
    axes = place.axes | {number}
    above = Instr("ge", (place, first), DType.BOOL, None, axes)
    below = Instr("lt", (place, after), DType.BOOL, None, axes)
    inside = Instr("bitand", (above, below), DType.BOOL, None, axes)
    before = set(needed(add, (place,)))
    instead = {i: _guarded(i, inside) for i in add if i.op == "load" and i not in before}
    return rewritten(add, {**instead, last: _guarded(last, inside)})


def _guarded(instr: Instr, inside: Instr) -> Instr:
    """The access where a condition holds, besides that which it may have."""
    access: Access = instr.detail
    args = instr.args
    if access.guarded:
        *args_, condition = args
        both = Instr("bitand", (inside, condition), DType.BOOL, None, inside.axes | condition.axes)
        args, inside = tuple(args_), both
    detail = replace(access, guarded=True)
    return replace(instr, args=(*args, inside), detail=detail, axes=instr.axes | inside.axes)
