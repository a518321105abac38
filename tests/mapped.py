"""Compiles a scalar function into a loop over arrays, for tests of scalars and mathematics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ctypes import CFUNCTYPE, c_int64, c_void_p
from itertools import count
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from symfuse.compiler.targets.llvm.machine import host_machine
from symfuse.compiler.targets.llvm.scalars import LlvmScalars
from symfuse.compiler.targets.llvm.writer import Value, Writer
from symfuse.runtime.dtypes import DType

Body = Callable[..., Any]
_names = count()
_alive: list[Any] = []


def map_text(name: str, body: Body, inputs: Sequence[DType], output: DType, lanes: int):
    """`name(out, in.., n)`: whole vectors, then a masked one; and what it needs declared."""
    params = [("ptr", "%out"), *(("ptr", f"%in{i}") for i in range(len(inputs)))]
    w = Writer(name, [*params, ("i64", "%n")])
    s = LlvmScalars(w)

    def vector(at: str, mask: Value | None) -> None:
        def place(pointer: str, dtype: DType) -> str:
            unit = "i8" if dtype.is_bool else Value("", dtype).type
            return w.emit(f"getelementptr {unit}, ptr {pointer}, i64 {at}")

        operands = [
            s.load(place(f"%in{i}", dtype), dtype, lanes, mask=mask)
            for i, dtype in enumerate(inputs)
        ]
        result = s.splat(body(s, *operands), lanes)
        s.store(place("%out", output), result, mask=mask)

    rest = w.emit(f"urem i64 %n, {lanes}")
    whole = w.emit(f"sub i64 %n, {rest}")
    with w.loop(0, whole, lanes) as loop:
        vector(loop.index, None)
    with w.when(w.emit(f"icmp sgt i64 {rest}, 0")):
        vector(whole, s.mask_below(Value(rest, DType.I64), lanes))
    w.line("ret void")
    return w.text(), w.declarations


def load_module(functions: Sequence[tuple[str, set[str]]], names: Sequence[str]) -> dict[str, int]:
    """The addresses of compiled functions."""
    machine = host_machine()
    declarations = sorted(set().union(*(needed for _, needed in functions)))
    text = "\n".join([*declarations, *(text for text, _ in functions)])
    image = machine.emit_object(text)
    target = llvm.Target.from_triple(machine.triple).create_target_machine(reloc="pic")
    jit = llvm.create_lljit_compiler(target)
    builder = llvm.JITLibraryBuilder().add_object_img(image).add_current_process()
    for name in names:
        builder.export_symbol(name)
    library = builder.link(jit, f"library{next(_names)}")
    _alive.extend((jit, library))
    return {name: library[name] for name in names}


class Mapped:
    """A compiled function of arrays."""

    def __init__(self, address: int, inputs: Sequence[DType], output: DType) -> None:
        kinds = [c_void_p] * (1 + len(inputs)) + [c_int64]
        self.call = CFUNCTYPE(None, *kinds)(address)
        self.inputs, self.output = inputs, output

    def __call__(self, *arrays: Any) -> Any:
        given = [
            np.ascontiguousarray(array, dtype.numpy)
            for array, dtype in zip(np.broadcast_arrays(*arrays), self.inputs, strict=True)
        ]
        out = np.empty(given[0].shape, self.output.numpy)
        self.call(out.ctypes.data, *(array.ctypes.data for array in given), out.size)
        return out


def compile_maps(
    bodies: dict[str, tuple[Body, Sequence[DType], DType]], lanes: int
) -> dict[str, Mapped]:
    """Several functions in one module: name to body, input types and output type."""
    # A prefix keeps a function called fmod apart from the library's.
    texts = [map_text(f"map_{name}", *described, lanes) for name, described in bodies.items()]
    addresses = load_module(texts, [f"map_{name}" for name in bodies])
    return {
        name: Mapped(addresses[f"map_{name}"], inputs, output)
        for name, (_, inputs, output) in bodies.items()
    }
