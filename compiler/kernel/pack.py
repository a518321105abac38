"""Copies an operand of a product into panels, so that register tiles read it line after line.

A panel holds the columns of one tile, one row of k after the other: [..., panel, k, column]. What
would be strided (each row of k in another page of memory) or transposed becomes contiguous.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from ..ir.dims import Dim, Symbol, ceil_div, coefficient, product
from .build import Draft
from .phases import Access, Axis, Buffer, Instr, Loop, Part, Phase

__all__ = ["Packed", "displaces", "operand_along", "pack", "wants_panels"]

STRIDE = 1024  # bytes from one row of k to the next from which rows fall into too few cache sets
DEPTH = 64  # rows of k below which the operand stays in cache anyway
FEW = 32  # rows of the other operand below which it is never worth it
MANY = 160  # the same where rows of k are fetched ahead and do not displace each other
DISPLACED = 2048  # bytes from one row of k to the next at whose multiples they do
SMALL = 32 << 20  # bytes that all rows read of it, below which it is read from cache as it is
DISPLACING = 256  # rows of k from which lines at multiples of STRIDE do not stay
BLOCK = 64  # rows of k of which panel after panel is made, while their pages are at hand
LASTING = 32  # turns of a loop that is assumed where panels are made before it

Scratch = Callable[[Buffer, tuple[Dim, ...]], Buffer]


class Packed(Struct, frozen=True):
    """The parts that fill the panels, the draft that reads them, and the panels' number."""

    parts: tuple[Part, ...]
    draft: Draft
    number: Symbol


def operand_along(draft: Draft, column: Symbol) -> Instr | None:
    """The factor that varies along the columns, if only one does."""
    fold = next(i for i in draft.bodies[0] if i.op == "reduce")
    value = fold.args[0]
    found = [factor for factor in value.args if column in factor.axes]
    return found[0] if value.op == "mul" and len(found) == 1 else None


def wants_panels(draft: Draft, column: Loop) -> bool:
    """Whether reading the operand from panels gains more than making them costs."""
    operand = operand_along(draft, column.symbol)
    inner = [axis for axis in draft.axes if axis in draft.reduced]
    if operand is None or not inner or operand.dtype.itemsize < 4:
        return False
    rows = product(
        draft.extent(axis)
        for axis in draft.axes
        if axis not in draft.reduced and axis not in operand.axes
    )
    loads = [i.detail for i in _needed(draft.bodies[0], operand) if i.op == "load"]
    if {access.buffer for access in loads} <= draft.lasting:
        rows = LASTING * rows
    transposed = any(coefficient(access.offset, column.symbol) != 1 for access in loads)
    if transposed:
        many = not isinstance(rows, int) or rows >= FEW
        return many and _fills(draft.extent(column.symbol), column.lanes)
    depth = product(draft.extent(axis) for axis in inner)
    if isinstance(depth, int) and depth < DEPTH:
        return False
    if isinstance(rows, int) and isinstance(depth, int):
        columns = draft.extent(column.symbol)
        nbytes = depth * columns * operand.dtype.itemsize if isinstance(columns, int) else 0
        steps = [_bytes_between(access, inner[-1]) for access in loads]
        least = FEW if any(step is None or step % DISPLACED == 0 for step in steps) else MANY
        if rows < least or rows * nbytes < SMALL:
            return False
    return any(_is_far(access, inner[-1]) for access in loads)


