"""Compiles and runs for a device without having one: the simulated device, and NVRTC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import pytest
from cuda.simulator.build import driver_path, needs_compiler
from cuda.simulator.products import cudnn_path, library_path

from symfuse.compiler.compile import Compilation, compile_graph
from symfuse.compiler.ir.graph import Graph
from symfuse.runtime import options
from symfuse.runtime.cuda import libraries
from symfuse.runtime.executable import load

__all__ = ["REAL", "Simulated", "needs_compiler", "needs_nvrtc", "simulated"]

Array = np.ndarray[Any, Any]

needs_nvrtc = pytest.mark.skipif(
    libraries.find("nvrtc") is None, reason="NVRTC, which compiles kernels, is not installed"
)


# The tests in tests/gpu are these once more: there "simulated" means the device of this machine.
REAL = ContextVar("REAL", default=False)


@contextmanager
def simulated() -> Iterator[None]:
    """The simulated device as the device of this machine, with its libraries."""
    if REAL.get():
        yield
        return
    driver = driver_path()
    library_path(driver.parent)
    cudnn_path(driver.parent)
    with options.using(cuda_driver=str(driver)):
        yield


class Simulated:
    """A graph compiled for the simulated device."""

    def __init__(self, graph: Graph) -> None:
        with simulated():
            self.compilation: Compilation = compile_graph(graph, target="cuda")
            self._run = load(self.compilation.program)

    def __call__(self, *arrays: Array) -> tuple[Array, ...]:
        """The results, on the host."""
        with simulated():
            found: Any = self._run(*arrays)
            results: Sequence[Any] = found if isinstance(found, tuple) else (found,)
            return tuple(np.asarray(result) for result in results)
