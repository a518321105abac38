"""What is done to the scores of an attention between q · kᵀ and the softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct

from ...ir.graph import Graph
from ...ir.node import Literal, Node

__all__ = ["Step", "steps_of"]


class Step(Struct, frozen=True):
    """One map of the scores.

    "scale": times `number`. "cap": tanh. "add": plus `node`. "mask": kept where `node` is `keep`,
    else `number`; if that is where the key is at most `diagonal` behind the query, it says so.
    """

    kind: str
    number: float = 1.0
    node: Node | None = None
    keep: bool = True
    diagonal: int | None = None


Traced = tuple[Node, tuple[Node, ...], tuple[Step, ...] | None]


def steps_of(graph: Graph, modified: Node) -> Traced | str:
    """The product that the scores are from, the maps behind it, and their steps if all are known.

    A sentence where there is no such product, or more than one.
    """
    maps, products = _traced(modified)
    if not products:
        return "what the softmax is of is not computed from a product by maps"
    if len(products) > 1:
        return "what the softmax is of is computed from more than one product"
    (scores,) = products
    between = _between(graph, maps, scores)
    return scores, between, _steps(between, scores)


def _traced(modified: Node) -> tuple[set[Node], tuple[Node, ...]]:
    """The maps of one shape that a value is computed by, and the products that they begin with."""
    products: dict[Node, None] = {}
    maps: set[Node] = set()
    stack = [modified]
    while stack:
        node = stack.pop()
        if node in maps or node.shape != modified.shape:
            continue
        if node.op.contraction:
            products[node] = None
        elif node.op.body is not None:
            maps.add(node)
            stack.extend(node.inputs)
    return maps, tuple(products)


def _between(graph: Graph, maps: set[Node], scores: Node) -> tuple[Node, ...]:
    """The maps that depend on the scores, in order."""
    after = {scores: None}
    for node in graph.nodes:
        if node in maps and any(x in after for x in node.inputs):
            after[node] = None
    return tuple(after)[1:]


def _steps(between: tuple[Node, ...], scores: Node) -> tuple[Step, ...] | None:
    """Each map as a step on what came before; None if one is of another kind."""
    steps: list[Step] = []
    z = scores
    for node in between:
        if node.op.name != "convert":
            step = _step(node, z)
            if step is None:
                return None
            steps.append(step)
        elif node.inputs[0] is not z:
            return None
        z = node
    return tuple(steps)


def _step(node: Node, z: Node) -> Step | None:
    if node.inputs.count(z) != 1:
        return None
    at = node.inputs.index(z)
    others = [x for x in node.inputs if x is not z]
    if node.op.name == "select":
        return _mask(node, at)
    if node.op.name == "tanh":
        return Step("cap")
    if len(others) != 1:
        return None
    (other,) = others
    number = other.number
    if node.op.name == "multiply" and number is not None:
        return Step("scale", float(number))
    if node.op.name == "divide" and at == 0 and number:
        return Step("scale", 1 / float(number))
    return Step("add", node=other) if node.op.name == "add" else None


def _mask(node: Node, at: int) -> Step | None:
    """select(condition, z, number) keeps where it holds, select(condition, number, z) elsewhere."""
    condition, one, two = node.inputs
    fill = (two if at == 1 else one).number
    if at == 0 or fill is None:
        return None
    keep = at == 1
    return Step("mask", float(fill), condition, keep, _diagonal(condition, keep))


# masks that compare positions

_REVERSED = {"less": "greater_equal", "less_equal": "greater"}
_REVERSED |= {after: before for before, after in _REVERSED.items()}
_MIRRORED = {"less": "greater", "less_equal": "greater_equal"}
_MIRRORED |= {after: before for before, after in _MIRRORED.items()}


def _diagonal(condition: Node, keep: bool) -> int | None:
    """d, if what is kept are the keys up to query + d, keys and queries the last two axes."""
    if condition.op.name == "logical_not":
        return _diagonal(condition.inputs[0], not keep)
    axes = tuple(range(condition.rank))
    rank = condition.rank
    if condition.op.name == "broadcast":
        axes = condition.attr("axes")
        condition = condition.inputs[0]
    name = condition.op.name
    if name not in _REVERSED:
        return None
    sides = [_position(x) for x in condition.inputs]
    if sides[0] is None or sides[1] is None:
        return None
    (left, a), (right, b) = sides[0], sides[1]
    if (axes[left], axes[right]) == (rank - 1, rank - 2):
        name, a, b = _MIRRORED[name], b, a
    elif (axes[left], axes[right]) != (rank - 2, rank - 1):
        return None
    name = name if keep else _REVERSED[name]
    # query + a ≥ key + b
    return {"greater_equal": a - b, "greater": a - b - 1}.get(name)


def _sequence(value: Any) -> tuple[int, int] | None:
    """Whole numbers in sequence, as indices plus a number."""
    if not isinstance(value, Literal):
        return None
    array = value.array()
    if array.ndim != 1 or not array.size or array.dtype.kind != "i":
        return None
    first = int(array[0])
    return (0, first) if np.array_equal(array, np.arange(array.size) + first) else None


def _position(node: Node) -> tuple[int, int] | None:
    """An index along an axis, plus a number: the axis and the number."""
    if node.op.name == "iota":
        return node.attr("axis"), 0
    if node.is_constant:
        return _sequence(node.attr("value"))
    if node.op.name == "broadcast":
        found = _position(node.inputs[0])
        return None if found is None else (node.attr("axes")[found[0]], found[1])
    if node.op.name not in ("add", "subtract"):
        return None
    left, right = node.inputs
    if isinstance(right.number, int) and (found := _position(left)) is not None:
        return found[0], found[1] + (right.number if node.op.name == "add" else -right.number)
    if node.op.name == "add" and isinstance(left.number, int):
        found = _position(right)
        return None if found is None else (found[0], found[1] + left.number)
    return None
