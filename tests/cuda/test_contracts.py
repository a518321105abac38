"""Every operation gives on the simulated device what its NumPy reference gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contracts.cases import OPERATIONS, assert_close, parameter, samples
from cuda.on_device import Simulated, needs_compiler

from symfuse.compiler.ir.builder import Builder
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.op import Op, Sample
from symfuse.runtime.dtypes import DType

Array = np.ndarray[Any, Any]
Case = tuple[Op, DType, Sample]

OPERATIONS_AT_ONCE = 5  # one module of text takes the compiler about a second
BATCHES = [OPERATIONS[at : at + OPERATIONS_AT_ONCE] for at in range(0, len(OPERATIONS), 5)]
USUAL = (DType.F32, DType.I32, DType.BOOL)
EVERY_BATCH = pytest.mark.parametrize(
    "batch", BATCHES, ids=["-".join(op.name for op in batch) for batch in BATCHES]
)


def cases(op: Op) -> list[Case]:
    """All samples of the usual types, and the first one of all others."""
    return [
        (op, dtype, sample)
        for dtype in op.dtypes
        for sample in samples(op, dtype)[: None if dtype in USUAL else 1]
    ]


def graph_of(chosen: list[Case]) -> tuple[Graph, list[Array]]:
    """All cases side by side, each with parameters of its own."""
    builder = Builder()
    arrays = [np.asarray(x) for _, _, sample in chosen for x in sample.inputs]
    parameters = tuple(parameter(builder, array) for array in arrays)
    rest = iter(parameters)
    outputs = tuple(
        builder.apply(op, tuple(next(rest) for _ in sample.inputs), dict(sample.attrs))
        for op, _, sample in chosen
    )
    return Graph("f", parameters, outputs, builder), arrays


@needs_compiler
@EVERY_BATCH
def test_samples_give_what_the_reference_gives(batch: list[Op]) -> None:
    chosen = [case for op in batch for case in cases(op)]
    graph, arrays = graph_of(chosen)
    for (op, dtype, sample), found in zip(chosen, Simulated(graph)(*arrays), strict=True):
        with np.errstate(all="ignore"):
            wanted = np.asarray(op.reference(*sample.inputs, **sample.attrs))
        try:
            assert_close(found, wanted, ulp=op.ulp)
        except AssertionError as error:
            raise AssertionError(f"{op.name} of {dtype}, {dict(sample.attrs)}: {error}") from None
