"""Complex numbers and Fourier transforms on the simulated device: kernels see pairs of reals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contracts.cases import parameter, samples
from contracts.test_complex import assert_same, drawn, reference
from cuda.on_device import Simulated, needs_compiler

import symfuse as sf
from symfuse.compiler.ir.builder import Builder
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.op import Sample, operations
from symfuse.runtime.cuda.arrays import DeviceArray
from symfuse.runtime.dtypes import DType

Array = np.ndarray[Any, Any]
BATCHES = (
    "add multiply divide sqrt exp log power tanh",
    "complex real imag conjugate equal select convert transpose pad take",
    "reduce_sum cumsum contract scatter_add concatenate",
    "fft rfft irfft",
)


@needs_compiler
@pytest.mark.parametrize("batch", BATCHES)
def test_samples_give_what_the_reference_gives(batch: str) -> None:
    chosen = [(operations[name], sample) for name in batch.split() for sample in _chosen(name)]
    builder = Builder()
    arrays = [np.asarray(x) for _, sample in chosen for x in sample.inputs]
    parameters = tuple(parameter(builder, array) for array in arrays)
    rest = iter(parameters)
    outputs = tuple(
        builder.apply(op, tuple(next(rest) for _ in sample.inputs), dict(sample.attrs))
        for op, sample in chosen
    )
    found = Simulated(Graph("f", parameters, outputs, builder))(*arrays)
    for (op, sample), one in zip(chosen, found, strict=True):
        assert_same(one, reference(op, sample), 1e-4 if one.itemsize <= 8 else 1e-12)


def _chosen(name: str) -> list[Sample]:
    if name in ("fft", "rfft", "irfft"):
        found = samples(operations[name], DType.C64)
        return [found[3], found[4], found[7]]  # of 8, 12 and 67 elements
    return [drawn(operations[name], dtype)[0] for dtype in (DType.C64, DType.C128)]


@needs_compiler
@pytest.mark.usefixtures("place")
def test_what_users_write_runs_on_the_device() -> None:
    def filtered(z: Any) -> Any:
        spectrum = np.fft.fft(z)
        return sf.fori_loop(0, 3, lambda i, c: c * 1j + spectrum, spectrum * 0)

    z = np.exp(1j * np.arange(24)).astype(np.complex64)
    found = sf.jit(filtered, target="cuda")(z)
    assert isinstance(found, DeviceArray) and found.dtype == np.complex64
    np.testing.assert_allclose(found.numpy(), filtered(z), rtol=1e-4, atol=1e-4)
    with pytest.raises(sf.UnsupportedError, match="NumPy's library") as raised:
        sf.compile(np.fft.rfft, "f32[N]", target="cuda")
    assert "a number as its size" in str(raised.value)
    with pytest.raises(sf.UnsupportedError, match="LAPACK"):
        sf.jit(np.linalg.inv, target="cuda")(np.eye(3, dtype=np.complex64))
