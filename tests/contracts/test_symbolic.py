"""Whatever holds for numbers as sizes holds for symbols: types, values, derivatives, batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contracts.cases import (
    OPERATIONS,
    Application,
    assert_close,
    linearised,
    pulled_back,
    samples,
    sizes,
)

from symfuse.compiler.ir.builder import Builder
from symfuse.compiler.ir.dims import Dim, dim, evaluate
from symfuse.compiler.ir.node import Node
from symfuse.compiler.ir.op import Op, Sample
from symfuse.compiler.ir.types import TensorType
from symfuse.runtime.dtypes import DType

# Attributes that hold sizes, which symbols would have to match.
SIZED = {"shape", "starts", "low", "length"}

Array = np.ndarray[Any, Any]


def _has_sizes(op: Op) -> bool:
    return any(SIZED & set(sample.attrs) for sample in samples(op, op.dtypes[0]))


FREE = [op for op in OPERATIONS if not _has_sizes(op)]
SMOOTH = [op for op in FREE if op.jvp is not None]


@pytest.mark.parametrize("op", FREE, ids=lambda op: op.name)
def test_symbolic_sizes_give_the_static_shape_and_values(op: Op) -> None:
    for sample in samples(op, op.dtypes[0]):
        static, free = Application.of(op, sample), symbolic(op, sample)
        found = tuple(evaluate(n, _values(sample)) for n in free.node.shape)
        assert found == static.node.shape
        wanted = static.run([static.node])[0]
        assert_close(free.run([free.node])[0], wanted, ulp=0)


@pytest.mark.parametrize("op", SMOOTH, ids=lambda op: op.name)
def test_symbolic_sizes_give_the_static_derivatives(op: Op, rng: np.random.Generator) -> None:
    for sample in samples(op, DType.F64):
        if not sample.smooth:
            continue
        static, free = Application.of(op, sample), symbolic(op, sample)
        directions = static.directions(rng)
        cotangent = np.asarray(rng.normal(size=sizes(static.node)))
        for found, wanted in zip(
            _both_modes(free, directions, cotangent),
            _both_modes(static, directions, cotangent),
            strict=True,
        ):
            assert_close(found, wanted, rtol=1e-10)


@pytest.mark.parametrize("op", FREE, ids=lambda op: op.name)
def test_symbolic_sizes_give_the_static_batch(op: Op) -> None:
    for sample in samples(op, op.dtypes[0]):
        app, count = symbolic(op, sample), len(sample.inputs)
        for batched in ((True,) * count, (True,) + (False,) * (count - 1)):
            operands = tuple(
                app.builder.parameter("b", x.type.with_shape((dim("B"), *x.shape))) if b else x
                for x, b in zip(app.parameters, batched, strict=True)
            )
            assert op.batch is not None
            with app.builder.active():
                out = op.batch(operands, batched, dict(sample.attrs))
            wanted = tuple(evaluate(n, _values(sample)) for n in app.node.shape)
            given = {**_values(sample), "B": 3}
            assert tuple(evaluate(n, given) for n in out.shape) == (3, *wanted)


def symbolic(op: Op, sample: Sample) -> Application:
    """The operation on parameters whose sizes are symbols, equal ones for equal sizes."""
    builder = Builder()
    values = tuple(np.asarray(x) for x in sample.inputs)
    parameters = tuple(builder.parameter("x", _symbolic_type(x)) for x in values)
    node = builder.apply(op, parameters, dict(sample.attrs))
    return Application(builder, parameters, node, values)


def _symbolic_type(x: Array) -> TensorType:
    shape: tuple[Dim, ...] = tuple(n if n == 1 else dim(f"N{n}") for n in x.shape)
    return TensorType(shape, DType.of(x.dtype))


def _values(sample: Sample) -> dict[str, int]:
    return {f"N{n}": n for x in sample.inputs for n in np.shape(x)}


def _both_modes(app: Application, directions: dict[int, Array], cotangent: Array) -> list[Array]:
    """The tangent of the output, and the cotangents of the inputs."""
    tangents = {k: app.builder.parameter("t", app.node.inputs[k].type) for k in directions}
    out = linearised(app, tangents)
    if out is None:
        return []
    ct = app.builder.parameter("ct", out.type)
    back = pulled_back(app, out, ct, list(tangents.values()))
    given = {**{t: directions[k] for k, t in tangents.items()}, ct: cotangent}
    nodes: list[Node] = [out, *(node for node in back if node is not None)]
    return app.run(nodes, given)
