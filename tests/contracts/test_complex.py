"""Operations on complex numbers: as pairs, compiled and differentiated they are what NumPy says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contracts.cases import (
    EVERY,
    Application,
    parameter,
    pulled_back,
    pushed_forward,
    samples,
    signed,
    sizes,
    without_phases,
)
from running import Compiled

from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.interpret import interpret
from symfuse.compiler.ir.node import Node
from symfuse.compiler.ir.op import Op, Sample
from symfuse.compiler.ir.regions import every_node
from symfuse.compiler.passes.expand_complex import expand_complex
from symfuse.runtime.dtypes import DType

Array = np.ndarray[Any, Any]
C64, C128 = DType.C64, DType.C128
STEP = 1e-5

OPERATIONS = [op for op in EVERY if op.parts is not None]
EVERY_OP = pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)
SMOOTH = pytest.mark.parametrize(
    "op", [op for op in OPERATIONS if op.jvp is not None], ids=lambda op: op.name
)
EVERY_DTYPE = pytest.mark.parametrize("dtype", [C64, C128], ids=str)


def operand_type(op: Op, dtype: DType) -> DType:
    """The type of operands: of what makes complex numbers of their parts, that of the parts."""
    return dtype.real if op.name in ("complex", "as_complex") else dtype


def drawn(op: Op, dtype: DType) -> list[Sample]:
    return samples(op, operand_type(op, dtype))


def reference(op: Op, sample: Sample) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(op.reference(*sample.inputs, **sample.attrs))


def assert_same(found: Any, wanted: Any, tolerance: float, least: float = 0.0) -> None:
    """Equal types and shapes; complex numbers near as points of the plane, where there are any."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    if wanted.dtype.kind not in "fc":
        np.testing.assert_array_equal(found, wanted)
        return
    is_finite = np.isfinite(wanted)
    np.testing.assert_array_equal(np.isfinite(found), is_finite)
    near, far = found[is_finite], wanted[is_finite]
    scale = np.max(np.abs(far), initial=least)
    assert np.all(np.abs(near - far) <= tolerance * np.maximum(np.abs(far), min(scale, 1.0)))


def _graph(op: Op, sample: Sample) -> tuple[Graph, tuple[Array, ...]]:
    app = Application.of(op, sample)
    return Graph("f", app.parameters, (app.node,), app.builder), app.values


@EVERY_OP
@EVERY_DTYPE
def test_pairs_give_what_the_reference_gives(op: Op, dtype: DType) -> None:
    for sample in drawn(op, dtype):
        graph, values = _graph(op, sample)
        wanted = reference(op, sample)
        assert_same(graph(*values), wanted, 0)
        expanded = expand_complex(graph)
        for node in every_node(expanded):
            in_memory = node.is_parameter or node.op.is_view or node.op.library is not None
            assert in_memory or not node.dtype.is_complex
        (found,) = interpret(expanded, values)
        assert_same(found, wanted, 100 * float(dtype.limits.eps))


@EVERY_OP
def test_compiled_code_gives_what_the_reference_gives(op: Op) -> None:
    for dtype in (C64, C128):
        for sample in drawn(op, dtype)[:4]:
            graph, values = _graph(op, sample)
            (found,) = Compiled(graph)(*values)
            one, other = (signed(op, sample, x) for x in (found, reference(op, sample)))
            assert_same(one, other, 100 * float(dtype.limits.eps))


@EVERY_OP
def test_the_text_reads_back(op: Op) -> None:
    for sample in drawn(op, C128):
        text = _graph(op, sample)[0].text(locations=False)
        assert Graph.parse(text).text(locations=False) == text


# derivatives: along any direction of the plane, against differences


def _directions(app: Application, rng: np.random.Generator) -> dict[int, Array]:
    found = {}
    for k, node in enumerate(app.node.inputs):
        if node.dtype.is_inexact:
            shape = app.values[k].shape
            real, imag = rng.normal(size=(2, *shape))
            found[k] = np.asarray(real + 1j * imag if node.dtype.is_complex else real)
    return found


def _moved(app: Application, directions: dict[int, Array], by: float) -> Application:
    values = tuple(
        np.asarray(x + by * directions[k]) if k in directions else x
        for k, x in enumerate(app.values)
    )
    return Application(app.builder, app.parameters, app.node, values)


def _zeros(node: Node) -> Array:
    return np.zeros(sizes(node), node.dtype.numpy)


@SMOOTH
def test_derivatives_equal_differences_and_both_modes_are_adjoint(
    op: Op, rng: np.random.Generator
) -> None:
    for sample in drawn(op, C128):
        if not sample.smooth:
            continue
        app = Application.of(op, sample)
        directions = _directions(app, rng)
        tangents = {k: parameter(app.builder, v) for k, v in directions.items()}
        given = {tangents[k]: directions[k] for k in tangents}
        along = {app.parameters[k]: t for k, t in tangents.items()}
        result = without_phases(app)
        first = pushed_forward(app, result, along)
        assert first is not None
        change = app.run([first], given)[0]
        ahead, behind = (_moved(app, directions, s * STEP).run([result])[0] for s in (1, -1))
        assert_same(change, (ahead - behind) / (2 * STEP), 1e-6)
        ct = parameter(app.builder, cotangent := _random_like(result, rng))
        pulled = pulled_back(app, first, ct, list(tangents.values()))
        backward = sum(
            np.sum(directions[k] * app.run([node], {**given, ct: cotangent})[0]).real
            for k, node in zip(tangents, pulled, strict=True)
            if node is not None
        )
        forward = np.sum(cotangent * change).real
        np.testing.assert_allclose(backward, forward, rtol=1e-9, atol=1e-9)
        second = pushed_forward(app, first, along)
        found = _zeros(first) if second is None else app.run([second], given)[0]
        moved = [_moved(app, directions, s * STEP).run([first], given)[0] for s in (1, -1)]
        assert_same(found, (moved[0] - moved[1]) / (2 * STEP), 2e-4, least=1e-3)


def _random_like(node: Node, rng: np.random.Generator) -> Array:
    real, imag = rng.normal(size=(2, *sizes(node)))
    return np.asarray(real + 1j * imag if node.dtype.is_complex else real)


@EVERY_OP
def test_a_batch_is_a_loop_over_it(op: Op) -> None:
    for sample in drawn(op, C128):
        if not sample.inputs:
            continue
        app = Application.of(op, sample)
        stacked = [np.stack([x, x.reshape(-1)[::-1].reshape(x.shape)]) for x in app.values]
        operands = tuple(parameter(app.builder, x) for x in stacked)
        assert op.batch is not None
        with app.builder.active():
            node = op.batch(operands, (True,) * len(operands), app.node.attrs)
        (found,) = interpret(Graph("f", operands, (node,), app.builder), stacked)
        with np.errstate(all="ignore"):
            rows = [op.reference(*row, **sample.attrs) for row in zip(*stacked, strict=True)]
        assert_same(found, np.stack(rows), 1e-12)
