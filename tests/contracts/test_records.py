"""Every operation says what the system needs to know of it."""

from __future__ import annotations

import inspect

import pytest
from contracts.cases import EVERY_CASE, EVERY_OP, OPERATIONS, Application, samples

from symfuse.compiler.ir.builder import Builder
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.op import Op
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import SymfuseError

NAMES = """
    add subtract multiply divide negative positive abs sign square reciprocal sqrt rsqrt cbrt power
    hypot exp exp2 expm1 log log2 log10 log1p logaddexp sin cos tan asin acos atan atan2 sinh cosh
    tanh asinh acosh atanh erf erfc erfinv sigmoid softplus relu maximum minimum copysign floor ceil
    trunc round nextafter floor_divide remainder fmod clip select equal not_equal less less_equal
    greater greater_equal isnan isinf isfinite signbit logical_and logical_or logical_xor
    logical_not bitwise_and bitwise_or bitwise_xor bitwise_invert bitwise_left_shift
    bitwise_right_shift convert stop_gradient broadcast transpose reshape slice pad concatenate
    reverse iota reduce_sum reduce_prod reduce_max reduce_min reduce_any reduce_all argmax
    argmin cumsum cumprod contract take scatter_add take_along_axis scatter_add_along_axis
"""


def test_the_registry_is_complete() -> None:
    assert not set(NAMES.split()) - {op.name for op in OPERATIONS}


@EVERY_OP
def test_it_has_a_sentence_and_samples(op: Op) -> None:
    assert op.doc and not op.doc.endswith(".")
    assert op.dtypes and all(samples(op, dtype) for dtype in op.dtypes)


@EVERY_OP
def test_it_has_a_derivative_or_the_reason_why_not(op: Op) -> None:
    assert (op.jvp is None) == bool(op.not_differentiable)


@EVERY_OP
def test_it_can_be_batched(op: Op) -> None:
    has_inputs = any(sample.inputs for sample in samples(op, op.dtypes[0]))
    assert op.batch is not None or not has_inputs


@EVERY_OP
def test_it_is_computed_in_one_way(op: Op) -> None:
    ways = (
        op.element is not None,
        op.reduction is not None,
        op.contraction,
        op.scatter,
        op.overwrites,
        op.library is not None,
    )
    assert sum(ways) == 1
    assert op.library is not None or not op.sorts
    assert op.element is not None or (op.body is None and op.moves is None)


@EVERY_OP
def test_a_function_of_elements_has_its_formula(op: Op) -> None:
    if op.body is not None and op.jvp is not None and op.name != "convert":
        assert op.formula


@EVERY_OP
def test_its_type_rule_names_operands_and_attributes(op: Op) -> None:
    given = inspect.signature(op.result_type)
    for sample in samples(op, op.dtypes[0]):
        given.bind(*sample.inputs, **sample.attrs)


@EVERY_CASE
def test_its_text_reads_back(op: Op, dtype: DType) -> None:
    for sample in samples(op, dtype):
        app = Application.of(op, sample)
        graph = Graph("f", app.parameters, (app.node,), app.builder)
        text = graph.text(locations=False)
        assert Graph.parse(text).text(locations=False) == text


@pytest.mark.parametrize(
    ("op", "error"),
    [
        pytest.param(op, error, id=f"{op.name}-{at}")
        for op in OPERATIONS
        for at, error in enumerate(op.errors)
    ],
)
def test_wrong_uses_say_what_to_do(op: Op, error: tuple[object, ...]) -> None:
    types, attrs, kind = error
    assert isinstance(types, tuple) and isinstance(attrs, dict) and isinstance(kind, type)
    builder = Builder()
    operands = tuple(builder.parameter("x", type_) for type_ in types)
    with pytest.raises(kind) as raised:
        builder.apply(op, operands, attrs)
    assert isinstance(raised.value, SymfuseError)
    assert raised.value.fix and raised.value.what.startswith(op.name)
