"""Values and their directional derivatives as one graph."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from msgspec.structs import replace

from ..ir.builder import Builder
from ..ir.graph import Graph
from ..ir.node import Node
from ..ir.walk import rebuild, topological
from ..ops.kinds import zeros
from .linearise import Linear, linearise
from .transpose import reaching

__all__ = ["dense_outputs", "forwards", "jvp_graph", "linear_graph", "zeros_like"]


def jvp_graph(graph: Graph, wrt: Iterable[Node]) -> Graph:
    """The graph with a tangent parameter for each of `wrt` after its own, and after its outputs
    the tangent of each of them that is a float."""
    linear = linearise(graph, wrt)
    found = replace(
        graph,
        name=f"{graph.name}_jvp",
        parameters=(*graph.parameters, *linear.tangents),
        outputs=(*graph.outputs, *dense_outputs(linear)),
    )
    return forwards(found)


def linear_graph(graph: Graph, wrt: Iterable[Node]) -> tuple[Graph, Graph]:
    """The graph with all that its derivative reads as further outputs, and the derivative itself:
    a graph of these and a tangent for each of `wrt`."""
    linear = linearise(graph, wrt)
    changes = forwards(graph.with_outputs(dense_outputs(linear))).outputs
    order = topological(changes)
    moving = reaching(order, linear.tangents)
    read = dict.fromkeys(x for node in order if node in moving for x in node.inputs)
    kept = [x for x in read if x not in moving and not x.is_constant]
    builder = graph.builder
    given = {node: builder.parameter("", node.type, node.source) for node in kept}
    new = rebuild(order, builder, given)
    return (
        replace(graph, outputs=(*graph.outputs, *kept)),
        Graph(
            f"{graph.name}_linear",
            (*given.values(), *linear.tangents),
            tuple(new[change] for change in changes),
            builder,
        ),
    )


def forwards(graph: Graph) -> Graph:
    """The graph with tangents that can be computed, where it has some that run backwards only."""
    if not any(node.op.regional for node in graph.nodes):
        return graph
    found: Graph = importlib.import_module(".custom", __package__).written_out(graph)
    return found


def dense_outputs(linear: Linear) -> tuple[Node, ...]:
    """The tangents of the float outputs, zeros where an output cannot change."""
    return tuple(
        zeros_like(linear.graph.builder, output) if tangent is None else tangent
        for output, tangent in zip(linear.graph.outputs, linear.outputs, strict=True)
        if output.dtype.is_inexact
    )


def zeros_like(builder: Builder, node: Node) -> Node:
    """Zeros of the type of a node, which stand for its derivative."""
    with builder.deriving(node.source), builder.active():
        found: Node = zeros(node.type)
    return found
