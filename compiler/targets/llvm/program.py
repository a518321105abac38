"""All kernels of a program, its `main` and its `prepare`, as one LLVM module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...ir.dims import Dim, Symbol, solve_plan
from ...kernel.phases import Buffer, Kernel
from .addresses import Indices
from .kernels import Place, kernel_text, load_sizes
from .scalars import LlvmScalars
from .writer import Writer

__all__ = ["Layout", "module_text"]

WORTH_THREADS = 400_000  # scalar additions below which a second thread costs more than it brings
MOST_CHUNKS = 32


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything lies, and the sizes of what comes in and goes out."""

    places: Callable[[Buffer], Place]
    symbols: tuple[Symbol, ...]
    input_dims: tuple[Dim, ...]
    output_dims: tuple[Dim, ...]
    arena: Dim
    guards: tuple[tuple[Dim, Dim], ...] = ()  # left = right must hold


def module_text(kernels: Sequence[Kernel], layout: Layout, attributes: str) -> str:
    """The module of a whole program."""
    declarations: set[str] = set()
    functions = [
        kernel_text(kernel, layout.places, layout.symbols, declarations) for kernel in kernels
    ]
    functions.append(_main(kernels, layout, declarations))
    if layout.symbols:
        functions.append(_prepare(layout, declarations))
    return "\n".join([*sorted(declarations), *functions, attributes, ""])


def _main(kernels: Sequence[Kernel], layout: Layout, declarations: set[str]) -> str:
    """`i32 main(buffers, sizes, arena, threads)`: the launches in order."""
    params = (("ptr", "%buffers"), ("ptr", "%sizes"), ("ptr", "%arena"), ("i32", "%threads"))
    w = Writer("main", params, returns="i32", declarations=declarations)
    at = Indices(w, LlvmScalars(w))
    load_sizes(w, at, "%sizes", layout.symbols)
    frame = w.alloca("[3 x ptr]", align=16)
    for number, name in enumerate(("%buffers", "%sizes", "%arena")):
        place = w.emit(f"getelementptr ptr, ptr {frame}, i64 {number}", "p")
        w.line(f"store ptr {name}, ptr {place}, align 8")
    for kernel in kernels:
        _launch(w, at, kernel, frame)
    w.line("ret i32 0")
    return w.text()


def _launch(w: Writer, at: Indices, kernel: Kernel, frame: str) -> None:
    """Call a kernel directly, or hand its chunks to the pool when that is worth it."""
    tiles, work = kernel.tiles, kernel.work
    if tiles == 1 or (isinstance(work, int) and work < WORTH_THREADS):
        w.line(f"call void @{kernel.name}(ptr {frame}, i32 0, i32 1)")
        return
    if isinstance(tiles, int) and isinstance(work, int):
        _share(w, kernel, frame, str(min(tiles, MOST_CHUNKS)))
        return
    count = at.at_base(tiles)
    w.declare("declare i64 @llvm.smin.i64(i64, i64)")
    most = w.emit(f"call i64 @llvm.smin.i64(i64 {count}, i64 {MOST_CHUNKS})")
    enough = w.emit(f"icmp sge i64 {at.at_base(work)}, {WORTH_THREADS}")
    shared = w.emit(f"select i1 {enough}, i64 {most}, i64 1")
    chunks = w.emit(f"trunc i64 {shared} to i32")
    fork = w.emit(f"icmp sgt i32 {chunks}, 1")
    many, one, done = (w.label(hint) for hint in ("many", "one", "done"))
    w.branch_if(fork, many, one)
    w.start_block(many)
    _share(w, kernel, frame, chunks)
    w.branch(done)
    w.start_block(one)
    w.line(f"call void @{kernel.name}(ptr {frame}, i32 0, i32 1)")
    w.branch(done)
    w.start_block(done)


def _share(w: Writer, kernel: Kernel, frame: str, chunks: str) -> None:
    """Hand the chunks of a kernel to the pool."""
    w.declare("declare void @symfuse_parallel(ptr, ptr, i32, i32)")
    call = f"ptr @{kernel.name}, ptr {frame}, i32 {chunks}, i32 %threads"
    w.line(f"call void @symfuse_parallel({call})")


def _prepare(layout: Layout, declarations: set[str]) -> str:
    """`i64 prepare(dims, sizes, shapes)`: solve the sizes, check, and give what follows."""
    params = (("ptr", "%dims"), ("ptr", "%sizes"), ("ptr", "%shapes"))
    w = Writer("prepare", params, returns="i64", declarations=declarations)
    at = Indices(w, LlvmScalars(w))
    plan = solve_plan(layout.input_dims)
    checks: list[tuple[str, str, str]] = []
    for symbol, place, offset, divisor in plan.assignments:
        seen = _entry(w, "%dims", place)
        part = w.emit(f"sub i64 {seen}, {offset}")
        value = w.emit(f"sdiv i64 {part}, {divisor}")
        at.bind(symbol, value)
        checks.append(("eq", w.emit(f"mul i64 {value}, {divisor}"), part))
        checks.append(("sge", value, at.at_base(symbol.lower)))
        if symbol.upper is not None:
            checks.append(("sle", value, at.at_base(symbol.upper)))
        if symbol.multiple_of != 1:
            checks.append(("eq", w.emit(f"urem i64 {value}, {symbol.multiple_of}"), "0"))
    for number, symbol in enumerate(layout.symbols):
        pointer = w.emit(f"getelementptr i64, ptr %sizes, i64 {number}", "p")
        w.line(f"store i64 {at.base[symbol]}, ptr {pointer}, align 8")
    for place, expected in plan.checks:
        checks.append(("eq", _entry(w, "%dims", place), at.at_base(expected)))
    checks += [("eq", at.at_base(left), at.at_base(right)) for left, right in layout.guards]
    for number, (relation, left, right) in enumerate(checks):
        _require(w, f"icmp {relation} i64 {left}, {right}", number + 1)
    for number, dim in enumerate((*layout.output_dims, layout.arena)):
        pointer = w.emit(f"getelementptr i64, ptr %shapes, i64 {number}", "p")
        w.line(f"store i64 {at.at_base(dim)}, ptr {pointer}, align 8")
    w.line("ret i64 0")
    return w.text()


def _entry(w: Writer, pointer: str, number: int) -> str:
    place = w.emit(f"getelementptr i64, ptr {pointer}, i64 {number}", "p")
    return w.emit(f"load i64, ptr {place}, align 8")


def _require(w: Writer, condition: str, code: int) -> None:
    """Leave with `code` unless the condition holds."""
    holds = w.emit(condition)
    good, bad = w.label("holds"), w.label("fails")
    w.branch_if(holds, good, bad)
    w.start_block(bad)
    w.line(f"ret i64 {code}")
    w.start_block(good)
