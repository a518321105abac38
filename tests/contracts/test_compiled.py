"""Every operation gives compiled what its NumPy reference gives, alone and amid others."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any

import numpy as np
from contracts.cases import EVERY_OP, assert_close, is_long, parameter, samples, signed
from running import Compiled, near_enough

from symfuse.compiler.ir.builder import Builder
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.node import Node
from symfuse.compiler.ir.op import Op, Sample, operations
from symfuse.compiler.targets.llvm.machine import Level
from symfuse.runtime.dtypes import DType

Array = np.ndarray[Any, Any]

FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1.5, 3.0, 1e-3, -700.25, 40.0, np.inf, -np.inf, np.nan)
WHOLE = (0, 1, 2, 3, 7, 100)
SIGNED = (-1, -2, -128)
# Whose result NumPy leaves open for some operands: shifts by negative counts, 1 / x for whole x.
PARTIAL = frozenset({"bitwise_left_shift", "bitwise_right_shift", "power", "reciprocal"})


Case = tuple[Op, Sample]


def _graph(cases: list[Case], *, fused: bool) -> tuple[Graph, list[Array]]:
    """All cases side by side; fused, each stands between a map before and a map after it."""
    builder = Builder()
    parameters: list[Node] = []
    arrays: list[Array] = []

    def given(value: Array) -> Node:
        parameters.append(parameter(builder, value))
        arrays.append(value)
        return parameters[-1]

    def mapped(node: Node) -> Node:
        if not fused:
            return node
        least = given(np.full([int(n) for n in node.shape], _least(node.dtype), node.dtype.numpy))
        return builder.apply(operations["maximum"], (node, least), {})

    outputs = []
    for op, sample in cases:
        inputs = tuple(mapped(given(np.asarray(x))) for x in sample.inputs)
        outputs.append(mapped(builder.apply(op, inputs, dict(sample.attrs))))
    return Graph("f", tuple(parameters), tuple(outputs), builder), arrays


def _least(dtype: DType) -> Any:
    if dtype.is_bool:
        return False
    return -np.inf if dtype.is_float else np.iinfo(dtype.numpy).min


def _cases(op: Op) -> list[Case]:
    return [(op, sample) for dtype in op.dtypes for sample in samples(op, dtype)]


def _first(cases: list[Case]) -> list[Case]:
    """Those of one of the first two element types, and of long operations of the first."""

    def is_first(op: Op, sample: Sample) -> bool:
        types = [DType.of(np.asarray(x).dtype) for x in sample.inputs]
        first = op.dtypes[: 1 if is_long(op) else 2]
        return not types or any(dtype in first for dtype in types)

    return [case for case in cases if is_first(*case)]


def _wanted(op: Op, sample: Sample) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(op.reference(*sample.inputs, **sample.attrs))


def _kernels(cases: list[Case]) -> list[list[Case]]:
    """The cases of each kernel: long code is compiled once for all operands of the same types."""
    found: dict[Any, list[Case]] = {}
    for at, (op, sample) in enumerate(cases):
        types = tuple(np.asarray(x).dtype for x in sample.inputs)
        alike = (types, *sorted(sample.attrs.items())) if is_long(op) else at
        found.setdefault(alike, []).append((op, sample))
    return list(found.values())


def _joined(cases: list[Case]) -> Case:
    """One case with the elements of all, which are computed element by element."""
    if len(cases) == 1:
        return cases[0]
    columns = zip(*(sample.inputs for _, sample in cases), strict=True)
    inputs = tuple(np.concatenate([np.ravel(x) for x in column]) for column in columns)
    return cases[0][0], Sample(inputs, cases[0][1].attrs)


def _parted(cases: list[Case], found: Array) -> list[Array]:
    """The results of the cases that were joined."""
    if len(cases) == 1:
        return [found]
    shapes = [np.shape(sample.inputs[0]) for _, sample in cases]
    parts = np.split(found, np.cumsum([prod(shape) for shape in shapes])[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def _run(cases: list[Case], *, fused: bool) -> Iterator[tuple[Sample, Array, Array]]:
    """Each sample with what compiled code gives and what the reference does."""
    kernels = _kernels(cases)
    graph, arrays = _graph([_joined(kernel) for kernel in kernels], fused=fused)
    level: Level = "fast-compile" if fused and any(is_long(op) for op, _ in cases) else "default"
    for kernel, whole in zip(kernels, Compiled(graph, level)(*arrays), strict=True):
        for (op, sample), found in zip(kernel, _parted(kernel, whole), strict=True):
            yield sample, found, _wanted(op, sample)


@EVERY_OP
def test_samples_and_special_values_give_what_the_reference_gives(op: Op) -> None:
    special = [sample for dtype in op.dtypes if (sample := _special(op, dtype)) is not None]
    for sample, found, wanted in _run([*_cases(op), *((op, one) for one in special)], fused=False):
        if any(sample is one for one in special):
            assert near_enough(found, wanted, op.ulp), _report(sample, found, wanted, op.ulp)
        else:
            assert_close(signed(op, sample, found), signed(op, sample, wanted), ulp=op.ulp)


@EVERY_OP
def test_samples_amid_others_give_what_the_reference_gives(op: Op) -> None:
    for sample, found, wanted in _run(_first(_cases(op)), fused=True):
        assert_close(signed(op, sample, found), signed(op, sample, wanted), ulp=op.ulp)


def _special(op: Op, dtype: DType) -> Sample | None:
    """All tuples of special operands of a map; ternary operations take some of them."""
    if op.body is None or (dtype.is_integer and op.name in PARTIAL):
        return None
    first = samples(op, dtype)[0]
    kinds = [np.asarray(x).dtype for x in first.inputs]
    columns = list(product(*(_values(kind) for kind in kinds)))[:3000]
    arrays = tuple(np.array([row[k] for row in columns], kind) for k, kind in enumerate(kinds))
    return Sample(arrays, first.attrs)


def _values(kind: np.dtype[Any]) -> tuple[Any, ...]:
    if DType.of(kind).is_float:
        info = DType.of(kind).limits
        extreme = (info.max, info.tiny, info.smallest_subnormal, -info.smallest_subnormal)
        return (*FLOATS, *(kind.type(x) for x in extreme))
    if kind.kind == "b":
        return (False, True)
    limits = np.iinfo(kind)
    return (*WHOLE, *(SIGNED if kind.kind == "i" else ()), limits.min, limits.max)


def _report(sample: Sample, found: Array, wanted: Array, ulp: float) -> str:
    for k in range(wanted.size):
        if not near_enough(found[k : k + 1], wanted[k : k + 1], ulp):
            operands = ", ".join(repr(x[k]) for x in sample.inputs)
            return f"of {operands}: {found[k]!r}, wanted {wanted[k]!r}"
    return ""
