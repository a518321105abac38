"""Products by tensor cores: blocks of both factors in shared memory, fragments of them by warps.

Factors are put there in the type that they are multiplied in, halves as halves, along their fast
axis in memory; plain ones can then be copied ahead of the products.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from symfuse.runtime.dtypes import DType

from ...ir.dims import Symbol
from ..fragments import fragment_loops, fragment_of
from ..halves import EXACT
from ..phases import Access, Fragment, Instr, Local, Loop, Part, Phase
from ..processor import Device
from ..rewrite import needed, rewritten
from .products import LARGE, Tiling, factors, loads_after
from .walk import Spread, lanes_along, size_or, stride_along, tiles_of

__all__ = ["schedule_fragments"]

HALVES = (DType.F16, DType.BF16)
BLOCK_BYTES = 64  # of a row of a factor along the sum
STAGES = 3
LEAST_COPY = 4  # bytes that can be copied ahead


class _Sides(Struct, frozen=True):
    """Rows and columns of a tile, and how many warps share them."""

    rows: int
    columns: int
    row_warps: int
    column_warps: int

    @property
    def threads(self) -> int:
        return 32 * self.row_warps * self.column_warps


LARGEST = (_Sides(128, 128, 2, 4), _Sides(128, 64, 2, 2), _Sides(64, 128, 2, 2))
SMALLER = (_Sides(64, 64, 2, 2), _Sides(64, 32, 2, 2), _Sides(32, 64, 2, 2))
FLAT, SMALLEST = _Sides(16, 64, 1, 4), _Sides(32, 32, 2, 2)


class _Factor(Struct, frozen=True):
    """A factor: its value in a draft, what is put into shared memory of it, and where; `lanes`:
    so many neighbours at once."""

    value: Instr
    source: Instr
    body: tuple[Instr, ...]
    local: Local
    lanes: int

    @property
    def read(self) -> Instr:
        """The factor as the products read it."""
        axes = frozenset(self.local.axes)
        found = Instr("get", (), self.local.dtype, self.local, axes)
        if self.local.dtype is self.value.dtype:
            return found
        return Instr("convert", (found,), self.value.dtype, None, axes)

    @property
    def is_copied(self) -> bool:
        """Whether it can be on its way while other blocks are multiplied."""
        return self.source.op == "load" and self.lanes * self.local.dtype.itemsize >= LEAST_COPY


def schedule_fragments(tiling: Tiling, device: Device, *, is_fast: bool) -> Part | None:
    """The part of a product whose factors tensor cores multiply without loss; if it `is_fast`,
    f32 may lose digits."""
    draft = tiling.draft
    found = factors(draft, tiling.row, tiling.column)
    if found is None:
        return None
    dtype = _common(draft.bodies[0], found)
    if dtype is None and is_fast and all(factor.dtype is DType.F32 for factor in found):
        dtype = DType.F32
    fragment = None if dtype is None else fragment_of(dtype)
    if fragment is None:
        return None
    depth = _depth(tiling, fragment)
    axes = (tiling.row, tiling.column)
    both = [
        _factor(tiling, value, axis, fragment.dtype, depth, device)
        for value, axis in zip(found, axes, strict=True)
    ]
    sides = _sides(tiling, device, is_copied=all(factor.is_copied for factor in both))
    return _part(tiling, fragment, depth, sides, both)


def _common(body: Iterable[Instr], found: Iterable[Instr]) -> DType | None:
    """The half that holds whatever both factors can be."""
    held: dict[Instr, frozenset[DType]] = {}
    for value in body:
        if value.dtype is DType.F32:
            held[value] = frozenset(half for half in HALVES if _holds(half, value, held))
    both = [h for h in HALVES if all(h in held.get(factor, ()) for factor in found)]
    return both[0] if len(both) == 1 else None


def _holds(half: DType, value: Instr, held: Mapping[Instr, frozenset[DType]]) -> bool:
    """Whether a value in f32 is one that the half has."""
    if value.op == "const":
        return bool(half.numpy.type(value.detail) == value.detail)
    if value.op == "convert":
        return value.args[0].dtype is half
    return value.op in EXACT and all(half in held.get(arg, ()) for arg in value.args)


def _sides(tiling: Tiling, device: Device, *, is_copied: bool) -> _Sides:
    """Large tiles, which read less, unless some multiprocessors would have none; what does not
    come by copies or is worked on later needs registers beside the sums, of fewer threads."""
    draft, row, column = tiling.draft, tiling.row, tiling.column
    rows, columns = (size_or(draft.extent(axis), LARGE) for axis in (row, column))
    more = loads_after(draft, row, column)
    stores = sum(i.op == "store" for i in draft.bodies[1])
    wide = LARGEST[more + stores > 2 :] if is_copied and more <= 1 else ()
    for sides in (*wide, *SMALLER):
        fits = rows > sides.rows // 2 and columns > sides.columns // 2
        tiles = tiles_of(draft, {row: sides.rows, column: sides.columns}, otherwise=LARGE)
        if fits and tiles >= device.multiprocessors:
            return sides
    return FLAT if rows <= FLAT.rows and columns > FLAT.columns // 2 else SMALLEST


def _factor(
    tiling: Tiling, value: Instr, axis: Symbol, dtype: DType, depth: int, device: Device
) -> _Factor:
    """A factor as it is put into shared memory, its fast axis in memory last."""
    fold = tiling.draft.bodies[0]
    source = value
    if value.dtype is not dtype:
        is_half = value.op == "convert" and value.args[0].dtype is dtype
        source = value.args[0] if is_half else Instr("convert", (value,), dtype, None, value.axes)
    body = needed(fold, (value,))
    body = needed(body, (source,)) if source in body else (*body, source)
    loads = [i for i in body if isinstance(i.detail, Access)]
    beside = any(stride_along(load, axis) == 1 for load in loads)
    axes = (tiling.down, axis) if beside else (axis, tiling.down)
    local = Local(f"{axis.name}_block", dtype, axes)
    put = Instr("put", (source,), dtype, local, value.axes)
    lanes = min(lanes_along(body, local.axes[1], device), device.vector_bytes // dtype.itemsize)
    return _Factor(value, source, (*body, put), local, min(lanes, depth))


def _part(
    tiling: Tiling, fragment: Fragment, depth: int, sides: _Sides, both: list[_Factor]
) -> Part:
    draft = tiling.draft
    lengths = {tiling.row: sides.rows, tiling.column: sides.columns, tiling.down: depth}
    phases = [
        Phase(_loading(factor, lengths, sides.threads), factor.body)
        for factor in sorted(both, key=lambda factor: not factor.is_copied)
    ]
    loops = fragment_loops(fragment, _shares(tiling, sides))
    body = rewritten(draft.bodies[0], {factor.value: factor.read for factor in both})
    phases.append(Phase(loops, body, fragment=fragment))
    axes = tiling.axes(sides.rows, sides.columns)
    serial = tiling.serial(depth, tuple(phases), _stages(tiling, depth))
    return Part(axes, (serial, Phase(loops[1:], draft.bodies[1])))


def _depth(tiling: Tiling, fragment: Fragment) -> int:
    """How much of the sum a block has."""
    depth = BLOCK_BYTES // fragment.dtype.itemsize
    whole = size_or(tiling.length, LARGE)
    return fragment.depth if whole <= fragment.depth else depth


def _stages(tiling: Tiling, depth: int) -> int:
    blocks = -(-size_or(tiling.length, LARGE) // depth)
    return min(STAGES, max(2, blocks))


def _shares(tiling: Tiling, sides: _Sides) -> tuple[Loop, Loop, Loop]:
    """The copies and warps of rows and of columns."""
    return (
        Loop(tiling.down),
        Loop(tiling.row, copies=sides.rows // (8 * sides.row_warps), warps=sides.row_warps),
        Loop(
            tiling.column,
            copies=sides.columns // (8 * sides.column_warps),
            warps=sides.column_warps,
        ),
    )


def _loading(factor: _Factor, lengths: dict[Symbol, int], threads: int) -> tuple[Loop, Loop]:
    """All threads put a block of a factor, neighbours along its fast axis."""
    (slow, fast), lanes = factor.local.axes, factor.lanes
    inner = min(threads, lengths[fast] // lanes)
    outer = min(threads // inner, lengths[slow])
    return (
        Spread(1, lengths[slow] // outer, outer).loop(slow),
        Spread(lanes, lengths[fast] // (inner * lanes), inner).loop(fast),
    )
