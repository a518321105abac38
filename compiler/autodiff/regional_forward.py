"""The tangents of loops and branches: the body with its own derivative beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..ir.builder import Builder
from ..ir.graph import Graph
from ..ir.node import Node
from ..ir.op import operations
from ..ir.walk import rebuild, topological
from . import custom
from .forward import zeros_like
from .linearise import derivative_of, linearise

__all__ = ["tangent"]

Flags = tuple[bool, ...]


def tangent(builder: Builder, node: Node, incoming: Sequence[Node | None]) -> Node | None:
    """The tangent of one result; that of all results is one loop or branch."""
    rule = _RULES.get(node.op.name, custom.tangent)
    return rule(builder, node, tuple(incoming))


class _Joint(Struct, frozen=True, eq=False):
    """A body with its derivative, and which values have a tangent."""

    graph: Graph
    moving: Flags  # of the values that the body is given, carries complete
    changing: Flags  # of the outputs


@lru_cache(maxsize=64)
def _joint(body: Graph, first: int, carries: int, has: Flags) -> _Joint:
    """The body of values and tangents; `first` parameters stand before the values."""
    values = body.parameters[first:]
    moving = has
    while True:
        linear = linearise(body, [v for v, moves in zip(values, moving, strict=True) if moves])
        found = tuple(
            moves or (at < carries and linear.outputs[at] is not None)
            for at, moves in enumerate(moving)
        )
        if found == moving:
            break
        moving = found
    changing = tuple(
        moving[at] if at < carries else one is not None for at, one in enumerate(linear.outputs)
    )
    tangents = [
        zeros_like(body.builder, output) if one is None else one
        for one, output, moves in zip(linear.outputs, body.outputs, changing, strict=True)
        if moves
    ]
    own = _beside(values, linear.tangents, moving, carries)
    outputs = _beside(body.outputs, tangents, changing, carries)
    graph = Graph(f"d_{body.name}", (*body.parameters[:first], *own), outputs, body.builder)
    return _Joint(graph, moving, changing)


def _beside(
    values: Sequence[Node], tangents: Sequence[Node], has: Flags, carries: int
) -> tuple[Node, ...]:
    """Carries, their tangents, then all else with its tangents behind it."""
    rest = iter(tangents)
    pairs = [(v, next(rest) if h else None) for v, h in zip(values, has, strict=True)]
    first, last = pairs[:carries], pairs[carries:]
    return (
        *(v for v, _ in first),
        *(t for _, t in first if t is not None),
        *(v for v, _ in last),
        *(t for _, t in last if t is not None),
    )


def _given(
    builder: Builder, node: Node, incoming: Sequence[Node | None], moving: Flags, start: int = 0
) -> tuple[Node, ...]:
    """The tangents that a loop begins with: zeros for carries that change later on."""
    with builder.deriving(derivative_of(node)):
        return tuple(
            zeros_like(builder, x) if t is None else t
            for x, t, moves in zip(node.inputs[start:], incoming[start:], moving, strict=True)
            if moves
        )


def _loop(builder: Builder, node: Node, incoming: tuple[Node | None, ...]) -> Node | None:
    attrs = node.attrs
    carries, scanned, result = attrs["carries"], attrs["scanned"], attrs["result"]
    split = carries + scanned
    joint = _joint_loop(attrs["body"], carries, scanned, tuple(t is not None for t in incoming))
    if not joint.changing[result]:
        return None
    tangents = _given(builder, node, incoming, joint.moving)
    counts = [sum(joint.moving[:carries]), sum(joint.moving[carries:split])]
    d_carries, d_slices, d_rest = (
        tangents[: counts[0]],
        tangents[counts[0] : sum(counts)],
        tangents[sum(counts) :],
    )
    slices, rest = node.inputs[carries:split], node.inputs[split:]
    inputs = (*node.inputs[:carries], *d_carries, *slices, *d_slices, *rest, *d_rest)
    new = {
        **attrs,
        "body": joint.graph,
        "carries": carries + counts[0],
        "scanned": scanned + counts[1],
        "result": _place(joint.changing, result, carries),
    }
    with builder.deriving(derivative_of(node)):
        return builder.apply(operations["loop"], inputs, new)


@lru_cache(maxsize=64)
def _joint_loop(body: Graph, carries: int, scanned: int, has: Flags) -> _Joint:
    """As `_joint`, with slices and their tangents before what is the same in every turn."""
    joint = _joint(body, 1, carries, has)
    split = carries + scanned
    counts = [sum(joint.moving[:carries]), sum(joint.moving[carries:split])]
    turn, *given = joint.graph.parameters
    state, others = given[: carries + counts[0]], given[carries + counts[0] :]
    total = len(body.parameters) - 1 - carries
    values, tangents = others[:total], others[total:]
    order = (
        *values[:scanned],
        *tangents[: counts[1]],
        *values[scanned:],
        *tangents[counts[1] :],
    )
    graph = Graph(
        joint.graph.name, (turn, *state, *order), joint.graph.outputs, joint.graph.builder
    )
    return _Joint(graph, joint.moving, joint.changing)


def _place(changing: Flags, result: int, carries: int) -> int:
    """The number of a result's tangent among the results of the joint loop."""
    if result < carries:
        return carries + sum(changing[:result])
    return len(changing) + sum(changing[:result])


