"""Phases that warps fold by products of small matrices.

Both factors are in shared memory; the functions of `tensor_cores.cu` load fragments of them and
multiply these. Rows of a factor are padded so that 8 rows of 16 bytes lie in different banks.
"""

from __future__ import annotations

from msgspec import Struct

from ...ir.dims import Symbol
from ...kernel.fragments import factors_of
from ...kernel.phases import Instr, Local
from .folds import Fold, Folds
from .layout import Layout, Walk
from .scalars import c_type
from .storage import Shared
from .tile import Tile

__all__ = ["FragmentText"]

GROUP = 8  # rows or columns of a matrix


class _Operand(Struct, frozen=True, eq=False):
    """A factor in shared memory, and the walk of the rows or columns of its matrices."""

    name: str
    place: Shared
    walk: Walk
    down: Symbol

    @property
    def is_along(self) -> bool:
        """Whether the array's rows run along the axis that is summed."""
        return dict(self.place.strides)[self.down] == 1

    @property
    def stride(self) -> int:
        """The elements from one row of the array to the next."""
        return max(stride for _, stride in self.place.strides)

    @property
    def gap(self) -> int:
        """The rows or columns from one group of a warp to its next."""
        return GROUP * self.walk.warps

    @property
    def registers(self) -> int:
        """As many as all groups take, which come by twos."""
        return (self.walk.copies + 1) // 2 * 4

    @property
    def shape(self) -> str:
        """How the groups lie, as arguments of templates."""
        along = "true" if self.is_along else "false"
        return f"{self.walk.copies}, {self.gap}, {self.stride}, {along}"

    def first(self, tile: Tile, down: str) -> str:
        """The first element of a thread's warp at a place along the sum."""
        row = GROUP * (self.stride if self.is_along else 1)
        warp = f" + {tile.warp(self.walk)} * {row}" if self.walk.warps > 1 else ""
        times = "" if self.is_along else f" * {self.stride}"
        return f"{self.place.name}{warp} + {down}{times}"

    def clear(self, reach: int, threads: int, left: str) -> str:
        """Zeros where a block ends before its last product does."""
        along = "true" if self.is_along else "false"
        shape = f"{reach}, {self.walk.copies * self.gap}, {self.stride}, {along}, {threads}"
        return f"sf_clear_behind<{shape}>({self.place.name}, {left});"


class FragmentText:
    """Writes a phase. `running`: folds that go on from one block of a serial loop to the next."""

    def __init__(self, tile: Tile, layout: Layout, running: dict[Instr, Fold]) -> None:
        factors = factors_of(layout.phase)
        assert factors is not None
        self.tile, self.layout, self.running = tile, layout, running
        self.down, row, column = layout.walks
        self.instr = factors.fold
        self.rows = self._operand("rows", factors.rows, row)
        self.columns = self._operand("columns", factors.columns, column)

    def _operand(self, name: str, local: Local, walk: Walk) -> _Operand:
        place = self.tile.storage[local]
        assert isinstance(place, Shared)
        return _Operand(name, place, walk, self.down.symbol)

    def write(self) -> None:
        folds = Folds(self.tile, self.layout, ())
        with self.tile.writer.block(""):
            running = self.running.get(self.instr)
            fold = folds.begin(self.instr) if running is None else running
            self._clear()
            self._multiply(fold)
            if running is None:
                folds.finish([fold], inside=False)

    @property
    def _reach(self) -> int:
        """How far the products of a block go."""
        assert self.down.reach is not None
        return self.down.reach

    def _clear(self) -> None:
        """What lies beyond the end of the sum must not count; what lies beyond rows does not."""
        w, span, text = self.tile.writer, self.down.span, self.tile.indices.text
        if span.is_whole(self._reach):
            return
        limit = span.limit(self._reach)
        with w.block(f"if ({text(span.start + self._reach)} > {text(limit)})"):
            left = w.fresh("left")
            w.line(f"const i32 {left} = {text(limit - span.start)};")
            for operand in (self.rows, self.columns):
                w.line(operand.clear(self._reach, self.tile.threads, left))
            w.line("sf_barrier();")

    def _multiply(self, fold: Fold) -> None:
        w, kind = self.tile.writer, c_type(self.rows.place.dtype)
        fragment = self.layout.phase.fragment
        assert fragment is not None
        w.line("SF_UNROLL")
        down, step = w.fresh("down"), fragment.depth
        with w.block(f"for (i32 {down} = 0; {down} < {self._reach}; {down} += {step})"):
            held = {operand: w.fresh(operand.name) for operand in (self.rows, self.columns)}
            for operand, name in held.items():
                w.line(f"u32 {name}[{operand.registers}];")
            for operand, name in held.items():
                load = f"sf_load_{operand.name}<{operand.shape}>"
                w.line(f"{load}({name}, {operand.first(self.tile, down)});")
            copies = f"{self.rows.walk.copies}, {self.columns.walk.copies}"
            sums = f"(f32*){fold.names[0]}, {', '.join(held.values())}"
            w.line(f"sf_multiply<{kind}, {copies}>({sums});")
