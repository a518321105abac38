"""Gives every output memory of its own: parameters, repeated values and numbers are copied."""

from __future__ import annotations

from ..ir.graph import Graph
from ..ir.node import Node
from ..ops.copying import copy

__all__ = ["separate_outputs"]


def separate_outputs(graph: Graph) -> Graph:
    """Each output is then a node that is computed, and no two are the same."""
    seen: set[Node] = set()
    outputs = []
    with graph.builder.active():
        for number, output in enumerate(graph.outputs):
            if output.is_parameter or output.is_constant or output in seen:
                with graph.builder.deriving(output.source):
                    output = copy(output, number=number)
            seen.add(output)
            outputs.append(output)
    return graph.with_outputs(outputs)
