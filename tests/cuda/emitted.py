"""Runs the text of emitted kernels on the simulated device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import numpy as np
from cuda.simulator.build import simulate, simulate_all

from symfuse.compiler.ir.dims import Symbol, evaluate, symbols
from symfuse.compiler.kernel.interpret import interpret_kernels
from symfuse.compiler.kernel.phases import Buffer, Kernel
from symfuse.compiler.targets.cuda.kernels import KernelSource, kernel_source

__all__ = ["check_kernels", "run_kernels", "sizes_of"]

Array = np.ndarray[Any, Any]
Sizes = Mapping[str, int]


def sizes_of(kernels: Iterable[Kernel]) -> tuple[Symbol, ...]:
    """The symbolic sizes of the buffers, by name."""
    buffers = (b for kernel in kernels for b in (*kernel.reads, *kernel.writes))
    found = {symbol for b in buffers for n in b.shape for symbol in symbols(n)}
    return tuple(sorted(found, key=lambda symbol: symbol.name))


def run_kernels(
    kernels: Iterable[Kernel],
    given: Mapping[Buffer, Array],
    sizes: Sizes | None = None,
    *,
    orders: bool = False,
) -> dict[Buffer, Array]:
    """What every buffer holds after all kernels have run, one after the other.

    `orders`: under several orders of the threads, which must not make a difference.
    """
    kernels, sizes = tuple(kernels), sizes or {}
    memory = {buffer: np.array(array) for buffer, array in given.items()}
    for kernel in kernels:
        source = kernel_source(kernel, sizes_of(kernels))
        for buffer in source.pointers:
            if buffer not in memory:
                memory[buffer] = _poisoned(buffer, sizes)
        _run(kernel, source, memory, sizes, orders=orders)
    return memory


def _run(
    kernel: Kernel,
    source: KernelSource,
    memory: Mapping[Buffer, Array],
    sizes: Sizes,
    *,
    orders: bool,
) -> None:
    blocks = evaluate(kernel.tiles, sizes)
    arrays = [memory[buffer] for buffer in source.pointers]
    values = [sizes[symbol.name] for symbol in source.sizes]
    if blocks:
        (simulate_all if orders else simulate)(source, blocks, arrays, values)


def _poisoned(buffer: Buffer, sizes: Sizes) -> Array:
    shape = tuple(evaluate(n, sizes) for n in buffer.shape)
    if buffer.dtype.is_bool:
        return np.ones(shape, bool)
    poison = np.full(prod(shape) * buffer.dtype.itemsize, 0xA5, np.uint8)
    return poison.view(buffer.dtype.numpy).reshape(shape)


def check_kernels(
    kernels: Iterable[Kernel],
    given: Mapping[Buffer, Array],
    sizes: Sizes | None = None,
    *,
    rtol: float = 1e-5,
    orders: bool = False,
) -> None:
    """The emitted text leaves in every buffer what the interpreter leaves there."""
    kernels = tuple(kernels)
    found = run_kernels(kernels, given, sizes, orders=orders)
    wanted = interpret_kernels(kernels, given, sizes or {})
    for buffer in dict.fromkeys(b for kernel in kernels for b in kernel.writes):
        x, y = found[buffer], wanted[buffer]
        assert x.dtype == y.dtype
        if x.dtype.kind == "f":
            np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol, err_msg=str(buffer))
        else:
            np.testing.assert_array_equal(x, y, err_msg=str(buffer))
