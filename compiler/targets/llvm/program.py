"""All kernels of a program, its `main` and its `prepare`, as LLVM functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from ...ir.dims import evaluate
from ...kernel.forms import operands, part_functions
from ...kernel.phases import Kernel
from ..layout import Layout
from .addresses import Indices
from .kernels import chunks_of, kernel_text, load_sizes, part_text
from .launcher import Entries, Launcher
from .prepare import prepare_text
from .scalars import LlvmScalars
from .units import Function, kernel_head, part_head
from .writer import Writer

__all__ = ["MAIN", "chunk_count", "function", "program_functions", "write_launches"]

MAIN = (("ptr", "%buffers"), ("ptr", "%sizes"), ("ptr", "%arena"), ("i32", "%threads"))


def program_functions(
    kernels: Sequence[Kernel], layout: Layout, entries: Entries
) -> Iterator[Function]:
    """The functions of a whole program, each written when it is asked for."""
    own, sizes = tuple(dict.fromkeys(entries.values())), layout.symbols
    parts = part_functions(own)
    written: set[str] = set()
    for kernel in own:
        names = parts.get(kernel, ())
        for name, part in dict(zip(names, kernel.parts, strict=False)).items():
            if name not in written:
                yield function(name, partial(part_text, name, part, sizes), part_head(name))
        written.update(names)
        write = partial(kernel_text, kernel, names, sizes)
        yield function(kernel.name, write, kernel_head(kernel.name))
    yield function("main", partial(_main, kernels, layout, entries))
    if layout.symbols:
        yield function("prepare", partial(prepare_text, layout))


def function(name: str, write: Callable[[set[str]], str], head: str = "") -> Function:
    """What `write` gives, with what it declares."""
    declarations: set[str] = set()
    return Function(name, write(declarations), frozenset(declarations), head)


def _main(
    kernels: Sequence[Kernel], layout: Layout, entries: Entries, declarations: set[str]
) -> str:
    """`i32 main(buffers, sizes, arena, threads)`: the launches in order."""
    w = Writer("main", MAIN, returns="i32", declarations=declarations)
    return write_launches(w, kernels, layout, entries)


def write_launches(
    w: Writer,
    kernels: Sequence[Kernel],
    layout: Layout,
    entries: Entries,
    launcher: Callable[..., Launcher] = Launcher,
) -> str:
    """The text of a function that runs the launches in order, and of what they need to run."""
    at = Indices(w, LlvmScalars(w))
    load_sizes(w, at, "%sizes", layout.symbols)
    most = max((len(operands(kernel)) for kernel in entries), default=0)
    frame = w.alloca(f"[{1 + most} x ptr]", align=16)
    w.line(f"store ptr %sizes, ptr {frame}, align 8")
    launcher(w, at, frame, _pointers(w, layout), layout, entries).run(kernels)
    w.line("ret i32 0")
    return w.text()


def _pointers(w: Writer, layout: Layout) -> str:
    """The table of buffers: that of the call, or a copy with room for the slots of loops."""
    if not layout.slots:
        return "%buffers"
    table = w.alloca(f"[{layout.pointers + layout.slots} x ptr]", align=16)
    for number in range(layout.pointers):
        given = w.emit(f"getelementptr ptr, ptr %buffers, i64 {number}", "p")
        kept = w.emit(f"getelementptr ptr, ptr {table}, i64 {number}", "p")
        w.line(f"store ptr {w.emit(f'load ptr, ptr {given}, align 8')}, ptr {kept}, align 8")
    return table


def chunk_count(kernel: Kernel, sizes: Mapping[str, int]) -> int:
    """Into how many chunks `main` cuts a kernel for these sizes."""
    return max(1, evaluate(chunks_of(kernel), sizes))
