"""Runs kernels on NumPy arrays, tile by tile and phase by phase: what every target must agree with.

Within a phase all points are computed at once, as arrays over its loops.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from msgspec import Struct, field

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import VerifyError

from ..ir.dims import Dim, Symbol, fold
from .numpy_scalars import NumpyScalars
from .phases import Access, Axis, Buffer, Instr, Kernel, Local, Part, Phase, Reduce, Serial
from .scalar import Scalars, result_dtype

__all__ = ["Lanes", "interpret_kernels"]

Array = np.ndarray[Any, Any]
Places = Mapping[Symbol, Any]

POISON = 0xA5  # what memory holds that nothing has been written to


class Lanes(Struct, frozen=True):
    """The values of one instruction at all points of a phase."""

    array: Array
    dtype: DType


class _LaneScalars(Scalars):
    """NumPy's scalars over `Lanes`."""

    def __init__(self) -> None:
        self._numpy = NumpyScalars()

    def emit(self, name: str, operands: tuple[Any, ...]) -> Lanes:
        dtype = result_dtype(name, tuple(x.dtype for x in operands))
        found = self._numpy.emit(name, tuple(x.array for x in operands))
        return Lanes(np.asarray(found, dtype.numpy), dtype)

    def const(self, value: float | int | bool, dtype: DType) -> Lanes:
        return Lanes(self._numpy.const(value, dtype), dtype)

    def convert(self, value: Any, dtype: DType) -> Lanes:
        return Lanes(self._numpy.convert(value.array, dtype), dtype)

    def bitcast(self, value: Any, dtype: DType) -> Lanes:
        return Lanes(self._numpy.bitcast(value.array, dtype), dtype)


_SCALARS = _LaneScalars()
Totals = dict[Local, tuple[Lanes, ...]]  # the states of folds that go on from block to block


def interpret_kernels(
    kernels: Iterable[Kernel], given: Mapping[Buffer, Array], sizes: Mapping[str, int]
) -> dict[Buffer, Array]:
    """What every buffer holds after all kernels have run on the given ones."""
    memory = {buffer: np.array(array).reshape(-1) for buffer, array in given.items()}
    shapes: dict[Buffer, tuple[int, ...]] = {}
    with np.errstate(all="ignore"):
        for kernel in kernels:
            for buffer in (*kernel.reads, *kernel.writes):
                shapes[buffer] = tuple(_evaluate(n, {}, sizes) for n in buffer.shape)
                if buffer not in memory:
                    memory[buffer] = _poisoned(buffer, math.prod(shapes[buffer]))
            for part in kernel.parts:
                _PartRun(part, memory, sizes).run()
    return {buffer: memory[buffer].reshape(shape) for buffer, shape in shapes.items()}


def _poisoned(buffer: Buffer, size: int) -> Array:
    if buffer.dtype.is_bool:
        return np.ones(size, bool)
    return np.full(size * buffer.dtype.itemsize, POISON, np.uint8).view(buffer.dtype.numpy)


def _evaluate(dim: Dim, places: Places, sizes: Mapping[str, int]) -> Any:
    """An index expression; its symbols are loops, and what is no loop is a size."""
    return fold(
        dim,
        constant=lambda number: number,
        symbol=lambda s: places[s] if s in places else sizes[s.name],
        add=lambda a, b: a + b,
        mul=lambda a, b: a * b,
        floordiv=lambda a, b: a // b,
        mod=lambda a, b: a % b,
        max=lambda a, b: np.maximum(a, b),
        min=lambda a, b: np.minimum(a, b),
    )


