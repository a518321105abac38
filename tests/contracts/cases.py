"""What the contract tests run on: every operation, on every element type it declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import pytest

import symfuse.compiler.ops  # noqa: F401  (completes the registry)
from symfuse.compiler.ir.builder import Builder
from symfuse.compiler.ir.dims import evaluate
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.interpret import interpret
from symfuse.compiler.ir.node import Node
from symfuse.compiler.ir.op import Op, Sample, operations
from symfuse.compiler.ir.types import TensorType
from symfuse.compiler.ir.walk import topological
from symfuse.compiler.kernel.domain import element_cost
from symfuse.runtime.dtypes import DType

__all__ = [
    "EVERY",
    "EVERY_CASE",
    "EVERY_DERIVATIVE",
    "EVERY_OP",
    "OPERATIONS",
    "Application",
    "assert_close",
    "is_long",
    "linearised",
    "parameter",
    "pulled_back",
    "pushed_forward",
    "samples",
    "signed",
    "sizes",
    "without_phases",
]

Array = np.ndarray[Any, Any]

_OTHERS = (
    "branch", "constant", "custom_jvp", "custom_vjp", "loop", "parameter", "pullback", "while_loop",
)  # fmt: skip
EVERY = [op for op in operations.values() if op.name not in _OTHERS]
# What is of complex numbers alone has no elements: `test_complex.py` tests it.
_COMPLEX = (
    "as_complex", "as_real", "complex", "conjugate", "eig", "fft", "imag", "irfft", "real", "rfft",
)  # fmt: skip
OPERATIONS = [op for op in EVERY if op.name not in _COMPLEX]
_BY_DTYPE = [pytest.param(op, d, id=f"{op.name}-{d}") for op in OPERATIONS for d in op.dtypes]
_DIFFERENTIABLE = [op for op in OPERATIONS if op.jvp is not None and op.name != "hold"]
_SMOOTH = [pytest.param(op, id=op.name) for op in _DIFFERENTIABLE]

_LONG = 2000  # in additions

EVERY_OP = pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)
EVERY_CASE = pytest.mark.parametrize(("op", "dtype"), _BY_DTYPE)
EVERY_DERIVATIVE = pytest.mark.parametrize("op", _SMOOTH)


def samples(op: Op, dtype: DType) -> list[Sample]:
    """The samples of an operation, the same in every run."""
    assert op.samples is not None, f"{op} has no samples"
    return op.samples(np.random.default_rng(7), dtype)


@cache
def is_long(op: Op) -> bool:
    """Whether one element takes so many instructions that tests wait for their compiler.

    Of such an operation one kernel takes all operands of an element type, and what NumPy computes
    instruction by instruction gets fewer of them.
    """
    if op.body is None:
        return False
    return element_cost(Application.of(op, samples(op, op.dtypes[0])[0]).node) > _LONG


@dataclass(frozen=True)
class Application:
    """An operation applied to parameters that take the inputs of a sample."""

    builder: Builder
    parameters: tuple[Node, ...]
    node: Node
    values: tuple[Array, ...]

    @classmethod
    def of(cls, op: Op, sample: Sample) -> Application:
        builder = Builder()
        values = tuple(np.asarray(x) for x in sample.inputs)
        parameters = tuple(parameter(builder, x) for x in values)
        node = builder.apply(op, parameters, dict(sample.attrs))
        return cls(builder, parameters, node, values)

    @property
    def float_inputs(self) -> tuple[int, ...]:
        """The operands that have derivatives."""
        floats = (k for k, x in enumerate(self.node.inputs) if x.dtype.is_float)
        return tuple(k for k in floats if k not in self.node.op.constant_in)

    def directions(self, rng: np.random.Generator) -> dict[int, Array]:
        """A random direction for every input that has one."""
        return {k: np.asarray(rng.normal(size=self.values[k].shape)) for k in self.float_inputs}

    def run(self, outputs: Sequence[Node], more: Mapping[Node, Array] | None = None) -> list[Array]:
        """The values of nodes, given those of parameters made later."""
        extra = dict(more or {})
        graph = Graph("f", (*self.parameters, *extra), tuple(outputs), self.builder)
        return list(interpret(graph, (*self.values, *extra.values())))


def sizes(node: Node) -> tuple[int, ...]:
    """The shape of a node, which no symbol stands in."""
    return tuple(evaluate(n, {}) for n in node.shape)


def parameter(builder: Builder, value: Array) -> Node:
    """A parameter of the type of an array."""
    return builder.parameter("x", TensorType(value.shape, DType.of(value.dtype)))


def linearised(app: Application, tangents: Mapping[int, Node]) -> Node | None:
    """The tangent of the application's node."""
    given = tuple(tangents.get(k) for k in range(len(app.node.inputs)))
    assert app.node.op.jvp is not None
    with app.builder.active():
        found: Node | None = app.node.op.jvp(given, app.node.inputs, app.node, app.node.attrs)
    return found


def pushed_forward(app: Application, output: Node, tangents: Mapping[Node, Node]) -> Node | None:
    """The tangent of any output, by the jvp of each node on the way."""
    known: dict[Node, Node | None] = dict(tangents)
    with app.builder.active():
        for node in topological([output]):
            given = tuple(known.get(x) for x in node.inputs)
            if node not in known and node.op.jvp is not None and any(t is not None for t in given):
                known[node] = node.op.jvp(given, node.inputs, node, node.attrs)
    return known.get(output)


