"""Training steps whose relu is stored as bits by one product and read by another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cuda.on_device import needs_compiler, simulated
from cuda.test_products import chosen

import symfuse as sf
from symfuse.compiler.targets.cuda import products
from symfuse.nn import functional as nn
from symfuse.runtime import options
from symfuse.tracing.tree import flatten, map_leaves

SIZES = (24, 32, 32)  # rows, and columns that are no multiple of 128 bits


@pytest.fixture(autouse=True)
def everything_is_worth_it(monkeypatch, tmp_path):
    """Small products are given to the library, and nothing is compiled before."""
    for name in ("WORTH_A_CALL", "WORTH_A_PASS", "DEEP"):
        monkeypatch.setattr(products, name, 1)
    with options.using(cache_dir=tmp_path):
        yield


def loss(params: Any, x: Any) -> Any:
    for weights, bias in params:
        z = x @ weights
        x = nn.relu(z if bias is None else z + bias)
    return (x * x).sum()


def arguments(dtype: str, layers: int = 2) -> Any:
    rng = np.random.default_rng(1)
    rows, inner, columns = SIZES
    params = [
        tuple(rng.normal(size=shape).astype(dtype) / 8 for shape in ((inner, columns), (columns,)))
        for _ in range(layers)
    ]
    return params, rng.normal(size=(rows, inner)).astype(dtype)


def epilogues(function: Any, *args: Any, **facts: Any) -> list[str]:
    _, choices = chosen(function, *args, **facts)
    return [choice.product.epilogue for choice in choices.choices if choice.product is not None]


@pytest.mark.parametrize(("dtype", "numerics"), [("float16", "strict"), ("float32", "fast")])
def test_the_relu_of_a_layer_and_its_derivative_are_epilogues(dtype, numerics):
    found = epilogues(sf.grad(loss), *arguments(dtype), numerics=numerics)
    assert found.count("relu_aux_bias") == found.count("drelu_bgrad") == 1
    assert "relu_bias" in found  # the last layer, which no product follows


def test_strict_programs_of_float32_leave_relu_to_kernels():
    assert not any("relu" in name for name in epilogues(sf.grad(loss), *arguments("float32")))


def test_bits_that_something_else_would_read_are_not_stored():
    def masked(params, x):
        (w, b), _ = params
        h = nn.relu(x @ w + b)
        return loss(params, x) + (h > 0).astype(h.dtype).sum()

    found = epilogues(sf.value_and_grad(masked), *arguments("float16"))
    assert not any("aux" in name or "drelu" in name for name in found)


@needs_compiler
@pytest.mark.parametrize(("dtype", "numerics"), [("float16", "strict"), ("float32", "fast")])
@pytest.mark.parametrize("biased", [True, False])
def test_gradients_are_those_without_bits(dtype, numerics, biased, tmp_path, monkeypatch):
    def slopes(params, x):
        return loss(params if biased else [(w, None) for w, _ in params], x)

    args = arguments(dtype, 3)

    def run():
        exe = sf.compile(sf.value_and_grad(slopes), *args, target="cuda", numerics=numerics)
        names = {getattr(one, "epilogue", "") for one in exe.program.device.launches}
        return names, flatten(map_leaves(np.asarray, exe(*args)))[0]

    with simulated():
        names, found = run()
        monkeypatch.setattr(products, "with_masks", lambda graph, choices, plain: tuple(choices))
        with options.using(cache_dir=tmp_path / "other"):
            others, wanted = run()
    pair = {"drelu_bgrad", "relu_aux_bias"} if biased else {"drelu", "relu_aux"}
    assert pair <= names and not pair & others
    near = 2e-3 if dtype == "float16" else 1e-5
    for one, other in zip(found, wanted, strict=True):
        scale = np.abs(other.astype(np.float64)).max()
        assert np.abs(one.astype(np.float64) - other).max() <= near * scale
