"""Which nodes are never stored for their own sake: every reader computes them for itself."""

from __future__ import annotations

from ..ir.graph import Graph
from ..ir.node import Literal, Node
from ..kernel.domain import element_cost

__all__ = ["inlined_nodes", "is_free"]

CHEAP = 24  # cost up to which a number is computed again by every reader rather than stored


def inlined_nodes(graph: Graph) -> set[Node]:
    """Views, and scalars that follow cheaply from parameters and constants."""
    chosen: dict[Node, int] = {}
    for node in graph.nodes:
        if node.op.moves is not None or node.op.name == "iota":
            chosen[node] = 0
        elif node.rank == 0 and node.op.body is not None:
            given = all(x in chosen or x.is_parameter or x.is_constant for x in node.inputs)
            cost = sum(chosen.get(x, 0) for x in node.inputs) + element_cost(node)
            readers = (user.op for user in graph.users[node])
            wanted = any(op.regional or op.library for op in readers)  # in memory
            if given and cost <= CHEAP and graph.users[node] and not wanted:
                chosen[node] = cost
    return set(chosen)


def is_free(node: Node) -> bool:
    """Whether the node costs no memory: a number written into the code."""
    return node.is_constant and not isinstance(node.attr("value"), Literal)