class _PartRun(Struct):
    """One part on some memory; `locals` are those of the current tile."""

    part: Part
    memory: dict[Buffer, Array]
    sizes: Mapping[str, int]
    locals: dict[Local, Array] = field(default_factory=dict)

    def run(self) -> None:
        for tile in self._tiles():
            self.locals = {}
            for item in self.part.phases:
                if isinstance(item, Serial):
                    self._serial(item, *tile)
                else:
                    _PhaseRun(self, item, *tile).run()

    def _serial(
        self, serial: Serial, ranges: dict[Symbol, range], numbers: dict[Symbol, int]
    ) -> None:
        """The phases in every block; where there is none, what they make of no index."""
        end = ranges[serial.symbol].stop
        first = _evaluate(serial.first, numbers, self.sizes)
        last = _evaluate(serial.end(end), numbers, self.sizes)
        outer = self.locals
        totals: Totals = {}
        for start in range(first, last, serial.block) or (end,):
            block = {**ranges, serial.symbol: range(start, min(start + serial.block, end))}
            self.locals = dict(outer)
            for phase in serial.phases:
                _PhaseRun(self, phase, block, numbers, totals, serial.symbol).run()
            outer = {**outer, **{local: self.locals[local] for local in serial.carried}}
        self.locals = {**outer, **{local: self.locals[local] for local in totals}}

    def _tiles(self) -> Iterator[tuple[dict[Symbol, range], dict[Symbol, int]]]:
        """The indices of every axis in a tile, and the numbers of its pieces."""
        counts = [range(_evaluate(axis.tiles, {}, self.sizes)) for axis in self.part.axes]
        for numbers in product(*counts):
            pairs = list(zip(self.part.axes, numbers, strict=True))
            ranges = {axis.symbol: self._range(axis, number) for axis, number in pairs}
            yield ranges, {axis.number: n for axis, n in pairs if axis.number is not None}

    def _range(self, axis: Axis, number: int) -> range:
        extent = _evaluate(axis.extent, {}, self.sizes)
        if axis.tile is None:
            return range(extent)
        return range(number * axis.tile, min((number + 1) * axis.tile, extent))


