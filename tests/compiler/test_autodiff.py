"""Both modes of differentiation against differences, against each other, and against waste."""

from __future__ import annotations

import sys
from copy import copy

import numpy as np
import pytest
from handmade import differences, make_graph, results
from msgspec.structs import force_setattr, replace

import symfuse.compiler.ops  # noqa: F401
from symfuse.compiler.autodiff.forward import jvp_graph
from symfuse.compiler.autodiff.jacobian import hessian_graph, jacfwd_graph, jacrev_graph
from symfuse.compiler.autodiff.linearise import linearise, push
from symfuse.compiler.autodiff.reverse import (
    grad_graph,
    gradients,
    value_and_grad_graph,
    vjp_graph,
)
from symfuse.compiler.autodiff.transpose import pull
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.op import operations
from symfuse.compiler.ir.verify import verify
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, ShapeError, UnsupportedError

op = operations


def matmul(x, y):
    return op["contract"](x, y, batch=((), ()), contracting=((x.rank - 1,), (0,)))


def rows(x, like):
    """x, one number a row, beside every element of the row."""
    return op["broadcast"](x, shape=like.shape, axes=(0,))


def total(x):
    return op["reduce_sum"](x, axes=tuple(range(x.rank)))


def logsumexp(x):
    highest = op["reduce_max"](x, axes=(1,))
    return op["log"](op["reduce_sum"](op["exp"](x - rows(highest, x)), axes=(1,))) + highest


def mlp_loss(x, w1, b1, w2, labels):
    hidden = op["tanh"](matmul(x, w1) + b1)
    logits = matmul(hidden, w2)
    return total(logsumexp(logits)) - total(logits * labels)


def powers(x, y):
    return total(op["power"](op["exp"](x), y) / (1.0 + op["square"](x)))


def moved(x, y):
    wide = op["pad"](x, low=(1, 0), high=(0, 2), interior=(1, 0), value=0.0)
    part = op["slice"](wide, starts=(1, 0), stops=(6, 4), steps=(2, 1))
    turned = op["transpose"](op["reverse"](part, axes=(1,)), axes=(1, 0))
    both = op["concatenate"](turned, op["transpose"](y, axes=(1, 0)), axis=1)
    return total(op["sin"](op["reshape"](both, shape=(both.shape[0] * both.shape[1],))))


def gathered(x, y):
    index = np.array([2, 0, 2], np.int64)
    taken = op["take"](x, index, axis=0)
    added = op["scatter_add"](y, index, taken * taken, axis=0)
    return total(op["cumsum"](added, axis=1, reverse=True) * added)


def chain(x, y, z):
    return total(op["square"](matmul(matmul(x, y), z)))


def products(x):
    return total(op["reduce_prod"](x, axes=(0,)) * op["reduce_max"](x, axes=(0,)))


def branches(x, y):
    chosen = op["select"](op["greater"](x, y), op["square"](x), op["sin"](y))
    return total(chosen * op["maximum"](x, y) + op["abs"](x) * op["minimum"](x, y))


CASES = {
    "mlp_loss": (mlp_loss, (4, 3), (3, 5), (4, 5), (5, 2), (4, 2)),
    "logsumexp": (lambda x: total(logsumexp(x)), (3, 4)),
    "matmul chain": (chain, (2, 3), (3, 4), (4, 2)),
    "powers": (powers, (3, 2), (3, 2)),
    "movement": (moved, (3, 4), (3, 4)),
    "indexing": (gathered, (3, 2), (3, 2)),
    "branches": (branches, (3, 3), (3, 3)),
    "products": (products, (3, 4)),
}


def case(name, rng):
    function, *shapes = CASES[name]
    graph = make_graph(function, *(f"f64[{','.join(map(str, s))}]" for s in shapes))
    return graph, [rng.normal(size=s) for s in shapes]


