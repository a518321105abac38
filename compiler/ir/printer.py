"""Graph → text: one line a node, with the user's variable names and lines."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from symfuse.runtime.dtypes import DType

from .dims import Expr
from .node import Literal, Node

if TYPE_CHECKING:
    from .graph import Graph

__all__ = ["format_attribute", "format_graph", "name_nodes"]


def format_graph(graph: Graph, *, locations: bool = True) -> str:
    """The text that `parse_graph` reads back to an equal graph."""
    names = name_nodes(graph)
    parameters = ", ".join(f"{names[p]}: {p.type}" for p in graph.parameters)
    outputs = ", ".join(names[output] for output in graph.outputs)
    lines = [f"graph {graph.name}({parameters}) {{"]
    declared = [s.declaration() for s in graph.symbols if s.declaration() != s.name]
    lines += [f"  sizes {', '.join(declared)}"] if declared else []
    for node in graph.nodes:
        if not node.is_parameter and not is_inline(node):
            lines.append(_line(node, names, locations))
    return "\n".join([*lines, f"  return {outputs}", "}"])


def name_nodes(graph: Graph) -> dict[Node, str]:
    """A distinct name for each node: the user's where there is one, numbers and literals else."""
    names: dict[Node, str] = {}
    taken: set[str] = set()
    count = 0
    for node in (*graph.parameters, *graph.nodes):
        if node in names:
            continue
        if is_inline(node):
            names[node] = format_number(node.attr("value"), node.dtype)
            continue
        wanted = node.source.variable()
        if not wanted:
            wanted, count = str(count), count + 1
        names[node] = f"%{_distinct(wanted, taken)}"
    return names


def is_inline(node: Node) -> bool:
    """Whether a node is written where it is used: a single number."""
    return node.is_constant and not isinstance(node.attr("value"), Literal)


def format_number(value: Any, dtype: DType) -> str:
    """`1.5:f32`: a number with the element type it is held in."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    if isinstance(value, float) and not math.isfinite(value):
        text = "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return f"{text}:{dtype}"


def format_attribute(value: Any) -> str:
    """An attribute as the parser reads it."""
    if isinstance(value, DType):
        return value.value
    if isinstance(value, Expr):
        return f"[{value}]"
    if isinstance(value, Literal):
        return f"{value.dtype}{list(value.shape)}{{{_hex(value)}}}"
    if isinstance(value, tuple):
        comma = "," if len(value) == 1 else ""
        return f"({', '.join(map(format_attribute, value))}{comma})"
    return repr(value)


def _hex(literal: Literal) -> str:
    return literal.data.hex()


def _distinct(wanted: str, taken: set[str]) -> str:
    name, again = wanted, 1
    while name in taken:
        again += 1
        name = f"{wanted}_{again}"
    taken.add(name)
    return name


def _line(node: Node, names: dict[Node, str], locations: bool) -> str:
    operands: Iterable[str] = (names[source] for source in node.inputs)
    attrs = (f"{key}={format_attribute(value)}" for key, value in node.attributes)
    text = f"  {names[node]}: {node.type} = {node.op}({', '.join([*operands, *attrs])})"
    return f"{text}{_comment(node)}" if locations else text


def _comment(node: Node) -> str:
    source = node.source
    if source.loc is None:
        return f"  # in {source.scope}" if source.scope else ""
    return f"  # {source.loc}" + (f" in {source.scope}" if source.scope else "")
