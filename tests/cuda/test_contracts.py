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

AT_ONCE = 5  # operations in one program
# LAPACK is the processor's; sorts become loops of comparisons.
COMPUTED = [op for op in OPERATIONS if op.library is None or op.sorts]
BATCHES = [COMPUTED[at : at + AT_ONCE] for at in range(0, len(COMPUTED), AT_ONCE)]
EVERY_BATCH = pytest.mark.parametrize(
    "batch", BATCHES, ids=["-".join(op.name for op in batch) for batch in BATCHES]
)


def cases(op: Op) -> list[Case]:
    """All samples of the first type, and one of every other type; of some types in turn."""
    number = OPERATIONS.index(op)
    others = op.dtypes[1 + number % 2 :: 2] if len(op.dtypes) > 4 else op.dtypes[1:]
    chosen = [(dtype, sample) for dtype in op.dtypes[:1] for sample in samples(op, dtype)]
    chosen += [(dtype, samples(op, dtype)[0]) for dtype in others]
    return [(op, dtype, sample) for dtype, sample in chosen]


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
