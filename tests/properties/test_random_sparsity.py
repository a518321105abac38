"""Random programs: what is said to be zero is zero, and what is said to be known is so."""

from __future__ import annotations

import random
from math import prod

import numpy as np
import pytest
from handmade import results
from hypothesis import given, settings
from hypothesis import strategies as st
from properties.test_random_loops import block
from strategies import SMOOTH, arrays_for, graphs

import symfuse as sf
import symfuse.numpy as snp
from symfuse.compiler.autodiff.jacobian import jacfwd_graph
from symfuse.compiler.ir import graph as ir
from symfuse.compiler.ir.interpret import run
from symfuse.compiler.sparsity import regions
from symfuse.compiler.sparsity.detect import jacobian_pattern, propagate
from symfuse.compiler.sparsity.elements import Elements
from symfuse.runtime.dtypes import DType
from symfuse.tracing.graph import Graph

pytest.importorskip("scipy")

SEEDS = st.integers(0, 2**32 - 1)
smooth_graphs = graphs(only=SMOOTH, dtypes=(DType.F64,), most_nodes=8)


def dense(graph, blocks):
    """The blocks of a Jacobian as one matrix."""
    inputs = [prod(p.shape) for p in graph.parameters]
    found = iter(blocks)
    rows = [
        np.hstack([next(found).reshape(prod(output.shape), size) for size in inputs])
        for output in graph.outputs
    ]
    return np.vstack(rows)


@given(smooth_graphs, SEEDS)
def test_patterns_cover_derivatives(graph, seed):
    graph = graph.with_outputs([o for o in graph.outputs if o.dtype.is_float] or graph.parameters)
    pattern = jacobian_pattern(graph, graph.parameters)
    for draw in range(3):
        blocks = results(jacfwd_graph(graph, graph.parameters), *arrays_for(graph, seed + draw))
        assert not ((dense(graph, blocks) != 0) & ~pattern.toarray()).any()


@settings(max_examples=40)
@given(smooth_graphs, SEEDS)
def test_sparse_derivatives_are_the_dense_ones(graph, seed):
    graph = graph.with_outputs([o for o in graph.outputs if o.dtype.is_float] or graph.parameters)
    arrays = arrays_for(graph, seed)
    wanted = dense(graph, results(jacfwd_graph(graph, graph.parameters), *arrays))
    argnums = tuple(range(len(arrays)))
    for derivative in (sf.sparse.jacfwd, sf.sparse.jacrev):
        rows = derivative(Graph.wrap(graph), argnums)(*arrays)
        rows = [rows] if len(graph.outputs) == 1 else rows
        found = np.vstack([np.hstack([block.toarray() for block in row]) for row in rows])
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


@settings(max_examples=40)
@given(smooth_graphs, SEEDS)
def test_sparse_hessians_are_the_dense_ones(graph, seed):
    graph = graph.with_outputs([o for o in graph.outputs if o.dtype.is_float] or graph.parameters)
    wrapped, arrays = Graph.wrap(graph), arrays_for(graph, seed)

    def total(*xs):
        found = wrapped(*xs)
        found = found if isinstance(found, tuple) else (found,)
        return sum(snp.sum(snp.sin(one)) for one in found)

    argnums = tuple(range(len(arrays)))
    found, wanted = (h(total, argnums)(*arrays) for h in (sf.sparse.hessian, sf.hessian))
    for row, blocks in zip(found, wanted, strict=True):
        for one, other in zip(row, blocks, strict=True):
            scale = 1 + np.max(np.abs(other), initial=0)
            np.testing.assert_allclose(
                one.toarray(), np.reshape(other, one.shape), rtol=1e-7, atol=1e-9 * scale
            )


@given(graphs(), SEEDS)
def test_numbers_that_are_known_are_right(graph, seed):
    arrays, others = arrays_for(graph, seed), arrays_for(graph, ~seed % 2**32)
    rng = np.random.default_rng(seed)
    masks = [rng.random(x.shape) < 0.6 for x in arrays]
    given_elements = [
        Elements(p.dtype, np.where(mask, x, x.dtype.type(0)).ravel(), mask.ravel())
        for p, x, mask in zip(graph.parameters, arrays, masks, strict=True)
    ]
    found = propagate(graph, given_elements)
    mixed = [np.where(m, x, y) for m, x, y in zip(masks, arrays, others, strict=True)]
    for values in (arrays, mixed):
        wanted = run(graph, dict(zip(graph.parameters, values, strict=True)), {})
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(
                one.value[one.known], other.ravel()[one.known], rtol=1e-6, atol=1e-6
            )


@pytest.mark.parametrize(
    ("operation", "factor", "wanted"),
    [("divide", 0.0, np.nan), ("multiply", np.inf, np.nan), ("divide", 2.0, 0.0)],
)
def test_products_with_zeros_that_are_known_are_computed(operation, factor, wanted):
    text = "graph f(%x: f64[1], %y: f64[1]) {{ %z = {}(%x, %y) return %z }}"
    zero, other = (Elements.of([x], DType.F64) for x in (0.0, factor))
    graph = ir.Graph.parse(text.format(operation))
    (found,) = propagate(graph, [zero, other])
    np.testing.assert_array_equal(found.value, [wanted])
    assert found.is_known
    (found,) = propagate(graph, [zero, Elements.unknown(DType.F64, 1)])
    assert found.is_known and not found.value.any()


@pytest.mark.parametrize("turns", [0, regions.MOST_TURNS])
@pytest.mark.parametrize("seed", range(8))
def test_patterns_of_loops_and_branches_cover_derivatives(seed, turns, monkeypatch):
    monkeypatch.setattr(regions, "MOST_TURNS", turns)
    run = block(random.Random(seed), ["a", "b"], 1 + seed % 2)

    def program(x):
        return snp.concatenate(run({"a": x[:3], "b": x[3:]}))

    pattern = sf.sparse.jacobian_sparsity(program, "f64[6]").toarray()
    rng = np.random.default_rng(seed)
    for _ in range(3):
        x = rng.normal(size=6)
        assert not ((sf.jacfwd(program)(x) != 0) & ~pattern).any()
    np.testing.assert_allclose(
        sf.sparse.jacobian(program)(x).toarray(), sf.jacfwd(program)(x), rtol=1e-9, atol=1e-9
    )
