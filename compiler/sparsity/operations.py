"""What the elements of an operation's result depend on, from what its record says of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType

from ..ir.interpret import evaluate_node
from ..ir.node import Node
from ..ir.types import TensorType
from ..ops.dynamic import fitting
from .additions import scattered
from .elements import Elements, sizes
from .products import contracted
from .relations import chosen, folded, scanned, together
from .scalars import Dependences, Reader, indices

__all__ = ["elements_of"]

Array = np.ndarray[Any, Any]
Operands = Sequence[Elements]


def elements_of(node: Node, operands: Operands) -> Elements:
    """What is known of the result of an operation, given the same of its operands."""
    op = node.op
    if (op.library is None or op.sorts) and all(x.is_known for x in operands):
        return Elements.of(evaluate_node(node, _arrays(node, operands), {}), node.dtype)
    if all(x.is_blank for x in operands):
        return Elements.unknown(node.dtype, prod(sizes(node)))
    return _rule(op)(node, operands)


def _rule(op: Any) -> Callable[[Node, Operands], Elements]:
    """By what an operation computes, as its record has it."""
    if op.element is not None:
        return _each
    if op.reduction is not None:
        return _scanned if op.reduction.is_scan else _reduced
    if op.contraction:
        return contracted
    if op.scatter:
        return scattered
    if op.overwrites:
        return _replaced
    return _seen_otherwise if op.is_view else _whole


def _arrays(node: Node, operands: Operands) -> list[Array]:
    return [x.value.reshape(sizes(one)) for x, one in zip(operands, node.inputs, strict=True)]


# elements with a definition


def _each(node: Node, operands: Operands) -> Elements:
    return _by_definition(node, operands, node.op.element)


def _by_definition(node: Node, operands: Operands, element: Any) -> Elements:
    shape = sizes(node)
    index, count = indices(shape), prod(shape)
    pairs = zip(operands, node.inputs, strict=True)
    readers = tuple(Reader(x, one.type, index, count) for x, one in pairs)
    found: Elements = element(Dependences(count), index, readers, node.type, node.attrs)
    return found


def _replaced(node: Node, operands: Operands) -> Elements:
    """An array with a piece that begins at computed places."""
    return _by_definition(node, operands, _updated)


def _updated(s: Any, index: Any, readers: Any, out: TensorType, attrs: Any) -> Elements:
    """The element of the piece where that covers the place, and of the array elsewhere."""
    read, update, *starts = readers
    inside, places = s.const(True, DType.BOOL), []
    for at, start, n, size in zip(index, starts, out.shape, update.type.shape, strict=True):
        begin, fits = fitting(s, start(()), n - size)
        place = s.emit("sub", (s.index(at), begin))
        for condition in (fits, s.below(-1, place), s.below(place, size)):
            inside = s.bitand(inside, condition)
        places.append(place)
    return s.select(inside, update(tuple(places), where=inside), read(index))  # type: ignore[no-any-return]


# folds


def _reduced(node: Node, operands: Operands) -> Elements:
    (x,), (source,) = operands, node.inputs
    shape, axes = sizes(source), _axes(node)
    known = np.asarray(x.known.reshape(shape).all(axes))
    return _folded(node, operands, known, folded(x.depends, shape, axes))


def _scanned(node: Node, operands: Operands) -> Elements:
    (x,), (source,) = operands, node.inputs
    shape, axis, turned = sizes(source), node.attr("axis"), bool(node.attr("reverse"))
    flags = x.known.reshape(shape)
    flags = np.flip(flags, axis) if turned else flags
    known = np.logical_and.accumulate(flags, axis)
    known = np.flip(known, axis) if turned else known
    return _folded(node, operands, known, scanned(x.depends, shape, axis, turned))


def _folded(node: Node, operands: Operands, known: Array, depends: Any) -> Elements:
    if not known.any():
        return Elements.unknown(node.dtype, prod(sizes(node)), depends)
    value = evaluate_node(node, _arrays(node, operands), {})
    return Elements(node.dtype, value.ravel(), known.ravel(), depends)


def _axes(node: Node) -> tuple[int, ...]:
    attrs = node.attrs
    return tuple(attrs["axes"]) if "axes" in attrs else (attrs["axis"],)


# what is known by less


def _seen_otherwise(node: Node, operands: Operands) -> Elements:
    """The same memory as elements half or twice as wide."""
    (x,), count = operands, prod(sizes(node))
    if count < x.count:
        return Elements.unknown(node.dtype, count, folded(x.depends, (count, 2), (1,)))
    depends = chosen(x.depends, np.repeat(np.arange(x.count), 2))
    return Elements.unknown(node.dtype, count, depends)


def _whole(node: Node, operands: Operands) -> Elements:
    """What one call of a library computes depends on all that the call reads."""
    count, batch = prod(sizes(node)), prod(_batch(node))
    found = []
    for x in operands:
        rows = folded(x.depends, (batch, x.count // max(batch, 1)), (1,))
        found.append(chosen(rows, np.repeat(np.arange(batch), count // max(batch, 1))))
    return Elements.unknown(node.dtype, count, together(*found))


def _batch(node: Node) -> tuple[int, ...]:
    """The axes that calls of a library are repeated along; all operands have them."""
    if node.op.library is None:
        return ()
    types = tuple(one.type for one in node.inputs)
    rank = node.op.library(types, node.type, node.attrs).rank
    return sizes(node)[: node.rank - rank]
