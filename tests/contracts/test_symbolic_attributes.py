"""Attributes that are sizes may be symbols: shapes and values are those of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contracts.cases import OPERATIONS, assert_close, samples

from symfuse.compiler.ir.builder import Builder
from symfuse.compiler.ir.dims import Dim, Expr, dim, evaluate
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.interpret import interpret
from symfuse.compiler.ir.op import operations
from symfuse.compiler.ir.types import TensorType
from symfuse.runtime.dtypes import DType

SIZED = {"shape", "starts", "low", "length", "size", "sizes"}
N, M = dim("N"), dim("M")
ATTRIBUTES: dict[str, tuple[tuple[Dim, ...], dict[str, Any]]] = {
    "broadcast": ((N,), {"shape": (N, M, N), "axes": (2,)}),
    "reshape": ((N, M), {"shape": (M * N,)}),
    "iota": ((), {"shape": (N, 2 * M), "axis": 1, "dtype": DType.I64}),
    "slice": ((N, M), {"starts": (1, M // 2), "stops": (N, M), "steps": (2, 1)}),
    "pad": ((N, M), {"low": (M, 0), "high": (0, N), "interior": (1, 0), "value": 2}),
    "required": ((N, M), {"low": 1, "high": N}),
    "overlap_add": ((N, M, 3), {"axis": 1, "stride": 2, "dilation": 1, "length": 2 * M + 2}),
    "dynamic_slice": ((N + 2, M), {"sizes": (N, M)}),
    "irfft": ((N // 2 + 1,), {"axis": 0, "size": N}),
}
ALWAYS_NUMBERS = {"windows": "the places in a window are written out"}
PLACES = {"dynamic_slice": (1, 0)}  # further operands
SIZES = ({"N": 1, "M": 1}, {"N": 4, "M": 3}, {"N": 7, "M": 2})


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes_may_be_symbolic_sizes(name: str, rng: np.random.Generator) -> None:
    op, (shape, attrs) = operations[name], ATTRIBUTES[name]
    builder = Builder()
    given = builder.parameter("x", TensorType(shape, op.dtypes[0]))
    beside = builder.parameter("y", TensorType((N, M), DType.BOOL))
    places = [builder.constant(place, DType.I64) for place in PLACES.get(name, ())]
    node = builder.apply(op, () if name == "iota" else (given, *places), dict(attrs))
    graph = Graph("f", (given, beside), (node,), builder)
    for sizes in SIZES:
        x = np.asarray(rng.normal(size=numbers(shape, sizes)), op.dtypes[0].numpy)
        (found,) = interpret(graph, (x, np.zeros(numbers((N, M), sizes), bool)))
        operands = (x, *PLACES.get(name, ()))[: len(node.inputs)]
        wanted = op.reference(*operands, **numbers(attrs, sizes))
        assert numbers(node.shape, sizes) == np.shape(wanted)
        assert_close(found, wanted, ulp=0)


def test_every_operation_with_sizes_among_its_attributes_is_tried() -> None:
    sized = {
        op.name
        for op in OPERATIONS
        if any(SIZED & set(sample.attrs) for sample in samples(op, op.dtypes[0]))
    }
    assert sized - set(ALWAYS_NUMBERS) <= set(ATTRIBUTES)


def numbers(value: Any, sizes: dict[str, int]) -> Any:
    """The value with the sizes in place of their symbols."""
    if isinstance(value, dict):
        return {name: numbers(one, sizes) for name, one in value.items()}
    if isinstance(value, tuple):
        return tuple(numbers(one, sizes) for one in value)
    return evaluate(value, sizes) if isinstance(value, Expr) else value
