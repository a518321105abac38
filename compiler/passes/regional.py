"""Passes over loops and branches, loaded for graphs that have some."""

from __future__ import annotations

import importlib

from ..ir.graph import Graph
from ..rewrite.driver import PassContext

__all__ = ["inline_rules", "lift_sums", "merge_loops", "simplify_regions"]


def inline_rules(graph: Graph, context: PassContext | None = None) -> Graph:
    """The graph in which functions with a derivative of their own are what they compute."""
    return _run("inline_rules", graph)


def merge_loops(graph: Graph, context: PassContext | None = None) -> Graph:
    """The graph in which no two loops of the same turns have a carry in common."""
    return _run("merge_loops", graph)


def lift_sums(graph: Graph, context: PassContext | None = None) -> Graph:
    """The graph in which loops carry no sum of products or of sums of rows."""
    return _run("lift_sums", graph)


def simplify_regions(graph: Graph, context: PassContext | None = None) -> Graph:
    """The graph whose loops compute and are given only what is used, and nothing every turn that
    is the same in all of them; loops of one turn and choices by a number are written out."""
    return _run("simplify_regions", graph)


def _run(name: str, graph: Graph) -> Graph:
    if not any(node.op.regional for node in graph.nodes):
        return graph
    found: Graph = getattr(importlib.import_module(f".{name}", __package__), name)(graph)
    return found
