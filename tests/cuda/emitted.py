"""Runs the text of emitted kernels on the simulated device, beside the interpreter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import msgspec
import numpy as np
from cuda.simulator.build import simulate, simulate_all

from symfuse.compiler.ir.dims import Symbol, evaluate, symbols
from symfuse.compiler.kernel.interpret import interpret_kernels
from symfuse.compiler.kernel.phases import Buffer, Kernel
from symfuse.compiler.targets.cuda.kernels import KernelSource, kernel_source, prefix

__all__ = ["Case", "check_all"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    """Kernels that run one after the other, what buffers hold before, and the sizes."""

    kernels: tuple[Kernel, ...]
    given: Mapping[Buffer, Array]
    sizes: Mapping[str, int] = field(default_factory=dict)
    rtol: float = 1e-5


@dataclass(frozen=True)
class _Text:
    """One of the kernels of a text."""

    name: str
    text: str
    threads: int
    shared: int


def check_all(cases: Sequence[Case], *, orders: bool = False) -> None:
    """The emitted texts leave in every buffer what the interpreter leaves there.

    All kernels are compiled at once. `orders`: they also run under several orders of the threads,
    which must not make a difference.
    """
    named = [_named(case, number) for number, case in enumerate(cases)]
    sources = {
        kernel: kernel_source(kernel, _sizes(case.kernels))
        for case in named
        for kernel in case.kernels
    }
    text = prefix() + "\n".join(source.body for source in sources.values())
    for case in named:
        _check(case, sources, text, orders=orders)


def _named(case: Case, number: int) -> Case:
    kernels = tuple(
        msgspec.structs.replace(kernel, name=f"case{number}_{at}")
        for at, kernel in enumerate(case.kernels)
    )
    return replace(case, kernels=kernels)


def _sizes(kernels: Iterable[Kernel]) -> tuple[Symbol, ...]:
    """The symbolic sizes of the buffers, by name."""
    buffers = (b for kernel in kernels for b in (*kernel.reads, *kernel.writes))
    found = {symbol for b in buffers for n in b.shape for symbol in symbols(n)}
    return tuple(sorted(found, key=lambda symbol: symbol.name))


def _check(case: Case, sources: Mapping[Kernel, KernelSource], text: str, *, orders: bool) -> None:
    wanted = interpret_kernels(case.kernels, case.given, case.sizes)
    memory = {buffer: np.array(array) for buffer, array in case.given.items()}
    for kernel in case.kernels:
        source = sources[kernel]
        for buffer in source.pointers:
            if buffer not in memory:
                memory[buffer] = _poisoned(buffer, case.sizes)
        blocks = evaluate(kernel.tiles, case.sizes)
        arrays = [memory[buffer] for buffer in source.pointers]
        values = [case.sizes[symbol.name] for symbol in source.sizes]
        run = _Text(source.name, text, source.threads, source.shared)
        if blocks:
            (simulate_all if orders else simulate)(run, blocks, arrays, values)
    for buffer in dict.fromkeys(b for kernel in case.kernels for b in kernel.writes):
        _compare(memory[buffer], wanted[buffer], case, sources)


def _compare(
    found: Array, wanted: Array, case: Case, sources: Mapping[Kernel, KernelSource]
) -> None:
    shown = "\n".join(sources[kernel].body for kernel in case.kernels)
    assert found.dtype == wanted.dtype
    if found.dtype.name == "bfloat16":
        found, wanted = found.astype(np.float32), wanted.astype(np.float32)
    if found.dtype.kind == "f":
        tolerance = {"rtol": case.rtol, "atol": case.rtol, "equal_nan": True}
        np.testing.assert_allclose(found, wanted, **tolerance, err_msg=shown)
    else:
        np.testing.assert_array_equal(found, wanted, err_msg=shown)


def _poisoned(buffer: Buffer, sizes: Mapping[str, int]) -> Array:
    shape = tuple(evaluate(n, sizes) for n in buffer.shape)
    if buffer.dtype.is_bool:
        return np.ones(shape, bool)
    poison = np.full(prod(shape) * buffer.dtype.itemsize, 0xA5, np.uint8)
    return poison.view(buffer.dtype.numpy).reshape(shape)
