"""Forward mode: how each value changes when some values change a little."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from symfuse.runtime.errors import DTypeError, UnsupportedError, VerifyError

from ..ir.builder import Builder
from ..ir.dims import is_equal
from ..ir.graph import Graph
from ..ir.location import Source
from ..ir.node import Node
from ..ir.types import TensorType

__all__ = ["Linear", "derivative_of", "expect_type", "linearise", "push", "regional"]


class Linear(Struct, frozen=True):
    """The derivative of a graph at its own inputs: nodes that are linear in `tangents`."""

    graph: Graph
    wrt: tuple[Node, ...]
    tangents: tuple[Node, ...]  # parameters: the change of each node of `wrt`
    outputs: tuple[Node | None, ...]  # the change of each output; None where it cannot change


def linearise(graph: Graph, wrt: Iterable[Node]) -> Linear:
    """The change of the outputs as nodes beside the graph's own, for any change of `wrt`."""
    wrt = tuple(wrt)
    tangents = {node: _tangent(graph.builder, node) for node in dict.fromkeys(wrt)}
    known = push(graph.nodes, tangents, graph.builder)
    outputs = tuple(known.get(output) for output in graph.outputs)
    return Linear(graph, wrt, tuple(tangents[node] for node in wrt), outputs)


def push(
    nodes: Iterable[Node], tangents: Mapping[Node, Node], builder: Builder
) -> dict[Node, Node]:
    """The tangent of every node that depends, through floats, on a node that has one.

    `nodes` stand in topological order. A node without a tangent does not change.
    """
    known = dict(tangents)
    with builder.active():
        for node in nodes:
            if node in known or not node.dtype.is_inexact:
                continue
            incoming = tuple(known.get(source) for source in node.inputs)
            if any(tangent is not None for tangent in incoming):
                tangent = _pushed(builder, node, incoming)
                if tangent is not None:
                    known[node] = tangent
    return known


def regional(what: str) -> Any:
    """The rules for loops and branches, which are loaded for programs that have some."""
    return importlib.import_module(f".regional_{what}", __package__)


def derivative_of(node: Node) -> Source:
    """Where the derivative of a node is said to come from: its line, and d_ before its name."""
    name = node.source.variable()
    if not name:
        return node.source
    return Source(node.source.loc, f"d_{name}", node.source.scope)


def expect_type(node: Node, found: Node, expected: TensorType, what: str) -> None:
    """Stop a wrong derivative rule before broadcasting hides it."""
    same = found.dtype == expected.dtype and found.rank == expected.rank
    pairs = zip(found.shape, expected.shape, strict=False)
    if not same or any(is_equal(a, b) is False for a, b in pairs):
        raise VerifyError(
            f"{node.op}: its {what} has the type {found.type} where {expected} is needed",
            fix=f"correct the {what} rule of {node.op}",
            loc=node.source.loc,
        )


def _tangent(builder: Builder, node: Node) -> Node:
    """A parameter for the change of a node."""
    if not node.dtype.is_inexact:
        name = node.source.variable() or "an argument"
        raise DTypeError(
            f"cannot differentiate with respect to {name}, which is {node.type}",
            fix="differentiate with respect to floats only; convert it first",
            loc=node.source.loc,
        )
    return builder.parameter("", node.type, derivative_of(node))


def _pushed(builder: Builder, node: Node, incoming: tuple[Node | None, ...]) -> Node | None:
    """The tangent of one node by the rule of its operation."""
    if node.op.not_differentiable:
        return None
    if node.op.regional is not None:
        found: Node | None = regional("forward").tangent(builder, node, incoming)
        return found
    if node.op.jvp is None:
        raise UnsupportedError(
            f"{node.op} has no derivative",
            fix="wrap its argument in stop_gradient, or give the function a custom derivative",
            loc=node.source.loc,
        )
    for which, reason in node.op.constant_in.items():
        if incoming[which] is not None:
            raise UnsupportedError(
                f"{node.op} has no derivative in argument {which}: {reason}",
                fix="make the argument a constant of the derivative: sf.stop_gradient(argument)",
                loc=node.source.loc,
            )
    with builder.deriving(derivative_of(node)):
        tangent: Node | None = node.op.jvp(incoming, node.inputs, node, node.attrs)
    if tangent is not None:
        expect_type(node, tangent, node.type, "derivative")
    return tangent
