"""A kernel that calls routines of libraries → one LLVM function: a loop over the matrices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from symfuse.runtime.dtypes import DType
from symfuse.runtime.host.fourier import PREFIX as FOURIER
from symfuse.runtime.host.lapack import PREFIX
from symfuse.runtime.host.reporting import NAME as REPORT

from ...ir.dims import Dim, maximum, product
from ...ir.library import (
    INFO,
    Call,
    Copy,
    Line,
    Memory,
    Order,
    Plan,
    Report,
    Sort,
    Step,
    Transform,
    Triangle,
    Widen,
    Zeros,
)
from ...ir.node import Node
from ...kernel.phases import Buffer, Kernel
from ...passes.separate_operands import in_memory
from .addresses import Indices
from .records import call
from .sorting import write_positions, write_sorted
from .writer import Writer, llvm_type

__all__ = ["Routines", "routine_kernel", "write_routines"]


_LETTERS = {DType.F32: "s", DType.F64: "d", DType.C64: "c", DType.C128: "z"}


class Area(Struct, frozen=True):
    """Memory of a type of elements, and how many of these lie from one matrix to the next."""

    buffer: Buffer
    step: Dim
    dtype: DType


class Routines(Struct, frozen=True, eq=False):
    """What to do for each matrix of a batch, and where its memory is."""

    plan: Plan
    dtype: DType
    count: Dim
    size: Dim
    areas: Mapping[str, Area]


def routine_kernel(node: Node, name: str, buffers: Any) -> Kernel:
    """The launch of an operation that a library computes."""
    assert node.op.library is not None
    plan = node.op.library(tuple(x.type for x in node.inputs), node.type, node.attrs)
    reads = tuple(buffers(in_memory(x)) for x in node.inputs)
    out = buffers(node)
    areas: dict[str, Area] = {}
    lead = node.rank - plan.rank
    for number, (source, buffer) in enumerate(zip(node.inputs, reads, strict=True)):
        areas[str(number)] = Area(buffer, product(source.shape[lead:]), source.dtype)
    size = product(node.shape[lead:])
    areas["out"] = Area(out, size, node.dtype)
    for one in plan.scratch:
        dtype = one.dtype or node.dtype
        shape = (one.size, 2) if dtype.is_complex else (one.size,)
        areas[one.name] = Area(Buffer(f"{out.name}_{one.name}", dtype.real, shape), 0, dtype)
    count = product(node.shape[:lead])
    work = count * (_work_of_one(node) if plan.work is None else plan.work)
    calls = Routines(plan, node.dtype, count, size, areas)
    writes = (out, *(areas[one.name].buffer for one in plan.scratch))
    return Kernel(name, "library", (), work, (node,), reads, writes, by_library=calls)


def _work_of_one(node: Node) -> Dim:
    """About how much one matrix takes."""
    if not node.inputs or not node.inputs[0].shape:
        return 1
    return product(node.inputs[0].shape[-2:]) * node.inputs[0].shape[-1]


def write_routines(
    calls: Routines,
    w: Writer,
    at: Indices,
    pointers: Mapping[Buffer, str],
    share: tuple[str, str],
) -> None:
    """The loop over all matrices, of each of which the rows of a share are computed."""
    with w.loop(0, at.at_base(calls.count), hint="matrix") as loop:
        at.open()
        places = {
            name: _from(w, pointers[area.buffer], area.dtype, loop.index, at.at_base(area.step))
            for name, area in calls.areas.items()
        }
        _Matrix(calls, w, at, places, share).write()
        at.close()


def _from(w: Writer, pointer: str, dtype: DType, index: str, stride: str) -> str:
    offset = w.emit(f"mul i64 {index}, {stride}")
    return w.emit(f"getelementptr {_kind(dtype)}, ptr {pointer}, i64 {offset}", "m")


def _kind(dtype: DType) -> str:
    """The type of an element: complex numbers are two floats."""
    return f"[2 x {llvm_type(dtype.real)}]" if dtype.is_complex else llvm_type(dtype)


def _number(dtype: DType, value: str) -> str:
    """A number in the type of the elements."""
    real = llvm_type(dtype.real)
    return f"[{real} {value}, {real} 0.0]" if dtype.is_complex else value


class _Matrix:
    """The steps for one matrix."""

    def __init__(
        self,
        calls: Routines,
        w: Writer,
        at: Indices,
        places: dict[str, str],
        share: tuple[str, str],
    ) -> None:
        self.calls, self.w, self.at, self.places = calls, w, at, places
        self.first, self.last = share
        self.type = _kind(calls.dtype)
        self.failed: list[str] = []

    def write(self) -> None:
        for step in self.calls.plan.steps:
            self._step(step)
        for info in self.failed:
            with self.w.when(self.w.emit(f"icmp ne i64 {info}, 0")):
                self._fill_with_nan()

    def _step(self, step: Step) -> None:
        if isinstance(step, Copy):
            self._copy(step)
        elif isinstance(step, Widen):
            self._widen(step)
        elif isinstance(step, Triangle):
            self._triangle(step)
        elif isinstance(step, Order):
            self._order(step)
        elif isinstance(step, Report):
            self._report(step)
        elif isinstance(step, Transform):
            self._transform(step)
        elif isinstance(step, Zeros):
            self._zeros(step)
        elif isinstance(step, Sort):
            self._sort(step)
        else:
            self._call(step)

    def _address(self, memory: Memory) -> str:
        kind = _kind(self.calls.areas[memory.name].dtype)
        start = self.at.at_base(memory.start)
        return self.w.emit(f"getelementptr {kind}, ptr {self.places[memory.name]}, i64 {start}")

    def _element(self, base: str, index: str) -> str:
        return self.w.emit(f"getelementptr {self.type}, ptr {base}, i64 {index}")

    def _copy(self, step: Copy) -> None:
        source, target = self._address(step.source), self._address(step.target)
        nbytes = self.at.at_base(step.count * self.calls.dtype.itemsize)
        call(self.w, "ptr", "memcpy", f"ptr {target}", f"ptr {source}", f"i64 {nbytes}")

    def _widen(self, step: Widen) -> None:
        source, target = self._address(step.source), self._address(step.target)
        real = llvm_type(self.calls.dtype.real)
        with self.w.loop(0, self.at.at_base(step.count), hint="element") as one:
            place = self.w.emit(f"getelementptr {real}, ptr {source}, i64 {one.index}")
            number, wide = (
                self.w.emit(f"load {real}, ptr {place}"),
                self._element(target, one.index),
            )
            self.w.line(f"store {self.type} {_number(self.calls.dtype, '0.0')}, ptr {wide}")
            self.w.line(f"store {real} {number}, ptr {wide}")

    def _triangle(self, step: Triangle) -> None:
        w, at = self.w, self.at
        source, target = self._address(step.source), self._address(step.target)
        strides = [at.at_base(n) for n in (*step.source_strides, *step.target_strides)]
        stops = at.at_base(step.rows), at.at_base(step.columns)
        test = {"lower": "icmp sge", "upper": "icmp sle", "all": "icmp uge"}[step.part]
        with w.loop(0, stops[0], hint="row") as row, w.loop(0, stops[1], hint="column") as column:
            i, j = row.index, column.index
            other = "0" if step.part == "all" else j
            kept = w.emit(f"{test} i64 {i}, {other}")
            value = w.emit(f"load {self.type}, ptr {self._at(source, i, j, strides[:2])}")
            none = _number(self.calls.dtype, "0.0")
            zero = w.emit(f"select i1 {kept}, {self.type} {value}, {self.type} {none}")
            w.line(f"store {self.type} {zero}, ptr {self._at(target, i, j, strides[2:])}")

    def _at(self, base: str, row: str, column: str, strides: list[str]) -> str:
        parts = [
            self.w.emit(f"mul i64 {n}, {s}") for n, s in zip((row, column), strides, strict=True)
        ]
        return self._element(base, self.w.emit(f"add i64 {parts[0]}, {parts[1]}"))

    def _order(self, step: Order) -> None:
        """Rows exchanged as the routine has done; pivots out of range are kept inside.

        Pivots have 32 bits in some builds of LAPACK: then the first two fill 64, of which none of
        the upper ones is set in the others.
        """
        w, at = self.w, self.at
        pivots, target, count = (
            self._address(step.pivots),
            self._address(step.target),
            at.at_base(step.count),
        )
        self._count_up(target, count)
        with w.when(w.emit(f"icmp sgt i64 {count}, 0")):
            first = w.emit(f"load i64, ptr {pivots}, align 8")
            narrow = w.emit(f"icmp ugt i64 {first}, 4294967295")
            width = w.emit(f"select i1 {narrow}, i64 4, i64 8")
            last = w.emit(f"sub i64 {count}, 1")
            with w.loop(0, count, hint="row") as row:
                offset = w.emit(f"mul i64 {row.index}, {width}")
                place = w.emit(f"getelementptr i8, ptr {pivots}, i64 {offset}")
                pivot = w.emit(f"zext i32 {w.emit(f'load i32, ptr {place}, align 4')} to i64")
                other = w.emit(f"sub i64 {pivot}, 1")
                low = call(w, "i64", "llvm.smax.i64", f"i64 {other}", "i64 0")
                inside = call(w, "i64", "llvm.smin.i64", f"i64 {low}", f"i64 {last}")
                self._exchange(target, row.index, inside)

    def _count_up(self, target: str, count: str) -> None:
        with self.w.loop(0, count, hint="row") as row:
            real, place = llvm_type(self.calls.dtype.real), self._element(target, row.index)
            self.w.line(f"store {self.type} {_number(self.calls.dtype, '0.0')}, ptr {place}")
            number = self.w.emit(f"sitofp i64 {row.index} to {real}")
            self.w.line(f"store {real} {number}, ptr {place}")

    def _exchange(self, target: str, one: str, other: str) -> None:
        w = self.w
        places = [self._element(target, index) for index in (one, other)]
        values = [w.emit(f"load {self.type}, ptr {place}") for place in places]
        for value, place in zip(values, reversed(places), strict=True):
            w.line(f"store {self.type} {value}, ptr {place}")

    def _report(self, step: Report) -> None:
        """Places and sizes lie in tables, the text in words of eight letters."""
        data = step.text.encode() + b"\0"
        words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]
        text = self._table("i64", [str(word) for word in words])
        operands = self._table("ptr", [self._address(memory) for memory in step.operands])
        dims = self._table("i64", [self.at.at_base(size) for size in step.dims])
        call(self.w, "void", REPORT, f"ptr {text}", f"ptr {operands}", f"ptr {dims}")

    def _transform(self, step: Transform) -> None:
        """The library takes tables of pointers, of sizes and of distances in bytes, those of rows
        first; it divides by nothing."""
        w, at = self.w, self.at
        rows = w.emit(f"sub i64 {self.last}, {self.first}")
        factor = self._kept(llvm_type(self.calls.dtype.real), "1.0")
        source, given = self._rows(step.source, step.given)
        target, found = self._rows(step.target, step.found)
        tables = (
            self._table("ptr", [source, factor, target]),
            self._table("i64", [rows, at.at_base(step.given.size), at.at_base(step.found.size)]),
            self._table("i64", [given[0], "0", found[0], given[1], found[1]]),
        )
        if step.name != "rfft":
            self._call_loop(step.name, tables)
            return
        odd = w.emit(f"and i64 {at.at_base(step.given.size)}, 1")
        for parity, test in (("even", "eq"), ("odd", "ne")):
            with w.when(w.emit(f"icmp {test} i64 {odd}, 0")):
                self._call_loop(f"rfft_n_{parity}", tables)

    def _sort(self, step: Sort) -> None:
        """The rows of the share, one after the other."""
        w, line = self.w, Line(step.size, 1, step.size)
        size, dtype = self.at.at_base(step.size), self.calls.areas[step.source.name].dtype
        sides = [self._rows(memory, line) for memory in (step.source, step.target)]
        write = write_positions if step.positions else write_sorted
        with w.loop(self.first, self.last, hint="row") as row:
            number = w.emit(f"sub i64 {row.index}, {self.first}")
            offsets = [w.emit(f"mul i64 {number}, {apart}") for _, (apart, _) in sides]
            source, target = (
                w.emit(f"getelementptr i8, ptr {first}, i64 {offset}")
                for (first, _), offset in zip(sides, offsets, strict=True)
            )
            write(w, dtype, source, target, size)

    def _rows(self, memory: Memory, line: Line) -> tuple[str, tuple[str, str]]:
        """Where the rows of the share begin, and the distances of these and of their elements."""
        itemsize = self.calls.areas[memory.name].dtype.itemsize
        apart, between = (self.at.at_base(n * itemsize) for n in (line.apart, line.between))
        before = self.w.emit(f"mul i64 {self.first}, {apart}")
        first = self.w.emit(f"getelementptr i8, ptr {self._address(memory)}, i64 {before}")
        return first, (apart, between)

    def _call_loop(self, loop: str, tables: tuple[str, ...]) -> None:
        name = f"{FOURIER}{_LETTERS[self.calls.dtype.complex]}{loop}"
        self.w.declare(f"@{name}_data = external global i8")
        operands = (*tables, f"@{name}_data")
        call(self.w, "void", name, *(f"ptr {operand}" for operand in operands))

    def _zeros(self, step: Zeros) -> None:
        nbytes = self.at.at_base(step.count * self.calls.dtype.itemsize)
        call(self.w, "ptr", "memset", f"ptr {self._address(step.target)}", "i32 0", f"i64 {nbytes}")

    def _table(self, kind: str, values: list[str]) -> str:
        place = self.w.alloca(f"[{max(len(values), 1)} x {kind}]", 8)
        for number, value in enumerate(values):
            at = self.w.emit(f"getelementptr {kind}, ptr {place}, i64 {number}")
            self.w.line(f"store {kind} {value}, ptr {at}, align 8")
        return place

    def _call(self, step: Call) -> None:
        """All arguments are addresses; lengths of letters follow them, as Fortran wants it."""
        w = self.w
        letters = sum(isinstance(arg, str) for arg in step.args)
        info = ""
        given = []
        for arg in step.args:
            place = self._argument(arg)
            info = place if arg is INFO else info
            given.append(f"ptr {place}")
        given += ["i64 1"] * letters
        letter = _LETTERS[self.calls.dtype]
        call(w, "void", f"{PREFIX}{letter}{step.routine}", *given)
        if step.fails:
            self.failed.append(w.emit(f"load i64, ptr {info}, align 8"))

    def _argument(self, arg: Any) -> str:
        if isinstance(arg, Memory):
            return self._address(arg)
        if isinstance(arg, str):
            return self._kept("i8", str(ord(arg)))
        if isinstance(arg, float):
            return self._kept(self.type, _number(self.calls.dtype, str(arg)))
        # Routines with integers of 32 bits read and write the lower half.
        return self._kept("i64", "0" if arg is INFO else self.at.at_base(arg))

    def _kept(self, kind: str, value: str) -> str:
        place = self.w.alloca(kind, 8)
        self.w.line(f"store {kind} {value}, ptr {place}, align 1")
        return place

    def _fill_with_nan(self) -> None:
        out = self.places["out"]
        with self.w.loop(0, self.at.at_base(maximum(self.calls.size, 0)), hint="element") as one:
            place = self._element(out, one.index)
            nan = _number(self.calls.dtype, "0x7FF8000000000000")
            self.w.line(f"store {self.type} {nan}, ptr {place}")
