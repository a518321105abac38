"""What a product summed over shared axes depends on."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..ir.interpret import evaluate_node
from ..ir.node import Node
from ..ops.contract import free_axes
from .elements import Elements, sizes
from .relations import Relation, chosen, composed, grouped, of_pairs, together

__all__ = ["contracted"]

Array = np.ndarray[Any, Any]


def contracted(node: Node, operands: Sequence[Elements]) -> Elements:
    """A term is known where both factors are, or where one is zero; a sum, where all terms are.

    The result depends on one factor where the other may be nonzero.
    """
    x, y = operands
    rows, columns = (_places(node, which) for which in (0, 1))
    one, other = x.may_be_nonzero[rows], y.may_be_nonzero[columns]
    depends = together(
        _through(x.depends, rows, other, is_left=True),
        _through(y.depends, columns, one, is_left=False),
    )
    if not (x.known.any() or y.known.any()):
        return Elements.unknown(node.dtype, prod(sizes(node)), depends)
    open_terms = _terms(~x.known[rows], other) + _terms(one, ~y.known[columns])
    known = (open_terms == 0).ravel()
    given = [
        np.where(factor.known, factor.value, factor.dtype.numpy.type(0)).reshape(sizes(source))
        for factor, source in zip(operands, node.inputs, strict=True)
    ]
    return Elements(node.dtype, evaluate_node(node, given, {}).ravel(), known, depends)


def _places(node: Node, which: int) -> Array:
    """The places of an operand's elements by batch, free and summed axes, each taken as one."""
    batch, summed = node.attr("batch"), node.attr("contracting")
    source = node.inputs[which]
    shape, free = sizes(source), free_axes(source.rank, batch[which], summed[which])
    # The summed axes of both operands stand in the order in which they are paired.
    order = (*batch[which], *free, *summed[which])
    extents = [prod(shape[a] for a in axes) for axes in (batch[which], free, summed[which])]
    return np.arange(prod(shape)).reshape(shape).transpose(order).reshape(extents)


def _terms(one: Array, other: Array) -> Array:
    """How many terms of each sum have both."""
    left, right = one.astype(np.float64), other.astype(np.float64)
    return np.asarray(left @ right.swapaxes(1, 2))


def _through(depends: Relation, places: Array, other: Array, *, is_left: bool) -> Relation:
    """What the result depends on by one operand, where the other one may be nonzero."""
    if depends is None:
        return None
    (batch, rows, count), columns = places.shape, other.shape[1]
    place = np.arange(batch * rows * columns)
    if is_left:
        place = place.reshape(batch, rows, columns)
    else:
        place = place.reshape(batch, columns, rows).swapaxes(1, 2)
    if other.all():
        lines = np.empty(place.size, np.intp)
        lines[place] = np.arange(batch * rows).reshape(batch, rows, 1)
        return chosen(grouped(depends, places.reshape(batch * rows, count)), lines)
    b, column, k = np.nonzero(other)
    results, sources = place[b, :, column], places[b, :, k]
    return composed(of_pairs(results.ravel(), sources.ravel(), (place.size, places.size)), depends)
