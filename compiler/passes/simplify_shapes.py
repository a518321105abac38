"""Merges views, reductions and contractions, and computes before copies are made."""

from __future__ import annotations

from typing import Any

from ..ir.graph import Graph
from ..ir.node import Node
from ..ir.types import Shape
from ..ops.copying import copy
from ..ops.kinds import filled
from ..ops.shape import broadcast, reshape
from ..rewrite.driver import PassContext, rewrite
from ..rewrite.rule import RuleSet, step
from . import reduction_rules, view_rules, window_rules
from .view_rules import squeezed_axes

__all__ = ["RULES", "simplify_shapes"]


def simplify_shapes(graph: Graph, context: PassContext | None = None) -> Graph:
    """The graph in which no view can be merged with another, or into what reads it."""
    return rewrite(graph, RULES, context)


@step()
def computed_before_copying(node: Node) -> Any:
    """An elementwise operation on copies along the same axes: once, and then copied."""
    if node.op.body is None or node.rank == 0 or node.op is copy:
        return None
    if any(x.op is not broadcast for x in node.inputs):
        return None
    varying = {axis for x in node.inputs for axis in x.attr("axes")}
    if len(varying) == node.rank:
        return None
    axes = tuple(sorted(varying))
    shape = tuple(node.shape[a] for a in axes)
    small = node.op(*(_along(x, axes, shape) for x in node.inputs), **node.attrs)
    return broadcast(small, shape=node.shape, axes=axes)


@step()
def computed_before_reshape(node: Node) -> Any:
    """An elementwise operation does not see axes of size 1 that a reshape has added."""
    if node.op.body is None or node.op is copy:
        return None
    shape: Any = None
    for x in node.inputs:
        if x.op is not reshape and x.number is None:
            return None
        if x.op is reshape and shape not in (None, x.inputs[0].shape):
            return None
        shape = x.inputs[0].shape if x.op is reshape else shape
    if shape is None or squeezed_axes(shape, node.shape) is None:
        return None
    inputs = (_before_reshape(x, shape) for x in node.inputs)
    return reshape(node.op(*inputs, **node.attrs), shape=node.shape)


def _before_reshape(x: Node, shape: Shape) -> Any:
    """What a reshape reads, or the same number copied to its shape."""
    if x.op is reshape or x.number is None:
        return x.inputs[0]
    return filled(x.number, x.type.with_shape(shape))


def _along(x: Node, axes: tuple[int, ...], shape: tuple[Any, ...]) -> Any:
    """The source of a broadcast, broadcast to fewer axes."""
    (source,) = x.inputs
    if source.shape == shape and x.attr("axes") == axes:
        return source
    places = tuple(axes.index(a) for a in x.attr("axes"))
    return broadcast(source, shape=shape, axes=places)


# A contraction takes a transpose in; only what no contraction takes may become a reshape.
_STATED = RuleSet.stated_in(globals()) + window_rules.RULES
RULES = _STATED + reduction_rules.RULES + view_rules.RULES
