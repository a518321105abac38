"""Loads and stores of kernels: contiguous vectors, single elements, gathers, and locals."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from symfuse.runtime.dtypes import DType

from ...ir.dims import Dim, Symbol, coefficient, substitute, symbols
from ...kernel.phases import Access, Buffer, Local
from .addresses import Indices
from .positions import Position
from .scalars import LlvmScalars
from .writer import Value, Writer, llvm_type

__all__ = ["Memory"]

NEAR = 4  # elements from lane to lane up to which whole vectors are read, and lanes chosen

_TO_BE_READ = "i32 0, i32 3, i32 1"  # for reading, by the nearest cache, data


class Memory:
    """Reads and writes elements of buffers and of a tile's locals."""

    def __init__(
        self,
        writer: Writer,
        scalars: LlvmScalars,
        indices: Indices,
        pointer: Callable[[Buffer], str],
        tile_of: Callable[[Symbol], tuple[Dim, int | None]],
    ) -> None:
        self.w, self.s, self.at = writer, scalars, indices
        self._pointer, self._tile_of = pointer, tile_of
        self._stack: dict[Local, str] = {}
        self._nowhere: dict[DType, str] = {}

    # index expressions

    def index(self, dim: Dim, position: Position) -> Value:
        """The i64 value of an expression, a vector where the lanes differ."""
        slope = position.slope(dim)
        if slope is None:
            return self._general(dim, position)
        first = self._first(dim, position)
        if not position.varies(dim) or position.vector is None:
            return first
        if isinstance(slope, int):
            lanes = self.s.lane_index(position.vector.lanes, step=slope)
        else:
            lanes = self.s.mul(self.s.lane_index(position.vector.lanes), self.at.scalar(slope))
        return self.s.add(first, lanes)  # type: ignore[no-any-return]

    def _first(self, dim: Dim, position: Position) -> Value:
        name, shift = self._resolve(dim, position)
        value = Value(name, DType.I64)
        return self.s.add(value, self.s.const(shift, DType.I64)) if shift else value

    def _resolve(self, dim: Dim, position: Position) -> tuple[str, int]:
        """The value for the first lane, as a name and a constant to add."""
        moved = [a for a in symbols(dim) if position.steps.get(a) or a in position.clamped]
        if any(coefficient(dim, axis) is None for axis in moved):
            return self._general_first(dim, position).name, 0
        shift, extra = 0, []
        for axis in moved:
            slope = coefficient(dim, axis)
            assert slope is not None
            if axis in position.clamped:
                dim = substitute(dim, {axis: 0})
                place = Value(position.clamped[axis], DType.I64)
                extra.append(self.s.mul(place, self.at.scalar(slope)))
            elif isinstance(slope, int):
                shift += slope * position.steps[axis]
            else:
                step = self.s.const(position.steps[axis], DType.I64)
                extra.append(self.s.mul(self.at.scalar(slope), step))
        total = self.at.scalar(dim)
        for term in extra:
            total = self.s.add(total, term)
        return total.name, shift

    def _places(self, dim: Dim, position: Position) -> dict[Symbol, Value]:
        """Every symbol at its place for the first lane."""
        places = {}
        for axis in symbols(dim):
            if axis in position.clamped:
                places[axis] = Value(position.clamped[axis], DType.I64)
            else:
                base = Value(self.at.base[axis], DType.I64)
                step = position.steps.get(axis, 0)
                places[axis] = self.s.add(base, self.s.const(step, DType.I64)) if step else base
        return places

    def _general_first(self, dim: Dim, position: Position) -> Value:
        return self.at.evaluate(dim, self._places(dim, position))

    def _general(self, dim: Dim, position: Position) -> Value:
        places = self._places(dim, position)
        if position.vector is not None and position.vector.symbol in places:
            axis = position.vector.symbol
            places[axis] = self.s.add(places[axis], self.s.lane_index(position.vector.lanes))
        return self.at.evaluate(dim, places)

    # buffers

    def load(
        self, access: Access, args: list[Value], position: Position, active: Value | None
    ) -> Value:
        """An element, or one for each lane; what is not active or guarded out is not touched."""
        condition = args[-1] if access.guarded else None
        picks = args[:-1] if access.guarded else args
        dtype = access.buffer.dtype
        if position.slope(access.offset) == 0 and all(x.lanes == 1 for x in (*args, *picks)):
            found = self._load_one(access, picks, position, condition)
        elif self._is_beside(access, picks, position) and position.vector:
            pointer = self._element(access, picks, position)
            needed = None if access.padded else active
            mask = self._both(needed, condition, position.vector.lanes)
            found = self.s.load(pointer, dtype, position.vector.lanes, mask=mask)
        elif self._is_beside(access, picks, position, -1) and position.vector:
            mask = self._both(active, condition, position.vector.lanes)
            found = self._load_backwards(access, picks, position, mask)
        elif (axis := position.square_along(access, active)) is not None:
            found = self._load_of_square(access, position, axis, active)
        elif step := self._few_apart(access, picks, position):
            found = self._load_spaced(access, position, step, active)
        else:
            places = self._offsets(access, picks, position)
            mask = self._both(active, condition, places.lanes)
            found = self.s.gather(self._pointer(access.buffer), places, dtype, mask=mask)
        if condition is None:
            return found
        return self.s.select(condition, found, self.s.const(access.otherwise, dtype))  # type: ignore[no-any-return]

    def store(
        self,
        access: Access,
        value: Value,
        picks: list[Value],
        position: Position,
        active: Value | None,
    ) -> None:
        """Write an element, or one for each active lane."""
        if position.slope(access.offset) == 0 and value.lanes == 1:
            self.s.store(self._element(access, picks, position), value)
        elif self._is_beside(access, picks, position) and position.vector:
            whole = self.s.splat(value, position.vector.lanes)
            mask = None if access.padded else active
            self.s.store(self._element(access, picks, position), whole, mask=mask)
        else:
            places = self._offsets(access, picks, position)
            whole = self.s.splat(value, places.lanes)
            self.s.scatter(self._pointer(access.buffer), places, whole, mask=active)

    def store_pair(
        self,
        access: Access,
        first: Value,
        second: list[Value],
        position: Position,
        active: Value | None,
    ) -> None:
        """Write both parts of a pair, whose first one `access` is, or of one for each lane."""
        values = (first, *second)
        if position.vector is None or not self._is_of_pairs(access, position):
            for place, value in enumerate(values):
                part = replace(access, offset=access.offset + place)
                self.store(part, value, [], position, active)
            return
        lanes = position.vector.lanes
        whole = self._side_by_side(*(self.s.splat(value, lanes) for value in values))
        mask = self._of_each(active, access, 2)
        self.s.store(self._element(access, [], position), whole, mask=mask)

    def fetch(self, access: Access, positions: Iterable[Position]) -> None:
        """Have elements come to the nearest cache of this core, each line of memory once."""
        self.w.declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        lines = {position.line_of(access): position for position in positions}
        for position in lines.values():
            place = self._element(access, [], position)
            self.w.line(f"call void @llvm.prefetch.p0(ptr {place}, {_TO_BE_READ})")

    def _load_backwards(
        self, access: Access, picks: list[Value], position: Position, mask: Value | None
    ) -> Value:
        """A vector whose first lane lies last, turned round."""
        assert position.vector is not None
        lanes = position.vector.lanes
        order = range(lanes - 1, -1, -1)
        needed = None if mask is None else self.s.chosen([mask], order)
        last = replace(access, offset=access.offset - (lanes - 1))
        pointer = self._element(last, picks, position)
        return self.s.chosen([self.s.load(pointer, access.buffer.dtype, lanes, mask=needed)], order)

    def _few_apart(self, access: Access, picks: list[Value], position: Position) -> int:
        """How far from each other the lanes lie, if whole vectors of what is there are as good."""
        step = position.slope(access.offset)
        if not isinstance(step, int) or picks or access.guarded:
            return 0
        return step if 1 < step <= NEAR else 0

    def _load_spaced(
        self, access: Access, position: Position, step: int, active: Value | None
    ) -> Value:
        """Every so many lanes of whole vectors. Where rows of just so many elements are read, those
        that lie beside are read from the same vectors; else these end with the last lane."""
        assert position.vector is not None
        count, dtype, part = step * position.vector.lanes, access.buffer.dtype, 0
        place = access.offset % step
        in_rows = access.buffer.shape[-1:] == (step,) and isinstance(place, int)
        if in_rows and isinstance(place, int):
            access, part = replace(access, offset=access.offset - place), place
        pointer = self._element(access, [], position)
        key = ("spaced", pointer, step, active and active.name)
        whole = self.at.find(key)
        if whole is None:
            mask = self._of_each(active, access, step)
            if not in_rows:
                end = self.s.mask_below(Value(str(count - step + 1), DType.I64), count)
                mask = self.s.bitand(self.s.mask_of_every(step, count), mask) if mask else end
            whole = self.at.keep(key, self.s.load(pointer, dtype, count, mask=mask))
        return self.s.chosen([whole], range(part, count, step))

    def _load_of_square(
        self, access: Access, position: Position, axis: Symbol, active: Value | None
    ) -> Value:
        """The column of a square that belongs to this copy; the first one turns the square over."""
        others = tuple(step for a, step in position.steps.items() if a != axis)
        key = ("square", access, active and active.name, *others)
        found = self.at.find((*key, position.steps[axis]))
        if found is not None:
            return found
        start = replace(position, steps={**position.steps, axis: 0})
        for number, column in enumerate(self.s.turned_over(self._rows(access, start, active))):
            self.at.keep((*key, number), column)
        return self._load_of_square(access, position, axis, active)

    def _rows(self, access: Access, position: Position, active: Value | None) -> list[Value]:
        """The row of a square for each lane; for lanes that are not active the first row again."""
        slope = position.slope(access.offset)
        assert position.vector is not None and slope is not None
        lanes, dtype = position.vector.lanes, access.buffer.dtype
        first, step = self._element(access, [], position), self.at.scalar(slope)
        rows = [self.s.load(first, dtype, lanes)]
        for lane in range(1, lanes):
            distance = self.s.mul(step, self.s.const(lane, DType.I64))
            if active is not None:
                inside, none = self.s.extract(active, lane), self.s.const(0, DType.I64)
                distance = self.s.select(inside, distance, none)
            place = f"getelementptr {_stored(dtype)}, ptr {first}, i64 {distance.name}"
            rows.append(self.s.load(self.w.emit(place, "p"), dtype, lanes))
        return rows

    def _is_of_pairs(self, access: Access, position: Position) -> bool:
        """Whether the lanes go from pair to pair."""
        return access.part is not None and position.slope(access.offset) == 2

    def _of_each(self, active: Value | None, access: Access, step: int) -> Value | None:
        """Which elements may be touched where so many belong to each lane."""
        if active is None or access.padded:
            return None
        return self.s.chosen([active], [n // step for n in range(step * active.lanes)])

    def _side_by_side(self, first: Value, second: Value) -> Value:
        """The lanes of two values by turns."""
        order = [lane + part for lane in range(first.lanes) for part in (0, first.lanes)]
        return self.s.chosen([first, second], order)

    def accumulate(
        self,
        access: Access,
        value: Value,
        picks: list[Value],
        position: Position,
        active: Value | None,
    ) -> None:
        """Add to an element, or to one for each active lane; no two lanes add to the same."""
        before = self.load(access, picks, position, active)
        self.store(access, self.s.add(before, value), picks, position, active)

    def _is_beside(
        self, access: Access, picks: list[Value], position: Position, step: int = 1
    ) -> bool:
        """Whether what the lanes touch lies side by side, or from the last lane to the first."""
        return position.slope(access.offset) == step and all(pick.lanes == 1 for pick in picks)

    def _element(self, access: Access, picks: list[Value], position: Position) -> str:
        """The address of the element of the first lane."""
        base, shift = self._resolve(access.offset, position)
        for pick, stride in zip(picks, access.strides, strict=True):
            step = self.s.mul(pick, self.at.scalar(stride))
            base = self.s.add(Value(base, DType.I64), step).name
        start = self._pointer(access.buffer)
        kind = _stored(access.buffer.dtype)
        key = ("address", start, base)
        found = self.at.find(key)
        if found is None:
            name = self.w.emit(f"getelementptr {kind}, ptr {start}, i64 {base}", "p")
            found = self.at.keep(key, Value(name, DType.I64))
        if not shift:
            return found.name
        return self.w.emit(f"getelementptr {kind}, ptr {found.name}, i64 {shift}", "p")

    def _offsets(self, access: Access, picks: list[Value], position: Position) -> Value:
        places = self.index(access.offset, position)
        for pick, stride in zip(picks, access.strides, strict=True):
            places = self.s.add(places, self.s.mul(pick, self.at.scalar(stride)))
        lanes = position.vector.lanes if position.vector else 1
        return self.s.splat(places, lanes)

    def _load_one(
        self, access: Access, picks: list[Value], position: Position, condition: Value | None
    ) -> Value:
        pointer, dtype = self._element(access, picks, position), access.buffer.dtype
        if condition is not None:
            nowhere = self._safe_place(dtype)
            chosen = f"select i1 {condition.name}, ptr {pointer}, ptr {nowhere}"
            pointer = self.w.emit(chosen, "p")
        return self.s.load(pointer, dtype, 1)

    def _safe_place(self, dtype: DType) -> str:
        """Memory that may always be read, for elements that a condition rules out."""
        if dtype not in self._nowhere:
            self._nowhere[dtype] = self.w.alloca(_stored(dtype), align=8)
        return self._nowhere[dtype]

    def _both(self, active: Value | None, condition: Value | None, lanes: int) -> Value | None:
        if condition is None:
            return active
        wide = self.s.splat(condition, lanes)
        return wide if active is None else self.s.bitand(wide, active)

    # locals in memory

    def put(self, local: Local, value: Value, position: Position, active: Value | None) -> None:
        """Keep a value of this point for a later phase."""
        lanes = self._local_lanes(local, position)
        self.s.store(self._slot(local, position), self.s.splat(value, lanes), mask=active)

    def get(self, local: Local, position: Position, active: Value | None) -> Value:
        """The value that an earlier phase kept at this point."""
        lanes = self._local_lanes(local, position)
        mask = active if lanes > 1 else None
        return self.s.load(self._slot(local, position), local.dtype, lanes, mask=mask)

    def _local_lanes(self, local: Local, position: Position) -> int:
        varies = position.vector is not None and position.vector.symbol in local.axes
        return position.vector.lanes if varies and position.vector else 1

    def _slot(self, local: Local, position: Position) -> str:
        offset, shift = self._place_of(local, position)
        kind = _stored(local.dtype)
        start = self._memory_of(local, position)
        name, more = self._resolve(offset, position)
        row = self.w.emit(f"getelementptr {kind}, ptr {start}, i64 {name}", "p")
        total = shift + more
        return self.w.emit(f"getelementptr {kind}, ptr {row}, i64 {total}", "p") if total else row

    def _place_of(self, local: Local, position: Position) -> tuple[Dim, int]:
        """Row-major over the axes inside the tile: walked ones by symbol, blocks by distance.

        Blocks lie innermost: where there is one, vectors run along it.
        """
        offset: Dim = 0
        shift, stride = 0, 1
        blocks_last = sorted(local.axes, key=lambda one: self._tile_of(one)[1] is not None)
        for axis in reversed(blocks_last):
            extent, tile = self._tile_of(axis)
            if tile == 1:
                continue
            if tile is None:
                offset = offset + stride * (axis + 0)
                stride *= _padded(extent)
            else:
                shift += stride * position.steps.get(axis, 0)
                stride *= tile
        return offset, shift

    def _memory_of(self, local: Local, position: Position) -> str:
        if local not in self._stack:
            count = 1
            for axis in local.axes:
                extent, tile = self._tile_of(axis)
                count *= _padded(extent) if tile is None else tile
            self._stack[local] = self.w.alloca(f"[{count} x {_stored(local.dtype)}]")
        return self._stack[local]


def _padded(extent: Dim) -> int:
    if not isinstance(extent, int):
        raise AssertionError("a local in memory needs a size that is known when it is compiled")
    return -(-extent // 16) * 16


def _stored(dtype: DType) -> str:
    """The type of an element in memory: a bool is a byte there."""
    return "i8" if dtype.is_bool else llvm_type(dtype)
