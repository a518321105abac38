"""Device programs written by hand, to test the runtime without the compiler."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from symfuse.compiler.targets.llvm.link import link
from symfuse.compiler.targets.llvm.machine import host_machine
from symfuse.compiler.targets.llvm.support import load_support
from symfuse.runtime.cuda.code import Count, DeviceCode, KernelLaunch, Place, Prepared
from symfuse.runtime.dtypes import DType
from symfuse.runtime.host.image import Image
from symfuse.runtime.program import Argument, Launch, Program, Result

F32 = DType.F32
THREADS = 64

# z = a·x + y over n elements; every kernel gets n, of which a static program knows the value.
KERNELS = """
SF_KERNEL(combine, 64)(const f32* x, const f32* y, f32* z, i64 n) {
    i64 i = i64(sf_block()) * 64 + sf_thread();
    if (i < n) z[i] = x[i] + y[i];
}
SF_EXPORT(combine, const f32*, const f32*, f32*, i64);
SF_KERNEL(combine4, 64)(const f32* x, const f32* y, f32* z) {
    i64 i = i64(sf_block()) * 64 + sf_thread();
    if (i < 4) z[i] = x[i] + y[i];
}
SF_EXPORT(combine4, const f32*, const f32*, f32*);
SF_KERNEL(poke100, 64)(f32* z) {
    if (sf_thread() == 0) z[24] = 1.0f;
}
SF_EXPORT(poke100, f32*);
SF_KERNEL(large_shared, 64)(f32* z) {
    SF_DYNAMIC_SHARED(memory);
    f32* values = reinterpret_cast<f32*>(memory);
    values[sf_thread() * 200] = 1.0f;
    sf_barrier();
    if (sf_thread() < 4) z[sf_thread()] = values[(63 - sf_thread()) * 200];
}
SF_EXPORT(large_shared, f32*);
"""

_PREPARE = """
define i64 @prepare(ptr %dims, ptr %sizes, ptr %shapes) #0 {
entry:
  %n = load i64, ptr %dims
  store i64 %n, ptr %sizes
  store i64 %n, ptr %shapes
  %s1 = getelementptr i64, ptr %shapes, i64 1
  store i64 %n, ptr %s1
  %bytes = mul i64 %n, 8
  %s2 = getelementptr i64, ptr %shapes, i64 2
  store i64 %bytes, ptr %s2
  %more = add i64 %n, 63
  %blocks = sdiv i64 %more, 64
  %s3 = getelementptr i64, ptr %shapes, i64 3
  store i64 %blocks, ptr %s3
  %four = mul i64 %n, 4
  %up = add i64 %four, 255
  %offset = and i64 %up, -256
  %s4 = getelementptr i64, ptr %shapes, i64 4
  store i64 %offset, ptr %s4
  %arena = add i64 %offset, %four
  store i64 %arena, ptr %s2
  %large = icmp sgt i64 %n, 5000
  %status = zext i1 %large to i64
  ret i64 %status
}
"""


def argument(name: str, *dims: int | str, dtype: DType = F32, **facts: Any) -> Argument:
    return Argument(name, dtype, dims, **facts)


def result(name: str, *dims: int | str, dtype: DType = F32, **facts: Any) -> Result:
    return Result(name, dtype, dims, **facts)


def launch(
    entry: str,
    *places: int | Place,
    blocks: Count = 1,
    sizes: tuple[int, ...] = (),
    shared: int = 0,
) -> KernelLaunch:
    """One launch of module 0; a number is the entry of inputs, outputs and constants."""
    pointers = tuple(p if isinstance(p, Place) else Place(p) for p in places)
    return KernelLaunch(entry, 0, blocks, THREADS, shared, pointers, sizes)


def program(
    module: bytes,
    arch: str,
    launches: Sequence[KernelLaunch],
    inputs: Sequence[Argument],
    outputs: Sequence[Result],
    *,
    prepared: int = 0,
    image: Image | None = None,
    **facts: Any,
) -> Program:
    """A program of these launches; each of them computes a line of model.py."""
    code = DeviceCode((module,), tuple(launches), arch, prepared)
    records = tuple(
        Launch(one.entry, "map", "", (f"model.py:{10 + at}",)) for at, one in enumerate(launches)
    )
    return Program(
        "cuda", image, tuple(inputs), tuple(outputs), launches=records, device=code, **facts
    )


class Programs:
    """The programs of the tests, compiled for one architecture."""

    def __init__(self, module: bytes, arch: str) -> None:
        self.module, self.arch = module, arch

    def addition(self, **facts: Any) -> Program:
        """`x + y` of four elements."""
        inputs = (argument("x", 4), argument("y", 4))
        return program(
            self.module,
            self.arch,
            [launch("combine4", 0, 1, 2)],
            inputs,
            [result("sum", 4)],
            **{"metadata": {"name": "add"}, **facts},
        )

    def quadruple(self) -> Program:
        """`(x + x) + (x + x)` by way of 16 bytes of arena."""
        scratch = Place(None, 0)
        launches = [launch("combine4", 0, 0, scratch), launch("combine4", scratch, scratch, 1)]
        return program(
            self.module, self.arch, launches, [argument("x", 4)], [result("y", 4)], arena=16
        )

    def update(self) -> Program:
        """`state + step` in the memory of `state`, and the step doubled."""
        launches = [launch("combine4", 0, 1, 2), launch("combine4", 1, 1, 3)]
        inputs = (argument("state", 4, donated=True), argument("step", 4))
        outputs = (result("state", 4, alias_of=0), result("twice", 4))
        return program(self.module, self.arch, launches, inputs, outputs)

    def symbolic(self) -> Program:
        """(x + x + x, x + y) for x, y: f32[N], N ≤ 5000, by way of two arrays of arena."""
        first, second = Place(None, 0), Place(None, Prepared(1))
        every: dict[str, Any] = {"blocks": Prepared(0), "sizes": (0,)}
        launches = [
            launch("combine", 0, 0, first, **every),
            launch("combine", 0, 1, second, **every),
            launch("combine", first, 0, 2, **every),
            launch("combine", second, 4, 3, **every),
        ]
        return program(
            self.module,
            self.arch,
            launches,
            (argument("x", "N"), argument("y", "N")),
            (result("triple", "N"), result("sum", "N")),
            prepared=2,
            image=prepare_image(),
            symbols=("N",),
            arena="256*ceil(4*N/256) + 4*N",
            constants=(np.zeros(5000, np.float32),),
            guards=("N ≤ 5000",),
        )

    def with_constants(self) -> Program:
        """`x + hidden` and `x + constant`, with the hidden input in front of x."""
        launches = [launch("combine4", 0, 1, 2), launch("combine4", 4, 1, 3)]
        return program(
            self.module,
            self.arch,
            launches,
            (argument("w", 4, hidden=True), argument("x", 4)),
            (result("p", 4), result("q", 4)),
            hidden=(np.full(4, 10, np.float32),),
            constants=(np.full(4, 20, np.float32),),
        )

    def scratch_user(self, planned: int) -> Program:
        """Plans so many bytes of arena, and writes the bytes 96 to 100 of it."""
        launches = [launch("poke100", Place(None, 0)), launch("combine4", 0, 0, 1)]
        return program(
            self.module, self.arch, launches, [argument("x", 4)], [result("y", 4)], arena=planned
        )

    def large_shared(self, shared: int = 60_000) -> Program:
        """Ones by way of more shared memory than kernels have unasked."""
        launches = [launch("large_shared", 1, shared=shared)]
        return program(self.module, self.arch, launches, [argument("x", 4)], [result("y", 4)])

    def huge(self) -> Program:
        """Plans more memory than any device has."""
        return program(
            self.module,
            self.arch,
            [launch("combine4", 0, 0, 1)],
            [argument("x", 4)],
            [result("y", 4)],
            arena=1 << 50,
        )


@cache
def prepare_image() -> Image:
    """The code that settles N: N twice, the arena, the blocks of a launch, an offset."""
    load_support()
    return link(host_machine().emit_object(_PREPARE))


def vectors(count: int, *shape: int) -> list[np.ndarray[Any, Any]]:
    """Arrays 1, 2, 3, … of a shape."""
    return [np.full(shape or (4,), i + 1, np.float32) for i in range(count)]
