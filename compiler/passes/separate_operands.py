"""Puts what loops and branches read into memory: views and numbers are copied."""

from __future__ import annotations

from ..ir.graph import Graph
from ..ir.node import Literal, Node
from ..ir.walk import rebuild
from ..ops.copying import copy

__all__ = ["in_memory", "separate_operands"]


def separate_operands(graph: Graph) -> Graph:
    """Each operand of a loop or branch is then a parameter, an array or a computed node,
    perhaps under another shape."""
    if not any(node.op.regional for node in graph.nodes):
        return graph

    def change(node: Node) -> Node:
        if node.op.regional is None:
            return node
        inputs = tuple(x if _is_stored(in_memory(x)) else copy(x) for x in node.inputs)
        return graph.builder.rebuilt(node, inputs)

    kept = {parameter: parameter for parameter in graph.parameters}
    with graph.builder.active():
        new = rebuild(graph.nodes, graph.builder, kept, change)
    return graph.with_outputs(new[output] for output in graph.outputs)


def in_memory(node: Node) -> Node:
    """The node in whose memory a value lies, if it is nothing but another shape of one."""
    while node.op.name == "reshape":
        node = node.inputs[0]
    return node


def _is_stored(node: Node) -> bool:
    if node.is_constant:
        return isinstance(node.attr("value"), Literal)
    return node.op.moves is None and node.op.name != "iota"
