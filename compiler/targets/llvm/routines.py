"""A kernel that calls routines of LAPACK → one LLVM function: a loop over the matrices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from symfuse.runtime.dtypes import DType
from symfuse.runtime.host.lapack import PREFIX

from ...ir.dims import Dim, maximum, product
from ...ir.library import INFO, Call, Copy, Memory, Order, Plan, Step, Triangle
from ...ir.node import Node
from ...kernel.phases import Buffer, Kernel
from ...passes.separate_operands import in_memory
from .addresses import Indices
from .records import call
from .writer import Writer, llvm_type

__all__ = ["Routines", "routine_kernel", "write_routines"]


class Routines(Struct, frozen=True, eq=False):
    """What to do for each matrix of a batch, and where its memory is.

    `areas` are the buffer, the elements from one matrix to the next, and the element type.
    """

    plan: Plan
    dtype: DType
    count: Dim
    size: Dim
    areas: Mapping[str, tuple[Buffer, Dim]]


def routine_kernel(node: Node, name: str, buffers: Any) -> Kernel:
    """The launch of an operation that a library computes."""
    assert node.op.library is not None
    plan = node.op.library(tuple(x.type for x in node.inputs), node.type, node.attrs)
    reads = tuple(buffers(in_memory(x)) for x in node.inputs)
    out = buffers(node)
    areas: dict[str, tuple[Buffer, Dim]] = {}
    for number, (source, buffer) in enumerate(zip(node.inputs, reads, strict=True)):
        areas[str(number)] = (buffer, product(source.shape[-2:]))
    size = product(node.shape[node.rank - plan.rank :])
    areas["out"] = (out, size)
    for one in plan.scratch:
        scratch = Buffer(f"{out.name}_{one.name}", one.dtype or node.dtype, (one.size,))
        areas[one.name] = (scratch, 0)
    count = product(node.shape[: node.rank - plan.rank])
    work = count * product(node.inputs[0].shape[-2:]) * node.inputs[0].shape[-1]
    calls = Routines(plan, node.dtype, count, size, areas)
    writes = (out, *(areas[one.name][0] for one in plan.scratch))
    return Kernel(name, "library", (), work, (node,), reads, writes, by_library=calls)


def write_routines(calls: Routines, w: Writer, at: Indices, pointers: Mapping[Buffer, str]) -> None:
    """The loop over all matrices."""
    with w.loop(0, at.at_base(calls.count), hint="matrix") as loop:
        at.open()
        places = {
            name: _from(w, pointers[buffer], buffer.dtype, loop.index, at.at_base(stride))
            for name, (buffer, stride) in calls.areas.items()
        }
        _Matrix(calls, w, at, places).write()
        at.close()


def _from(w: Writer, pointer: str, dtype: DType, index: str, stride: str) -> str:
    offset = w.emit(f"mul i64 {index}, {stride}")
    return w.emit(f"getelementptr {llvm_type(dtype)}, ptr {pointer}, i64 {offset}", "m")


class _Matrix:
    """The steps for one matrix."""

    def __init__(self, calls: Routines, w: Writer, at: Indices, places: dict[str, str]) -> None:
        self.calls, self.w, self.at, self.places = calls, w, at, places
        self.type = llvm_type(calls.dtype)
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
        elif isinstance(step, Triangle):
            self._triangle(step)
        elif isinstance(step, Order):
            self._order(step)
        else:
            self._call(step)

    def _address(self, memory: Memory) -> str:
        buffer = self.calls.areas[memory.name][0]
        start = self.at.at_base(memory.start)
        kind = llvm_type(buffer.dtype)
        return self.w.emit(f"getelementptr {kind}, ptr {self.places[memory.name]}, i64 {start}")

    def _element(self, base: str, index: str) -> str:
        return self.w.emit(f"getelementptr {self.type}, ptr {base}, i64 {index}")

    def _copy(self, step: Copy) -> None:
        source, target = self._address(step.source), self._address(step.target)
        nbytes = self.at.at_base(step.count * self.calls.dtype.itemsize)
        call(self.w, "ptr", "memcpy", f"ptr {target}", f"ptr {source}", f"i64 {nbytes}")

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
            zero = w.emit(f"select i1 {kept}, {self.type} {value}, {self.type} 0.0")
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
            number = self.w.emit(f"sitofp i64 {row.index} to {self.type}")
            self.w.line(f"store {self.type} {number}, ptr {self._element(target, row.index)}")

    def _exchange(self, target: str, one: str, other: str) -> None:
        w = self.w
        places = [self._element(target, index) for index in (one, other)]
        values = [w.emit(f"load {self.type}, ptr {place}") for place in places]
        for value, place in zip(values, reversed(places), strict=True):
            w.line(f"store {self.type} {value}, ptr {place}")

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
        letter = "s" if self.calls.dtype is DType.F32 else "d"
        call(w, "void", f"{PREFIX}{letter}{step.routine}", *given)
        if step.fails:
            self.failed.append(w.emit(f"load i64, ptr {info}, align 8"))

    def _argument(self, arg: Any) -> str:
        if isinstance(arg, Memory):
            return self._address(arg)
        if isinstance(arg, str):
            return self._kept("i8", str(ord(arg)))
        if isinstance(arg, float):
            return self._kept(self.type, str(arg))
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
            self.w.line(f"store {self.type} 0x7FF8000000000000, ptr {place}")
