"""Gradients of every differentiable operation, compiled, against central differences in f64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contracts.cases import EVERY_DERIVATIVE, assert_close, samples

import symfuse as sf
from symfuse.compiler.ir.op import Op, Sample
from symfuse.runtime.dtypes import DType
from symfuse.tracing.trace import call

Array = np.ndarray[Any, Any]
Point = list[Array]
STEP = 1e-5


def differentiable(op: Op) -> list[Sample]:
    """Samples in f64 without kinks nearby, with floats going in and coming out."""
    found = [s for s in samples(op, DType.F64) if s.smooth and any(map(np.size, s.inputs))]
    return [s for s in found if _floats(op, s) and _reference(op, s, None).dtype.kind == "f"]


@EVERY_DERIVATIVE
def test_both_orders_of_compiled_gradients_equal_differences(
    op: Op, rng: np.random.Generator
) -> None:
    cases = differentiable(op)
    if not cases:
        pytest.skip("no sample has floats going in and coming out")
    points = [_floats(op, s) for s in cases]
    weights = [_like(rng, _reference(op, s, None)) for s in cases]
    directions = [[_like(rng, x) for x in point] for point in points]

    def loss(points: list[Point]) -> Any:
        rows = zip(cases, points, weights, strict=True)
        return sum((call(op.name, *_inputs(op, s, p), **s.attrs) * w).sum() for s, p, w in rows)

    def slope(points: list[Point]) -> Any:
        rows = zip(sf.grad(loss)(points), directions, strict=True)
        return sum((g * d).sum() for row in rows for g, d in zip(*row, strict=True))

    slopes = lambda points: (sf.grad(loss)(points), sf.grad(slope)(points))  # noqa: E731
    both = sf.jit(slopes, mode="fast-compile")  # what the graph is, not how well it is compiled
    first, second = both(points)
    ahead, behind = ([_moved(p, d, s) for p, d in _pairs(points, directions)] for s in (1, -1))
    for at, (case, weight) in enumerate(zip(cases, weights, strict=True)):
        ends = [np.sum(_reference(op, case, p[at]) * weight) for p in (ahead, behind)]
        along = sum(np.sum(g * d) for g, d in _pairs(first[at], directions[at]))
        assert_close(along, (ends[0] - ends[1]) / (2 * STEP), rtol=1e-5)
    for found, high, low in zip(second, both(ahead)[0], both(behind)[0], strict=True):
        for h, up, down in zip(found, high, low, strict=True):
            assert_close(h, (up - down) / (2 * STEP), rtol=5e-5)
    assert both.cache_info().compiles == 1


def _varies(op: Op, sample: Sample) -> list[bool]:
    """Which inputs derivatives are taken in."""
    types = (np.asarray(x).dtype for x in sample.inputs)
    return [t == np.float64 and k not in op.constant_in for k, t in enumerate(types)]


def _floats(op: Op, sample: Sample) -> Point:
    pairs = zip(sample.inputs, _varies(op, sample), strict=True)
    return [np.asarray(x) for x, varies in pairs if varies]


def _inputs(op: Op, sample: Sample, floats: Any) -> list[Any]:
    """The inputs of a sample with others where derivatives are taken."""
    given = iter(floats)
    pairs = zip(sample.inputs, _varies(op, sample), strict=True)
    return [next(given) if varies else np.asarray(x) for x, varies in pairs]


def _reference(op: Op, sample: Sample, point: Point | None) -> Array:
    inputs = _inputs(op, sample, _floats(op, sample) if point is None else point)
    return np.asarray(op.reference(*inputs, **sample.attrs))


def _like(rng: np.random.Generator, array: Array) -> Array:
    return np.asarray(rng.normal(size=array.shape))


def _moved(point: Point, direction: Point, sign: int) -> Point:
    return [x + sign * STEP * d for x, d in zip(point, direction, strict=True)]


def _pairs(one: Any, other: Any) -> Any:
    return zip(one, other, strict=True)
