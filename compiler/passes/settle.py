"""Applies all rules together: what one pass leaves may be simple for another."""

from __future__ import annotations

from ..ir.graph import Graph
from ..rewrite.driver import PassContext, rewrite
from . import fold_constants, simplify_algebra, simplify_shapes, stabilise

__all__ = ["RULES", "settle"]

RULES = fold_constants.RULES + simplify_shapes.RULES + simplify_algebra.RULES + stabilise.RULES


def settle(graph: Graph, context: PassContext | None = None) -> Graph:
    """The graph at rest: the passes before it would all leave it as it is."""
    return rewrite(graph, RULES, context)
