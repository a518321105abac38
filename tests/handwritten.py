"""Programs written by hand as LLVM text, to test the runtime without the compiler."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from symfuse.compiler.targets.llvm.link import link
from symfuse.compiler.targets.llvm.machine import host_machine
from symfuse.compiler.targets.llvm.support import load_support
from symfuse.runtime.dtypes import DType
from symfuse.runtime.program import Argument, Program, Result

F32 = DType.F32

_LOOP = """
define internal void @combine(ptr %o, ptr %x, ptr %y, i64 %n) #0 {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %inside = icmp slt i64 %i, %n
  br i1 %inside, label %body, label %done
body:
  %px = getelementptr float, ptr %x, i64 %i
  %py = getelementptr float, ptr %y, i64 %i
  %po = getelementptr float, ptr %o, i64 %i
  %a = load float, ptr %px
  %b = load float, ptr %py
  %c = fadd float %a, %b
  store float %c, ptr %po
  %next = add i64 %i, 1
  br label %head
done:
  ret void
}
"""


def _pointers(*indices: int) -> str:
    lines = []
    for name, index in zip("abcdefghijklmnop", indices, strict=False):
        lines.append(f"  %q{name} = getelementptr ptr, ptr %buffers, i64 {index}")
        lines.append(f"  %{name} = load ptr, ptr %q{name}")
    return "\n".join(lines)


def _main(body: str, status: int = 0) -> str:
    head = "define i32 @main(ptr %buffers, ptr %sizes, ptr %arena, i32 %threads) #0 {\nentry:\n"
    return f"{head}{body}\n  ret i32 {status}\n}}\n"


def program(text: str, inputs: Any, outputs: Any, **facts: Any) -> Program:
    """Compile the text and give it a signature."""
    load_support()
    machine = host_machine()
    image = link(machine.emit_object(_LOOP + text))
    return Program(machine.triple, image, tuple(inputs), tuple(outputs), **facts)


def argument(name: str, *dims: int | str, dtype: DType = F32, **facts: Any) -> Argument:
    return Argument(name, dtype, dims, **facts)


def result(name: str, *dims: int | str, dtype: DType = F32, **facts: Any) -> Result:
    return Result(name, dtype, dims, **facts)


@cache
def addition(*shape: int) -> Program:
    """`x + y` of one fixed shape."""
    body = (
        f"{_pointers(0, 1, 2)}\n  call void @combine(ptr %c, ptr %a, ptr %b, i64 {_count(shape)})"
    )
    inputs = (argument("x", *shape), argument("y", *shape))
    return program(_main(body), inputs, (result("sum", *shape),), metadata={"name": "add"})


def _count(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=int))


@cache
def many_sums(count: int) -> Program:
    """The sum of `count` vectors of 4, one after the other."""
    lines = [_pointers(count, 0, 1), "  call void @combine(ptr %a, ptr %b, ptr %c, i64 4)"]
    for index in range(2, count):
        lines.append(f"  %r{index} = getelementptr ptr, ptr %buffers, i64 {index}")
        lines.append(f"  %s{index} = load ptr, ptr %r{index}")
        lines.append(f"  call void @combine(ptr %a, ptr %a, ptr %s{index}, i64 4)")
    inputs = [argument(f"x{i}", 4) for i in range(count)]
    return program(_main("\n".join(lines)), inputs, (result("sum", 4),))


@cache
def symbolic_sums() -> Program:
    """(x + x, x + y) for x: f32[N] and y: f32[N], N ≤ 5_000_000, by way of 4·N bytes of arena."""
    body = f"""{_pointers(0, 1, 2, 3)}
  %n = load i64, ptr %sizes
  %bytes = mul i64 %n, 4
  call void @combine(ptr %arena, ptr %a, ptr %a, i64 %n)
  call void @combine(ptr %c, ptr %a, ptr %a, i64 %n)
  call void @combine(ptr %d, ptr %a, ptr %b, i64 %n)"""
    prepare = """
define i64 @prepare(ptr %dims, ptr %sizes, ptr %shapes) #0 {
entry:
  %n = load i64, ptr %dims
  store i64 %n, ptr %sizes
  store i64 %n, ptr %shapes
  %s1 = getelementptr i64, ptr %shapes, i64 1
  store i64 %n, ptr %s1
  %s2 = getelementptr i64, ptr %shapes, i64 2
  %bytes = mul i64 %n, 4
  store i64 %bytes, ptr %s2
  %large = icmp sgt i64 %n, 5000000
  %status = zext i1 %large to i64
  ret i64 %status
}
"""
    return program(
        _main(body) + prepare,
        (argument("x", "N"), argument("y", "N")),
        (result("twice", "N"), result("sum", "N")),
        symbols=("N",),
        arena="4*N",
        guards=("N <= 5000000",),
    )


@cache
def update(size: int = 4) -> Program:
    """`state + step`, in the memory of `state`."""
    body = f"{_pointers(0, 1, 2)}\n  call void @combine(ptr %c, ptr %a, ptr %b, i64 {size})"
    inputs = (argument("state", size, donated=True), argument("step", size))
    return program(_main(body), inputs, (result("state", size, alias_of=0),))


@cache
def with_constants() -> Program:
    """`x + hidden` and `x + constant`, with the hidden input in front of x."""
    body = f"""{_pointers(0, 1, 2, 3, 4)}
  call void @combine(ptr %c, ptr %a, ptr %b, i64 4)
  call void @combine(ptr %d, ptr %e, ptr %b, i64 4)"""
    return program(
        _main(body),
        (argument("w", 4, hidden=True), argument("x", 4)),
        (result("p", 4), result("q", 4)),
        hidden=(np.full(4, 10, np.float32),),
        constants=(np.full(4, 20, np.float32),),
    )


@cache
def scratch_user(planned: int, written: int) -> Program:
    """Plans so many bytes of arena and writes the last of so many."""
    body = f"""{_pointers(0, 1)}
  %last = getelementptr i8, ptr %arena, i64 {written - 1}
  store i8 1, ptr %last
  call void @combine(ptr %b, ptr %a, ptr %a, i64 4)"""
    return program(_main(body), (argument("x", 4),), (result("y", 4),), arena=planned)


@cache
def failing() -> Program:
    """A program whose code always reports an error."""
    return program(_main("", status=1), (argument("x", 4),), (result("y", 4), result("z", 4)))


@cache
def sleeping() -> Program:
    """Sleeps for 50 ms, and is declared as heavy work."""
    text = "declare i32 @usleep(i32)\n" + _main("  call i32 @usleep(i32 50000)")
    return program(text, (argument("x", 4),), (result("y", 4),), work=1 << 40)


def vectors(count: int, *shape: int) -> list[np.ndarray[Any, Any]]:
    """Arrays 1, 2, 3, … of a shape."""
    return [np.full(shape or (4,), i + 1, np.float32) for i in range(count)]
