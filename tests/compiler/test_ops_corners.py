"""Values and derivatives where functions have corners, poles or no derivative at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from handmade import make_graph, results
from hypothesis import given
from hypothesis import strategies as st

from symfuse.compiler import ops
from symfuse.compiler.ir.builder import Builder
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.node import Node
from symfuse.compiler.ir.op import Op
from symfuse.compiler.ir.types import TensorType
from symfuse.runtime.dtypes import DType

inf, nan = np.inf, np.nan


def slopes(op: Op, *points: Any, which: int = 0, constant: int | None = None) -> Any:
    """The derivatives in one operand at some points; another operand may be a number."""
    builder = Builder()
    arrays = [np.atleast_1d(np.asarray(p, np.float64)) for p in points]
    size = max(a.size for a in arrays)
    nodes: list[Any] = [
        builder.parameter("x", TensorType((size,), DType.F64)) if k != constant else points[k]
        for k in range(len(arrays))
    ]
    out = builder.apply(op, tuple(nodes), {})
    tangent = builder.parameter("t", TensorType((size,), DType.F64))
    given_tangents = tuple(tangent if k == which else None for k in range(len(arrays)))
    assert op.jvp is not None
    with builder.active():
        found = op.jvp(given_tangents, out.inputs, out, out.attrs)
    parameters = tuple(n for n in (*nodes, tangent) if isinstance(n, Node))
    graph = Graph("f", parameters, (found,), builder)
    values = [np.broadcast_to(a, size) for k, a in enumerate(arrays) if k != constant]
    return np.asarray(graph(*values, np.ones(size)))


@pytest.mark.parametrize(
    ("op", "at", "wanted"),
    [
        (ops.abs, [-2, 0, 3], [-1, 0, 1]),
        (ops.relu, [-2, 0, 3], [0, 0, 1]),
        (ops.sqrt, [0, 4], [inf, 0.25]),
        (ops.cbrt, [0, -1], [inf, 1 / 3]),
        (ops.sigmoid, [-800, 0, 800], [0, 0.25, 0]),
        (ops.softplus, [-800, 0, 800], [0, 0.5, 1]),
        (ops.tanh, [-800, 0], [0, 1]),
        (ops.erf, [0, 40], [2 / np.sqrt(np.pi), 0]),
    ],
    ids=lambda value: value.name if isinstance(value, Op) else "",
)
def test_slopes_at_corners(op: Op, at: list[float], wanted: list[float]) -> None:
    np.testing.assert_allclose(slopes(op, at), wanted, rtol=1e-15)


def test_extrema_split_ties() -> None:
    for op in (ops.maximum, ops.minimum):
        total = slopes(op, [1, 2, 3], 2, which=0) + slopes(op, [1, 2, 3], 2, which=1)
        np.testing.assert_array_equal(total, [1, 1, 1])
        assert slopes(op, 2, 2)[0] == 0.5


@given(*[st.integers(-2, 2)] * 3)
def test_exactly_one_operand_of_clip_moves_it(x: int, low: int, high: int) -> None:
    found = [slopes(ops.clip, x, low, high, which=k)[0] for k in range(3)]
    assert sorted(found) == [0, 0, 1]
    assert (x, low, high)[found.index(1)] == np.minimum(np.maximum(x, low), high)


def test_clip_lets_its_bounds_through() -> None:
    np.testing.assert_array_equal(slopes(ops.clip, [-1, 0, 0.5, 1, 2], 0, 1), [0, 1, 1, 1, 0])


def test_the_length_of_a_vector_is_flat_at_the_origin() -> None:
    assert slopes(ops.hypot, 0, 0)[0] == 0


@pytest.mark.parametrize(
    ("exponent", "wanted"),
    [(1, [1, 1, 1]), (2, [-4, 0, 6]), (3, [12, 0, 27]), (-1, [-0.25, -inf, -1 / 9])],
)
def test_constant_powers_are_exact_at_and_below_zero(exponent: int, wanted: list[float]) -> None:
    np.testing.assert_allclose(slopes(ops.power, [-2, 0, 3], exponent, constant=1), wanted)
    np.testing.assert_allclose(slopes(ops.power, [-2, 0, 3], exponent), wanted)


def test_the_power_zero_is_one_and_flat() -> None:
    graph = make_graph(lambda x: ops.power(x, 0), "f64[3]")
    np.testing.assert_array_equal(results(graph, np.array([-1, 0, nan]))[0], [1, 1, 1])
    np.testing.assert_array_equal(slopes(ops.power, [-2, 0, 3], 0), [0, 0, 0])


def test_zero_to_a_power_is_flat_in_the_exponent() -> None:
    np.testing.assert_array_equal(slopes(ops.power, 0, [0, 1, 2], which=1), [0, 0, 0])


def test_products_with_zeros_have_derivatives() -> None:
    graph = _tangent_of(ops.reduce_prod, axes=(0,))
    assert results(graph, np.array([2.0, 0.0, 3.0]), np.ones(3))[0] == 6
    assert results(graph, np.array([0.0, 0.0, 3.0]), np.ones(3))[0] == 0


def test_running_products_with_zeros_have_derivatives() -> None:
    graph = _tangent_of(ops.cumprod, axis=0)
    found = results(graph, np.array([2.0, 0.0, 3.0]), np.array([0.0, 1.0, 0.0]))[0]
    np.testing.assert_array_equal(found, [0, 2, 6])


def test_elements_that_tie_share_the_derivative_of_the_extremum() -> None:
    graph = _tangent_of(ops.reduce_max, axes=(0,))
    assert results(graph, np.array([1.0, 3.0, 3.0]), np.array([5.0, 1.0, 2.0]))[0] == 1.5


def _tangent_of(op: Op, **attrs: Any) -> Graph:
    def tangent(x: Node, t: Node) -> Any:
        out = op(x, **attrs)
        assert op.jvp is not None
        return op.jvp((t,), (x,), out, out.attrs)

    return make_graph(tangent, "f64[3]", "f64[3]")
