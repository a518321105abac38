"""Checks that a graph is what it claims to be: run after every pass in tests and on request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import SymfuseError, VerifyError

from .dataflow import Dataflow
from .dims import Symbol, symbols
from .node import Literal, Node
from .printer import format_node, name_nodes
from .regions import regions
from .types import TensorType

__all__ = ["verify"]

G = TypeVar("G", bound=Dataflow)

_FIX = "this is a defect of the pass or function that made the graph, not of your program"


def verify(graph: G, outer: Iterable[Symbol] = ()) -> G:
    """The graph itself, if it keeps every promise that graphs make; else a `VerifyError`.

    `outer` are the sizes that the graph around a region knows.
    """
    known = {*outer, *graph.symbols}
    for what, node in _violations(graph, known):
        raise _error(graph, what, node)
    for node in graph.nodes:
        for inner in regions(node):
            verify(inner, known)
    return graph


def _violations(graph: Dataflow, bound: set[Symbol]) -> Iterator[tuple[str, Node | None]]:
    """What is wrong, with the node where it shows; the first is enough."""
    yield from _signature(graph)
    position = {node: at for at, node in enumerate(graph.nodes)}
    parameters = set(graph.parameters)
    for node in graph.nodes:
        yield from ((what, node) for what in _order(node, position))
        yield from ((what, node) for what in _attributes(node))
        if not graph.builder.owns(node):
            yield f"{node.op} was not made by the graph's builder, or was made twice", node
        if node.is_parameter and node not in parameters:
            yield "an output needs a parameter that the graph does not list", node
        for free in (s for n in node.shape for s in symbols(n) if s not in bound):
            yield f"the size {free.name} appears in no parameter", node
        yield from ((what, node) for what in _type(graph, node))


def _signature(graph: Dataflow) -> Iterator[tuple[str, Node | None]]:
    """The parameters and what is said about them."""
    seen: set[Node] = set()
    for node in graph.parameters:
        if not node.is_parameter:
            yield f"{node.op} stands among the parameters", node
        if node in seen:
            yield "a parameter is listed twice", node
        seen.add(node)
    for node in graph.donated:
        if node not in seen:
            yield "a donated node is not a parameter", node
    for node, value in graph.captured.items():
        if node not in seen:
            yield "a captured value belongs to no parameter", node
        held = value if hasattr(value, "ndim") else np.asarray(value)  # traced, perhaps
        if held.dtype != node.dtype.numpy or held.ndim != node.rank:
            yield f"the captured value is {held.dtype}{list(held.shape)}, not {node.type}", node


def _order(node: Node, position: dict[Node, int]) -> Iterator[str]:
    for source in node.inputs:
        if position[source] >= position[node]:
            yield f"{node.op} reads {source.op}, which comes after it: the graph has a cycle"


def _attributes(node: Node) -> Iterator[str]:
    names = [name for name, _ in node.attributes]
    if len(set(names)) != len(names):
        yield "an attribute is given twice"
    for name, value in node.attributes:
        try:
            hash(value)
        except TypeError:
            yield f"the attribute {name} is a {type(value).__name__}, which is not hashable"


def _type(graph: Dataflow, node: Node) -> Iterator[str]:
    """Compare the type that a node has with the one that follows from its inputs."""
    if node.is_parameter:
        return
    if node.is_constant:
        yield from _constant(node)
        return
    try:
        found = node.op.result_type(*(source.type for source in node.inputs), **node.attrs)
        aligned = node.op.align(graph.builder, node.inputs, node.attrs) if node.op.align else ()
    except (SymfuseError, TypeError) as error:
        what = error.what if isinstance(error, SymfuseError) else str(error)
        yield f"{node.op} does not accept its inputs: {what}"
        return
    if found != node.type:
        yield f"the type is {node.type}, but {node.op} gives {found}"
    if any(new is not old for new, old in zip(aligned, node.inputs, strict=False)):
        types = ", ".join(str(source.type) for source in node.inputs)
        yield f"{node.op} reads inputs that are not aligned: {types}"


def _constant(node: Node) -> Iterator[str]:
    value = node.attr("value")
    if isinstance(value, Literal):
        found = TensorType(value.shape, value.dtype)
        if found != node.type or len(value.data) != node.type.nbytes:
            yield f"the type is {node.type}, but the elements are {found}"
    elif node.shape or not _holds(node.dtype, value):
        yield f"{value!r} is no {node.type}"


def _holds(dtype: DType, value: object) -> bool:
    kind = (
        bool
        if dtype.is_bool
        else complex
        if dtype.is_complex
        else (float if dtype.is_float else int)
    )
    return type(value) is kind


def _error(graph: Dataflow, what: str, node: Node | None) -> VerifyError:
    """The violation with the line of the graph and, where it is known, of the user."""
    where = f"graph {graph.name}: {what}"
    if node is None:
        return VerifyError(where, fix=_FIX)
    names = name_nodes(graph)
    line = f"{names.get(node, '%?')}: {node.type}"
    if not node.is_parameter:
        line = format_node(node, {node: "%?", **names})
    return VerifyError(f"{where}\n  {line}", fix=_FIX, loc=node.source.loc)