def _fills(extent: Dim, lanes: int) -> bool:
    """Whether most lanes of the vectors along an axis have something to do."""
    return not isinstance(extent, int) or 3 * extent >= 2 * -(-extent // lanes) * lanes


def displaces(draft: Draft, row: Symbol) -> bool:
    """Whether lines of the operand that varies along the rows, one for each k, displace each other
    in cache before all rows in them were read."""
    operand = operand_along(draft, row)
    inner = [axis for axis in draft.axes if axis in draft.reduced]
    if operand is None or operand.op != "load" or len(inner) != 1:
        return False
    depth, step = draft.extent(inner[0]), coefficient(operand.detail.offset, inner[0])
    if not isinstance(depth, int) or not isinstance(step, int) or depth < DISPLACING:
        return False
    is_along = coefficient(operand.detail.offset, row) == 1
    return is_along and step * operand.dtype.itemsize % STRIDE == 0


def pack(draft: Draft, column: Loop, scratch: Scratch) -> Packed:
    """The operand in panels as wide as the loop's step."""
    operand = operand_along(draft, column.symbol)
    assert operand is not None
    width = column.step
    inner = [a for a in draft.axes if a in operand.axes and a in draft.reduced]
    outer = [a for a in draft.axes if a in operand.axes and a not in (*inner, column.symbol)]
    panels = ceil_div(draft.extent(column.symbol), width)
    number = Symbol(f"{column.symbol.name}_panel", 0, panels - 1, 1)
    sizes = (*(draft.extent(a) for a in outer), panels, *(draft.extent(a) for a in inner), width)
    panel = scratch(Buffer("panel", operand.dtype, ()), sizes)

    def at(panel_number: Symbol | Dim, place: Dim) -> Access:
        return Access(panel, _row_major((*outer, panel_number, *inner, place), sizes), padded=True)

    access = at(number, column.symbol - number * width)
    axes = frozenset((*outer, *inner, column.symbol, number))
    store = Instr("store", (operand,), operand.dtype, access, axes)
    body = (*_needed(draft.bodies[0], operand), store)
    cut = [Axis(a, draft.extent(a), 1) for a in outer]
    cut += [Axis(a, draft.extent(a), BLOCK if a is inner[-1] else None) for a in inner]
    cut.append(Axis(column.symbol, draft.extent(column.symbol), width, number))
    phase = Phase((*(Loop(a) for a in inner), column), body)
    parts: tuple[Part, ...] = (Part(tuple(cut), (phase,)),)
    if any(i.op == "load" and coefficient(i.detail.offset, inner[-1]) == 1 for i in body):
        parts = _in_squares(tuple(cut), phase, at)
    load = Instr("load", (), operand.dtype, access, axes)
    return Packed(parts, _reading(draft, operand, load), number)


def _in_squares(
    axes: tuple[Axis, ...], phase: Phase, at: Callable[[Symbol | Dim, Dim], Access]
) -> tuple[Part, ...]:
    """The same by squares, which are read row by row and written column by column, up to the last
    of the columns; zeros for what lies behind it, so that nothing is computed with what was there.
    """
    (*walk, inner, column), (*rows, across) = phase.loops, axes
    loops = (*walk, Loop(inner.symbol, copies=column.lanes), Loop(column.symbol, column.lanes))
    squares = Part(axes, (replace(phase, loops=loops),))
    filled = ceil_div(across.extent, column.lanes) * column.lanes
    rest = across.tiles * column.step - filled
    if rest == 0:
        return (squares,)
    last, dtype = across.tiles - 1, phase.body[-1].dtype
    behind = Symbol(f"{column.symbol.name}_behind", 0, column.step - 1, 1)
    zero = Instr("const", (), dtype, 0)
    moving = frozenset((*(axis.symbol for axis in rows), behind))
    store = Instr("store", (zero,), dtype, at(last, behind + filled - last * column.step), moving)
    filling = Phase((*walk, inner, Loop(behind, column.lanes)), (zero, store))
    return squares, Part((*rows, Axis(behind, rest)), (filling,))


def _reading(draft: Draft, operand: Instr, load: Instr) -> Draft:
    """The draft with the operand taken from its panels."""
    fold = next(i for i in draft.bodies[0] if i.op == "reduce")
    whole = fold.args[0]
    factors = tuple(load if factor is operand else factor for factor in whole.args)
    other = next(factor for factor in factors if factor is not load)
    axes = frozenset().union(*(factor.axes for factor in factors))
    multiplied = replace(whole, args=factors, axes=axes)
    folded = replace(fold, args=(multiplied,), axes=axes | fold.axes)
    body = (*_needed(draft.bodies[0], other), load, multiplied, folded)
    return replace(draft, bodies=(body, *draft.bodies[1:]))


def _needed(body: tuple[Instr, ...], value: Instr) -> tuple[Instr, ...]:
    """The instructions that a value is computed from, and itself, in order."""
    wanted = {value}
    for instr in reversed(body):
        if instr in wanted:
            wanted.update(instr.args)
    return tuple(instr for instr in body if instr in wanted)


def _is_far(access: Access, inner: Symbol) -> bool:
    step = _bytes_between(access, inner)
    return step is None or step >= STRIDE


def _bytes_between(access: Access, inner: Symbol) -> int | None:
    """The bytes from one row of k to the next, if that is a number."""
    step = coefficient(access.offset, inner)
    return step * access.buffer.dtype.itemsize if isinstance(step, int) else None


def _row_major(place: tuple[Dim | Symbol, ...], sizes: tuple[Dim, ...]) -> Dim:
    offset: Dim = 0
    for at, size in zip(place, sizes, strict=True):
        offset = offset * size + at
    return offset
