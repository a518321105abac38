"""Values and their directional derivatives as one graph."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from ..ir.builder import Builder
from ..ir.graph import Graph
from ..ir.node import Node
from ..ops.kinds import zeros
from .linearise import Linear, linearise

__all__ = ["dense_outputs", "jvp_graph", "zeros_like"]


def jvp_graph(graph: Graph, wrt: Iterable[Node]) -> Graph:
    """The graph with a tangent parameter for each of `wrt` after its own, and after its outputs
    the tangent of each of them that is a float."""
    linear = linearise(graph, wrt)
    return replace(
        graph,
        name=f"{graph.name}_jvp",
        parameters=(*graph.parameters, *linear.tangents),
        outputs=(*graph.outputs, *dense_outputs(linear)),
    )


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
