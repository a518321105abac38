"""Loops and branches for many inputs at once: their bodies for the whole batch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..ir.builder import Builder
from ..ir.dims import Dim
from ..ir.graph import Graph
from ..ir.inline import inlined
from ..ir.node import Node
from ..ir.op import operations
from ..ops.kinds import stretch
from . import custom
from .batch import batch_nodes

__all__ = ["batched"]

Flags = tuple[bool, ...]
Operands = tuple[Node, ...]


def batched(builder: Builder, node: Node, inputs: Operands, is_batched: Flags) -> Node:
    """One result for the whole batch, batch axis first."""
    rule = {"loop": _loop, "while_loop": _while, "branch": _branch}.get(node.op.name, _custom)
    size = next(x.shape[0] for x, one in zip(inputs, is_batched, strict=True) if one)
    found, has_batch = rule(builder, node, inputs, is_batched, size)
    return found if has_batch else stretch(found, size)


def _loop(
    builder: Builder, node: Node, inputs: Operands, is_batched: Flags, size: Dim
) -> tuple[Node, bool]:
    attrs = node.attrs
    carries, scanned, result = attrs["carries"], attrs["scanned"], attrs["result"]
    body, given, made = _body(attrs["body"], 1, carries, is_batched, size)
    operands = _spread(inputs, is_batched, given, carries, size)
    for at in range(carries, carries + scanned):
        if is_batched[at]:
            operands[at] = _swapped(operands[at])
    found = builder.apply(operations["loop"], tuple(operands), {**attrs, "body": body})
    if result >= carries and made[result]:
        found = _swapped(found)
    return found, made[result]


def _while(
    builder: Builder, node: Node, inputs: Operands, is_batched: Flags, size: Dim
) -> tuple[Node, bool]:
    attrs = node.attrs
    carries, result = attrs["carries"], attrs["result"]
    body, given, made = _body(attrs["body"], 0, carries, is_batched, size)
    condition, _, (differs,) = _body(attrs["condition"], 0, 0, given, size)
    if differs:  # every member goes on for itself
        given = (*(True,) * carries, *given[carries:])
        body, given, made = _body(attrs["body"], 0, carries, given, size)
        condition, _, _ = _body(attrs["condition"], 0, 0, given, size)
        body, condition = _each_for_itself(body, condition, carries)
    operands = _spread(inputs, is_batched, given, carries, size)
    new = {**attrs, "body": body, "condition": condition}
    return builder.apply(operations["while_loop"], tuple(operands), new), made[result]


def _custom(
    builder: Builder, node: Node, inputs: Operands, is_batched: Flags, size: Dim
) -> tuple[Node, bool]:
    def batch(graph: Graph, flags: Flags) -> tuple[Graph, Flags]:
        found, _, made = _body(graph, 0, 0, flags, size)
        return found, made

    return custom.batched(builder, node, inputs, is_batched, size, batch)


def _branch(
    builder: Builder, node: Node, inputs: Operands, is_batched: Flags, size: Dim
) -> tuple[Node, bool]:
    branches: tuple[Graph, ...] = node.attr("branches")
    result, given = node.attr("result"), is_batched[1:]
    every = [_body(one, 0, 0, given, size) for one in branches]
    made = tuple(any(column) for column in zip(*(row[2] for row in every), strict=True))
    if is_batched[0]:
        return _chosen(builder, inputs, [(row[0], row[2]) for row in every], result, size), True
    graphs = tuple(_stretched(row[0], row[2], made, size) for row in every)
    new = {"branches": graphs, "result": result}
    return builder.apply(operations["branch"], inputs, new), made[result]


@lru_cache(maxsize=64)
def _body(
    body: Graph, first: int, carries: int, has: Flags, size: Dim
) -> tuple[Graph, Flags, Flags]:
    """A body for the whole batch; which of its values, and of its outputs, differ in the batch.

    A carry that differs after some turn differs from the beginning.
    """
    builder = body.builder
    values = body.parameters[first:]
    while True:
        new = {
            v: builder.parameter("", v.type.with_shape((size, *v.shape)), v.source)
            for v, one in zip(values, has, strict=True)
            if one
        }
        found = batch_nodes(body.nodes, new, builder)
        wider = tuple(
            one or (at < carries and body.outputs[at] in found) for at, one in enumerate(has)
        )
        if wider == has:
            break
        has = wider
    made = tuple(
        has[at] if at < carries else output in found for at, output in enumerate(body.outputs)
    )
    parameters = (*body.parameters[:first], *(new.get(v, v) for v in values))
    graph = Graph(body.name, parameters, body.outputs, builder)
    outputs = [found.get(output, output) for output in body.outputs]
    with builder.active():
        for at, (output, wanted) in enumerate(zip(body.outputs, made, strict=True)):
            if wanted and output not in found:
                outputs[at] = stretch(output, size)
    return graph.with_outputs(outputs), has, made


def _spread(
    inputs: Operands, is_batched: Flags, given: Flags, carries: int, size: Dim
) -> list[Node]:
    """The operands, carries that will differ copied for each member."""
    return [
        stretch(x, size) if at < carries and given[at] and not is_batched[at] else x
        for at, x in enumerate(inputs)
    ]


def _swapped(x: Node) -> Node:
    found: Node = operations["transpose"](x, axes=(1, 0, *range(2, x.rank)))
    return found


def _each_for_itself(body: Graph, condition: Graph, carries: int) -> tuple[Graph, Graph]:
    """A turn that leaves members alone whose condition fails, until it fails for all."""
    with condition.builder.active():
        any_left = operations["reduce_any"](condition.outputs[0], axes=(0,))
    builder = body.builder
    with builder.active():
        (holds,) = inlined(condition, body.parameters, builder)
        outputs = tuple(
            _select(holds, new, old)
            for new, old in zip(body.outputs, body.parameters[:carries], strict=True)
        )
    return body.with_outputs(outputs), condition.with_outputs((any_left,))


def _select(holds: Node, one: Node, other: Node) -> Node:
    """One or the other for each member."""
    whole: Any = holds
    if one.rank > 1:
        whole = operations["broadcast"](holds, shape=one.shape, axes=(0,))
    found: Node = operations["select"](whole, one, other)
    return found


def _chosen(
    builder: Builder,
    inputs: Operands,
    every: Sequence[tuple[Graph, Flags]],
    result: int,
    size: Dim,
) -> Node:
    """Every branch is computed, and each member takes the result of its own."""
    found = []
    for graph, made in every:
        (one,) = inlined(
            graph.with_outputs(graph.outputs[result : result + 1]), inputs[1:], builder
        )
        found.append(one if made[result] else stretch(one, size))
    chosen = found[-1]
    for number in reversed(range(len(found) - 1)):
        chosen = _select(operations["less_equal"](inputs[0], number), found[number], chosen)
    return chosen


def _stretched(graph: Graph, made: Flags, wanted: Flags, size: Dim) -> Graph:
    with graph.builder.active():
        outputs = [
            stretch(output, size) if wants and not has else output
            for output, has, wants in zip(graph.outputs, made, wanted, strict=True)
        ]
    return graph.with_outputs(outputs)
