"""Matrices of derivatives: all one-hot directions as one batch."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError

from ..ir.dims import product
from ..ir.graph import Graph
from ..ir.node import Node
from ..ir.op import operations
from ..ir.types import TensorType
from ..ir.walk import rebuild, topological
from ..ops.kinds import filled, zeros
from .batch import batch_nodes
from .forward import forwards
from .linearise import linearise
from .reverse import cotangent_parameters, grad_graph, gradients

__all__ = ["expect_floats", "hessian_graph", "jacfwd_graph", "jacrev_graph"]


def jacfwd_graph(graph: Graph, wrt: Iterable[Node]) -> Graph:
    """For each output, for each node of `wrt`: derivatives of shape output.shape + wrt.shape.

    One forward pass over a batch of one-hot tangents: best for few inputs and many outputs.
    """
    expect_floats(graph)
    columns = [_forward_columns(graph, node) for node in wrt]
    blocks = tuple(column[at] for at in range(len(graph.outputs)) for column in columns)
    return replace(graph, name=f"{graph.name}_jacfwd", outputs=blocks)


def jacrev_graph(graph: Graph, wrt: Iterable[Node]) -> Graph:
    """As `jacfwd_graph`, by one backward pass over a batch of one-hot cotangents per output."""
    expect_floats(graph)
    wrt = tuple(wrt)
    blocks = [row for at in range(len(graph.outputs)) for row in _reverse_row(graph, at, wrt)]
    return replace(graph, name=f"{graph.name}_jacrev", outputs=tuple(blocks))


def hessian_graph(graph: Graph, wrt: Iterable[Node], *, of: int = 0) -> Graph:
    """For each pair of nodes of `wrt`: second derivatives of one scalar output."""
    wrt = tuple(wrt)
    return replace(jacfwd_graph(grad_graph(graph, wrt, of=of), wrt), name=f"{graph.name}_hessian")


def _forward_columns(graph: Graph, node: Node) -> list[Node]:
    """The derivatives of all outputs in one node."""
    linear = linearise(graph, (node,))
    (tangent,) = linear.tangents
    changing = forwards(graph.with_outputs(t for t in linear.outputs if t is not None)).outputs
    found = _along(graph, node, tangent, changing)
    ends = iter(changing)
    return [
        _block(graph, output, node, None if t is None else found[next(ends)], batch_last=True)
        for output, t in zip(graph.outputs, linear.outputs, strict=True)
    ]


def _reverse_row(graph: Graph, at: int, wrt: tuple[Node, ...]) -> list[Node]:
    """The derivatives of one output in all nodes."""
    output = graph.outputs[at]
    one = replace(graph, outputs=(output,))
    (cotangent,) = cotangent_parameters(one)
    assert cotangent is not None
    found = gradients(one, wrt, (cotangent,))
    rows = _along(graph, output, cotangent, found)
    return [
        _block(graph, output, node, rows.get(gradient), batch_last=False)
        for node, gradient in zip(wrt, found, strict=True)
    ]


def _along(
    graph: Graph, seeded: Node, direction: Node, results: Iterable[Node]
) -> dict[Node, Node]:
    """The results for every one-hot value of `direction`, as a batch; a scalar has only one."""
    order = topological(results)
    with graph.builder.deriving(seeded.source), graph.builder.active():
        seed = _one_hot(seeded.type) if seeded.shape else filled(1, seeded.type)
    if not seeded.shape:
        return rebuild(order, graph.builder, {direction: seed})
    return batch_nodes(order, {direction: seed}, graph.builder)


def _one_hot(type_: TensorType) -> Node:
    """Every array of the type with a single 1, along a new first axis."""
    size = product(type_.shape)
    iota = operations["iota"]
    rows, columns = (iota(shape=(size, size), axis=axis, dtype=DType.I64) for axis in (0, 1))
    identity = operations["convert"](operations["equal"](rows, columns), dtype=type_.dtype)
    return _reshaped(identity, (size, *type_.shape))


def _block(graph: Graph, output: Node, node: Node, batch: Node | None, *, batch_last: bool) -> Node:
    """Derivatives of shape output.shape + node.shape out of a batch of directions."""
    shape = (*output.shape, *node.shape)
    with graph.builder.deriving(output.source), graph.builder.active():
        if batch is None:
            batch = zeros(output.type.with_shape(shape))
        elif batch_last and output.shape and node.shape:
            batch = operations["transpose"](batch, axes=(*range(1, output.rank + 1), 0))
        return _reshaped(batch, shape)


def _reshaped(node: Node, shape: tuple[object, ...]) -> Node:
    if node.shape == shape:
        return node
    reshaped: Node = operations["reshape"](node, shape=shape)
    return reshaped


def expect_floats(graph: Graph) -> None:
    """Raise unless every output can change a little."""
    for output in graph.outputs:
        if not output.dtype.is_inexact:
            raise DTypeError(
                f"a Jacobian is of floats, but {graph.name} returns {output.type}",
                fix="return it as auxiliary data, or convert it",
                loc=output.source.loc,
            )
