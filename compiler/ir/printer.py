"""Graph → text: one line a node, with the user's variable names and lines."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType

from .dataflow import Dataflow
from .dims import Expr
from .node import Literal, Node
from .regions import bundle_key
from .types import TensorType

__all__ = [
    "RESERVED",
    "format_attribute",
    "format_graph",
    "format_node",
    "format_number",
    "is_inline",
    "name_nodes",
]

RESERVED = frozenset({"True", "False", "None", "inf", "nan", "graph", *(d.value for d in DType)})
"""Words that an attribute cannot spell a size with, unless it stands in brackets."""

_LONG = 16  # literals of more elements are written as bytes
_UNPRINTABLE = re.compile(r"[^\w.]+")


def format_graph(graph: Dataflow, *, locations: bool = True) -> str:
    """The text that `Graph.parse` reads back to an equal graph."""
    names = name_nodes(graph)
    parameters = ", ".join(_parameter(p, names, p in graph.donated) for p in graph.parameters)
    outputs = ", ".join(names[output] for output in graph.outputs)
    title = _UNPRINTABLE.sub("_", graph.name).strip("_") or "f"
    lines = [f"graph {title}({parameters}) {{"]
    declared = [s.declaration() for s in graph.symbols if s.declaration() != s.name]
    lines += [f"  sizes {', '.join(declared)}"] if declared else []
    first: dict[Any, Node] = {}
    for node in graph.nodes:
        if not node.is_parameter and not is_inline(node):
            comment = _comment(node) if locations else ""
            lines.append(f"  {_statement(node, names, first, locations)}{comment}")
    return "\n".join([*lines, f"  return {outputs}".rstrip(), "}"])


def _statement(
    node: Node, names: Mapping[Node, str], first: dict[Any, Node], locations: bool
) -> str:
    """One line; another result of a loop or branch that stands above is named by its number."""
    if node.op.regional is not None:
        known = first.setdefault(bundle_key(node), node)
        if known is not node:
            return f"{names[node]}: {node.type} = result({names[known]}, {node.attr('result')})"
    return format_node(node, names, locations=locations)


def name_nodes(graph: Dataflow) -> dict[Node, str]:
    """A distinct name for each node: the user's if there is one; numbers are themselves."""
    names: dict[Node, str] = {}
    taken: dict[str, int] = {}
    count = 0
    for node in (*graph.parameters, *graph.nodes):
        if node in names:
            continue
        if is_inline(node):
            names[node] = _inline(node)
            continue
        wanted = _wanted(node)
        if not wanted:
            wanted, count = str(count), count + 1
        names[node] = f"%{_distinct(wanted, taken)}"
    return names


def format_node(node: Node, names: Mapping[Node, str], *, locations: bool = False) -> str:
    """One line: name, type, operation, operands, attributes."""
    head = f"{names[node]}: {node.type} ="
    if node.is_constant:
        value = node.attr("value")
        return f"{head} {format_elements(value) if isinstance(value, Literal) else _inline(node)}"
    operands = [names.get(source, "%?") for source in node.inputs]
    attrs = [f"{k}={format_attribute(v, locations=locations)}" for k, v in node.attributes]
    return f"{head} {node.op}({', '.join([*operands, *attrs])})"


def is_inline(node: Node) -> bool:
    """Whether a node is written where it is used: one number, or copies of one."""
    if node.op.name == "broadcast" and node.shape and node.attr("axes") == ():
        node = node.inputs[0]
    return node.is_constant and not isinstance(node.attr("value"), Literal)


def format_number(value: Any, dtype: DType) -> str:
    """A number with the fewest digits that give it back in its element type."""
    if isinstance(value, complex):
        real, imag = (format_number(part, dtype.real) for part in (value.real, value.imag))
        return f"{real}{'' if imag.startswith('-') else '+'}{imag}j"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{'-' * (math.copysign(1, value) < 0)}{'nan' if math.isnan(value) else 'inf'}"
    return str(dtype.numpy.type(value))


def format_elements(literal: Literal) -> str:
    """The elements in row-major order, or their bytes where these are many or not exact."""
    array = literal.array().reshape(-1)
    if array.size > _LONG or (literal.dtype.is_inexact and bool(np.isnan(array).any())):
        return f"{{0x{literal.data.hex()}}}"
    return f"{{{', '.join(format_number(x, literal.dtype) for x in array.tolist())}}}"


def format_attribute(value: Any, *, locations: bool = False) -> str:
    """An attribute as the parser reads it."""
    if isinstance(value, DType):
        return value.value
    if isinstance(value, Expr):
        return f"[{value}]" if str(value) in RESERVED else str(value)
    if isinstance(value, Literal):
        return f"{TensorType(value.shape, value.dtype)}{format_elements(value)}"
    if isinstance(value, tuple):
        comma = "," if len(value) == 1 else ""
        return f"({', '.join(format_attribute(v, locations=locations) for v in value)}{comma})"
    if isinstance(value, Dataflow):
        return format_graph(value, locations=locations).replace("\n", "\n  ")
    return repr(value.item() if isinstance(value, np.generic) else value)


def _parameter(node: Node, names: Mapping[Node, str], donated: bool) -> str:
    return f"{names[node]}: {node.type}{' donated' if donated else ''}"


def _wanted(node: Node) -> str:
    """What the user calls a node, in letters that a name may have; digits alone are no name."""
    name = _UNPRINTABLE.sub("_", node.source.variable() or "")
    return "" if name.isdigit() else name


def _inline(node: Node) -> str:
    """`1.5:f32`, or `1.5:f32[2,N]` for copies."""
    scalar = node.inputs[0] if node.inputs else node
    number = format_number(scalar.attr("value"), scalar.dtype)
    return f"{number}:{node.type if node.shape else node.dtype}"


def _distinct(wanted: str, taken: dict[str, int]) -> str:
    """The name, numbered if it is taken; `taken` keeps how far each name has been numbered."""
    name = wanted
    while name in taken:
        taken[wanted] += 1
        name = f"{wanted}_{taken[wanted]}"
    taken[name] = 1
    return name


def _comment(node: Node) -> str:
    source = node.source
    where = [str(source.loc)] if source.loc else []
    where += [f"in {source.scope}"] if source.scope else []
    return f"  # {' '.join(where)}" if where else ""
