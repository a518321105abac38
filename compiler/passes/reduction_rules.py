"""Identities of reductions and contractions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.node import Node
from ..ir.op import Op
from ..ops.arithmetic import multiply
from ..ops.contract import contract, free_axes
from ..ops.kinds import zeros
from ..ops.reduce import reduce_all, reduce_any, reduce_max, reduce_min, reduce_prod, reduce_sum
from ..ops.shape import broadcast, reshape, transpose
from ..rewrite.rule import RuleSet, step
from .view_rules import squeezed_axes

__all__ = ["RULES"]

Axes = tuple[int, ...]
_NAMES = ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_any", "reduce_all")
_SELECTING = (reduce_max, reduce_min, reduce_any, reduce_all)
_MOST_COPIES = 1 << 15  # whose number every float type has


def _axes(node: Node) -> Axes:
    axes: Axes = node.attr("axes")
    return axes


def _rest(rank: int, axes: Axes) -> Axes:
    return tuple(a for a in range(rank) if a not in axes)


@step(*_NAMES, numerics="accurate")
def of_one_element(node: Node) -> Any:
    """A reduction along axes of size 1, or along none, only drops these axes.

    Not exact because a sum begins with +0.0, which makes +0.0 of one -0.0.
    """
    (x,) = node.inputs
    if any(x.shape[a] != 1 for a in _axes(node)):
        return None
    return reshape(x, shape=node.shape) if _axes(node) else x


@step("argmax", "argmin")
def place_of_one_element(node: Node) -> Any:
    """What is alone along an axis is the first there, whatever it is."""
    (x,) = node.inputs
    return zeros(node.type) if x.shape[node.attr("axis")] == 1 else None


@step(*_NAMES, numerics="accurate")
def reduce_twice(node: Node) -> Any:
    """Both at once; a sum of floats is then added up in another order."""
    (x,) = node.inputs
    if x.op is not node.op:
        return None
    (source,) = x.inputs
    left = _rest(source.rank, _axes(x))
    axes = (*_axes(x), *(left[a] for a in _axes(node)))
    return node.op(source, axes=tuple(sorted(axes)))


@step(*_NAMES, numerics="accurate")
def of_copies(node: Node) -> Any:
    """The sum of n copies is n times the number, if its type has n; the greatest is the number."""
    (x,) = node.inputs
    if x.op is not broadcast or node.op is reduce_prod:
        return None
    (source,) = x.inputs
    made = [a for a in _axes(node) if a not in x.attr("axes")]
    copies = _count(x, made)
    if not made or not copies or (x.dtype.is_half and copies > _MOST_COPIES):
        return None
    total = _without_made(node.op, x, source, _axes(node))
    if node.op in _SELECTING or copies == 1:
        return total
    return multiply(total, _as_number(x, copies))


def _as_number(x: Node, count: int) -> float | int:
    """A count that multiplies values of the type of x; integers wrap around."""
    if x.dtype.is_float:
        return float(count)
    values, limit = 1 << x.dtype.bits, 1 << (x.dtype.bits - 1)
    wrapped = count % values
    return wrapped - values if x.dtype.is_signed and wrapped >= limit else wrapped


def _count(x: Node, axes: list[int]) -> int:
    """How many copies lie along some axes; 0 if that is not known."""
    count = 1
    for a in axes:
        size = x.shape[a]
        count = count * size if isinstance(size, int) else 0
    return count


def _without_made(op: Op, x: Node, source: Node, axes: Axes) -> Node:
    """The reduction of a broadcast as one of its source, broadcast along what is left."""
    places: Axes = x.attr("axes")
    inner = tuple(i for i, place in enumerate(places) if place in axes)
    small: Node = op(source, axes=inner) if inner else source
    left = _rest(x.rank, axes)
    kept = tuple(left.index(place) for place in places if place not in axes)
    shape = tuple(x.shape[a] for a in left)
    copied: Node = broadcast(small, shape=shape, axes=kept)
    return copied


@step(*_NAMES, numerics="accurate")
def of_transposed(node: Node) -> Any:
    """Which axes are reduced does not depend on their order."""
    (x,) = node.inputs
    if x.op is not transpose:
        return None
    order: Axes = x.attr("axes")
    axes = tuple(sorted(order[a] for a in _axes(node)))
    left = [order[a] for a in _rest(x.rank, _axes(node))]
    small = node.op(x.inputs[0], axes=axes)
    if left == sorted(left):
        return small
    return transpose(small, axes=tuple(sorted(left).index(a) for a in left))


@step(*_NAMES, numerics="accurate")
def of_more_ones(node: Node) -> Any:
    """Axes of size 1 that a reshape adds are left out before."""
    (x,) = node.inputs
    if x.op is not reshape:
        return None
    (source,) = x.inputs
    places = squeezed_axes(source.shape, x.shape)
    if places is None:
        return None
    axes = tuple(i for i, place in enumerate(places) if place in _axes(node))
    if not axes:
        return reshape(source, shape=node.shape)
    return reshape(node.op(source, axes=axes), shape=node.shape)


@step("reduce_sum", numerics="fast")
def constant_factor(node: Node) -> Any:
    """Not strict: a great sum may overflow before a small factor brings it back."""
    (x,) = node.inputs
    if x.op is not multiply or not x.dtype.is_float:
        return None
    for factor, other in (x.inputs, x.inputs[::-1]):
        if factor.number is not None and other.number is None:
            return multiply(reduce_sum(other, axes=_axes(node)), factor.number)
    return None


# contractions


@step("contract", numerics="accurate")
def contract_transposed(node: Node) -> Any:
    """A transposed operand is read through other axis numbers, if its free axes keep order."""
    for which, x in enumerate(node.inputs):
        if x.op is transpose and _free_in_order(node, which, x.attr("axes")):
            return _renumbered(node, which, x.attr("axes"))
    return None


def _free_in_order(node: Node, which: int, order: Axes) -> bool:
    free = _free(node, which)
    moved = [order[a] for a in free]
    return moved == sorted(moved)


def _free(node: Node, which: int) -> Axes:
    x = node.inputs[which]
    return free_axes(x.rank, node.attr("batch")[which], node.attr("contracting")[which])


def _renumbered(node: Node, which: int, order: Axes) -> Any:
    """The contraction of what a transposed operand was made from."""
    inputs = list(node.inputs)
    inputs[which] = inputs[which].inputs[0]
    attrs = {}
    for role in ("batch", "contracting"):
        pair = list(node.attr(role))
        pair[which] = tuple(order[a] for a in pair[which])
        attrs[role] = tuple(pair)
    return contract(*inputs, **attrs)


@step("contract", numerics="accurate")
def contract_of_copies(node: Node) -> Any:
    """Copies along an axis that both operands share are read once: it is free in the other one."""
    for which, x in enumerate(node.inputs):
        if x.op is broadcast and x.number is None:
            made = set(node.attr("batch")[which]) - set(x.attr("axes"))
            if made:
                return _without_copies(node, which, made)
    return None


def _without_copies(node: Node, which: int, made: set[int]) -> Any:
    """The contraction with an operand that lacks some of its batch axes."""
    x = node.inputs[which]
    kept = [a for a in range(x.rank) if a not in made]
    places = tuple(map(kept.index, x.attr("axes")))
    small = broadcast(x.inputs[0], shape=tuple(x.shape[a] for a in kept), axes=places)
    left = [pair for pair in zip(*node.attr("batch"), strict=True) if pair[which] not in made]
    batch = [tuple(pair[side] for pair in left) for side in (0, 1)]
    before, after = (_origins(node, 1 - which, one) for one in (node.attr("batch"), batch))
    pairs = {"batch": batch, "contracting": list(node.attr("contracting"))}
    for pair in pairs.values():
        pair[which] = tuple(map(kept.index, pair[which]))
    inputs = [small if at == which else source for at, source in enumerate(node.inputs)]
    product = contract(*inputs, **{role: tuple(pair) for role, pair in pairs.items()})
    return transpose(product, axes=tuple(map(after.index, before)))


def _origins(node: Node, other: int, batch: Sequence[Axes]) -> list[tuple[int, int]]:
    """Operand and axis that each axis of a contraction comes from; `other` names those shared."""
    taken = batch[other], node.attr("contracting")[other]
    free = [[(which, a) for a in _free(node, which)] for which in (0, 1)]
    free[other] = [(other, a) for a in free_axes(node.inputs[other].rank, *taken)]
    return [*((other, a) for a in batch[other]), *free[0], *free[1]]


@step("transpose", numerics="accurate")
def transposed_contract(node: Node) -> Any:
    """(x·y)ᵀ is yᵀ·xᵀ: the operands change places and nothing moves."""
    (x,) = node.inputs
    if x.op is not contract:
        return None
    shared = len(x.attr("batch")[0])
    rows, columns = len(_free(x, 0)), len(_free(x, 1))
    swapped = (*range(shared + rows, shared + rows + columns), *range(shared, shared + rows))
    if node.attr("axes") != (*range(shared), *swapped):
        return None
    left, right = x.inputs
    batch, contracting = x.attr("batch")[::-1], x.attr("contracting")[::-1]
    return contract(right, left, batch=batch, contracting=contracting)


@step("contract", numerics="accurate")
def contract_with_number(node: Node) -> Any:
    """With copies of one number a product is a sum, which is then copied.

    Products of halves are added before they are rounded, and may be too great for their type.
    """
    numbers = [x.number for x in node.inputs]
    if numbers[0] is None and numbers[1] is None:
        return None
    which = 0 if numbers[0] is None else 1
    x, number = node.inputs[which], numbers[1 - which]
    if x.dtype.is_half and number not in (-1, 0, 1):
        return None
    summed: Axes = node.attr("contracting")[which]
    batch: Axes = node.attr("batch")[which]
    order = (*batch, *_free(node, which))
    total: Node = reduce_sum(multiply(x, number), axes=tuple(sorted(summed)))
    ascending = sorted(order)
    places = _places(node, which, len(batch), len(order))
    axes = tuple(places[order.index(a)] for a in ascending)
    return broadcast(total, shape=node.shape, axes=axes)


def _places(node: Node, which: int, shared: int, count: int) -> Axes:
    """The output axes of the batch and free axes of one operand."""
    begin = shared if which == 0 else node.rank - (count - shared)
    return (*range(shared), *range(begin, begin + count - shared))


RULES = RuleSet.stated_in(globals())