class _PhaseRun:
    """One phase in one tile: every value is an array over the grid of the loops."""

    def __init__(
        self,
        part: _PartRun,
        phase: Phase,
        ranges: dict[Symbol, range],
        numbers: dict[Symbol, int],
        totals: Totals | None = None,
        serial: Symbol | None = None,
    ) -> None:
        self.part, self.phase, self.totals, self.serial = part, phase, totals, serial
        self.axes = [loop.symbol for loop in phase.loops]
        self.grid = tuple(len(ranges[axis]) for axis in self.axes)
        self.places: dict[Symbol, Any] = dict(numbers)
        for axis, indices in ranges.items():
            if axis in self.axes:
                shape = [-1 if other == axis else 1 for other in self.axes]
                self.places[axis] = np.asarray(indices, np.int64).reshape(shape)
            elif len(indices) == 1:
                self.places[axis] = indices[0]
        self.values: dict[Instr, Lanes] = {}

    def run(self) -> None:
        for instr in self.phase.body:
            if instr.is_effect:
                self._effect(instr)
            else:
                self.values[instr] = self._value(instr)

    # values

    def _value(self, instr: Instr) -> Lanes:
        args = [self.values[arg] for arg in instr.args]
        match instr.op:
            case "const":
                return _SCALARS.const(instr.detail, instr.dtype)
            case "index":
                return Lanes(np.asarray(self._at(instr.detail), np.int64), DType.I64)
            case "below":
                left, right = map(self._at, instr.detail)
                return Lanes(np.asarray(left < right), DType.BOOL)
            case "get":
                return Lanes(self._get(instr.detail), instr.dtype)
            case "load":
                return Lanes(self._load(instr.detail, args), instr.dtype)
            case "convert":
                return _SCALARS.convert(args[0], instr.dtype)
            case "bitcast":
                return _SCALARS.bitcast(args[0], instr.dtype)
            case "scan":
                return self._scan(instr.detail, args[0])
        return _SCALARS.emit(instr.op, tuple(args))

    def _at(self, dim: Dim) -> Any:
        return _evaluate(dim, self.places, self.part.sizes)

    def _effect(self, instr: Instr) -> None:
        args = [self.values[arg] for arg in instr.args]
        if instr.op == "put":
            self._put(instr.detail, args[0].array, ())
        elif instr.op == "reduce":
            self._reduce(instr.detail, args)
        else:
            self._write(instr, args[0].array, args[1:])

    # buffers

    def _load(self, access: Access, args: Sequence[Lanes]) -> Array:
        picks = args[:-1] if access.guarded else args
        kept = args[-1].array if access.guarded else np.True_
        offsets, kept = np.broadcast_arrays(self._offsets(access, picks), kept)
        memory = self.part.memory[access.buffer]
        self._require_inside(access, offsets[kept])
        out = np.full(offsets.shape, access.otherwise, access.buffer.dtype.numpy)
        out[kept] = memory[offsets[kept]]
        return out

    def _write(self, instr: Instr, value: Array, picks: Sequence[Lanes]) -> None:
        access: Access = instr.detail
        kept = picks[-1].array if access.guarded else np.True_
        picks = picks[:-1] if access.guarded else picks
        kept = np.broadcast_to(kept, self.grid)
        offsets = np.broadcast_to(self._offsets(access, picks), self.grid)[kept]
        self._require_inside(access, offsets)
        memory, full = self.part.memory[access.buffer], np.broadcast_to(value, self.grid)[kept]
        if instr.op == "store":
            memory[offsets] = full
        else:
            np.add.at(memory, offsets, full)

    def _offsets(self, access: Access, picks: Sequence[Lanes]) -> Array:
        total = self._at(access.offset)
        for stride, pick in zip(access.strides, picks, strict=True):
            total = total + self._at(stride) * pick.array
        return np.asarray(total, np.int64)

    def _require_inside(self, access: Access, offsets: Array) -> None:
        size = self.part.memory[access.buffer].size
        if offsets.size and (offsets.min() < 0 or offsets.max() >= size):
            raise VerifyError(
                f"{access.buffer} has {size} elements and is touched at "
                f"{offsets.min()} to {offsets.max()}"
            )

    # locals

    def _put(self, local: Local, value: Array, folded: Sequence[Symbol]) -> None:
        """Keep an array over the grid (without the folded loops) as one over the local's axes."""
        walked = [axis for axis in self.axes if axis not in folded]
        sizes = [n for axis, n in zip(self.axes, self.grid, strict=True) if axis not in folded]
        full = np.broadcast_to(value, sizes)
        if set(walked) - set(local.axes):
            raise VerifyError(f"{local} is kept at more places than it has")
        kept = [axis for axis in local.axes if axis in walked]
        full = np.transpose(full, [walked.index(axis) for axis in kept])
        shape = [sizes[walked.index(a)] if a in walked else 1 for a in local.axes]
        self.part.locals[local] = full.reshape(shape)

    def _get(self, local: Local) -> Array:
        """The array of a local, laid out over the grid."""
        held = self.part.locals[local]
        kept = [k for k, axis in enumerate(local.axes) if axis in self.axes]
        held = held[tuple(slice(None) if k in kept else 0 for k in range(held.ndim))]
        order = sorted(range(len(kept)), key=lambda k: self.axes.index(local.axes[kept[k]]))
        shape = [
            held.shape[kept.index(local.axes.index(axis))] if axis in local.axes else 1
            for axis in self.axes
        ]
        return np.transpose(held, order).reshape(shape)

    # folds

    def _reduce(self, reduce: Reduce, args: Sequence[Lanes]) -> None:
        folded = [axis for axis in self.axes if axis in reduce.over]
        states = self._states(reduce, args)
        at = [self.axes.index(axis) for axis in folded]
        kept = [k for k in range(len(self.axes)) if k not in at]
        order = (*kept, *at)
        rows = [
            Lanes(_merged(np.transpose(state.array, order), len(kept)), state.dtype)
            for state in states
        ]
        total = self._with_blocks_before(reduce, _tree(reduce, rows, args[0].dtype))
        self._put(reduce.local, reduce.reduction.result(_SCALARS, total).array, folded)

    def _with_blocks_before(self, reduce: Reduce, total: tuple[Lanes, ...]) -> tuple[Lanes, ...]:
        """The state that a fold over the axis of a serial loop has reached."""
        if reduce.onto:
            return reduce.reduction.combine(_SCALARS, self._held(reduce), total)
        if self.totals is None or self.serial not in reduce.over or not reduce.goes_on:
            return total
        before = self.totals.get(reduce.local)
        if before is not None:
            total = reduce.reduction.combine(_SCALARS, before, total)
        self.totals[reduce.local] = total
        return total

    def _held(self, reduce: Reduce) -> tuple[Lanes, ...]:
        """What the local of a fold holds, as its state."""
        at = tuple(k for k, axis in enumerate(self.axes) if axis in reduce.over)
        held = Lanes(np.squeeze(self._get(reduce.local), at), reduce.local.dtype)
        found: tuple[Lanes, ...] = reduce.reduction.inject(_SCALARS, held, None)
        return found

    def _states(self, reduce: Reduce, args: Sequence[Lanes]) -> list[Lanes]:
        """The state of every single element, over the whole grid."""
        value, position = (*args, None)[:2]
        states = reduce.reduction.inject(_SCALARS, value, position)
        return [Lanes(np.broadcast_to(x.array, self.grid), x.dtype) for x in states]

    def _scan(self, reduce: Reduce, value: Lanes) -> Lanes:
        """The state after every step of the one loop that is folded."""
        at = [k for k, axis in enumerate(self.axes) if axis in reduce.over]
        states = self._states(reduce, [value])
        steps = self.grid[at[0]] if at else 1
        if not steps:
            return Lanes(np.zeros(self.grid, reduce.local.dtype.numpy), reduce.local.dtype)
        state, found = tuple(_step(x, at, 0) for x in states), []
        for step in range(steps):
            if step:
                following = tuple(_step(x, at, step) for x in states)
                state = reduce.reduction.combine(_SCALARS, state, following)
            found.append(reduce.reduction.result(_SCALARS, state).array)
        out = np.concatenate(found, at[0]) if at else found[0]
        return Lanes(out, reduce.local.dtype)


