"""A batched graph gives what a loop over its members gives."""

from __future__ import annotations

import numpy as np
import pytest
from handmade import make_graph, results
from hypothesis import given
from hypothesis import strategies as st
from strategies import arrays_for, graphs

import symfuse.compiler.ops  # noqa: F401
from symfuse.compiler.autodiff.batch import batch_graph
from symfuse.compiler.autodiff.reverse import grad_graph
from symfuse.compiler.ir.dims import parse_dim
from symfuse.compiler.ir.op import operations
from symfuse.compiler.ir.verify import verify
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError

op = operations
SIZE = 3
EXACT = (DType.F64, DType.I32, DType.I64, DType.U8, DType.BOOL)


def matmul(x, y):
    return op["contract"](x, y, batch=((), ()), contracting=((x.rank - 1,), (0,)))


def member(stacked, in_axes, at):
    pairs = zip(stacked, in_axes, strict=True)
    return [array if axis is None else np.take(array, at, axis) for array, axis in pairs]


def looped(graph, stacked, in_axes, out_axis=0):
    """Each output for each member of the batch, stacked."""
    members = [results(graph, *member(stacked, in_axes, at)) for at in range(SIZE)]
    return [np.stack(outputs, out_axis) for outputs in zip(*members, strict=True)]


def assert_batched(graph, stacked, in_axes, out_axis=0):
    found = results(verify(batch_graph(graph, in_axes, out_axis, SIZE)), *stacked)
    for one, many in zip(found, looped(graph, stacked, in_axes, out_axis), strict=True):
        assert one.dtype == many.dtype
        close = 1e-3 if one.dtype == np.float32 else 1e-9
        scale = np.max(np.abs(many), initial=1.0, where=np.isfinite(many))
        np.testing.assert_allclose(one, many, rtol=close, atol=close * scale)


@given(graphs(dtypes=EXACT), st.data())
def test_any_graph_batched_is_the_graph_looped(graph, data):
    seed = data.draw(st.integers(0, 2**32 - 1))
    members = [arrays_for(graph, seed + at) for at in range(SIZE)]
    in_axes = [data.draw(st.sampled_from([None, 0, p.rank])) for p in graph.parameters]
    stacked = [
        column[0] if axis is None else np.stack(column, axis)
        for column, axis in zip(zip(*members, strict=True), in_axes, strict=True)
    ]
    with np.errstate(all="ignore"):
        assert_batched(graph, stacked, in_axes)


@pytest.mark.parametrize("out_axis", [0, 1, 2, -1])
@pytest.mark.parametrize("in_axes", [(0, None), (None, 0), (1, 2), (-1, -3)])
def test_axes_may_be_anywhere(rng, in_axes, out_axis):
    graph = make_graph(lambda x, w: op["tanh"](matmul(x, w)), "f64[2,4]", "f64[4,5]")
    stacked = []
    for shape, axis in zip(((2, 4), (4, 5)), in_axes, strict=True):
        array = rng.normal(size=shape if axis is None else (SIZE, *shape))
        stacked.append(array if axis is None else np.moveaxis(array, 0, axis))
    assert_batched(graph, stacked, in_axes, out_axis)


def test_gradients_of_every_member(rng):
    graph = make_graph(
        lambda x, w: op["reduce_sum"](op["tanh"](matmul(x, w)), axes=(0,)), "f64[4]", "f64[4,5]"
    )
    each = grad_graph(graph, graph.parameters)
    assert_batched(each, [rng.normal(size=(SIZE, 4)), rng.normal(size=(4, 5))], (0, None))


def test_batches_nest(rng):
    graph = make_graph(lambda x, y: op["exp"](x) * y, "f64[]", "f64[]")
    outer = batch_graph(batch_graph(graph, (0, None), 0, 2), (None, 0), 0, 3)
    x, y = rng.normal(size=2), rng.normal(size=3)
    np.testing.assert_allclose(verify(outer)(x, y), np.exp(x)[None, :] * y[:, None])


def test_what_all_members_share_is_computed_once():
    graph = make_graph(lambda x, w: x * op["exp"](w), "f64[4]", "f64[4]")
    batched = batch_graph(graph, (0, None), 0, SIZE)
    shared = next(n for n in graph.nodes if n.op.name == "exp")
    assert shared in batched.nodes
    assert batched.parameters[1] is graph.parameters[1]


def test_an_output_that_is_the_same_for_all_members(rng):
    graph = make_graph(lambda x, w: (x, op["exp"](w)), "f64[4]", "f64[4]")
    x, w = rng.normal(size=(SIZE, 4)), rng.normal(size=4)
    _, one = batch_graph(graph, (0, None), (0, None), SIZE)(x, w)
    np.testing.assert_array_equal(one, np.exp(w))
    _, copies = batch_graph(graph, (0, None), (0, 1), SIZE)(x, w)
    np.testing.assert_array_equal(copies, np.stack([np.exp(w)] * SIZE, 1))


def test_the_size_of_the_batch_may_be_symbolic(rng):
    graph = make_graph(lambda x, w: op["tanh"](matmul(x, w)) + 1.0, "f64[4]", "f64[4,5]")
    batched = verify(batch_graph(graph, (0, None), 0, parse_dim("B", {})))
    assert str(batched.outputs[0].type) == "f64[B,5]"
    x, w = rng.normal(size=(7, 4)), rng.normal(size=(4, 5))
    np.testing.assert_allclose(batched(x, w), np.tanh(x @ w) + 1)


def test_donated_and_captured_parameters_are_carried_over():
    graph = make_graph(lambda x, w: x * w, "f64[4]", "f64[4]")
    x, w = graph.parameters
    marked = type(graph)("f", (x, w), graph.outputs, graph.builder, {w: np.ones(4)}, frozenset({x}))
    batched = verify(batch_graph(marked, (0, None), 0, SIZE))
    assert batched.donated == {batched.parameters[0]}
    np.testing.assert_array_equal(batched(np.ones((SIZE, 4))), np.ones((SIZE, 4)))


def test_wrong_axes_are_explained():
    graph = make_graph(lambda x: op["tanh"](x), "f64[4]")
    with pytest.raises(ShapeError, match="in_axes is 2"):
        batch_graph(graph, (2,), 0, SIZE)
    with pytest.raises(ShapeError, match="out_axes is -3"):
        batch_graph(graph, (0,), -3, SIZE)
    with pytest.raises(ShapeError, match="differs between members"):
        batch_graph(graph, (0,), None, SIZE)
