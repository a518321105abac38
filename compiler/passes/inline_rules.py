"""Puts functions that have a derivative of their own where they are called."""

from __future__ import annotations

from ..ir.graph import Graph
from ..ir.inline import inlined
from ..ir.node import Node
from ..ir.regions import changed, every_node

__all__ = ["inline_rules"]

_CALLS = ("custom_jvp", "custom_vjp")


def inline_rules(graph: Graph) -> Graph:
    """The graph in which functions with a derivative of their own are what they compute."""
    if not any(node.op.name in _CALLS for node in every_node(graph)):
        return graph
    builder = graph.builder
    new: dict[Node, Node] = {p: p for p in graph.parameters}
    for node in graph.nodes:
        if node in new:
            continue
        inputs = tuple(new[source] for source in node.inputs)
        with builder.deriving(node.source):
            if node.op.name in _CALLS:
                body: Graph = node.attr("body")
                one = inline_rules(body.with_outputs((body.outputs[node.attr("result")],)))
                (new[node],) = inlined(one, inputs, builder)
                continue
            attrs = changed(node, inline_rules) if node.op.regional is not None else None
            if attrs is None:
                new[node] = builder.rebuilt(node, inputs)
            else:
                new[node] = builder.apply(node.op, inputs, attrs)
    return graph.with_outputs(new[output] for output in graph.outputs)
