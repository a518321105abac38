"""Operands come together as in NumPy 2: one element type, one shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from symfuse.compiler import ops
from symfuse.compiler.ir.builder import Builder
from symfuse.compiler.ir.dims import dim
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.node import Node
from symfuse.compiler.ir.op import Op
from symfuse.compiler.ir.types import TensorType, parse_type
from symfuse.runtime.dtypes import SCALARS, DType
from symfuse.runtime.errors import DTypeError, ShapeError

DTYPES = st.sampled_from([dtype for dtype in SCALARS if dtype is not DType.BF16])  # not NumPy's
BINARY = [ops.add, ops.multiply, ops.maximum, ops.equal, ops.less]
FLOATING = [ops.exp, ops.sqrt, ops.sin, ops.sigmoid, ops.reciprocal, ops.relu, ops.erf]


def applied(op: Op, *operands: Any) -> tuple[Graph, Node]:
    """An operation on parameters of given types (as text) and on constants."""
    builder = Builder()
    nodes = [builder.parameter("x", parse_type(x)) if isinstance(x, str) else x for x in operands]
    node = builder.apply(op, tuple(nodes), {})
    parameters = tuple(x for x in nodes if isinstance(x, Node))
    return Graph("f", parameters, (node,), builder), node


@given(st.sampled_from(BINARY), DTYPES, DTYPES)
def test_two_arrays_promote_as_in_numpy(op: Op, left: DType, right: DType) -> None:
    graph, node = applied(op, f"{left}[2]", f"{right}[2]")
    x, y = np.ones(2, left.numpy), np.zeros(2, right.numpy)
    expected = op.reference(x, y)
    assert node.dtype.numpy == expected.dtype
    np.testing.assert_array_equal(graph(x, y), expected)


@given(st.sampled_from(BINARY), DTYPES, st.sampled_from([True, 1, 100, 0.5, -0.0]))
def test_a_python_number_takes_the_type_of_the_array(op: Op, dtype: DType, number: Any) -> None:
    _, node = applied(op, f"{dtype}[2]", number)
    assert node.dtype.numpy == op.reference(np.ones(2, dtype.numpy), number).dtype


def test_a_numpy_number_keeps_its_type() -> None:
    assert applied(ops.add, "f32[2]", np.float64(1))[1].dtype is DType.F64
    assert applied(ops.add, "f32[2]", 1.0)[1].dtype is DType.F32


@given(st.sampled_from(FLOATING), DTYPES)
def test_functions_of_reals_compute_integers_in_floats(op: Op, dtype: DType) -> None:
    _, node = applied(op, f"{dtype}[2]")
    of_numpy = np.exp(np.ones(1, dtype.numpy)).dtype
    least = np.float16 if dtype.is_float else np.float32
    assert node.dtype.numpy == np.promote_types(of_numpy, least)


@given(DTYPES)
def test_integers_divide_in_double_precision(dtype: DType) -> None:
    ones = np.ones(2, dtype.numpy)
    assert applied(ops.divide, f"{dtype}[2]", f"{dtype}[2]")[1].dtype.numpy == (ones / ones).dtype


@given(npst.mutually_broadcastable_shapes(num_shapes=3, max_side=3), st.integers(0, 9))
def test_shapes_broadcast_as_in_numpy(shapes: npst.BroadcastableShapes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=shape) for shape in shapes.input_shapes]
    condition = rng.integers(0, 2, shapes.input_shapes[0]).astype(bool)
    texts = [str(TensorType(shape, DType.F64)) for shape in shapes.input_shapes]
    graph, node = applied(ops.select, texts[0].replace("f64", "bool"), *texts[1:])
    assert node.shape == shapes.result_shape
    expected = np.where(condition, *arrays[1:])
    np.testing.assert_array_equal(graph(condition, *arrays[1:]), expected)


def test_equal_types_are_left_alone() -> None:
    _, node = applied(ops.add, "f32[2,3]", "f32[2,3]")
    assert all(x.is_parameter for x in node.inputs)


def test_an_axis_of_size_one_stretches_over_a_symbol() -> None:
    _, node = applied(ops.add, "f32[N,1]", "f32[1,M]")
    assert str(node.type) == "f32[N,M]"


def test_sizes_that_differ_are_refused_with_both_types() -> None:
    with pytest.raises(ShapeError, match=r"(?s)f32\[2,3\] and f32\[2\].*fix: sizes must be equal"):
        applied(ops.add, "f32[2,3]", "f32[2]")


def test_symbols_that_may_differ_are_refused_with_the_way_out() -> None:
    with pytest.raises(ShapeError, match=r"(?s)N may differ from M.*fix: .* one name"):
        applied(ops.add, "f32[N]", "f32[M]")


def test_symbols_that_are_provably_equal_are_taken() -> None:
    builder, n = Builder(), dim("N")
    x = builder.parameter("x", TensorType((2 * n + n,), DType.F32))
    y = builder.parameter("y", TensorType((3 * n,), DType.F32))
    assert builder.apply(ops.add, (x, y), {}).shape == (3 * n,)


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(DTypeError, match=r"(?s)300 is out of the range of u8.*fix: convert"):
        applied(ops.add, "u8[2]", 300)


@pytest.mark.parametrize("op", [ops.subtract, ops.negative, ops.sign, ops.floor_divide])
def test_bools_are_refused_where_numpy_refuses_them(op: Op) -> None:
    arity = 2 if op in (ops.subtract, ops.floor_divide) else 1
    with pytest.raises(DTypeError, match=r"(?s)takes numbers, got bool\[2\].*fix: convert"):
        applied(op, *["bool[2]"] * arity)


def test_element_types_that_do_not_exist_are_refused() -> None:
    with pytest.raises(DTypeError, match=r"longdouble|float128"):
        applied(ops.add, "f32[2]", np.ones(2, np.longdouble))


@pytest.mark.parametrize("op", [ops.less, ops.less_equal, ops.greater, ops.equal, ops.not_equal])
def test_comparisons_of_great_integers_are_exact(op: Op) -> None:
    great, near = np.array([2**63, 5, 0], np.uint64), np.array([2**63 - 1, 5, -1])
    for x, y in ((great, near), (near, great)):
        graph, node = applied(op, f"{DType.of(x)}[3]", f"{DType.of(y)}[3]")
        assert {n.dtype for n in node.inputs} == {DType.I64, DType.U64}
        np.testing.assert_array_equal(graph(x, y), op.reference(x, y))


def test_comparisons_take_numbers_that_the_array_cannot_hold() -> None:
    graph, _ = applied(ops.less, "u8[2]", 300)
    np.testing.assert_array_equal(graph(np.array([0, 255], np.uint8)), [True, True])


def test_truth_values_are_numbers_that_are_not_zero() -> None:
    graph, _ = applied(ops.logical_and, "f64[3]", 2.5)
    np.testing.assert_array_equal(graph(np.array([0.0, -0.5, np.nan])), [False, True, True])


def test_negative_powers_of_integers_are_refused() -> None:
    with pytest.raises(DTypeError, match="fix: convert the base"):
        applied(ops.power, "i32[2]", -1)
