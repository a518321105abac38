"""Orders the nodes that some outputs need, and rebuilds them with replacements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from .builder import Builder
from .node import Node

__all__ = ["rebuild", "topological"]


def topological(outputs: Iterable[Node]) -> tuple[Node, ...]:
    """Every node that the outputs need, each once, inputs before users; no recursion."""
    order: dict[Node, None] = {}
    seen: set[Node] = set()
    stack = [(node, False) for node in reversed(tuple(outputs))]
    while stack:
        node, inputs_done = stack.pop()
        if inputs_done:
            order[node] = None
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((source, False) for source in reversed(node.inputs) if source not in seen)
    return tuple(order)


def rebuild(
    nodes: Iterable[Node],
    builder: Builder,
    replaced: Mapping[Node, Node],
    change: Callable[[Node], Node] = lambda node: node,
) -> dict[Node, Node]:
    """Old node → new node for nodes in topological order: inputs replaced, then `change` applied.

    Provenance follows: whatever is made for a node carries that node's source.
    """
    new = dict(replaced)
    for node in nodes:
        if node not in new:
            same = builder.rebuilt(node, tuple(new[source] for source in node.inputs))
            with builder.deriving(node.source):
                new[node] = change(same)
    return new