@pytest.mark.parametrize("name", CASES)
def test_gradients_equal_differences(name, rng):
    graph, arrays = case(name, rng)
    value, *found = results(verify(value_and_grad_graph(graph, graph.parameters)), *arrays)
    np.testing.assert_array_equal(value, graph(*arrays))
    for at, gradient in enumerate(found):
        np.testing.assert_allclose(gradient, differences(graph, arrays, at), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_forward_and_reverse_mode_are_adjoint(name, rng):
    graph, arrays = case(name, rng)
    tangents = [rng.normal(size=a.shape) for a in arrays]
    _, change = results(verify(jvp_graph(graph, graph.parameters)), *arrays, *tangents)
    _, *found = results(verify(vjp_graph(graph, graph.parameters)), *arrays, 1.0)
    pairs = zip(found, tangents, strict=True)
    np.testing.assert_allclose(sum(np.sum(g * t) for g, t in pairs), change, rtol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_can_be_differentiated_again_in_both_modes(name, rng):
    graph, arrays = case(name, rng)
    first = grad_graph(graph, graph.parameters[:1])
    tangent = rng.normal(size=arrays[0].shape)
    _, forward = results(jvp_graph(first, graph.parameters[:1]), *arrays, tangent)
    _, reverse = results(vjp_graph(first, graph.parameters[:1]), *arrays, tangent)
    np.testing.assert_allclose(forward, reverse, rtol=1e-8, atol=1e-10)
    slope = np.tensordot(differences(first, arrays, 0), tangent, tangent.ndim)
    np.testing.assert_allclose(forward, slope, rtol=1e-5, atol=1e-5)


def vector_valued(x, w):
    return op["tanh"](matmul(x, w)), op["reduce_sum"](op["square"](w), axes=(0,))


def test_both_jacobians_are_equal_and_right(rng):
    graph = make_graph(vector_valued, "f64[2,3]", "f64[3,2]")
    arrays = [rng.normal(size=(2, 3)), rng.normal(size=(3, 2))]
    forward = results(verify(jacfwd_graph(graph, graph.parameters)), *arrays)
    reverse = results(verify(jacrev_graph(graph, graph.parameters)), *arrays)
    expected = [
        differences(lambda *a, out=out: results(graph, *a)[out], arrays, at)
        for out in range(2)
        for at in range(2)
    ]
    for one, other, slope in zip(forward, reverse, expected, strict=True):
        assert one.shape == other.shape == slope.shape
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(one, slope, rtol=1e-6, atol=1e-6)


def test_jacobians_of_scalars_are_plain_derivatives(rng):
    graph = make_graph(lambda x: 4.0 * x * x * x + x * x + 3.0, "f64[]")
    for jacobian in (jacfwd_graph, jacrev_graph):
        np.testing.assert_allclose(jacobian(graph, graph.parameters)(2.0), 52.0)


def test_the_hessian_is_symmetric_and_right(rng):
    graph = make_graph(lambda x: total(logsumexp(x)), "f64[2,3]")
    x = rng.normal(size=(2, 3))
    found = verify(hessian_graph(graph, graph.parameters))(x).reshape(6, 6)
    np.testing.assert_allclose(found, found.T, atol=1e-12)
    slope = differences(grad_graph(graph, graph.parameters), [x], 0).reshape(6, 6)
    np.testing.assert_allclose(found, slope, atol=1e-6)


def test_symbolic_sizes_differentiate(rng):
    graph = make_graph(mlp_loss, "f64[N,3]", "f64[3,5]", "f64[N,5]", "f64[5,2]", "f64[N,2]")
    whole = verify(grad_graph(graph, graph.parameters))
    arrays = [rng.normal(size=s) for s in ((4, 3), (3, 5), (4, 5), (5, 2), (4, 2))]
    for at, found in enumerate(whole(*arrays)):
        np.testing.assert_allclose(found, differences(graph, arrays, at), rtol=1e-6, atol=1e-6)


def test_the_jacobian_of_a_symbolic_size():
    graph = make_graph(lambda x: op["square"](x), "f64[N]")
    for jacobian in (jacfwd_graph, jacrev_graph):
        found = verify(jacobian(graph, graph.parameters))(np.arange(3.0))
        np.testing.assert_array_equal(found, np.diag([0.0, 2.0, 4.0]))


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_ties_share_the_gradient(name):
    graph = make_graph(lambda x, y: op[name](x, y), "f64[]", "f64[]")
    assert results(grad_graph(graph, graph.parameters), 1.0, 1.0) == (0.5, 0.5)


def test_the_largest_elements_share_the_gradient():
    graph = make_graph(lambda x: op["reduce_max"](x, axes=(0,)), "f64[4]")
    found = grad_graph(graph, graph.parameters)(np.array([1.0, 3.0, 3.0, 2.0]))
    np.testing.assert_array_equal(found, [0.0, 0.5, 0.5, 0.0])


def test_the_slope_of_abs_at_zero_is_zero():
    graph = make_graph(lambda x: op["abs"](x), "f64[]")
    assert grad_graph(graph, graph.parameters)(0.0) == 0.0


def test_what_is_not_reached_has_gradient_zero():
    def f(x, y):
        steps = op["floor"](y) + op["convert"](op["argmax"](y, axis=0), dtype=DType.F64)
        return total(op["stop_gradient"](y) + steps + x)

    graph = make_graph(f, "f64[3]", "f64[3]")
    x, y = results(grad_graph(graph, graph.parameters), np.ones(3), np.ones(3))
    np.testing.assert_array_equal(x, np.ones(3))
    np.testing.assert_array_equal(y, np.zeros(3))


def test_forward_and_backward_share_their_nodes():
    graph = make_graph(lambda x: total(op["tanh"](x)), "f64[3]")
    whole = value_and_grad_graph(graph, graph.parameters)
    assert whole.stats()["tanh"] == 1
    assert whole.parameters == graph.parameters
    assert {p for p in whole.nodes if p.is_parameter} == set(graph.parameters)


def test_dead_paths_cost_nothing():
    def f(x, w):
        frozen = op["exp"](op["sin"](matmul(x, x)))  # depends on no weight
        return total(matmul(frozen, w))

    graph = make_graph(f, "f64[3,3]", "f64[3,3]")
    only_w = value_and_grad_graph(graph, graph.parameters[1:])
    assert only_w.stats()["contract"] == 3  # two forward, one for the gradient of w
    assert "cos" not in only_w.stats()
    assert "cos" in value_and_grad_graph(graph, graph.parameters).stats()


def test_a_second_output_that_is_not_asked_for_is_not_differentiated():
    graph = make_graph(lambda x: (total(x * x), op["sin"](x)), "f64[3]")
    whole = grad_graph(graph, graph.parameters)
    assert "sin" not in whole.stats() and "cos" not in whole.stats()


def test_the_gradient_of_a_linear_layer_needs_no_forward_pass():
    graph = make_graph(lambda x, w: total(matmul(x, w)), "f64[2,3]", "f64[3,4]")
    assert grad_graph(graph, graph.parameters[1:]).stats()["contract"] == 1


def test_thousands_of_nodes_do_not_recurse():
    def deep(x):
        for _ in range(2500):
            x = op["sin"](x * 1.001)
        return x

    graph = make_graph(deep, "f64[]")
    assert len(graph.nodes) > 5000
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(220)
    try:
        whole = value_and_grad_graph(graph, graph.parameters)
        jvp_graph(whole, graph.parameters)
    finally:
        sys.setrecursionlimit(limit)
    assert np.isfinite(results(whole, 0.5)[1])


def test_the_user_line_survives_differentiation():
    graph = make_graph(lambda x: total(op["tanh"](x)), "f64[3]")
    whole = grad_graph(graph, graph.parameters)
    made = [n for n in whole.nodes if not n.is_parameter and not n.is_constant]
    assert {n.source.loc.filename.rpartition("/")[2] for n in made if n.source.loc} == {
        "test_autodiff.py"
    }
    assert all(n.source.loc for n in made)


def test_derivatives_are_named_after_what_they_are_derivatives_of():
    def f(x):
        hidden = op["tanh"](x)
        return total(op["sin"](hidden))

    graph = make_graph(f, "f64[3]")
    lines = str(grad_graph(graph, graph.parameters)).split("\n")
    assert any(line.startswith("  %d_hidden: f64[3] = ") for line in lines)
    assert any(line.startswith("  %d_x: f64[3] = ") for line in lines)


def test_the_same_parameter_twice_has_its_gradient_twice():
    graph = make_graph(lambda x: op["square"](x), "f64[]")
    assert results(grad_graph(graph, graph.parameters * 2), 3.0) == (6.0, 6.0)


def test_attributes_left_out_are_the_same_computation():
    def f(x):
        return op["cumsum"](x, axis=0) + op["cumsum"](x, reverse=False, axis=0)

    graph = make_graph(f, "f64[3]")
    assert graph.stats()["cumsum"] == 1


def test_intermediate_values_can_be_differentiated_with_respect_to():
    graph = make_graph(lambda x: total(op["sin"](op["square"](x))), "f64[3]")
    inner = next(n for n in graph.nodes if n.op.name == "square")
    x = np.arange(3.0)
    np.testing.assert_allclose(grad_graph(graph, [inner])(x), np.cos(x * x))


def test_cotangents_of_several_outputs_add_up():
    graph = make_graph(lambda x: (op["sin"](x), op["square"](x)), "f64[]")
    x, one = graph.parameters[0], graph.builder.constant(1.0)
    (both,) = gradients(graph, [x], (one, one))
    (only,) = gradients(graph, [x], (None, one))
    np.testing.assert_allclose(graph.with_outputs([both])(0.3), np.cos(0.3) + 0.6)
    np.testing.assert_allclose(graph.with_outputs([only])(0.3), 0.6)


def test_a_linear_function_is_its_own_derivative():
    graph = make_graph(lambda x: 3.0 * x, "f64[2]")
    linear = linearise(graph, graph.parameters)
    (x,) = graph.parameters
    assert push(graph.nodes, {x: x}, graph.builder)[graph.outputs[0]] is graph.outputs[0]
    assert linear.outputs[0] is not None


def test_an_integer_cannot_be_differentiated_with_respect_to():
    graph = make_graph(lambda n: op["convert"](n, dtype=DType.F64), "i64[]")
    with pytest.raises(DTypeError, match=r"with respect to n, which is i64\[\]"):
        grad_graph(graph, graph.parameters)


def test_the_gradient_of_an_array_says_what_to_do():
    graph = make_graph(lambda x: op["tanh"](x), "f64[3]")
    with pytest.raises(ShapeError, match=r"returns f64\[3\](.|\n)*return tanh|jacrev"):
        grad_graph(graph, graph.parameters)


def test_an_operation_without_derivative_is_named_with_the_line():
    graph = make_graph(lambda x: op["tanh"](x), "f64[]")
    (node,) = graph.outputs
    bare = copy(node.op)
    force_setattr(bare, "jvp", None)
    broken = Graph("f", graph.parameters, (replace(node, op=bare),), graph.builder)
    with pytest.raises(UnsupportedError, match=r"tanh has no derivative(.|\n)*test_autodiff.py"):
        grad_graph(broken, graph.parameters)


@pytest.mark.parametrize(
    "function", [lambda x: op["sin"](x), lambda x: x * x, lambda x: (2.0 * x) * (x + x)]
)
def test_what_is_not_linear_is_not_transposed(function):
    graph = make_graph(function, "f64[]")
    one = graph.builder.constant(1.0)
    with pytest.raises(UnsupportedError, match="is not linear"):
        pull(graph.outputs, [one], graph.parameters, graph.builder)
