"""Schedules for graphics processors give on NumPy what the graph gives, whatever the sizes."""

from __future__ import annotations

import numpy as np
import pytest
from contracts.cases import OPERATIONS, Application, samples
from device_graphs import EVERY_GRAPH, device_graph
from models.small import MODELS, Model
from rows import arrays_of
from scheduled import Scheduled

import symfuse as sf
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.op import Op
from symfuse.tracing.tree import flatten

KERNELS = [op for op in OPERATIONS if op.element or op.reduction or op.contraction or op.scatter]


@pytest.mark.parametrize("op", KERNELS, ids=lambda op: op.name)
def test_samples_give_what_the_reference_gives(op: Op) -> None:
    for dtype in op.dtypes:
        for sample in samples(op, dtype):
            case = Application.of(op, sample)
            graph = Graph("f", case.parameters, (case.node,), case.builder)
            Scheduled(graph).check(*case.values)


@pytest.mark.parametrize("symbolic", [False, True], ids=["known", "open"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_models(model: Model, symbolic: bool) -> None:
    specs = list(model.inputs(np.random.default_rng(3), 5))
    for at in model.batched if symbolic else ():
        specs[at] = sf.spec(("N", *specs[at].shape[1:]), specs[at].dtype)
    arrays = flatten(model.inputs(np.random.default_rng(3), 5))[0]
    graph = sf.jit(model.function).trace(*specs).ir
    arrays += graph.captured.values()
    Scheduled(graph).check(*arrays, tolerance=1e-9, sizes={"N": 5} if symbolic else None)


@pytest.mark.parametrize("name", EVERY_GRAPH)
def test_graphs(name: str, rng: np.random.Generator) -> None:
    graph, sizes = device_graph(name)
    Scheduled(graph).check(*arrays_of(graph, rng, sizes), sizes=sizes, tolerance=1e-4)
