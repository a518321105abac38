"""Every operation gives compiled what its NumPy reference gives, alone and amid others."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from contracts.cases import OPERATIONS, assert_close, parameter, samples, signed
from running import Compiled, near_enough

from symfuse.compiler.ir.builder import Builder
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.node import Node
from symfuse.compiler.ir.op import Op, Sample, operations
from symfuse.runtime.dtypes import DType

Array = np.ndarray[Any, Any]

EVERY_OP = pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)
EVERY_MAP = pytest.mark.parametrize(
    "op", [op for op in OPERATIONS if op.body is not None], ids=lambda op: op.name
)

FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1.5, 3.0, 1e-3, -700.25, 40.0, np.inf, -np.inf, np.nan)
WHOLE = (0, 1, 2, 3, 7, 100)
SIGNED = (-1, -2, -128)
# Whose result NumPy leaves open for some operands: shifts by negative counts, 1 / x for whole x.
PARTIAL = frozenset({"bitwise_left_shift", "bitwise_right_shift", "power", "reciprocal"})


def _graph(cases: list[tuple[Op, Sample]], *, fused: bool) -> tuple[Graph, list[Array]]:
    """All cases side by side; fused, each stands between a map before and a map after it."""
    builder = Builder()
    parameters: list[Node] = []
    arrays: list[Array] = []

    def given(value: Array) -> Node:
        parameters.append(parameter(builder, value))
        arrays.append(value)
        return parameters[-1]

    def mapped(node: Node) -> Node:
        if not fused:
            return node
        least = given(np.full([int(n) for n in node.shape], _least(node.dtype), node.dtype.numpy))
        return builder.apply(operations["maximum"], (node, least), {})

    outputs = []
    for op, sample in cases:
        inputs = tuple(mapped(given(np.asarray(x))) for x in sample.inputs)
        outputs.append(mapped(builder.apply(op, inputs, dict(sample.attrs))))
    return Graph("f", tuple(parameters), tuple(outputs), builder), arrays


def _least(dtype: DType) -> Any:
    if dtype.is_bool:
        return False
    return -np.inf if dtype.is_float else np.iinfo(dtype.numpy).min


def _cases(op: Op) -> list[tuple[Op, Sample]]:
    return [(op, sample) for dtype in op.dtypes for sample in samples(op, dtype)]


def _is_first(case: tuple[Op, Sample]) -> bool:
    """Whether a sample is of one of the first two element types of its operation."""
    op, sample = case
    types = [DType.of(np.asarray(x).dtype) for x in sample.inputs]
    return not types or any(dtype in op.dtypes[:2] for dtype in types)


def _wanted(op: Op, sample: Sample) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(op.reference(*sample.inputs, **sample.attrs))


@EVERY_OP
@pytest.mark.parametrize("fused", [False, True], ids=["alone", "fused"])
def test_samples_give_what_the_reference_gives(op: Op, fused: bool) -> None:
    cases = [case for case in _cases(op) if not fused or _is_first(case)]
    graph, arrays = _graph(cases, fused=fused)
    for (_, sample), found in zip(cases, Compiled(graph)(*arrays), strict=True):
        wanted = _wanted(op, sample)
        assert_close(signed(op, sample, found), signed(op, sample, wanted), ulp=op.ulp)


@EVERY_MAP
def test_special_values_give_what_the_reference_gives(op: Op) -> None:
    cases = [(op, sample) for dtype in op.dtypes if (sample := _special(op, dtype)) is not None]
    graph, arrays = _graph(cases, fused=False)
    for (_, sample), found in zip(cases, Compiled(graph)(*arrays), strict=True):
        wanted = _wanted(op, sample)
        assert near_enough(found, wanted, op.ulp), _report(sample, found, wanted, op.ulp)


def _special(op: Op, dtype: DType) -> Sample | None:
    """All tuples of special operands; ternary operations take some of them."""
    if dtype.is_integer and op.name in PARTIAL:
        return None
    first = samples(op, dtype)[0]
    kinds = [np.asarray(x).dtype for x in first.inputs]
    columns = list(product(*(_values(kind) for kind in kinds)))[:3000]
    arrays = tuple(np.array([row[k] for row in columns], kind) for k, kind in enumerate(kinds))
    return Sample(arrays, first.attrs)


def _values(kind: np.dtype[Any]) -> tuple[Any, ...]:
    if DType.of(kind).is_float:
        info = DType.of(kind).limits
        extreme = (info.max, info.tiny, info.smallest_subnormal, -info.smallest_subnormal)
        return (*FLOATS, *(kind.type(x) for x in extreme))
    if kind.kind == "b":
        return (False, True)
    limits = np.iinfo(kind)
    return (*WHOLE, *(SIGNED if kind.kind == "i" else ()), limits.min, limits.max)


def _report(sample: Sample, found: Array, wanted: Array, ulp: float) -> str:
    for k in range(wanted.size):
        if not near_enough(found[k : k + 1], wanted[k : k + 1], ulp):
            operands = ", ".join(repr(x[k]) for x in sample.inputs)
            return f"of {operands}: {found[k]!r}, wanted {wanted[k]!r}"
    return ""
