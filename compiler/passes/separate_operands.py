"""Puts what loops, branches and libraries read into memory: views and numbers are copied."""

from __future__ import annotations

from ..ir.graph import Graph
from ..ir.node import Literal, Node
from ..ops.copying import copy

__all__ = ["in_memory", "separate_operands"]


def separate_operands(graph: Graph) -> Graph:
    """Each operand of a loop, branch or library is then a parameter, an array or a computed node,
    perhaps under another shape."""
    if not any(_reads_memory(node) for node in graph.nodes):
        return graph

    def change(node: Node) -> Node:
        if not _reads_memory(node):
            return node
        inputs = tuple(x if _is_stored(x) else copy(x) for x in node.inputs)
        return graph.builder.rebuilt(node, inputs)

    return graph.with_each(change)


def in_memory(node: Node) -> Node:
    """The node in whose memory a value lies, if it is nothing but another shape or view of one."""
    while node.op.name == "reshape" or node.op.is_view:
        node = node.inputs[0]
    return node


def _reads_memory(node: Node) -> bool:
    return node.op.regional is not None or node.op.library is not None


def _is_stored(operand: Node) -> bool:
    node = in_memory(operand)
    if node is not operand and node.rank == 0 and node.op.body is not None:
        return False  # a number that every reader may compute for itself
    if node.is_constant:
        return isinstance(node.attr("value"), Literal)
    return node.op.moves is None and node.op.name != "iota"