def pulled_back(
    app: Application, output: Node, cotangent: Node, tangents: Sequence[Node]
) -> list[Node | None]:
    """The cotangents of tangents that an output is linear in, by the adjoint of each node."""
    depends = set(tangents)
    order = topological([output])
    for node in order:
        if any(x in depends for x in node.inputs):
            depends.add(node)
    known: dict[Node, Node] = {output: cotangent}
    with app.builder.active():
        for node in reversed(order):
            if node not in depends or node in tangents or node not in known:
                continue
            assert node.op.transpose is not None, f"a tangent goes through {node.op}"
            for which, x in enumerate(node.inputs):
                if x in depends:
                    share = node.op.transpose(known[node], which, node.inputs, node.attrs)
                    assert share.type == x.type, f"{node.op}: {share.type} for {x.type}"
                    known[x] = operations["add"](known[x], share) if x in known else share
    return [known.get(t) for t in tangents]


def signed(op: Op, sample: Sample, found: Any) -> Array:
    """A result with the one choice of signs or phases, where vectors are determined but for theirs:
    the greatest element of each is positive."""
    values = np.array(found)
    if not sample.attrs.get("vectors", True):
        return values
    if op.name in ("eig", "eigh"):
        rows = values[..., :-1, :]
        values[..., :-1, :] = rows * np.conj(_signs(rows))
    if op.name == "svd":
        n, m = np.shape(sample.inputs[0])[-2:]
        k = min(m, n)
        u = values[..., : k * m].reshape(*values.shape[:-1], k, m)
        v = values[..., k * m : k * (m + n)].reshape(*values.shape[:-1], n, k)
        signs = _signs(u)
        values[..., : k * m] = (u * np.conj(signs)).reshape(*values.shape[:-1], k * m)
        v = v * np.swapaxes(signs, -1, -2)
        values[..., k * m : k * (m + n)] = v.reshape(*values.shape[:-1], n * k)
    return values


def _signs(rows: Array) -> Array:
    """The sign or phase of the greatest element of each row."""
    if not rows.size:
        return np.ones((*rows.shape[:-1], 1), rows.dtype)
    places = np.argmax(np.abs(rows), -1, keepdims=True)
    return np.asarray(np.sign(np.take_along_axis(rows, places, -1)))


def without_phases(app: Application) -> Node:
    """Of vectors that are determined but for phases, the products that do not depend on these."""
    node = app.node
    if node.op.name not in ("eig", "eigh", "svd") or not node.attrs.get("vectors", True):
        return node
    with app.builder.active():
        if node.op.name == "svd":
            return _joined_products(*_singular(app))
        n = node.shape[-1]
        rows, values = (_cut(node, -2, *ends) for ends in ((0, n), (n, n + 1)))
        turned = operations["conjugate"](rows) if node.dtype.is_complex else rows
        return _joined_products(rows, turned, values)


def _singular(app: Application) -> tuple[Node, Node, Node]:
    """The singular vectors as rows, and the values."""
    n, m = sizes(app.parameters[0])[-2:]
    k, lead = min(m, n), sizes(app.node)[:-1]
    places = (0, k * m, k * (m + n), k * (m + n + 1))
    u, v, s = (_cut(app.node, -1, *ends) for ends in pairwise(places))
    v = operations["reshape"](v, shape=(*lead, n, k))
    order = (*range(len(lead)), len(lead) + 1, len(lead))
    v = operations["transpose"](v, axes=order)
    return operations["reshape"](u, shape=(*lead, k, m)), v, s


def _cut(x: Node, axis: int, start: int, stop: int) -> Node:
    stops = [*sizes(x)]
    starts = [0] * x.rank
    starts[axis], stops[axis] = start, stop
    found: Node = operations["slice"](x, starts=(*starts,), stops=(*stops,), steps=(1,) * x.rank)
    return found


def _joined_products(x: Node, y: Node, values: Node) -> Node:
    """The products of the elements of rows of x and y, and the values, one after another."""
    axes = tuple(range(x.rank - 1))
    products = operations["contract"](
        operations["reshape"](x, shape=(*sizes(x), 1)),
        operations["reshape"](y, shape=(*sizes(y), 1)),
        batch=(axes, axes),
        contracting=((x.rank,), (y.rank,)),
    )
    flat = (operations["reshape"](p, shape=(prod(sizes(p)),)) for p in (products, values))
    found: Node = operations["concatenate"](*flat, axis=0)
    return found


def assert_close(found: Any, wanted: Any, *, ulp: float = 0.0, rtol: float | None = None) -> None:
    """Equal type and shape, and values within a number of units in the last place, or near."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    dtype = DType.of(found.dtype)
    if dtype.is_half:
        found, wanted = found.astype(np.float32), wanted.astype(np.float32)
    if not dtype.is_float or (ulp == 0 and rtol is None):
        np.testing.assert_array_equal(found, wanted)
        return
    if rtol is None:
        rtol = (ulp + 2) * float(dtype.limits.eps)
    near = wanted[np.isfinite(wanted)]
    scale = float(np.max(np.abs(near), initial=0.0)) if near.size < 100 else 0.0
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol * min(scale, 1e3))
