"""Gives every output memory of its own: parameters, repeated values and numbers are copied."""

from __future__ import annotations

from ..ir.graph import Graph
from ..ir.node import Node
from ..ops.complex import interleave, parts_of, whole_of
from ..ops.copying import copy

__all__ = ["separate_outputs"]


def separate_outputs(graph: Graph) -> Graph:
    """Each output is then a node that is computed, and no two are the same."""
    seen: set[Node] = set()
    outputs = []
    with graph.builder.active():
        for number, output in enumerate(graph.outputs):
            if _is_given(output) or output in seen:
                with graph.builder.deriving(output.source):
                    output = _copied(output, number)
            seen.add(output)
            outputs.append(output)
    return graph.with_outputs(outputs)


def _is_given(output: Node) -> bool:
    """Whether nothing computes the output: complex numbers are computed as pairs side by side."""
    if output.op.is_view:
        return output.inputs[0].op is not interleave
    return output.is_parameter or output.is_constant


def _copied(output: Node, number: int) -> Node:
    if output.dtype.is_complex:
        return whole_of(parts_of(output).each(lambda part: copy(part, number=number)))
    found: Node = copy(output, number=number)
    return found
