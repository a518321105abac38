"""Attention is found in graphs, however it is written, with all that a kernel must know of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cuda import transformer

from symfuse import numpy as snp
from symfuse import trace, value_and_grad
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.node import Node
from symfuse.compiler.passes.pipeline import run_pipeline
from symfuse.compiler.passes.separate_outputs import separate_outputs
from symfuse.compiler.targets.cuda.attention import Attention, Sighting, find_attention
from symfuse.nn import functional as nn

Array = np.ndarray[Any, Any]
HEADS = ("f32[2,3,5,4]", "f32[2,3,7,4]", "f32[2,3,7,6]")
ROWS = ("f32[2,5,3,4]", "f32[2,7,3,4]", "f32[2,7,3,6]")


def simplified(function: Callable[..., Any], *types: str) -> Graph:
    graph, _ = run_pipeline(trace(function, *types).ir)
    return separate_outputs(graph)


def sightings(function: Callable[..., Any], *types: str) -> tuple[Sighting, ...]:
    return find_attention(simplified(function, *types))


def the_attention(function: Callable[..., Any], *types: str) -> Attention:
    (sighting,) = sightings(function, *types)
    assert sighting.attention is not None, sighting.reason
    return sighting.attention


# how it is written


def scores(q: Any, k: Any) -> Any:
    return q @ snp.swapaxes(k, -1, -2) / 2.0


def library(q: Any, k: Any, v: Any) -> Any:
    return nn.softmax(scores(q, k), axis=-1) @ v


def by_hand(q: Any, k: Any, v: Any) -> Any:
    s = scores(q, k)
    e = snp.exp(s - snp.max(s, axis=-1, keepdims=True))
    return (e / snp.sum(e, axis=-1, keepdims=True)) @ v


def unshifted(q: Any, k: Any, v: Any) -> Any:
    e = snp.exp(scores(q, k))
    return e / snp.sum(e, axis=-1, keepdims=True) @ v


def times_reciprocal(q: Any, k: Any, v: Any) -> Any:
    e = snp.exp(scores(q, k))
    return e * (1 / snp.sum(e, axis=-1, keepdims=True)) @ v


def divided_last(q: Any, k: Any, v: Any) -> Any:
    s = scores(q, k)
    e = snp.exp(s - snp.max(s, axis=-1, keepdims=True))
    return (e @ v) / snp.sum(e, axis=-1, keepdims=True)


def by_logarithm(q: Any, k: Any, v: Any) -> Any:
    return snp.exp(nn.log_softmax(scores(q, k), axis=-1)) @ v


def turned(q: Any, k: Any, v: Any) -> Any:
    s = k @ snp.swapaxes(q, -1, -2) / 2.0
    return snp.swapaxes(snp.swapaxes(v, -1, -2) @ nn.softmax(s, axis=-2), -1, -2)


def scaled_query(q: Any, k: Any, v: Any) -> Any:
    return nn.softmax((q * 0.5) @ snp.swapaxes(k, -1, -2), axis=-1) @ v


WAYS = [library, by_hand, unshifted, times_reciprocal, divided_last, by_logarithm, turned]


def drawn(types: tuple[str, ...]) -> list[Array]:
    rng = np.random.default_rng(1)
    shapes = [tuple(map(int, text[4:-1].split(","))) for text in types]
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def recomputed(graph: Graph, found: Attention, arrays: list[Array]) -> Array:
    """The attention by its definition, from what was recorded of it; axes (batch, query, width)."""

    def value(node: Node) -> Array:
        read = Graph("read", graph.parameters, (node,), graph.builder)(*arrays)
        return np.asarray(read, np.float64 if node.dtype.is_float else None)

    (q, k, v), (of_q, of_k, of_v) = map(value, found.operands), found.roles
    batches, queries, keys, depth, width = (int(n) for n in found.size)  # type: ignore[call-overload]
    q = q.transpose(*of_q.batch, *of_q.own, *of_q.summed).reshape(batches, queries, depth)
    k = k.transpose(*of_k.batch, *of_k.own, *of_k.summed).reshape(batches, keys, depth)
    v = v.transpose(*of_v.batch, *of_v.summed, *of_v.own).reshape(batches, keys, width)
    s = q @ np.swapaxes(k, 1, 2)
    assert found.steps is not None
    for step in found.steps:
        if step.kind == "scale":
            s = s * step.number
        elif step.kind == "cap":
            s = np.tanh(s)
        else:
            assert step.node is not None
            beside = value(step.node).reshape(s.shape)
            s = s + beside if step.kind == "add" else np.where(beside == step.keep, s, step.number)
            if step.diagonal is not None:
                seen = np.tri(queries, keys, step.diagonal, dtype=bool)
                np.testing.assert_array_equal(beside[0] == step.keep, seen)
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ v


def check(function: Callable[..., Any], *types: str) -> Attention:
    """Found, and its definition from the record has the values of its root."""
    graph, arrays = simplified(function, *types), drawn(types)
    (sighting,) = find_attention(graph)
    found = sighting.attention
    assert found is not None, sighting.reason
    root = np.asarray(Graph("root", graph.parameters, (found.root,), graph.builder)(*arrays))
    wanted = recomputed(graph, found, arrays)
    batches, queries, _, _, width = found.size
    if found.turned:
        root = root.reshape(batches, width, queries).swapaxes(1, 2)  # type: ignore[arg-type]
    np.testing.assert_allclose(root.reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-5)
    return found


@pytest.mark.parametrize("way", WAYS)
def test_a_way_to_write_attention_is_recognised(way: Callable[..., Any]) -> None:
    found = check(way, *HEADS)
    assert found.scale == 0.5
    assert found.size == (6, 5, 7, 4, 6)
    assert not found.read_elsewhere


def test_a_scaled_query_is_an_operand() -> None:
    assert check(scaled_query, *HEADS).operands[0].op.name == "multiply"


def test_heads_may_lie_inside_of_rows() -> None:
    def function(q: Any, k: Any, v: Any) -> Any:
        weights = nn.softmax(snp.einsum("bqhd,bkhd->bhqk", q, k), axis=-1)
        return snp.einsum("bhqk,bkhd->bqhd", weights, v)

    found = check(function, *ROWS)
    assert [roles.batch for roles in found.roles] == [(0, 2)] * 3


def test_query_heads_may_share_keys() -> None:
    def function(q: Any, k: Any, v: Any) -> Any:
        weights = nn.softmax(snp.einsum("bhgqd,bhkd->bhgqk", q, k), axis=-1)
        return snp.einsum("bhgqk,bhke->bhgqe", weights, v)

    found = check(function, "f32[2,3,2,5,4]", *HEADS[1:])
    assert found.size == (6, 10, 7, 4, 6)


def test_one_head_has_no_batches() -> None:
    assert check(library, "f32[5,4]", "f32[7,4]", "f32[7,6]").size == (1, 5, 7, 4, 6)


def test_sizes_may_be_open() -> None:
    found = the_attention(library, "f32[B,3,N,4]", "f32[B,3,M,4]", "f32[B,3,M,6]")
    assert [str(n) for n in found.size] == ["3*B", "N", "M", "4", "6"]


def test_halves_are_recognised_through_their_conversions() -> None:
    found = the_attention(library, *(text.replace("f32", "f16") for text in HEADS))
    assert found.steps is not None and found.scale == 0.5
    assert found.root.dtype == "f16" and found.weights.dtype == "f32"


# what is done to the scores


def seen_up_to(offset: int) -> Callable[..., Any]:
    def function(q: Any, k: Any, v: Any) -> Any:
        s = snp.where(snp.tri(5, 7, offset, dtype=bool), scores(q, k), -np.inf)
        return nn.softmax(s, axis=-1) @ v

    return function


@pytest.mark.parametrize("offset", [0, 2])
def test_a_causal_mask_is_recognised(offset: int) -> None:
    found = check(seen_up_to(offset), *HEADS)
    assert found.diagonal == offset


MASKS: dict[str, Callable[[Any, Any], Any]] = {
    "k <= q": lambda q, k: k <= q,
    "q >= k": lambda q, k: q >= k,
    "q > k - 1": lambda q, k: q > k - 1,
    "not k > q": lambda q, k: snp.logical_not(k > q),
    "k < q + 1": lambda q, k: k < q + 1,
}


@pytest.mark.parametrize("mask", MASKS)
def test_a_causal_mask_may_be_written_in_many_ways(mask: str) -> None:
    def function(q: Any, k: Any, v: Any) -> Any:
        at_query, at_key = snp.arange(5)[:, None], snp.arange(7)[None, :]
        s = snp.where(MASKS[mask](at_query, at_key), scores(q, k), -1e9)
        return nn.softmax(s, axis=-1) @ v

    assert check(function, *HEADS).diagonal == 0


def test_a_mask_may_say_what_is_hidden() -> None:
    def function(q: Any, k: Any, v: Any) -> Any:
        hidden = snp.arange(5)[:, None] < snp.arange(7)[None, :]
        return nn.softmax(snp.where(hidden, -1e9, scores(q, k)), axis=-1) @ v

    found = check(function, *HEADS)
    assert found.diagonal == 0


def test_an_array_from_outside_is_an_ordinary_mask() -> None:
    """It is an input of the program, and its values are not known before each call."""
    mask = np.tri(5, 7, dtype=bool)

    def function(q: Any, k: Any, v: Any) -> Any:
        return nn.softmax(snp.where(mask, scores(q, k), -1e9), axis=-1) @ v

    found = the_attention(function, *HEADS)
    assert found.steps is not None and found.steps[-1].kind == "mask"
    assert found.diagonal is None


@pytest.mark.parametrize(
    "mask",
    [
        lambda q, k: k >= q,
        lambda q, k: q >= 2 * k,
        lambda q, k: q != k,
        lambda q, k: snp.logical_and(k <= q, k > q - 3),
    ],
)
def test_masks_that_compare_otherwise_are_not_causal(mask: Callable[[Any, Any], Any]) -> None:
    def function(q: Any, k: Any, v: Any) -> Any:
        at_query, at_key = snp.arange(5)[:, None], snp.arange(7)[None, :]
        return nn.softmax(snp.where(mask(at_query, at_key), scores(q, k), -1e9), axis=-1) @ v

    assert check(function, *HEADS).diagonal is None


def test_a_causal_mask_of_open_sizes_is_recognised() -> None:
    def function(q: Any, k: Any, v: Any) -> Any:
        seen = snp.arange(q.shape[2])[:, None] >= snp.arange(k.shape[2])
        return nn.softmax(snp.where(seen, scores(q, k), -1e9), axis=-1) @ v

    assert the_attention(function, "f32[2,3,N,4]", "f32[2,3,M,4]", "f32[2,3,M,6]").diagonal == 0


def test_other_masks_and_terms_are_recorded() -> None:
    def function(q: Any, k: Any, v: Any, mask: Any, bias: Any) -> Any:
        s = 3 * snp.tanh(scores(q, k) / 3) + bias
        return nn.softmax(snp.where(mask[:, None, None] > 0, s, -1e9), axis=-1) @ v

    found = check(function, *HEADS, "f32[2,7]", "f32[3,5,7]")
    assert found.steps is not None
    assert [step.kind for step in found.steps][-5:] == ["scale", "cap", "scale", "add", "mask"]
    assert found.diagonal is None


def test_a_map_of_another_kind_is_kept_as_it_is() -> None:
    def function(q: Any, k: Any, v: Any) -> Any:
        return nn.softmax(snp.maximum(scores(q, k), -1.0), axis=-1) @ v

    found = the_attention(function, *HEADS)
    assert found.steps is None
    assert [node.op.name for node in found.between] == ["multiply", "maximum"]


# what others read


def test_the_derivative_reads_what_must_be_kept() -> None:
    def loss(q: Any, k: Any, v: Any) -> Any:
        return snp.sum(library(q, k, v) ** 2)

    found = sightings(value_and_grad(loss, argnums=(0, 1, 2)), *HEADS)
    (attention,) = (one.attention for one in found if one.attention is not None)
    names = [node.op.name for node in attention.read_elsewhere]
    assert {"exp", "reduce_sum", "divide"} <= set(names)
    assert attention.root not in attention.read_elsewhere
    assert attention.scores in attention.nodes


def test_weights_that_are_returned_are_read_elsewhere() -> None:
    def function(q: Any, k: Any, v: Any) -> Any:
        weights = nn.softmax(scores(q, k), axis=-1)
        return weights @ v, weights

    (one,) = sightings(function, *HEADS)
    assert one.attention is not None
    assert [node.op.name for node in one.attention.read_elsewhere] == ["divide"]


def test_the_attention_of_a_transformer_is_found_in_its_step() -> None:
    graph, _ = run_pipeline(trace(transformer.step, *transformer.arguments(2)).ir)
    found = [one.attention for one in find_attention(graph) if one.attention is not None]
    assert len(found) == 1
    assert [step.kind for step in found[0].steps or ()] == ["scale", "mask"]


# what is none


def softmax_of_other_axis(q: Any, k: Any, v: Any) -> Any:
    return nn.softmax(scores(q, k), axis=-2) @ v


def softmax_of_all(q: Any, k: Any, v: Any) -> Any:
    return nn.softmax(scores(q, k), axis=None) @ v


def of_two_products(q: Any, k: Any, v: Any) -> Any:
    return nn.softmax(scores(q, k) + scores(q * q, k), axis=-1) @ v


def of_no_product(q: Any, k: Any, v: Any) -> Any:
    return nn.softmax(q[..., :1] * k[..., :5, 0][..., None, :], axis=-1) @ v[..., :5, :]


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (softmax_of_other_axis, "the softmax does not run over what is summed with v"),
        (softmax_of_all, "the softmax does not run over what is summed with v"),
        (of_two_products, "computed from more than one product"),
        (of_no_product, "not computed from a product by maps"),
    ],
)
def test_what_only_looks_like_attention_has_a_reason(
    function: Callable[..., Any], reason: str
) -> None:
    (sighting,) = sightings(function, *HEADS)
    assert sighting.attention is None
    assert reason in str(sighting)


def test_products_without_a_softmax_are_passed_over() -> None:
    assert not sightings(lambda q, k, v: nn.relu(scores(q, k)) @ v, *HEADS)
    assert not sightings(lambda q, k, v: q @ snp.swapaxes(k, -1, -2) @ v, *HEADS)


def test_shared_keys_and_values_of_other_batches_are_refused() -> None:
    def function(q: Any, k: Any, v: Any) -> Any:
        return snp.einsum("bhqk,bke->bhqe", nn.softmax(scores(q, k), axis=-1), v)

    (sighting,) = sightings(function, *HEADS[:2], "f32[2,7,6]")
    assert sighting.reason == "the two products do not have the same batches"


def test_a_softmax_over_some_of_the_keys_is_refused() -> None:
    def function(q: Any, k: Any, v: Any) -> Any:
        weights = nn.softmax(snp.einsum("bqd,bijd->bqij", q, k), axis=-1)
        return snp.einsum("bqij,bje->bqie", weights, v)

    (sighting,) = sightings(function, "f32[3,5,4]", "f32[3,2,7,4]", "f32[3,7,6]")
    assert sighting.reason == "the softmax does not run over all keys, and the keys alone"


def test_a_sum_of_other_rows_is_not_the_divisor() -> None:
    def function(q: Any, k: Any, v: Any) -> Any:
        s = scores(q, k)
        e = snp.exp(s - snp.max(s, axis=-1, keepdims=True))
        return (e @ v) / snp.sum(e, axis=-1)[..., None, :]

    (sighting,) = sightings(function, "f32[3,6,4]", "f32[3,7,4]", "f32[3,7,6]")
    assert "not by the sums of its rows" in sighting.reason
