"""Loops and branches for many inputs at once: their bodies for the whole batch."""

from __future__ import annotations

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
        condition, _, _ = _body(attrs["condition"], 0, 0, given, size)
        body, _, made = _body(attrs["body"], 0, carries, _with_floats(node.inputs, given), size)
        body, condition = _each_for_itself(body, condition, carries, size)
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
    if is_batched[0]:
        return _chosen(builder, node, inputs, is_batched[1:], size), True
    every = [_body(one, 0, 0, is_batched[1:], size) for one in node.attr("branches")]
    made = tuple(any(column) for column in zip(*(row[2] for row in every), strict=True))
    graphs = tuple(_stretched(row[0], row[2], made, size) for row in every)
    new = {**node.attrs, "branches": graphs}
    return builder.apply(operations["branch"], inputs, new), made[node.attr("result")]


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


def _each_for_itself(body: Graph, condition: Graph, carries: int, size: Dim) -> tuple[Graph, Graph]:
    """A turn that leaves members alone whose condition fails, until it fails for all."""
    with condition.builder.active():
        any_left = operations["reduce_any"](condition.outputs[0], axes=(0,))
    builder = body.builder
    given = tuple(builder.parameter("", p.type, p.source) for p in condition.parameters)
    with builder.active():
        (holds,) = inlined(condition, given, builder)
        values = [
            _held(holds, x, x.rank == p.rank, size)
            for x, p in zip(given, body.parameters, strict=True)
        ]
        outputs = tuple(
            _select(holds, new, old)
            for new, old in zip(inlined(body, values, builder), given[:carries], strict=True)
        )
    whole = Graph(body.name, given, outputs, builder)
    return whole, condition.with_outputs((any_left,))


def _held(holds: Node, x: Node, is_batched: bool, size: Dim) -> Node:
    """A value for members for which something holds; to the others it is a constant, because
    what they compute in vain may have no finite derivative."""
    if not x.dtype.is_inexact:
        return x
    whole = x if is_batched else stretch(x, size)
    return _select(holds, whole, operations["stop_gradient"](whole))


def _with_floats(inputs: Operands, flags: Flags) -> Flags:
    """Which values differ between members once all floats are held for some of them."""
    return tuple(one or x.dtype.is_inexact for x, one in zip(inputs, flags, strict=True))


def _select(holds: Node, one: Node, other: Node) -> Node:
    """One or the other for each member."""
    whole: Any = holds
    if one.rank > 1:
        whole = operations["broadcast"](holds, shape=one.shape, axes=(0,))
    found: Node = operations["select"](whole, one, other)
    return found


def _chosen(builder: Builder, node: Node, inputs: Operands, is_batched: Flags, size: Dim) -> Node:
    """Every branch is computed, and each member takes the result of its own."""
    index, *operands = inputs
    result, branches = node.attr("result"), node.attr("branches")
    number = operations["clip"](index, 0, len(branches) - 1)
    flags = _with_floats(tuple(operands), is_batched)
    chosen: Node | None = None
    for at, branch in enumerate(branches):
        takes = operations["equal"](number, at)
        values = [_held(takes, x, one, size) for x, one in zip(operands, is_batched, strict=True)]
        graph, _, made = _body(branch, 0, 0, flags, size)
        (found,) = inlined(graph.with_outputs((graph.outputs[result],)), values, builder)
        found = found if made[result] else stretch(found, size)
        chosen = found if chosen is None else _select(takes, found, chosen)
    assert chosen is not None
    return chosen


def _stretched(graph: Graph, made: Flags, wanted: Flags, size: Dim) -> Graph:
    with graph.builder.active():
        outputs = [
            stretch(output, size) if wants and not has else output
            for output, has, wants in zip(graph.outputs, made, wanted, strict=True)
        ]
    return graph.with_outputs(outputs)
