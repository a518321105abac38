"""What a phase must be for warps to fold it by products of small matrices.

The phase walks the axis that is summed, then rows, then columns. A warp holds 8 rows by 4 threads
of 2 columns of every copy; two copies of rows are the 16 rows of a fragment, one copy of columns
is its 8 columns:

    Loop(down, lanes=depth)
    Loop(row, copies=…, threads=8·w, rolled=False, warps=w)
    Loop(column, lanes=2, copies=…, threads=4·v, rolled=False, warps=v)

The body multiplies an element of a local over down and row by one of a local over down and column,
both of the type of the fragment, and adds the product, in f32, to a local.
"""

from __future__ import annotations

from msgspec import Struct

from symfuse.runtime.dtypes import DType

from .phases import Fragment, Instr, Local, Loop, Phase

__all__ = ["Factors", "factors_of", "flaw_of", "fragment_loops", "fragment_of"]

ROWS, QUADS, PAIR = 8, 4, 2  # rows, threads beside each other, and columns of each, of one warp


class Factors(Struct, frozen=True):
    """The parts of a fold by fragments: what holds the rows, what the columns, and the sum."""

    rows: Local
    columns: Local
    fold: Instr


def fragment_of(dtype: DType) -> Fragment | None:
    """The fragments of elements of a type, if there are any."""
    return Fragment(dtype) if dtype.is_half or dtype is DType.F32 else None


def fragment_loops(fragment: Fragment, axes: tuple[Loop, Loop, Loop]) -> tuple[Loop, Loop, Loop]:
    """The loops of a phase, from an axis each with the copies and warps that it gets."""
    down, row, column = axes
    return (
        Loop(down.symbol, lanes=fragment.depth),
        Loop(row.symbol, 1, row.copies, ROWS * row.warps, rolled=False, warps=row.warps),
        Loop(column.symbol, PAIR, column.copies, QUADS * column.warps, False, column.warps),
    )


def factors_of(phase: Phase) -> Factors | None:
    """What a phase multiplies and adds up, if it does nothing else."""
    folds = [instr for instr in phase.body if instr.op == "reduce"]
    if len(folds) != 1 or folds[0].args[0].op != "mul" or len(phase.loops) != 3:
        return None
    product = folds[0].args[0]
    reads = [_read(arg) for arg in product.args]
    plain = {"get", "convert", "mul", "reduce"}
    if None in reads or any(instr.op not in plain for instr in phase.body):
        return None
    _, row, column = (loop.symbol for loop in phase.loops)
    held = [read.detail for read in reads if read is not None]
    for left, right in (held, held[::-1]):
        if row in left.axes and column in right.axes:
            return Factors(left, right, folds[0])
    return None


def _read(factor: Instr) -> Instr | None:
    """The element that a factor is, as a local holds it."""
    source = factor.args[0] if factor.op == "convert" else factor
    return source if source.op == "get" and factor.dtype is DType.F32 else None


def flaw_of(phase: Phase) -> str:
    """What keeps warps from folding a phase by its fragments; nothing if it is as it must be."""
    fragment = phase.fragment
    assert fragment is not None
    if fragment != fragment_of(fragment.dtype):
        return f"there are no fragments of {fragment.dtype}"
    found = factors_of(phase)
    if found is None:
        return "a phase with fragments adds up products of what two locals hold, and no more"
    down, row, column = phase.loops
    if (down, row, column) != fragment_loops(fragment, (down, row, column)) or phase.same > 1:
        return "the loops of a phase with fragments do not follow their layout"
    if found.fold.detail.over != {down.symbol}:
        return f"fragments are summed over {down.symbol} alone"
    if found.fold.detail.reduction.instruction != "add":
        return "fragments are summed"
    kept = [axis for axis in found.fold.detail.local.axes if axis in (row.symbol, column.symbol)]
    if kept != [row.symbol, column.symbol]:
        return f"{found.fold.detail.local} does not hold rows of columns"
    for local, axis in ((found.rows, row), (found.columns, column)):
        apart = set(local.axes) & {loop.symbol for loop in phase.loops}
        if local.dtype is not fragment.dtype:
            return f"{local} holds {local.dtype}, fragments are of {fragment.dtype}"
        if apart != {down.symbol, axis.symbol}:
            return f"{local} does not hold a matrix of {axis.symbol} and {down.symbol}"
    return ""
