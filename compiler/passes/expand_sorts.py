"""Sorts as a target has them: by the library of NumPy, or by a loop of elementwise operations.

The loop is a network of comparisons (Batcher's bitonic sort in the form without directions). In a
turn each place compares itself with the place whose number differs by the bits of a mask: the lower
place keeps the element that comes first. A turn with the mask 2·k - 1 turns blocks of k that are in
order into blocks of which all of the lower half comes before the upper one; the masks k/2, ..., 1
put the halves in order. Places beyond the end would hold what comes last, so they are left out.
No two elements are equal: ties go by position, which makes the order stable.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from symfuse.runtime.dtypes import DType

from ..ir.builder import Builder, constant
from ..ir.dims import Dim
from ..ir.graph import Graph
from ..ir.node import Node
from ..ir.op import operations
from ..ir.regions import with_inner
from ..ir.types import TensorType
from ..ops.compare import equal, isnan, less, select
from ..ops.conversion import convert
from ..ops.indexing import take_along_axis
from ..ops.logic import (
    bitwise_invert,
    bitwise_right_shift,
    bitwise_xor,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
)
from ..ops.shape import broadcast, iota, reshape, reverse
from ..ops.slicing import slice
from ..ops.sort import argsort, sort

__all__ = ["ascend_sorts", "expand_sorts"]

_NUMBER = TensorType((), DType.I64)


def expand_sorts(graph: Graph) -> Graph:
    """The graph with a loop in place of each sort, in the graphs inside it as well."""
    return _with_sorts(_by_comparisons, graph)


def ascend_sorts(graph: Graph) -> Graph:
    """The graph with sorts that NumPy has, and does fast: ascending ones, and none of halves."""
    return _with_sorts(_by_library, graph)


def _with_sorts(other: Callable[[Node], Node], graph: Graph) -> Graph:
    """The graph with something else in place of each sort, in the graphs inside it as well."""
    if not any(node.op.sorts or node.op.regional for node in graph.nodes):
        return graph
    inside = cache(partial(_with_sorts, other))  # the results of a loop share its body

    def change(node: Node) -> Node:
        return other(node) if node.op.sorts else with_inner(graph.builder, node, inside)

    return graph.with_each(change)


def _by_comparisons(node: Node) -> Node:
    (x,) = node.inputs
    places = _positions(x, bool(node.attrs.get("descending")))
    return places if node.op is argsort else take_along_axis(x, places, axis=x.rank - 1)


def _by_library(node: Node) -> Node:
    (x,) = node.inputs
    keys = convert(x, dtype=DType.F32) if x.dtype.is_half else x
    if node.attrs.get("descending"):
        return _from_the_end(keys)
    found: Node = argsort(keys) if node.op is argsort else sort(keys)
    return convert(found, dtype=node.dtype) if x.dtype.is_half and node.op is sort else found


def _from_the_end(x: Node) -> Node:
    """The positions in descending order: ascending ones, all of them counted from the end."""
    axis = x.rank - 1
    places = argsort(reverse(x, axes=(axis,)))
    size = broadcast(_number(x.shape[-1]), shape=x.shape, axes=())
    found: Node = reverse(size + bitwise_invert(places), axes=(axis,))
    return found


def _positions(x: Node, descending: bool) -> Node:
    if x.dtype.is_bool:
        x = convert(x, dtype=DType.U8)
    start = iota(shape=x.shape, axis=x.rank - 1, dtype=DType.I64)
    size = x.shape[-1]
    if isinstance(size, int):
        return _counted(x, start, size, descending)
    return _searching(x, start, descending)


def _masks(size: int) -> list[int]:
    masks, block = [], 1
    while block < size:
        masks.append(2 * block - 1)
        half = block // 2
        while half:
            masks.append(half)
            half //= 2
        block *= 2
    return masks


def _counted(x: Node, start: Node, size: int, descending: bool) -> Node:
    """The masks are known before the program runs."""
    masks = _masks(size)
    if not masks:
        return start
    inner = Builder()
    types = (_NUMBER, start.type, x.type, _NUMBER)
    turn, order, keys, mask = _parameters(inner, ("turn", "order", "keys", "mask"), types)
    with inner.active():
        after = _compared(keys, order, mask, descending)
    body = Graph("sort", (turn, order, keys, mask), after, inner)
    attrs = {"body": body, "carries": 2, "scanned": 1, "length": len(masks), "reverse": False}
    found: Node = operations["loop"](start, x, _constant(masks), **attrs, result=0)
    return found


def _searching(x: Node, start: Node, descending: bool) -> Node:
    """Over a symbolic size each turn finds the next mask, and carries the block's size on."""
    types = (start.type, x.type, _NUMBER, _NUMBER)
    names = ("order", "keys", "block", "mask")
    inner = Builder()
    order, keys, block, mask = values = _parameters(inner, names, types)
    with inner.active():
        after = _compared(keys, order, mask, descending)
        half = bitwise_right_shift(block, 1)
        first = equal(mask, block + block - 1)
        smaller = select(first, half, bitwise_right_shift(mask, 1))
        done = equal(smaller, 0)
        wider = select(done, block + block, block)
        following = select(done, wider + wider - 1, smaller)
    body = Graph("sort", values, (*after, wider, following), inner)
    outer = Builder()
    asked = _parameters(outer, names, types)
    with outer.active():
        goes_on = less(asked[2], _number(x.shape[-1]))
    condition = Graph("sort", asked, (goes_on,), outer)
    one = _constant(1)
    attrs = {"condition": condition, "body": body, "carries": 4, "bound": None, "result": 0}
    found: Node = operations["while_loop"](start, x, one, one, **attrs)
    return found


def _parameters(
    builder: Builder, names: tuple[str, ...], types: tuple[TensorType, ...]
) -> tuple[Node, ...]:
    return tuple(builder.parameter(n, t) for n, t in zip(names, types, strict=True))


def _compared(keys: Node, order: Node, mask: Node, descending: bool) -> tuple[Node, Node]:
    """The positions and their elements after each place has been compared with its partner."""
    axis = order.rank - 1
    place = iota(shape=order.shape, axis=axis, dtype=DType.I64)
    partner = bitwise_xor(place, broadcast(mask, shape=order.shape, axes=()))
    other, theirs = (take_along_axis(values, partner, axis=axis) for values in (order, keys))
    pair = (keys, theirs) if descending else (theirs, keys)
    theirs_first, mine_first = _is_before(*pair), _is_before(*reversed(pair))
    tied = logical_and(logical_not(mine_first), less(other, order))
    first = logical_or(theirs_first, tied)
    is_low = less(place, partner)
    exists = less(partner, broadcast(_number(order.shape[axis]), shape=order.shape, axes=()))
    wins = logical_and(exists, logical_not(logical_xor(is_low, first)))
    return select(wins, other, order), select(wins, theirs, keys)


def _is_before(x: Node, y: Node) -> Node:
    """Whether x is less than y; NaN is the greatest."""
    found: Node = less(x, y)
    if x.dtype.is_float:
        found = logical_or(found, logical_and(isnan(y), logical_not(isnan(x))))
    return found


def _constant(value: Any) -> Node:
    found: Node = constant(value, DType.I64)
    return found


def _number(size: Dim) -> Node:
    """A size as a value: the last of 0, 1, ..., size."""
    if isinstance(size, int):
        return _constant(size)
    counted = iota(shape=(size + 1,), axis=0, dtype=DType.I64)
    last = slice(counted, starts=(size,), stops=(size + 1,), steps=(1,))
    found: Node = reshape(last, shape=())
    return found
