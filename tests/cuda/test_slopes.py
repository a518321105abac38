"""Training steps whose products take in the slope of a GELU, and sums that are slopes of biases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cuda.on_device import needs_compiler, simulated
from cuda.test_products import chosen, kinds

import symfuse as sf
from symfuse.compiler.targets.cuda import products
from symfuse.compiler.targets.cuda.slopes import Paired
from symfuse.nn import functional as nn
from symfuse.runtime import options
from symfuse.runtime.dtypes import DType
from symfuse.tracing.tree import flatten, map_leaves

SIZES = (24, 32, 40)  # rows, inner, columns
PRECISE = pytest.mark.parametrize(
    ("dtype", "numerics"), [("float16", "strict"), ("bfloat16", "strict"), ("float32", "fast")]
)


@pytest.fixture(autouse=True)
def everything_is_worth_it(monkeypatch, tmp_path):
    """Small products are given to the library, and nothing is compiled before."""
    for name in ("WORTH_A_CALL", "WORTH_A_PASS", "DEEP"):
        monkeypatch.setattr(products, name, 1)
    with options.using(cache_dir=tmp_path):
        yield


def without(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """The same programs without these steps."""
    monkeypatch.setattr(
        products, "with_slopes_of_gelu", lambda graph, choices, *_: Paired(tuple(choices))
    )
    monkeypatch.setattr(products, "with_operand_sums", lambda graph, choices, grouping: choices)
    return options.using(cache_dir=tmp_path / "other")


def arguments(dtype: str, *, biased: bool = True) -> Any:
    rng = np.random.default_rng(1)
    rows, inner, columns = SIZES
    shapes = ((inner, columns), (columns,), (columns, inner), (inner,))
    kind = DType.BF16.numpy if dtype == "bfloat16" else np.dtype(dtype)
    params = [(rng.normal(size=shape) / 8).astype(kind) for shape in shapes]
    if not biased:
        params[1] = params[3] = None
    return params, rng.normal(size=(rows, inner)).astype(kind)


def forward(params: Any, x: Any) -> Any:
    w, b, v, c = params
    z = x @ w if b is None else x @ w + b
    y = nn.gelu(z) @ v
    return y if c is None else y + c


def loss(params: Any, x: Any) -> Any:
    return (forward(params, x).astype("float32") ** 2).sum()


def epilogues(function: Any, *args: Any, **facts: Any) -> list[str]:
    _, choices = chosen(function, *args, **facts)
    return [choice.product.epilogue for choice in choices.choices if choice.product is not None]


@PRECISE
@pytest.mark.parametrize("biased", [True, False])
def test_a_gelu_and_its_slope_are_steps_of_two_products(dtype, numerics, biased):
    found = epilogues(sf.grad(loss), *arguments(dtype, biased=biased), numerics=numerics)
    forth, back = ("gelu_aux_bias", "dgelu_bgrad") if biased else ("gelu_aux", "dgelu")
    assert found.count(forth) == found.count(back) == 1


def test_nothing_between_the_two_products_is_stored():
    graph, choices = chosen(sf.grad(loss), *arguments("float16"))
    (back,) = (c for c in choices.choices if c.product and "dgelu" in c.product.epilogue)
    assert "argument another product has stored" in str(back)
    names = {name for _, members in kinds(choices) for name in members}
    assert "tanh" not in names
    assert back.product.mask in graph.nodes


def test_strict_programs_of_float32_leave_the_gelu_to_kernels():
    assert not any("gelu" in name for name in epilogues(sf.grad(loss), *arguments("float32")))


def test_a_tanh_that_is_returned_as_well_keeps_the_gelu_out():
    def slopes(params, x):
        z = x @ params[0] + params[1]
        gate = np.tanh(0.7978845608 * (z + 0.044715 * z * z * z))
        value = ((0.5 * z * (1 + gate)) @ params[2]).sum()
        return value, gate

    step = sf.grad(slopes, has_aux=True)
    found = epilogues(step, *arguments("float32"), numerics="fast")
    assert not any("gelu" in name for name in found)


@pytest.mark.parametrize("cubic", [0.044715, 0.0448])
def test_what_is_almost_the_slope_is_not_taken(cubic):
    def almost(z):
        return 0.5 * z * (1 + np.tanh(0.7978845608 * (z + cubic * z * z * z)))

    def step(params, x):
        w, b, v, _ = params
        z = x @ w + b
        (back,) = sf.vjp(almost, z)[1](nn.gelu(z) @ v @ v.T)
        return back @ w.T

    found = epilogues(step, *arguments("float32"), numerics="fast")
    assert ("dgelu" in found) is (cubic == 0.044715)


def two_layers(params: Any, x: Any, t: Any) -> Any:
    w, b, v, c = params
    return (((x @ w + b) @ v + c) * t).sum()


def test_layers_without_an_activation_sum_up_what_comes_back():
    params, x = arguments("float32")
    _, choices = chosen(sf.grad(two_layers), params, x, x)
    taken = [c for c in choices.choices if c.product and c.product.epilogue == "bgrad_right"]
    assert taken
    assert all("the slope of a bias" in str(c) for c in taken)


def test_a_product_does_not_sum_up_what_it_waits_for():
    def step(params, x):
        w, b, _, _ = params
        z = x @ w + b
        return (x * z.sum(axis=0)[:1]).T @ z

    found = epilogues(step, *arguments("float32"))
    assert len(found) == 2 and not any("bgrad" in name for name in found)


def test_operands_that_are_rounded_on_their_way_are_not_summed_up():
    params, x = arguments("float32")
    found = epilogues(sf.grad(two_layers), params, x, x, numerics="fast")
    assert found and not any("bgrad" in name for name in found)


@needs_compiler
@PRECISE
@pytest.mark.parametrize("biased", [True, False])
def test_gradients_are_those_of_kernels(dtype, numerics, biased, tmp_path, monkeypatch):
    args = arguments(dtype, biased=biased)

    def run():
        exe = sf.compile(sf.value_and_grad(loss), *args, target="cuda", numerics=numerics)
        names = {getattr(one, "epilogue", "") for one in exe.program.device.launches}
        return names, flatten(map_leaves(np.asarray, exe(*args)))[0]

    with simulated():
        names, found = run()
        with without(monkeypatch, tmp_path):
            others, wanted = run()
    pair = {"dgelu_bgrad", "gelu_aux_bias"} if biased else {"dgelu", "gelu_aux"}
    assert pair <= names and not pair & others
    near = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 1e-5}[dtype]
    for one, other in zip(found, wanted, strict=True):
        scale = np.abs(other.astype(np.float64)).max()
        assert np.abs(one.astype(np.float64) - other.astype(np.float64)).max() <= near * scale


@needs_compiler
def test_slopes_of_biases_are_those_of_kernels(tmp_path, monkeypatch):
    params, x = arguments("float32")
    with simulated():
        exe = sf.compile(sf.grad(two_layers), params, x, x, target="cuda")
        found = flatten(map_leaves(np.asarray, exe(params, x, x)))[0]
    names = [getattr(one, "epilogue", "") for one in exe.program.device.launches]
    wanted = flatten(sf.jit(sf.grad(two_layers))(params, x, x))[0]
    assert "bgrad_right" in names
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-4)