def _step(states: Lanes, at: Sequence[int], step: int) -> Lanes:
    if not at:
        return states
    return Lanes(np.take(states.array, [step], at[0]), states.dtype)


def _merged(array: Array, kept: int) -> Array:
    """The trailing axes as one."""
    return array.reshape(*array.shape[:kept], int(np.prod(array.shape[kept:])))


def _tree(reduce: Reduce, rows: list[Lanes], dtype: DType) -> tuple[Lanes, ...]:
    """Neighbours combined until one is left; of no element, the identity."""
    count = rows[0].array.shape[-1]
    if count == 0:
        numbers = zip(reduce.reduction.identity(dtype), rows, strict=True)
        shape = rows[0].array.shape[:-1]
        return tuple(
            Lanes(np.broadcast_to(_SCALARS.const(n, x.dtype).array, shape), x.dtype)
            for n, x in numbers
        )
    state = tuple(rows)
    while (count := state[0].array.shape[-1]) > 1:
        even, odd = (
            tuple(Lanes(x.array[..., k : count // 2 * 2 : 2], x.dtype) for x in state)
            for k in (0, 1)
        )
        pairs = reduce.reduction.combine(_SCALARS, even, odd)
        rest = [x.array[..., count // 2 * 2 :] for x in state]
        state = tuple(
            Lanes(np.concatenate([pair.array, left], -1), pair.dtype)
            for pair, left in zip(pairs, rest, strict=True)
        )
    return tuple(Lanes(x.array[..., 0], x.dtype) for x in state)
