"""Computes what depends on constants alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.builder import constant
from ..ir.dims import Expr
from ..ir.graph import Graph
from ..ir.interpret import evaluate_node
from ..ir.node import Literal, Node
from ..ops.copying import copy
from ..ops.shape import broadcast
from ..rewrite.driver import PassContext, rewrite
from ..rewrite.rule import RuleSet, step

__all__ = ["LARGEST", "RULES", "fold_constants"]

LARGEST = 4096  # elements: what would make greater literals is left to the program

Array = np.ndarray[Any, Any]


def fold_constants(graph: Graph, context: PassContext | None = None) -> Graph:
    """The graph in which no small value is computed from constants alone."""
    return rewrite(graph, RULES, context)


@step("constant")
def one_number(node: Node) -> Any:
    """A literal of equal elements, bit for bit, is its first element copied."""
    value = node.attr("value")
    return _number(value.array()) if isinstance(value, Literal) else None


@step()
def of_numbers(node: Node) -> Any:
    """An elementwise operation on numbers gives a number."""
    if node.op.body is None or not node.inputs or node.op is copy:
        return None
    numbers = [x.number for x in node.inputs]
    if None in numbers:
        return None
    arrays = [
        np.asarray(number, x.dtype.numpy) for number, x in zip(numbers, node.inputs, strict=True)
    ]
    return _accepted(node, evaluate_node(node, arrays, {}), ())


@step()
def of_constants(node: Node) -> Any:
    """Any other operation on literals; copies of a few elements stay copies."""
    if not node.inputs or node.op in (broadcast, copy) or not _is_computed(node):
        return None
    if not all(_is_known(x) for x in node.inputs) or not _is_small(node):
        return None
    if any(_has_sizes(value) for _, value in node.attributes):
        return None
    arrays = [_array(x) for x in node.inputs]
    shape = tuple(n for n in node.shape if isinstance(n, int))
    return _accepted(node, evaluate_node(node, arrays, {}), shape)


def _is_known(x: Node) -> bool:
    return (x.is_constant or x.number is not None) and _is_small(x)


def _has_sizes(value: Any) -> bool:
    """Whether an attribute holds sizes that are known only when a program runs."""
    parts = value if isinstance(value, tuple) else (value,)
    return any(isinstance(part, Expr) for part in parts)


def _is_small(x: Node) -> bool:
    return x.type.is_static and isinstance(x.type.size, int) and x.type.size <= LARGEST


def _is_computed(node: Node) -> bool:
    """Whether the operation is mathematics, and neither control flow nor a call for effect."""
    op = node.op
    return bool(op.element or op.reduction or op.contraction or op.scatter or op.overwrites)


def _array(x: Node) -> Array:
    number = x.number
    if number is None:
        literal: Literal = x.attr("value")
        return literal.array()
    return np.full([n for n in x.shape if isinstance(n, int)], number, x.dtype.numpy)


def _accepted(node: Node, value: Array, shape: tuple[int, ...]) -> Any:
    """The value as a number or a literal, if it has the type that the graph says."""
    if value.dtype != node.dtype.numpy or value.shape != shape:
        return None
    if shape == ():
        return value.item()
    number = _number(value)
    return constant(value) if number is None else number


def _number(array: Array) -> Any:
    flat = np.ascontiguousarray(array).reshape(-1)
    if not flat.size or flat.tobytes() != flat[:1].tobytes() * flat.size:
        return None
    return flat[0].item()


RULES = RuleSet.stated_in(globals())
