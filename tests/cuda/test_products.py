"""Which products the vendor's library computes, why, and that it computes the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse import numpy as snp
from symfuse import trace
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.printer import name_nodes
from symfuse.compiler.kernel.lower import Buffers
from symfuse.compiler.passes.group_kernels import group_kernels
from symfuse.compiler.passes.order_launches import order_launches
from symfuse.compiler.passes.pipeline import run_pipeline
from symfuse.compiler.passes.separate_outputs import separate_outputs
from symfuse.compiler.targets.cuda.library import Product
from symfuse.compiler.targets.cuda.machine import has_products
from symfuse.compiler.targets.cuda.product_launches import product_kernel
from symfuse.compiler.targets.cuda.products import Choices, choose_products
from symfuse.nn import functional as nn
from symfuse.runtime import options

Array = np.ndarray[Any, Any]
X, W, B, R = "f32[128,256]", "f32[256,512]", "f32[512]", "f32[128,512]"


def chosen(
    function: Callable[..., Any], *types: str, numerics: str = "strict", **facts: Any
) -> tuple[Graph, Choices]:
    graph, _ = run_pipeline(trace(function, *types).ir, numerics=numerics)
    graph = separate_outputs(graph)
    return graph, choose_products(graph, group_kernels(graph), numerics, **facts)


def the_product(function: Callable[..., Any], *types: str, **facts: Any) -> Product:
    """The only product, which the library computes with all that follows."""
    _, choices = chosen(function, *types, **facts)
    (choice,) = choices.choices
    assert choice.product is not None, choice.reason
    assert choice.reason == "all that follows is an epilogue of the library"
    return choice.product


def why_not(function: Callable[..., Any], *types: str, **facts: Any) -> str:
    """Why the library does not compute the only product."""
    _, choices = chosen(function, *types, **facts)
    (choice,) = choices.choices
    assert choice.product is None, choice
    return choice.reason


# forms

FORMS: dict[str, tuple[Callable[..., Any], tuple[str, ...], tuple[Any, ...]]] = {
    # name: function, types, (epilogue, scale, share) in strict programs
    "plain": (lambda x, w: x @ w, (X, W), ("none", 1, 0)),
    "scaled": (lambda x, w: (x @ w) * 0.125, (X, W), ("none", 0.125, 0)),
    "biased": (lambda x, w, b: x @ w + b, (X, W, B), ("bias", 1, 0)),
    "bias first": (lambda x, w, b: b + x @ w, (X, W, B), ("bias", 1, 0)),
    "added": (lambda x, w, r: r + x @ w, (X, W, R), ("none", 1, 1)),
    "both": (lambda x, w, b, r: r + (x @ w + b), (X, W, B, R), ("bias", 1, 1)),
    "both turned": (lambda x, w, b, r: r + x @ w + b, (X, W, B, R), ("bias", 1, 1)),
    "taken": (lambda x, w, r: x @ w - r, (X, W, R), ("none", 1, -1)),
    "taken from": (lambda x, w, r: r - x @ w, (X, W, R), ("none", -1, 1)),
    "descended": (lambda x, w, r: r - 0.5 * (x @ w), (X, W, R), ("none", -0.5, 1)),
    "with momentum": (lambda x, w, r: 0.5 * r + x @ w, (X, W, R), ("none", 1, 0.5)),
    "momentum less": (lambda x, w, r: 0.5 * r - x @ w, (X, W, R), ("none", -1, 0.5)),
    "three axes": (lambda x, w, b: x @ w + b, ("f32[2,64,256]", W, B), ("bias", 1, 0)),
    "in double": (
        lambda x, w, b: x @ w + b,
        ("f64[128,256]", "f64[256,512]", "f64[512]"),
        ("bias", 1, 0),
    ),
}
FAST = {
    "rectified": (lambda x, w, b: nn.relu(x @ w + b), (X, W, B), ("relu_bias", 1, 0)),
    "at least zero": (lambda x, w: snp.maximum(x @ w, 0), (X, W), ("relu", 1, 0)),
    "gelu": (lambda x, w, b: nn.gelu(x @ w + b), (X, W, B), ("gelu_bias", 1, 0)),
    "gelu alone": (lambda x, w: nn.gelu(x @ w), (X, W), ("gelu", 1, 0)),
    "gelu and what went in": (
        lambda x, w, b: (nn.gelu(x @ w + b), x @ w + b),
        (X, W, B),
        ("gelu_aux_bias", 1, 0),
    ),
    "gelu of a sum": (lambda x, w, r: nn.gelu(x @ w + r), (X, W, R), ("gelu", 1, 1)),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_the_library_is_found(form: str) -> None:
    function, types, (epilogue, scale, share) = FORMS[form]
    found = the_product(function, *types)
    assert (found.epilogue, found.scale, found.share) == (epilogue, scale, share)


@pytest.mark.parametrize("form", FAST)
def test_functions_of_the_library_are_for_fast_numerics(form: str) -> None:
    function, types, (epilogue, scale, share) = FAST[form]
    found = the_product(function, *types, numerics="fast")
    assert (found.epilogue, found.scale, found.share) == (epilogue, scale, share)
    assert found.compute == "tf32"
    assert "the library does not" in why_not(function, *types)


@pytest.mark.parametrize(
    "spelling",
    [
        lambda z: 0.5 * z * (1 + snp.tanh(0.7978845608 * (z + 0.044715 * z * z * z))),
        lambda z: z * (0.5 + 0.5 * snp.tanh(0.7978845608 * z + 0.0356774 * z**3)),
        lambda z: (snp.tanh((z + 0.044715 * z**3) * math.sqrt(2 / math.pi)) + 1) * (z / 2),
    ],
)
def test_the_gelu_is_found_however_it_is_written(spelling: Callable[[Any], Any]) -> None:
    found = the_product(lambda x, w: spelling(x @ w), X, W, numerics="fast")
    assert found.epilogue == "gelu"


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize(
    "spelling",
    [
        nn.gelu,
        lambda z: 0.5 * z * (1 + snp.tanh(0.7978845608 * (z + 0.044715 * z * z * z))),
    ],
)
def test_the_gelu_of_halves_is_found(dtype: str, spelling: Callable[[Any], Any]) -> None:
    types = (f"{dtype}[512,512]", f"{dtype}[512,512]", f"{dtype}[512]")
    found = the_product(lambda x, w, b: spelling(x @ w + b), *types)
    assert (found.compute, found.epilogue) == ("half", "gelu_bias")


@pytest.mark.parametrize(
    "other",
    [
        lambda z: 0.5 * z * (1 + snp.tanh(0.8 * (z + 0.044715 * z * z * z))),
        lambda z: 0.5 * z * (1 + snp.tanh(0.7978845608 * (z + 0.05 * z * z * z))),
        lambda z: z * (1 + snp.tanh(0.7978845608 * (z + 0.044715 * z * z * z))),
        lambda z: 0.5 * z * (1 + 0.9 * snp.tanh(0.7978845608 * (z + 0.044715 * z * z * z))),
        lambda z: nn.gelu(z, approximate=False),
        lambda z: 0.5 * z * (1 + snp.tanh(z)),
    ],
)
def test_what_only_looks_like_the_gelu_is_not_taken(other: Callable[[Any], Any]) -> None:
    reason = why_not(lambda x, w: other(x @ w), X, W, numerics="fast")
    assert reason.endswith("it is too small for a kernel more")


def test_strict_products_keep_the_precision_of_their_type() -> None:
    assert the_product(lambda x, w: x @ w, X, W).compute == "f32"
    assert the_product(lambda x, w: x @ w, "f64[128,256]", "f64[256,512]").compute == "f64"
    assert the_product(lambda x, w: x @ w, "f16[128,256]", "f16[256,512]").compute == "half"


def test_open_sizes_are_taken_to_be_large() -> None:
    found = the_product(lambda x, w, b: x @ w + b, "f32[N,256]", W, B)
    assert str(found) == "N×256 by 256×512, f32, bias"


# operands


@pytest.mark.parametrize(
    ("function", "types", "flips", "leading"),
    [
        (lambda x, w: x.T @ w, ("f32[256,128]", W), (True, False), (128, 512)),
        (lambda x, w: x @ w.T, (X, "f32[512,256]"), (False, True), (256, 256)),
        (lambda x, w: w.T @ x.T, (X, W), (True, True), (512, 256)),
        (lambda x, w: x[:, 256:512] @ w, ("f32[128,768]", W), (False, False), (768, 512)),
        (lambda x, w: x[::2] @ w, ("f32[256,256]", W), (False, False), (512, 512)),
        (lambda x, w: x.reshape(128, 256) @ w, ("f32[8,16,16,16]", W), (False, False), (256, 512)),
    ],
)
def test_views_are_seen_through(
    function: Callable[..., Any],
    types: tuple[str, ...],
    flips: tuple[bool, bool],
    leading: tuple[int, int],
) -> None:
    found = the_product(function, *types)
    assert (found.left.transposed, found.right.transposed) == flips
    assert (found.left.leading, found.right.leading) == leading


def test_a_slice_begins_behind_the_memory_that_it_is_of() -> None:
    found = the_product(lambda x, w: x[:, 256:512] @ w, "f32[128,768]", W)
    assert found.left.offset == 256
    assert found.left.node.is_parameter


def test_batches_may_be_spread_over_heads() -> None:
    """One sequence: heads lie side by side in each row, 64 elements apart."""
    types = ("f32[1,128,4,64]", "f32[1,256,4,64]")
    found = the_product(lambda q, k: snp.einsum("bqhd,bkhd->bhqk", q, k), *types)
    assert found.size == (128, 256, 64, 4)
    assert (found.left.leading, found.left.stride) == (256, 64)
    assert found.right.transposed


def test_weights_shared_by_all_batches_are_read_again() -> None:
    function = lambda x, w: snp.einsum("bij,bjk->bik", x, snp.broadcast_to(w, (4, 256, 512)))  # noqa: E731
    assert the_product(function, "f32[4,128,256]", W).right.stride == 0


# reasons


@pytest.mark.parametrize(
    ("function", "types", "reason"),
    [
        (lambda x, w: x @ w, ("i32[128,256]", "i32[256,512]"), "no products of i32"),
        (lambda x, w: x @ w, ("f32[4,256]", W), "fewer than 8 rows or columns"),
        (lambda x, w: x @ w, ("f32[512,4]", "f32[4,512]"), "sums of fewer than 16"),
        (lambda x, w: x @ w, ("f32[32,32]", "f32[32,32]"), "small kernels run side by side"),
        (lambda x, w: x[::-1] @ w, (X, W), "computed from what it reads"),
        (lambda x, w: x[:, ::2] @ w, ("f32[128,512]", W), "neither rows nor columns"),
        (
            lambda v, w: snp.broadcast_to(v[:, None], (128, 256)) @ w,
            ("f32[128]", W),
            "neither rows nor columns of parameter",
        ),
        (
            lambda q, k: snp.einsum("bqhd,bkhd->bhqk", q, k),
            ("f32[2,128,4,64]", "f32[2,128,4,64]"),
            "the batches of parameter are not evenly spaced",
        ),
        (lambda x, w: snp.tanh(x @ w), (X, W), "it is too small for a kernel more"),
        (
            lambda x, w: snp.tanh(x @ w),
            ("f32[4096,64]", "f32[64,4096]"),
            "another pass over the result costs too much",
        ),
    ],
)
def test_a_generated_kernel_has_a_reason(
    function: Callable[..., Any], types: tuple[str, ...], reason: str
) -> None:
    assert reason in why_not(function, *types)


def test_without_the_library_all_is_generated() -> None:
    reason = why_not(lambda x, w: x @ w, X, W, available=False)
    assert reason == "cuBLASLt is not installed"


def test_the_library_can_be_kept_out() -> None:
    with options.using(cublas="never", cache=False):
        assert not has_products("sm_90")
        assert why_not(lambda x, w: x @ w, X, W, available=False).startswith("the option cublas")


def test_a_choice_is_a_sentence() -> None:
    _, choices = chosen(lambda x, w: x @ w, X, W)
    (choice,) = choices.choices
    assert "is computed by the library (128×256 by 256×512, f32, none): " in str(choice)


# groups


def kinds(choices: Choices) -> list[tuple[str, list[str]]]:
    return [(g.kind, [n.op.name for n in g.nodes]) for g in choices.grouping.groups]


LARGE = ("f32[1024,512]", "f32[512,1024]", "f32[1024]")


def test_what_the_library_leaves_goes_to_those_who_read_it() -> None:
    def function(x: Any, w: Any, b: Any) -> Any:
        return snp.sum(snp.tanh(x @ w + b), axis=1)

    _, choices = chosen(function, *LARGE)
    assert kinds(choices) == [("contraction", ["contract", "add"]), ("row", ["tanh", "reduce_sum"])]
    (choice,) = choices.choices
    assert choice.reason.endswith("a second kernel does the rest")


def test_an_intermediate_value_that_others_read_ends_the_product() -> None:
    _, choices = chosen(lambda x, w, b: (x @ w, x @ w + b), *LARGE)
    assert kinds(choices) == [("contraction", ["contract"]), ("map", ["add"])]
    assert "contract is also read elsewhere" in choices.choices[0].reason


AGAIN = (*LARGE[:2], "f32[1024,1024]")


@pytest.mark.parametrize(
    ("function", "types", "taken", "left"),
    [
        (lambda x, w, b: x @ w + snp.exp(x @ w), LARGE, ["contract"], ["add", "exp"]),
        (lambda x, w, r: x @ w + snp.exp(r), AGAIN, ["contract"], ["add", "exp"]),
        (lambda x, w, b: (x @ w + b) * 0.5, LARGE, ["contract", "add"], ["multiply"]),
        (lambda x, w, r: (x @ w + r) * 0.5, AGAIN, ["contract", "add"], ["multiply"]),
        (lambda x, w, b: 1.5 - (x @ w + b), LARGE, ["contract", "add"], ["subtract"]),
        (lambda x, w, b: x[:, :1] - (x @ w + b), LARGE, ["contract", "add"], ["subtract"]),
        (lambda x, w, r: r + x @ w - r.T, AGAIN, ["contract", "add"], ["subtract"]),
    ],
)
def test_the_library_does_its_steps_in_one_order(
    function: Callable[..., Any], types: tuple[str, ...], taken: list[str], left: list[str]
) -> None:
    _, choices = chosen(function, *types)
    assert ("contraction", taken) in kinds(choices)
    assert sorted(name for kind, names in kinds(choices) if kind == "map" for name in names) == left


def test_a_negated_bias_is_left_to_another_kernel() -> None:
    _, choices = chosen(lambda x, w, b, r: r - (x @ w + b), *LARGE, "f32[1024,1024]")
    assert kinds(choices) == [("contraction", ["contract", "add"]), ("map", ["subtract"])]


def test_a_gelu_whose_tanh_is_wanted_too_is_left_to_another_kernel() -> None:
    def function(x: Any, w: Any, b: Any) -> Any:
        z = x @ w
        gate = snp.tanh(0.7978845608 * (z + 0.044715 * z * z * z))
        return 0.5 * z * (1 + gate), gate

    _, choices = chosen(function, *LARGE, numerics="fast")
    assert kinds(choices)[0] == ("contraction", ["contract"])


def test_what_is_added_must_lie_row_by_row() -> None:
    types = ("f32[8,128,512]", "f32[512,1024]", "f32[128,1024]")
    _, choices = chosen(lambda x, w, r: x @ w + r, *types)
    assert kinds(choices) == [("contraction", ["contract"]), ("map", ["add"])]
    assert "what is added does not lie row by row" in choices.choices[0].reason


def test_products_of_the_library_are_not_put_into_one_launch() -> None:
    graph, choices = chosen(lambda x, w, v: (x @ w, x @ v), "f32[N,256]", W, W)
    buffers = Buffers(name_nodes(graph), choices.grouping.reshaped)
    kernels = [
        product_kernel(product, f"k{n}", choices.grouping.sees_through, buffers)
        for n, product in enumerate(choices.products.values())
    ]
    assert len(order_launches(kernels, {})) == 2


def test_the_result_may_lie_only_where_the_matrix_is_that_the_library_adds() -> None:
    def placed(function: Callable[..., Any], *types: str) -> list[str]:
        graph, choices = chosen(function, *types)
        see = choices.grouping.sees_through
        buffers = Buffers(name_nodes(graph), choices.grouping.reshaped)
        kernels = [product_kernel(p, "k", see, buffers) for p in choices.products.values()]
        return [b.name for k in kernels for b in k.reads if k.reads_in_place(b, k.writes[0])]

    def step(w: Any, x: Any, v: Any) -> Any:
        return sf.grad(lambda w: ((nn.gelu(x @ w) @ v).astype("float32") ** 2).sum())(w)

    assert placed(lambda x, w, r: r + x @ w, X, W, R) == ["r"]
    assert placed(step, "f16[256,512]", "f16[2048,256]", "f16[512,256]") == []


def test_a_training_step_keeps_what_comes_out_of_relu_and_not_what_goes_in() -> None:
    def step(x: Any, w: Any, b: Any) -> Any:
        return sf.grad(lambda w, b: (nn.relu(x @ w + b) ** 2).sum(), (0, 1))(w, b)

    half = tuple(spec.replace("f32", "f16") for spec in (X, W, B))
    first = chosen(step, *half)[1].choices[0].product
    assert first is not None
    assert (first.epilogue, first.output.op.name) == ("relu_bias", "relu")
