"""The same function on many inputs at once: every value that differs gets a first axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from symfuse.runtime.errors import ShapeError, UnsupportedError, VerifyError

from ..ir.builder import Builder
from ..ir.dims import Dim, is_equal
from ..ir.graph import Graph
from ..ir.node import Node
from ..ir.op import operations
from .linearise import regional

__all__ = ["batch_graph", "batch_nodes"]

Axes = Sequence[int | None]


def batch_graph(
    graph: Graph, in_axes: Axes, out_axes: int | Axes | None, size: Dim, *, name: str = ""
) -> Graph:
    """The graph for `size` inputs at once.

    `in_axes[i]` is the batch axis of parameter i, None where all share one value. Outputs get
    theirs at `out_axes`; an output with None there must not depend on a batched parameter.
    """
    builder = graph.builder
    parameters = tuple(
        _parameter(builder, p, axis, size)
        for p, axis in zip(graph.parameters, in_axes, strict=True)
    )
    new = dict(zip(graph.parameters, parameters, strict=True))
    batched = {
        old: _moved(builder, new[old], axis % new[old].rank, 0)
        for old, axis in zip(graph.parameters, in_axes, strict=True)
        if axis is not None
    }
    found = batch_nodes(graph.nodes, batched, builder)
    each = out_axes if isinstance(out_axes, Sequence) else (out_axes,) * len(graph.outputs)
    return replace(
        graph,
        name=name or f"{graph.name}_batched",
        parameters=parameters,
        outputs=tuple(
            _output(builder, output, found.get(output), axis, size)
            for output, axis in zip(graph.outputs, each, strict=True)
        ),
        captured={new[node]: value for node, value in graph.captured.items()},
        donated=frozenset(new[node] for node in graph.donated),
    )


def batch_nodes(
    nodes: Iterable[Node], batched: Mapping[Node, Node], builder: Builder
) -> dict[Node, Node]:
    """Node → the same for the whole batch, batch axis first, for all that depend on `batched`.

    `nodes` stand in topological order; nodes that all members share are not touched.
    """
    found = dict(batched)
    with builder.active():
        for node in nodes:
            if node not in found and any(source in found for source in node.inputs):
                with builder.deriving(node.source):
                    found[node] = _batched(builder, node, found)
    return found


def _batched(builder: Builder, node: Node, found: Mapping[Node, Node]) -> Node:
    """One node for the whole batch by the rule of its operation."""
    inputs = tuple(found.get(source, source) for source in node.inputs)
    is_batched = tuple(source in found for source in node.inputs)
    if node.op.regional is not None:
        whole: Node = regional("batch").batched(builder, node, inputs, is_batched)
        return whole
    if node.op.batch is None:
        raise UnsupportedError(
            f"{node.op} cannot be applied to a batch",
            fix="call it outside vmap, or loop over the batch with map",
            loc=node.source.loc,
        )
    result: Node = node.op.batch(inputs, is_batched, node.attrs)
    pairs = zip(result.shape[1:], node.shape, strict=False)
    if result.rank != node.rank + 1 or any(is_equal(a, b) is False for a, b in pairs):
        raise VerifyError(
            f"{node.op}: its batch has the type {result.type}, one member {node.type}",
            fix=f"correct the batch rule of {node.op}",
            loc=node.source.loc,
        )
    return result


def _parameter(builder: Builder, old: Node, axis: int | None, size: Dim) -> Node:
    """A parameter with the batch axis where the caller has it; the old one if it has none."""
    if axis is None:
        return old
    _expect_axis("in_axes", old, axis)
    shape = list(old.shape)
    shape.insert(axis % (old.rank + 1), size)
    return builder.parameter("", old.type.with_shape(shape), old.source)


def _output(builder: Builder, old: Node, new: Node | None, axis: int | None, size: Dim) -> Node:
    """The output with its batch axis where the caller wants it."""
    if axis is None:
        if new is None:
            return old
        raise ShapeError(
            f"out_axes is None, but the output {old.type} differs between members of the batch",
            fix="give the axis that it shall vary along",
            loc=old.source.loc,
        )
    _expect_axis("out_axes", old, axis)
    with builder.deriving(old.source):
        stacked = _copies(builder, old, size) if new is None else new
        return _moved(builder, stacked, 0, axis % (old.rank + 1))


def _expect_axis(what: str, node: Node, axis: int) -> None:
    if not -node.rank - 1 <= axis <= node.rank:
        raise ShapeError(
            f"{what} is {axis}, but with a batch axis {node.type} has {node.rank + 1} axes",
            fix=f"give an axis from {-node.rank - 1} to {node.rank}",
            loc=node.source.loc,
        )


def _copies(builder: Builder, node: Node, size: Dim) -> Node:
    attrs = {"shape": (size, *node.shape), "axes": tuple(range(1, node.rank + 1))}
    return builder.apply(operations["broadcast"], (node,), attrs)


def _moved(builder: Builder, node: Node, source: int, target: int) -> Node:
    """The node with one axis at another place."""
    if source == target:
        return node
    order = [axis for axis in range(node.rank) if axis != source]
    order.insert(target, source)
    with builder.deriving(node.source):
        return builder.apply(operations["transpose"], (node,), {"axes": tuple(order)})
