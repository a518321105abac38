"""Evaluates the element, body or monoid of an operation by NumPy, over all indices at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from contracts.cases import sizes

from symfuse.compiler.ir.node import Node
from symfuse.compiler.ir.op import Reduction
from symfuse.compiler.ir.types import TensorType
from symfuse.compiler.kernel.numpy_scalars import NumpyScalars
from symfuse.compiler.kernel.scalar import INSTRUCTIONS, Scalars, result_dtype
from symfuse.runtime.dtypes import DType

__all__ = ["elements_of"]

Array = np.ndarray[Any, Any]
_NUMPY = NumpyScalars()


@dataclass(frozen=True)
class Value:
    """One scalar at every index of the output."""

    array: Array
    dtype: DType


class ArrayScalars(Scalars):
    """Emits nothing: it computes with arrays over all indices."""

    def emit(self, name: str, operands: tuple[Any, ...]) -> Value:
        dtype = result_dtype(name, tuple(x.dtype for x in operands))
        assert len(operands) == INSTRUCTIONS[name].arity
        result = _NUMPY.emit(name, tuple(x.array for x in operands))
        assert result.dtype == dtype.numpy, f"{name} gives {result.dtype}, not {dtype}"
        return Value(result, dtype)

    def const(self, value: float | int | bool, dtype: DType) -> Value:
        return Value(_NUMPY.const(value, dtype), dtype)

    def convert(self, value: Any, dtype: DType) -> Value:
        return Value(_NUMPY.convert(value.array, dtype), dtype)

    def bitcast(self, value: Any, dtype: DType) -> Value:
        return Value(_NUMPY.bitcast(value.array, dtype), dtype)

    def index(self, dim: Any) -> Value:
        """The entry of an index as a value."""
        return Value(np.asarray(dim, np.int64), DType.I64)

    def below(self, left: Any, right: Any) -> Value:
        """Whether one entry of an index is less than another."""
        return Value(np.asarray(_plain(left)) < np.asarray(right), DType.BOOL)


def _plain(entry: Any) -> Any:
    return entry.array if isinstance(entry, Value) else entry


@dataclass(frozen=True)
class ArrayReader:
    """Reads elements of one operand; one outside of it is an error unless it is masked."""

    array: Array

    @property
    def type(self) -> TensorType:
        return TensorType(self.array.shape, DType.of(self.array.dtype))

    def __call__(self, index: Any, where: Any = None, otherwise: Any = 0) -> Any:
        places = [np.asarray(_plain(entry)) for entry in index]
        kept = np.asarray(True if where is None else where.array)
        full = np.broadcast_shapes(kept.shape, *(p.shape for p in places))
        mask = np.broadcast_to(kept, full)
        out = np.full(full, otherwise, self.array.dtype)
        chosen = tuple(np.broadcast_to(p, full)[mask] for p in places)
        assert all((p >= 0).all() for p in chosen), "an index is negative"
        out[mask] = self.array[chosen]
        return Value(out, self.type.dtype)


def elements_of(node: Node, inputs: Sequence[Any]) -> Array:
    """All elements of a node for values of its inputs."""
    operands = [
        np.asarray(x).astype(n.dtype.numpy) for x, n in zip(inputs, node.inputs, strict=True)
    ]
    if node.op.reduction is not None:
        return _fold(node.op.reduction, operands[0], node)
    shape: Any = sizes(node)
    index = tuple(np.indices(shape))
    readers = tuple(ArrayReader(x) for x in operands)
    assert node.op.element is not None
    value = node.op.element(ArrayScalars(), index, readers, node.type, node.attrs)
    out: Array = np.broadcast_to(value.array, shape)
    return out


def _fold(monoid: Reduction, x: Array, node: Node) -> Array:
    """The states of all rows combined one element after the other, or in a tree of pairs."""
    attrs = node.attrs
    axes = attrs["axes"] if "axes" in attrs else (attrs["axis"],)
    rows = np.moveaxis(x, axes, range(x.ndim - len(axes), x.ndim))
    kept = rows.shape[: x.ndim - len(axes)]
    rows = rows.reshape(*kept, int(np.prod([x.shape[a] for a in axes])))
    if monoid.is_scan:
        return _scan(monoid, rows, axes[0], attrs.get("reverse", False))
    return _states(monoid, rows, range(rows.shape[-1]), node.inputs[0].dtype)[-1]


def _states(monoid: Reduction, rows: Array, order: Iterable[int], dtype: DType) -> list[Array]:
    """The result of no element, and after each one more."""
    s = ArrayScalars()
    state = tuple(
        Value(np.full(rows.shape[:-1], number, d.numpy), d)
        for number, d in zip(monoid.identity(dtype), monoid.dtypes(dtype), strict=True)
    )
    found = [monoid.result(s, state).array]
    for k in order:
        element = monoid.inject(s, Value(rows[..., k], dtype), s.index(k))
        state = monoid.combine(s, state, element)
        found.append(monoid.result(s, state).array)
    return found


def _scan(monoid: Reduction, rows: Array, axis: int, reverse: bool) -> Array:
    order = range(rows.shape[-1])
    found = _states(monoid, rows, order[::-1] if reverse else order, DType.of(rows.dtype))[1:]
    if not found:
        return np.moveaxis(rows, -1, axis)
    return np.stack(found[::-1] if reverse else found, axis)
