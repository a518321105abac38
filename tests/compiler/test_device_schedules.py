"""Schedules for graphics processors: right on NumPy, and of the shape that devices want."""

from __future__ import annotations

from contracts.cases import EVERY_OP, Application, samples
from scheduled import Scheduled

from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.op import Op


@EVERY_OP
def test_samples_give_what_the_reference_gives(op: Op) -> None:
    for dtype in op.dtypes:
        for sample in samples(op, dtype):
            case = Application.of(op, sample)
            graph = Graph("f", case.parameters, (case.node,), case.builder)
            Scheduled(graph).check(*case.values)
