"""All kernels of a program, its `main` and its `prepare`, as one LLVM module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...ir.dims import Dim, evaluate, maximum, minimum
from ...kernel.phases import Kernel
from ..layout import Layout
from .addresses import Indices
from .kernels import kernel_text, load_sizes
from .prepare import prepare_text
from .scalars import LlvmScalars
from .writer import Writer

__all__ = ["chunk_count", "module_text"]

CHUNK_WORK = 500_000  # scalar additions of a chunk: with fewer, sharing costs more than it gains
MOST_CHUNKS = 32


def module_text(kernels: Sequence[Kernel], layout: Layout, attributes: str) -> str:
    """The module of a whole program."""
    declarations: set[str] = set()
    functions = [
        kernel_text(kernel, layout.places, layout.symbols, declarations) for kernel in kernels
    ]
    functions.append(_main(kernels, layout, declarations))
    if layout.symbols:
        functions.append(prepare_text(layout, declarations))
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
    chunks = _chunks(kernel)
    if chunks == 1:
        _run(w, kernel, frame)
        return
    if isinstance(chunks, int):
        _share(w, kernel, frame, str(chunks))
        return
    count = w.emit(f"trunc i64 {at.at_base(chunks)} to i32")
    fork = w.emit(f"icmp sgt i32 {count}, 1")
    many, one, done = (w.label(hint) for hint in ("many", "one", "done"))
    w.branch_if(fork, many, one)
    w.start_block(many)
    _share(w, kernel, frame, count)
    w.branch(done)
    w.start_block(one)
    _run(w, kernel, frame)
    w.branch(done)
    w.start_block(done)


def chunk_count(kernel: Kernel, sizes: Mapping[str, int]) -> int:
    """Into how many chunks `main` cuts a kernel for these sizes."""
    return max(1, evaluate(_chunks(kernel), sizes))


def _chunks(kernel: Kernel) -> Dim:
    """Enough for threads to share evenly, each worth more than it costs to claim."""
    most = minimum(kernel.tiles, MOST_CHUNKS)
    return minimum(most, maximum(kernel.work // CHUNK_WORK, 1))


def _run(w: Writer, kernel: Kernel, frame: str) -> None:
    w.line(f"call void @{kernel.name}(ptr {frame}, i32 0, i32 1)")


def _share(w: Writer, kernel: Kernel, frame: str, chunks: str) -> None:
    """Hand the chunks of a kernel to the pool."""
    w.declare("declare void @symfuse_parallel(ptr, ptr, i32, i32)")
    call = f"ptr @{kernel.name}, ptr {frame}, i32 {chunks}, i32 %threads"
    w.line(f"call void @symfuse_parallel({call})")
