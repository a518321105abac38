"""Both modes of differentiation, against differences and against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contracts.cases import (
    EVERY,
    EVERY_DERIVATIVE,
    Application,
    assert_close,
    linearised,
    parameter,
    pulled_back,
    pushed_forward,
    samples,
    sizes,
)

import symfuse as sf
from symfuse.compiler.ir.node import Node
from symfuse.compiler.ir.op import Op, Sample
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import UnsupportedError
from symfuse.tracing.trace import call

Array = np.ndarray[Any, Any]
STEP = 1e-5


def smooth_samples(op: Op) -> list[Sample]:
    """Samples in f64 without kinks nearby."""
    return [sample for sample in samples(op, DType.F64) if sample.smooth]


@EVERY_DERIVATIVE
def test_some_sample_is_smooth(op: Op) -> None:
    assert any(np.size(x) for sample in smooth_samples(op) for x in sample.inputs)


@EVERY_DERIVATIVE
def test_jvp_equals_central_differences(op: Op, rng: np.random.Generator) -> None:
    for sample in smooth_samples(op):
        app = Application.of(op, sample)
        directions = app.directions(rng)
        tangents = {k: parameter(app.builder, v) for k, v in directions.items()}
        found = _value(
            app, linearised(app, tangents), {tangents[k]: directions[k] for k in tangents}
        )
        if not app.node.dtype.is_float:
            assert linearised(app, tangents) is None
            continue
        ahead, behind = (_shifted(app, directions, sign * STEP) for sign in (1, -1))
        assert_close(found, (ahead - behind) / (2 * STEP), rtol=1e-6)


@pytest.mark.parametrize("op", [op for op in EVERY if op.constant_in], ids=lambda op: op.name)
def test_operands_without_a_derivative_are_refused_with_the_reason(op: Op) -> None:
    sample = smooth_samples(op)[0]
    inputs = tuple(np.asarray(x) for x in sample.inputs)
    for which, reason in op.constant_in.items():
        tangents = tuple(np.full_like(x, k == which) for k, x in enumerate(inputs))
        with pytest.raises(UnsupportedError, match=reason):
            sf.jvp(lambda *xs: call(op.name, *xs, **sample.attrs), inputs, tangents)


@EVERY_DERIVATIVE
def test_the_tangents_of_the_inputs_add_up(op: Op, rng: np.random.Generator) -> None:
    for sample in smooth_samples(op):
        app = Application.of(op, sample)
        directions = app.directions(rng)
        tangents = {k: parameter(app.builder, v) for k, v in directions.items()}
        given = {tangents[k]: directions[k] for k in tangents}
        together = _value(app, linearised(app, tangents), given)
        apart = [_value(app, linearised(app, {k: t}), given) for k, t in tangents.items()]
        assert_close(together, sum(apart[1:], apart[0]), rtol=1e-12)


@EVERY_DERIVATIVE
def test_the_two_modes_are_adjoint(op: Op, rng: np.random.Generator) -> None:
    for sample in smooth_samples(op):
        app = Application.of(op, sample)
        directions = app.directions(rng)
        tangents = {k: parameter(app.builder, v) for k, v in directions.items()}
        out = linearised(app, tangents)
        if out is None:
            continue
        ct = parameter(app.builder, cotangent := rng.normal(size=sizes(out)))
        pulled = pulled_back(app, out, ct, list(tangents.values()))
        given = {**{tangents[k]: directions[k] for k in tangents}, ct: cotangent}
        forward = np.sum(cotangent * _value(app, out, given))
        backward = [
            np.sum(directions[k] * app.run([node], given)[0])
            for k, node in zip(tangents, pulled, strict=True)
            if node is not None
        ]
        assert_close(np.float64(sum(backward)), forward, rtol=1e-9)


@EVERY_DERIVATIVE
def test_the_second_derivative_equals_differences_of_the_first(
    op: Op, rng: np.random.Generator
) -> None:
    for sample in smooth_samples(op):
        app = Application.of(op, sample)
        directions = app.directions(rng)
        tangents = {k: parameter(app.builder, v) for k, v in directions.items()}
        first = linearised(app, tangents)
        if first is None:
            continue
        given = {tangents[k]: directions[k] for k in tangents}
        again = {app.parameters[k]: t for k, t in tangents.items()}
        second = _value(app, pushed_forward(app, first, again), given, like=first)
        moved = [_moved(app, directions, sign * STEP).run([first], given)[0] for sign in (1, -1)]
        assert_close(second, (moved[0] - moved[1]) / (2 * STEP), rtol=2e-5)


def _value(
    app: Application,
    node: Node | None,
    given: dict[Node, Array],
    like: Node | None = None,
) -> Array:
    if node is None:
        return np.zeros(sizes(like or app.node))
    return app.run([node], given)[0]


def _moved(app: Application, directions: dict[int, Array], by: float) -> Application:
    """The same application a step away in some directions."""
    values = tuple(
        x + by * directions[k] if k in directions else x for k, x in enumerate(app.values)
    )
    return Application(app.builder, app.parameters, app.node, values)


def _shifted(app: Application, directions: dict[int, Array], by: float) -> Array:
    return _moved(app, directions, by).run([app.node])[0]
