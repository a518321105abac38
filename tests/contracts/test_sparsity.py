"""What is found of an operation without running it, against what it does when it is run."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from contracts.cases import EVERY, EVERY_OP, OPERATIONS, Application, is_long, samples

from symfuse.compiler.autodiff.jacobian import jacfwd_graph
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.interpret import evaluate_node, interpret
from symfuse.compiler.ir.op import Op
from symfuse.compiler.sparsity.detect import jacobian_pattern
from symfuse.compiler.sparsity.elements import Elements
from symfuse.compiler.sparsity.operations import elements_of
from symfuse.compiler.sparsity.relations import identity
from symfuse.runtime.dtypes import DType

DRAWS = 4
WIDEST = 200  # elements of one operand
pytest.importorskip("scipy")

SMOOTH = [op for op in EVERY if op.jvp is not None and (DType.F64 in op.dtypes)]
TOLD = ("debug_print", "debug_check", "debug_order")  # effects


def applications(op: Op, dtype: DType, *, smooth: bool = False):
    for sample in samples(op, dtype):
        if (sample.smooth or not smooth) and all(np.size(x) <= WIDEST for x in sample.inputs):
            yield Application.of(op, sample)


def dtype_of(op: Op) -> DType:
    return DType.F64 if DType.F64 in op.dtypes else op.dtypes[0]


def redrawn(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same numbers at other places: where they are fit to be operands, so are these."""
    return rng.permutation(x.ravel()).reshape(x.shape)


def differ(one, other):
    """Where two arrays differ; equal NaN do not."""
    return ~((one == other) | ((one != one) & (other != other))).ravel()


@EVERY_OP
def test_elements_depend_on_no_others_than_those_that_are_found(op: Op, rng) -> None:
    if op.name in TOLD:
        pytest.skip("it has an effect and no value")
    for app in applications(op, dtype_of(op)):
        for which in app.float_inputs:
            x = app.values[which]
            operands = [
                Elements.of(v, n.dtype) for v, n in zip(app.values, app.node.inputs, strict=True)
            ]
            inputs = identity(x.size, 0, x.size)
            operands[which] = Elements.unknown(app.node.inputs[which].dtype, x.size, inputs)
            found = elements_of(app.node, operands)
            before = evaluate_node(app.node, list(app.values), {})
            depends = np.zeros((before.size, x.size), bool)
            if found.depends is not None:
                depends = found.depends.toarray()
            for at in range(0, x.size, 5 if is_long(op) else 1):
                moved = x.copy()
                moved.flat[at] += moved.dtype.type(0.37)
                values = [*app.values[:which], moved, *app.values[which + 1 :]]
                after = evaluate_node(app.node, values, {})
                assert not (differ(before, after) & ~depends[:, at]).any()


@EVERY_OP
def test_numbers_that_are_known_are_those_of_the_reference(op: Op, rng) -> None:
    if op.name in TOLD:
        pytest.skip("it has an effect and no value")
    for app in applications(op, dtype_of(op)):
        for _ in range(DRAWS):
            masks = [rng.random(v.size) < 0.7 for v in app.values]
            operands = [
                Elements(n.dtype, np.where(mask, v.ravel(), v.dtype.type(0)), mask)
                for v, n, mask in zip(app.values, app.node.inputs, masks, strict=True)
            ]
            found = elements_of(app.node, operands)
            assert found.count == prod(app.node.shape)
            assert found.value.dtype == app.node.dtype.numpy
            others = [
                np.where(mask.reshape(v.shape), v, redrawn(v, rng))
                for v, mask in zip(app.values, masks, strict=True)
            ]
            for values in (app.values, others):
                wanted = evaluate_node(app.node, list(values), {}).ravel()
                near = np.isclose(
                    found.value[found.known], wanted[found.known], rtol=1e-12, equal_nan=True
                )
                assert near.all()


@pytest.mark.parametrize("op", SMOOTH, ids=lambda op: op.name)
def test_the_pattern_covers_the_derivative(op: Op, rng) -> None:
    for app in applications(op, DType.F64, smooth=True):
        if not app.float_inputs or not app.node.dtype.is_float:
            continue
        graph = Graph("f", app.parameters, (app.node,), app.builder)
        wrt = [app.parameters[k] for k in app.float_inputs]
        pattern = jacobian_pattern(graph, wrt).toarray()
        derivative = jacfwd_graph(graph, wrt)
        for draw in range(DRAWS):
            values = list(app.values)
            for which in app.float_inputs if draw else ():
                values[which] = redrawn(app.values[which], rng)
            blocks = interpret(derivative, values)
            dense = np.zeros((prod(app.node.shape), 0))
            for node, block in zip(wrt, blocks, strict=True):
                dense = np.hstack([dense, block.reshape(len(dense), prod(node.shape))])
            assert not ((dense != 0) & ~np.isnan(dense) & ~pattern).any()


def test_every_kind_of_operation_is_drawn() -> None:
    kinds = ("element", "reduction", "contraction", "scatter", "overwrites", "library")
    assert all(any(getattr(op, kind) for op in OPERATIONS) for kind in kinds)
