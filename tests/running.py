"""Runs graphs in every way there is, and holds the ways against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import symfuse.compiler.ops  # noqa: F401  (completes the registry)
from symfuse.compiler.compile import Compilation, compile_graph
from symfuse.compiler.ir.dims import evaluate
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.interpret import interpret
from symfuse.compiler.kernel.interpret import interpret_kernels
from symfuse.compiler.kernel.verify import verify_kernel
from symfuse.compiler.targets.llvm.machine import Level
from symfuse.runtime.dtypes import DType
from symfuse.runtime.executable import Executable

__all__ = ["Compiled", "as_tuple", "assert_near", "near_enough"]

Array = np.ndarray[Any, Any]
LONG = 2000


def as_tuple(found: Any) -> tuple[Array, ...]:
    """What a call returned, as a tuple even if it is one array."""
    return found if isinstance(found, tuple) else (found,)


class Compiled:
    """A graph compiled once, and run on one thread, on two, and by the two interpreters."""

    def __init__(self, graph: Graph, level: Level = "default") -> None:
        self.graph = graph
        self.compilation: Compilation = compile_graph(graph, level=level)
        program = self.compilation.program
        self.alone = Executable(program, threads=1, verify=True)
        self.shared = Executable(program, threads=2)

    @property
    def kinds(self) -> list[str]:
        return [kernel.kind for kernel in self.compilation.launches]

    def __call__(self, *arrays: Array) -> tuple[Array, ...]:
        """The results; the same bits for one thread and two."""
        alone = as_tuple(self.alone(*arrays))
        shared = as_tuple(self.shared(*arrays))
        for one, two in zip(alone, shared, strict=True):
            assert one.tobytes() == two.tobytes(), "one thread and two give different bits"
        return alone

    def check(
        self, *arrays: Array, tolerance: float = 2e-5, sizes: Mapping[str, int] | None = None
    ) -> tuple[Array, ...]:
        """The results, which are also those of the graph and of the kernels on NumPy.

        Kernels on long arrays are left out, whose tiles are interpreted one by one, and those of
        programs with loops, whose buffers stand for other memory at each turn.
        """
        wanted = interpret(self.graph, arrays)
        found = self(*arrays)
        assert_near(found, wanted, tolerance)
        has_loops = any(node.op.regional for node in self.compilation.graph.nodes)
        if has_loops or any(max(array.shape, default=0) > LONG for array in arrays):
            return found
        assert_near(self.by_kernels(arrays, sizes or {}), wanted, tolerance)
        return found

    def by_kernels(self, arrays: Sequence[Array], sizes: Mapping[str, int]) -> tuple[Array, ...]:
        """The results of the kernels on NumPy, each kernel verified."""
        stages = self.compilation.stages
        for kernel in stages.launches:
            verify_kernel(kernel)
        values = zip(stages.graph.parameters, arrays, strict=True)
        given = {stages.buffers(p): np.asarray(x, p.dtype.numpy) for p, x in values}
        given |= {buffer: literal.array() for literal, buffer in stages.buffers.literals()}
        memory = interpret_kernels(stages.launches, given, sizes)
        pairs = zip(stages.graph.outputs, self.graph.outputs, strict=True)
        return tuple(
            memory[stages.buffers(stored)].reshape([_number(n, sizes) for n in output.shape])
            for stored, output in pairs
        )


def _number(size: Any, sizes: Mapping[str, int]) -> int:
    return size if isinstance(size, int) else evaluate(size, sizes)


def assert_near(found: Sequence[Array], wanted: Sequence[Array], tolerance: float = 2e-5) -> None:
    """Equal types and shapes, floats equal but for a part of the greatest of them."""
    for one, other in zip(found, map(np.asarray, wanted), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        dtype = DType.of(one.dtype)
        if not dtype.is_float:
            np.testing.assert_array_equal(one, other)
            continue
        near_by = tolerance
        if dtype.is_half:
            one, other = one.astype(np.float32), other.astype(np.float32)
            near_by = max(tolerance, 4 * float(dtype.limits.eps))
        near = np.abs(other[np.isfinite(other)])
        scale = max(1.0, float(np.max(near, initial=0.0)))
        np.testing.assert_allclose(one, other, rtol=near_by, atol=near_by * scale)


def near_enough(found: Array, wanted: Array, ulp: float) -> bool:
    """Whether floats are within so many units in the last place, and signs of zeros agree.

    NumPy's own functions may be off by some units, which are granted where ulp is not zero.
    """
    if not DType.of(found.dtype).is_float:
        return bool(np.array_equal(found, wanted))
    if ulp == 0:
        signs = np.isnan(wanted) | (np.signbit(found) == np.signbit(wanted))
        return bool(np.array_equal(found, wanted, equal_nan=True) and signs.all())
    with np.errstate(all="ignore"):
        same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
        steps = np.abs(found - wanted) <= (ulp + 4) * np.spacing(np.abs(wanted))
    return bool((same | steps).all())