def _while(builder: Builder, node: Node, incoming: tuple[Node | None, ...]) -> Node | None:
    attrs = node.attrs
    carries, result = attrs["carries"], attrs["result"]
    has = tuple(t is not None for t in incoming)
    joint = _joint(attrs["body"], 0, carries, has)
    if not joint.changing[result]:
        return None
    tangents = _given(builder, node, incoming, joint.moving)
    count = sum(joint.moving[:carries])
    inputs = (
        *node.inputs[:carries],
        *tangents[:count],
        *node.inputs[carries:],
        *tangents[count:],
    )
    new = {
        **attrs,
        "body": joint.graph,
        "condition": _widened(attrs["condition"], joint.graph, carries, joint.moving),
        "carries": carries + count,
        "result": _place(joint.changing, result, carries),
    }
    with builder.deriving(derivative_of(node)):
        return builder.apply(operations["while_loop"], inputs, new)


@lru_cache(maxsize=64)
def _widened(condition: Graph, body: Graph, carries: int, moving: Flags) -> Graph:
    """The condition with parameters for tangents, which it does not read."""
    builder = condition.builder
    own = iter(condition.parameters)
    count = sum(moving[:carries])
    places = [True] * carries + [False] * count + [True] * (len(moving) - carries)
    places += [False] * sum(moving[carries:])
    parameters = tuple(
        next(own) if is_own else builder.parameter("", p.type, p.source)
        for p, is_own in zip(body.parameters, places, strict=True)
    )
    return Graph(condition.name, parameters, condition.outputs, builder)


def _branch(builder: Builder, node: Node, incoming: tuple[Node | None, ...]) -> Node | None:
    branches: tuple[Graph, ...] = node.attr("branches")
    has = tuple(t is not None for t in incoming[1:])
    graphs, changing = _joint_branches(branches, has)
    result = node.attr("result")
    if not changing[result]:
        return None
    tangents = [t for t in incoming[1:] if t is not None]
    attrs: dict[str, Any] = {"branches": graphs, "result": sum(changing[:result])}
    if count := node.attrs.get("kept", 0):
        attrs["branches"] = (_reading(branches[0], graphs[0], count),)
    with builder.deriving(derivative_of(node)):
        kept = _kept(builder, node, len(branches[0].outputs), count)
        return builder.apply(operations["branch"], (*node.inputs, *tangents, *kept), attrs)


def _kept(builder: Builder, node: Node, results: int, count: int) -> list[Node]:
    """The last results of a branch, which its derivative reads."""
    each = [{**node.attrs, "result": k} for k in range(results - count, results)]
    return [builder.apply(node.op, node.inputs, attrs) for attrs in each]


@lru_cache(maxsize=64)
def _reading(branch: Graph, derivative: Graph, count: int) -> Graph:
    """The derivative of a branch, handed the last results of the branch."""
    builder = derivative.builder
    given = {x: builder.parameter("", x.type, x.source) for x in branch.outputs[-count:]}
    new = rebuild(topological(derivative.outputs), builder, given)
    return replace(
        derivative,
        parameters=(*derivative.parameters, *given.values()),
        outputs=tuple(new[output] for output in derivative.outputs),
    )


@lru_cache(maxsize=64)
def _joint_branches(branches: tuple[Graph, ...], has: Flags) -> tuple[tuple[Graph, ...], Flags]:
    """Branches that give the tangents of those results that change in any of them."""
    every = [
        linearise(one, [p for p, h in zip(one.parameters, has, strict=True) if h])
        for one in branches
    ]
    columns = zip(*(linear.outputs for linear in every), strict=True)
    changing = tuple(any(one is not None for one in column) for column in columns)
    graphs = []
    for one, linear in zip(branches, every, strict=True):
        outputs = tuple(
            zeros_like(one.builder, output) if t is None else t
            for t, output, changes in zip(linear.outputs, one.outputs, changing, strict=True)
            if changes
        )
        parameters = (*one.parameters, *linear.tangents)
        graphs.append(Graph(f"d_{one.name}", parameters, outputs, one.builder))
    return tuple(graphs), changing


_RULES = {"loop": _loop, "while_loop": _while, "branch": _branch}
