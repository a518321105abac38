"""Puts the nodes of one graph into another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .builder import Builder
from .dataflow import Dataflow
from .node import Literal, Node

__all__ = ["inlined", "moved"]


def inlined(region: Dataflow, values: Sequence[Node], builder: Builder) -> tuple[Node, ...]:
    """The outputs of a region for these values, as nodes of the builder around it."""
    new = dict(zip(region.parameters, values, strict=True))
    found = moved(region.nodes, new, builder)
    return tuple(found[output] for output in region.outputs)


def moved(nodes: Iterable[Node], known: Mapping[Node, Node], builder: Builder) -> dict[Node, Node]:
    """Nodes in topological order, made again in another builder; `known` has what stands for some.

    Provenance is carried along.
    """
    new = dict(known)
    for node in nodes:
        if node in new:
            continue
        with builder.deriving(node.source):
            if node.is_constant:
                value = node.attr("value")
                held = value.array() if isinstance(value, Literal) else value
                new[node] = builder.constant(held, node.dtype)
            else:
                inputs = tuple(new[source] for source in node.inputs)
                new[node] = builder.apply(node.op, inputs, node.attrs)
    return new
