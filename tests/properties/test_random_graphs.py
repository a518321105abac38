"""Random graphs: what holds for every graph holds for these."""

from __future__ import annotations

import numpy as np
from handmade import results
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import MAKERS, SMOOTH, arrays_for, graphs

from symfuse.compiler.autodiff.forward import jvp_graph
from symfuse.compiler.autodiff.jacobian import jacfwd_graph, jacrev_graph
from symfuse.compiler.autodiff.reverse import vjp_graph
from symfuse.compiler.ir.export import stats, to_dot, to_mermaid
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.op import operations
from symfuse.compiler.ir.verify import verify
from symfuse.compiler.ir.walk import rebuild, topological
from symfuse.runtime.dtypes import DType

SEEDS = st.integers(0, 2**32 - 1)
DRAWN_ELSEWHERE = {  # by test_random_complex.py; `after` is an effect
    "complex", "real", "imag", "conjugate", "as_real", "as_complex", "interleave", "fft",
    "rfft", "irfft", "after",
}  # fmt: skip
REFUSED = Graph.parse("graph f(%a: f64[2], %x: f64[2]) { %y = zeta(%a, %x) return %y }")
smooth_graphs = graphs(only=SMOOTH, dtypes=(DType.F64,), most_nodes=6)


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def differentiable(graph):
    """The float parameters that no operand depends on which is refused a tangent."""
    refused = topological(n.inputs[k] for n in graph.nodes for k in n.op.constant_in)
    return [p for p in graph.parameters if p.dtype.is_float and p not in refused]


def test_every_operation_can_be_drawn():
    # Decompositions of matrices drawn by lot are as badly conditioned as these happen to be.
    made_by_builders = {"parameter", "constant"} | {
        n for n, op in operations.items() if op.regional or op.library
    }
    missing = [
        name
        for name, op in operations.items()
        if op.body is None and name not in {*MAKERS, *made_by_builders, *DRAWN_ELSEWHERE}
    ]
    assert not missing, "give them an entry in MAKERS"


@given(graphs(symbolic=True))
def test_every_graph_is_well_formed(graph):
    verify(graph)


@given(graphs(), SEEDS)
def test_types_are_those_of_the_values(graph, seed):
    for output, value in zip(graph.outputs, results(graph, *arrays_for(graph, seed)), strict=True):
        assert value.shape == output.shape
        assert value.dtype == output.dtype.numpy


@given(graphs(symbolic=True), SEEDS)
def test_a_graph_read_back_computes_the_same(graph, seed):
    arrays = arrays_for(graph, seed)
    assert_same(results(Graph.parse(str(graph)), *arrays), results(graph, *arrays))


@given(graphs())
def test_building_a_graph_again_makes_nothing_new(graph):
    new = rebuild(graph.nodes, graph.builder, {})
    assert all(new[node] is node for node in graph.nodes)


@example(REFUSED)
@given(graphs())
def test_every_graph_has_derivatives_of_the_right_types(graph):
    floats = differentiable(graph)
    verify(jvp_graph(graph, floats))
    reverse = verify(vjp_graph(graph, floats))
    found = reverse.outputs[len(graph.outputs) :]
    assert [node.type for node in found] == [p.type for p in floats]


@given(smooth_graphs, SEEDS)
def test_the_two_modes_are_adjoint_and_equal_to_differences(graph, seed):
    arrays, rng = arrays_for(graph, seed), np.random.default_rng(seed)
    tangents = [rng.normal(size=a.shape) for a in arrays]
    floats = [o for o in graph.outputs if o.dtype.is_float]
    graph = graph.with_outputs(floats or graph.parameters)
    cotangents = [rng.normal(size=o.shape) for o in graph.outputs]
    count = len(graph.outputs)
    changes = results(jvp_graph(graph, graph.parameters), *arrays, *tangents)[count:]
    slopes = results(vjp_graph(graph, graph.parameters), *arrays, *cotangents)[count:]
    forward = sum(np.vdot(c, t) for c, t in zip(cotangents, changes, strict=True))
    reverse = sum(np.vdot(c, t) for c, t in zip(slopes, tangents, strict=True))
    scale = 1 + abs(forward)
    assert abs(forward - reverse) <= 1e-8 * scale

    def at(step):
        moved = [a + step * t for a, t in zip(arrays, tangents, strict=True)]
        found = results(graph, *moved)
        return sum(np.vdot(c, y) for c, y in zip(cotangents, found, strict=True))

    step = 1e-6
    size = max((float(np.max(np.abs(c), initial=0)) for c in (*changes, *slopes)), default=0.0)
    assert abs((at(step) - at(-step)) / (2 * step) - forward) <= 1e-4 * (scale + size**2)


@given(graphs(only=SMOOTH, dtypes=(DType.F64,), most_nodes=4), SEEDS)
def test_the_two_jacobians_are_equal(graph, seed):
    arrays = arrays_for(graph, seed)
    graph = graph.with_outputs([o for o in graph.outputs if o.dtype.is_float])
    forward = results(verify(jacfwd_graph(graph, graph.parameters)), *arrays)
    reverse = results(verify(jacrev_graph(graph, graph.parameters)), *arrays)
    for one, other in zip(forward, reverse, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


@given(graphs(symbolic=True))
def test_every_graph_can_be_drawn_and_counted(graph):
    assert to_dot(graph).endswith("}\n")
    assert to_mermaid(graph).startswith("flowchart TD\n")
    assert stats(graph).nodes <= len(graph.nodes)
