"""Attention and its derivatives on a real device have the values of NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cuda.on_device import Simulated
from cuda.test_attention_slopes import BY, SLOPES, causal, drawn, heads, trained, types_of

from symfuse import trace
from symfuse.compiler.ir.interpret import interpret

LONG = {
    "long, f32": (causal, heads(700, 700, 64, 64)),
    "long, bf16": (causal, heads(513, 640, 128, 64, "bf16")),
}
TOLERANCES = {"bf16": 6e-2, "f16": 1e-2}


def check(step: Any, types: tuple[str, ...], arrays: list[Any] | None = None) -> None:
    """The device and NumPy agree, relative to the greatest number of each result."""
    graph = trace(step, *types).ir
    if arrays is None:
        rng = np.random.default_rng(3)
        shapes = [(p.shape, p.dtype.numpy) for p in graph.parameters]
        arrays = [rng.standard_normal(shape).astype(dtype) for shape, dtype in shapes]
    with np.errstate(all="ignore"):
        wanted = interpret(graph, arrays)
    tolerance = TOLERANCES.get(str(graph.parameters[0].dtype), 1e-4)
    for found, array in zip(Simulated(graph)(*arrays), wanted, strict=True):
        found, array = np.asarray(found, float), np.asarray(array, float)
        scale = max(1.0, float(np.abs(np.nan_to_num(array)).max(initial=0)))
        np.testing.assert_allclose(found, array, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("name", SLOPES)
def test_derivatives_have_the_values_of_numpy(name: str) -> None:
    attention, types = SLOPES[name]
    step = trained(attention, BY.get(name, (0, 1, 2)))
    check(step, types_of(attention, types), drawn(name))


@pytest.mark.parametrize("name", LONG)
def test_long_rows_have_the_values_of_numpy(name: str) -> None:
    attention, types = LONG[name]
    check(trained(attention), types_of(attention, types))
