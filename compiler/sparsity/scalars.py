"""The definition of one element of an operation, read for what it depends on.

An operation's `element` is called once, for all elements of the result together; the emitter
computes what is known already and notes for the rest which inputs it comes from.
"""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import Any

import numpy as np
from msgspec import Struct

from symfuse.runtime.dtypes import DType

from ..ir.types import TensorType
from ..kernel.numpy_scalars import NumpyScalars
from ..kernel.scalar import Scalars, result_dtype
from .elements import Elements
from .relations import Relation, chosen, folded, kept, together

__all__ = ["Dependences", "Reader", "indices"]

Array = np.ndarray[Any, Any]
Index = tuple[Any, ...]
_NUMPY = NumpyScalars()

# Operands of which a zero makes the result zero, whatever the others are that are not known.
_ANNIHILATING = {"mul": (0, 1), "div": (0,), "bitand": (0, 1)}


def indices(shape: tuple[int, ...]) -> Index:
    """The index of every element, an array for each axis."""
    return tuple(axis.ravel() for axis in np.indices(shape))


class Dependences(Scalars):
    """Emits nothing: a value is what is known of it at `count` places."""

    def __init__(self, count: int) -> None:
        self._count = count

    def emit(self, name: str, operands: tuple[Elements, ...]) -> Elements:
        if name == "select":
            return _selected(*operands)
        if name == "fma":
            return self.emit("add", (self.emit("mul", operands[:2]), operands[2]))
        dtype = result_dtype(name, tuple(x.dtype for x in operands))
        known = reduce(and_, (x.known for x in operands))
        value = np.zeros(self._count, dtype.numpy)
        if known.any():
            value = _NUMPY.emit(name, tuple(x.value for x in operands))
        depends = together(*(x.depends for x in operands))
        found = Elements(dtype, value, known, depends)
        factors = [operands[at] for at in _ANNIHILATING.get(name, ())]
        return found.where(reduce(and_, (x.may_be_nonzero for x in factors))) if factors else found

    def const(self, value: float | int | bool, dtype: DType) -> Elements:
        return Elements.of(np.full(self._count, _NUMPY.const(value, dtype)), dtype)

    def convert(self, value: Any, dtype: DType) -> Elements:
        return Elements(dtype, _NUMPY.convert(value.value, dtype), value.known, value.depends)

    def bitcast(self, value: Any, dtype: DType) -> Elements:
        bits = _NUMPY.bitcast(np.ascontiguousarray(value.value), dtype)
        return Elements(dtype, bits, value.known, value.depends)

    def index(self, entry: Any) -> Elements:
        """The entry of an index as a value."""
        if isinstance(entry, Elements):
            return entry
        return Elements.of(np.broadcast_to(np.asarray(entry, np.int64), self._count), DType.I64)

    def below(self, left: Any, right: Any) -> Elements:
        """Whether one entry of an index is less than another."""
        return self.emit("lt", (self.index(left), self.index(right)))


def _selected(condition: Elements, one: Elements, other: Elements) -> Elements:
    """One of two where the condition is known, and either where it is not."""
    yes, no = condition.known & condition.value, condition.known & ~condition.value
    same = one.known & other.known & (one.value == other.value)
    known = np.where(yes, one.known, np.where(no, other.known, same))
    value = np.where(no, other.value, one.value)
    depends = together(kept(one.depends, ~no), kept(other.depends, ~yes), condition.depends)
    return Elements(one.dtype, value, known, depends)


class _Places(Struct, frozen=True):
    """Where elements are read: at `flat`; or, where that is not `sure`, anywhere along the axes
    that are `free`, at `rest` along the others."""

    flat: Array
    sure: Array
    free: tuple[int, ...]
    rest: Array


class Reader:
    """Reads elements of one operand: `readers[i](index)` in the definition of an operation."""

    def __init__(self, source: Elements, type_: TensorType, whole: Index, count: int) -> None:
        self.type, self._source, self._whole, self._count = type_, source, whole, count

    def __call__(self, index: Index, where: Any = None, otherwise: Any = 0) -> Elements:
        source, dtype, count = self._source, self._source.dtype, self._count
        if index is self._whole and where is None and source.count == count:
            return source  # each at its own place
        reached: Array = np.broadcast_to(np.True_, count)
        sure = reached
        if where is not None:
            reached, sure = ~where.known | where.value, where.known
        if not source.count:
            return Elements.of(np.full(count, otherwise), dtype)
        at = self._places(index, count, reached)
        given = np.asarray(otherwise).astype(dtype.numpy)
        value = np.where(reached, source.value[at.flat], given)
        known = ~reached | (sure & at.sure & source.known[at.flat])
        return Elements(dtype, value, known, self._depends(at, reached))

    def _places(self, index: Index, count: int, reached: Array) -> _Places:
        flat, rest = np.zeros((2, count), np.int64)
        sure: Array = np.broadcast_to(np.True_, count)
        free: list[int] = []
        for axis, (entry, size) in enumerate(zip(index, self.type.shape, strict=True)):
            if isinstance(entry, Elements):
                if not entry.known.all():
                    free.append(axis)
                    sure = sure & entry.known
                entry = np.where(entry.known, entry.value, 0)
            flat = flat * size + entry
            rest = rest if axis in free else rest * size + entry
        return _Places(np.where(reached, flat, 0), sure, tuple(free), np.where(reached, rest, 0))

    def _depends(self, at: _Places, reached: Array) -> Relation:
        relation = self._source.depends
        if relation is None:
            return None
        exact = kept(chosen(relation, at.flat), reached & at.sure)
        if not at.free:
            return exact
        anywhere = chosen(folded(relation, self.type.shape, at.free), at.rest)  # type: ignore[arg-type]
        return together(exact, kept(anywhere, reached & ~at.sure))
