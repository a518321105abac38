"""Fourier transforms written out as products are what NumPy computes, for every kind of length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.op import operations
from symfuse.compiler.ir.regions import every_node
from symfuse.compiler.ir.verify import verify
from symfuse.compiler.passes.expand_transforms import (
    expand_transforms,
    is_counted,
    is_one_product,
)
from symfuse.compiler.passes.pipeline import run_pipeline

RNG = np.random.default_rng(8)
LENGTHS = [*range(1, 41), 45, 61, 62, 64, 67, 90, 100, 122, 128, 134, 210, 243, 503, 512, 1006]
TRANSFORMS = [operations[name] for name in ("fft", "rfft", "irfft")]
BOTH = pytest.mark.parametrize("dtype", [np.complex64, np.complex128])


def complexes(*shape: int, dtype: Any = np.complex128) -> Any:
    return (RNG.normal(size=shape) + 1j * RNG.normal(size=shape)).astype(dtype)


def expanded(f: Any, *arrays: Any) -> Graph:
    """As products, with no transform left."""
    graph = expand_transforms(run_pipeline(sf.trace(f, *arrays).ir)[0], is_counted)
    verify(graph)
    assert not any(node.op in TRANSFORMS for node in every_node(graph))
    return graph


def assert_near(found: Any, wanted: Any) -> None:
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    scale = np.max(np.abs(wanted), initial=1e-300)
    bound = 8 * np.finfo(found.dtype).eps * max(np.log2(wanted.size), 1) * scale
    assert np.max(np.abs(found - wanted), initial=0) <= bound


@BOTH
@pytest.mark.parametrize("n", LENGTHS)
def test_every_length_is_a_few_products(n: int, dtype: Any) -> None:
    z = complexes(2, n, dtype=dtype)
    half, x = complexes(2, n // 2 + 1, dtype=dtype), z.real.copy()
    calls = (
        (z, np.fft.fft),
        (z, np.fft.ifft),
        (x, np.fft.fft),
        (x, np.fft.rfft),
        (half, lambda half: np.fft.irfft(half, n)),
    )
    for array, f in calls:
        assert_near(expanded(f, array)(array), f(array))


def test_an_axis_may_stand_anywhere() -> None:
    z = complexes(4, 6, 5)
    for axis in range(3):
        for f in (np.fft.fft, np.fft.irfft):
            assert_near(expanded(lambda z, f=f, a=axis: f(z, axis=a), z)(z), f(z, axis=axis))
        x = z.real.copy()
        graph = expanded(lambda x, a=axis: np.fft.rfft(x, axis=a), x)
        assert_near(graph(x), np.fft.rfft(x, axis=axis))


def test_real_numbers_of_even_length_take_half_the_products() -> None:
    def work(f: Any, x: Any) -> int:
        nodes = expanded(f, x).nodes
        sizes = (
            node.type.size * np.prod([node.inputs[1].shape[a] for a in node.attr("contracting")[1]])
            for node in nodes
            if node.op.contraction
        )
        return int(sum(sizes))

    x = RNG.normal(size=1024)
    half = np.fft.rfft(x)
    assert 2 * work(np.fft.rfft, x) <= 1.01 * work(np.fft.fft, x + 0j)
    assert 2 * work(np.fft.irfft, half) <= 1.01 * work(np.fft.fft, x + 0j)


def test_only_chosen_transforms_are_written_out_in_loops_too() -> None:
    def turns(z: Any) -> Any:
        return sf.fori_loop(0, 3, lambda i, c: np.fft.fft(c[:8])[0] + np.fft.fft(c) / 30, z)

    z = complexes(30)
    graph = expand_transforms(run_pipeline(sf.trace(turns, z).ir)[0], is_one_product)
    left = [node.shape for node in every_node(graph) if node.op in TRANSFORMS]
    assert left == [(30,)]
    assert_near(graph(z), turns(z))
