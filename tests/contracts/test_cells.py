"""Every rule of every operation in f32, f64, c64 and c128, on operands that are drawn anew.

A cell is an operation with an element type. What other modules compare with references and
differences in the widest types, this one carries to all of them: narrow derivatives are wide ones
rounded, batches are loops, and symbols as sizes change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
import pytest
from contracts.cases import (
    OPERATIONS,
    Application,
    assert_close,
    is_long,
    parameter,
    pulled_back,
    pushed_forward,
    signed,
    sizes,
    without_phases,
)
from contracts.test_complex import OPERATIONS as COMPLEX
from contracts.test_complex import assert_same, operand_type
from contracts.test_symbolic import symbolic

import symfuse as sf
from symfuse.compiler.ir.node import Node
from symfuse.compiler.ir.op import Op, Sample
from symfuse.runtime.dtypes import DType
from symfuse.tracing.trace import call

Array = np.ndarray[Any, Any]
Cell = tuple[Op, DType]

NARROW = {DType.F32: DType.F64, DType.C64: DType.C128}
REAL = [(op, d) for op in OPERATIONS for d in (DType.F32, DType.F64) if d in op.dtypes]
CELLS: list[Cell] = [*REAL, *((op, d) for op in COMPLEX for d in (DType.C64, DType.C128))]
STEP = 1e-6

TURNED = dict.fromkeys(
    ("eig", "eigh", "svd"),
    "its vectors are determined but for phases: tests/frontend/test_spectral_derivatives.py",
)
_SIZES = "attributes are sizes: tests/contracts/test_symbolic_attributes.py"
SIZED = {
    **dict.fromkeys(
        ("broadcast", "iota", "irfft", "overlap_add", "pad", "reshape", "slice"), _SIZES
    ),
    "as_complex": "its last axis has two elements",
}


def _named(cells: list[Cell]) -> Any:
    marked = [pytest.param(op, dtype, id=f"{op.name}-{dtype}") for op, dtype in cells]
    return pytest.mark.parametrize(("op", "dtype"), marked)


def _smooth(cell: Cell) -> bool:
    op, dtype = cell
    found = op.jvp is not None and op.name != "hold"
    return found and any(s.smooth for s in drawn(op, dtype, 0))


def drawn(op: Op, dtype: DType, seed: int) -> list[Sample]:
    """Samples of a cell."""
    assert op.samples is not None
    return op.samples(np.random.default_rng(seed), operand_type(op, dtype))


def drawn_anew(op: Op, dtype: DType) -> Iterator[tuple[int, Sample]]:
    """Samples of a cell, drawn with two seeds; of long operations with one, without all edges."""
    for seed in (0,) if is_long(op) else (0, 20240229):
        for sample in drawn(op, dtype, seed):
            if sample.smooth or not is_long(op):
                yield seed, sample


ENDS = [(op, dtype) for op in OPERATIONS for dtype in (op.dtypes[0], op.dtypes[-1])]
EVERY_BATCHED = _named(list(dict.fromkeys([*CELLS, *ENDS])))
SMOOTH = [cell for cell in CELLS if _smooth(cell)]
EVERY_NARROW = _named([cell for cell in SMOOTH if cell[1] in NARROW])
EVERY_FREE = _named([cell for cell in CELLS if cell[0].name not in SIZED])


@EVERY_BATCHED
def test_a_batch_is_a_loop(op: Op, dtype: DType) -> None:
    for _, sample in drawn_anew(op, dtype):
        for batched in product((False, True), repeat=len(sample.inputs)):
            if any(batched):
                _compare_batch(op, sample, batched)


def _compare_batch(op: Op, sample: Sample, batched: tuple[bool, ...]) -> None:
    pairs = list(zip(map(np.asarray, sample.inputs), batched, strict=True))
    app = Application.of(op, sample)
    operands = [np.stack([x, x.ravel()[::-1].reshape(x.shape)]) if b else x for x, b in pairs]
    parameters = tuple(parameter(app.builder, x) for x in operands)
    assert op.batch is not None
    with app.builder.active():
        out = op.batch(parameters, batched, dict(sample.attrs))
    (found,) = app.run([out], dict(zip(parameters, operands, strict=True)))
    for k in range(2):
        row = tuple(x[k] if b else x for x, b in zip(operands, batched, strict=True))
        one = Sample(row, sample.attrs)
        with np.errstate(all="ignore"):
            wanted = np.asarray(op.reference(*row, **sample.attrs))
        pair = signed(op, one, found[k]), signed(op, one, wanted)
        if wanted.dtype.kind == "c":
            assert_same(*pair, _tolerance(op, wanted))
        else:
            assert_close(*pair, ulp=op.ulp)


def _tolerance(op: Op, values: Array) -> float:
    if values.dtype.kind not in "fc":
        return 0.0
    return (op.ulp + 64) * float(np.finfo(values.dtype).eps)


# derivatives


def _directions(app: Application, rng: np.random.Generator) -> dict[int, Array]:
    """A direction for every operand that has a derivative."""
    found = {}
    for k, node in enumerate(app.parameters):
        if node.dtype.is_inexact and k not in app.node.op.constant_in:
            real, imag = rng.normal(size=(2, *app.values[k].shape))
            value = real + 1j * imag if node.dtype.is_complex else real
            found[k] = np.asarray(value, app.values[k].dtype)
    return found


def _derivatives(
    app: Application, result: Node, directions: Mapping[int, Array], seed: int
) -> list[Array]:
    """The tangent, the cotangents and the second tangent."""
    builder = app.builder
    tangents = {k: builder.parameter("t", app.parameters[k].type) for k in directions}
    along = {app.parameters[k]: t for k, t in tangents.items()}
    first = pushed_forward(app, result, along)
    if first is None:
        return []
    assert first.dtype is result.dtype
    given = {t: directions[k] for k, t in tangents.items()}
    (tangent,) = app.run([first], given)
    cotangent = np.random.default_rng(seed).normal(size=tangent.shape)
    ct = builder.parameter("ct", first.type)
    back = pulled_back(app, first, ct, list(tangents.values()))
    found = (*back, pushed_forward(app, first, along))
    given[ct] = np.asarray(cotangent, tangent.dtype)
    values = iter(app.run([node for node in found if node is not None], given))
    like = (*directions.values(), tangent)
    pairs = zip(found, like, strict=True)
    return [tangent, *(np.zeros_like(x) if n is None else next(values) for n, x in pairs)]


@EVERY_NARROW
def test_narrow_derivatives_are_wide_ones_rounded(op: Op, dtype: DType) -> None:
    for seed, sample in drawn_anew(op, dtype):
        if not sample.smooth:
            continue
        narrow = Application.of(op, sample)
        directions = _directions(narrow, np.random.default_rng(seed))
        wide = Application.of(op, Sample(tuple(map(_widened, sample.inputs)), _wider(sample.attrs)))
        found = _derivatives(narrow, without_phases(narrow), directions, seed)
        widened = {k: _widened(x) for k, x in directions.items()}
        wanted = _derivatives(wide, without_phases(wide), widened, seed)
        for one, other in zip(found, wanted, strict=True):
            assert_same(one, other.astype(one.dtype), 2e-2, least=1.0)


def _widened(x: Any) -> Array:
    values = np.asarray(x)
    return (
        values.astype(np.result_type(values, np.float64)) if values.dtype.kind in "fc" else values
    )


def _wider(attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {k: NARROW.get(v, v) if isinstance(v, DType) else v for k, v in attrs.items()}


@EVERY_FREE
def test_symbols_as_sizes_change_nothing(op: Op, dtype: DType) -> None:
    for seed, sample in drawn_anew(op, dtype):
        static, free = Application.of(op, sample), symbolic(op, sample)
        with np.errstate(all="ignore"):
            values = [app.run([app.node])[0] for app in (free, static)]
        np.testing.assert_array_equal(*values)
        if not (sample.smooth and _smooth((op, dtype))):
            continue
        directions = _directions(static, np.random.default_rng(seed))
        pairs = (_derivatives(app, app.node, directions, seed) for app in (free, static))
        for one, other in zip(*pairs, strict=True):
            assert_same(one, other, _tolerance(op, other) * 1e3)


COMPILED = [op for op, dtype in SMOOTH if dtype is DType.C128 and op.name not in TURNED]


@pytest.mark.parametrize("op", COMPILED, ids=lambda op: op.name)
def test_compiled_gradients_in_the_plane_equal_differences(
    op: Op, rng: np.random.Generator
) -> None:
    cases = [s for s in drawn(op, DType.C128, 7) if s.smooth and all(map(np.size, s.inputs))][:2]
    apps = [Application.of(op, s) for s in cases]
    directions = [_directions(app, rng) for app in apps]
    points = [{k: app.values[k] for k in d} for app, d in zip(apps, directions, strict=True)]
    weights = [rng.normal(size=(2, *sizes(app.node))) for app in apps]

    def loss(points: Any) -> Any:
        total: Any = 0.0
        for app, at, (re, im) in zip(apps, points, weights, strict=True):
            inputs = [at.get(k, x) for k, x in enumerate(app.values)]
            out = call(op.name, *inputs, **dict(app.node.attrs))
            if app.node.dtype.is_complex:
                total = total + (call("real", out) * re + call("imag", out) * im).sum()
            else:
                total = total + (out * re).sum()
        return total

    def slope(points: Any) -> Any:
        pairs = zip(sf.grad(loss)(points), directions, strict=True)
        terms = [(row[k] * d).sum() for row, ds in pairs for k, d in ds.items()]
        return sum(t.real if np.iscomplexobj(t) else t for t in terms)

    both = sf.jit(lambda points: (loss(points), slope(points)), mode="fast-compile")
    second = sf.jit(sf.grad(slope), mode="fast-compile")(points)
    ahead, behind = ([_moved(p, d, s) for p, d in zip(points, directions, strict=True)]
                     for s in (STEP, -STEP))  # fmt: skip
    (_, along), (up, high), (down, low) = both(points), both(ahead), both(behind)
    np.testing.assert_allclose(along, (up - down) / (2 * STEP), rtol=1e-5, atol=1e-6)
    pairs = zip(second, directions, strict=True)
    curve = sum(np.sum(row[k] * d).real for row, ds in pairs for k, d in ds.items())
    np.testing.assert_allclose(curve, (high - low) / (2 * STEP), rtol=1e-4, atol=1e-5)


def _moved(point: dict[int, Array], direction: dict[int, Array], by: float) -> dict[int, Array]:
    return {k: np.asarray(x + by * direction[k]) for k, x in point.items()}
