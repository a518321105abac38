"""Values and their gradients as one graph: linearise, then transpose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from symfuse.runtime.errors import ShapeError

from ..ir.graph import Graph
from ..ir.location import Source
from ..ir.node import Node
from ..ops.kinds import filled
from .forward import zeros_like
from .linearise import linearise
from .transpose import pull

__all__ = ["cotangent_parameters", "grad_graph", "gradients", "value_and_grad_graph", "vjp_graph"]


def gradients(
    graph: Graph, wrt: Iterable[Node], cotangents: Sequence[Node | None]
) -> tuple[Node, ...]:
    """The cotangent of each node of `wrt`, given those of the outputs (None stands for zero).

    All nodes are made in the graph's builder, so that both directions share what they can.
    """
    linear = linearise(graph, wrt)
    pairs = [
        (tangent, cotangent)
        for tangent, cotangent in zip(linear.outputs, cotangents, strict=True)
        if tangent is not None and cotangent is not None
    ]
    outputs, known = [t for t, _ in pairs], [c for _, c in pairs]
    found = pull(outputs, known, linear.tangents, graph.builder)
    return tuple(
        zeros_like(graph.builder, node) if cotangent is None else cotangent
        for node, cotangent in zip(linear.wrt, found, strict=True)
    )


def vjp_graph(graph: Graph, wrt: Iterable[Node]) -> Graph:
    """The graph with a cotangent parameter for each float output after its own, and the
    cotangents of `wrt` after its outputs."""
    cotangents = cotangent_parameters(graph)
    found = gradients(graph, wrt, cotangents)
    return replace(
        graph,
        name=f"{graph.name}_vjp",
        parameters=(*graph.parameters, *(c for c in cotangents if c is not None)),
        outputs=(*graph.outputs, *found),
    )


def value_and_grad_graph(graph: Graph, wrt: Iterable[Node], *, of: int = 0) -> Graph:
    """The outputs, then the gradients of output number `of`, a scalar, in each node of `wrt`."""
    found = _scalar_gradients(graph, wrt, of)
    name = f"{graph.name}_value_and_grad"
    return replace(graph, name=name, outputs=(*graph.outputs, *found))


def grad_graph(graph: Graph, wrt: Iterable[Node], *, of: int = 0) -> Graph:
    """The gradients of output number `of`, a scalar, in each node of `wrt`."""
    return replace(graph, name=f"{graph.name}_grad", outputs=_scalar_gradients(graph, wrt, of))


def cotangent_parameters(graph: Graph) -> tuple[Node | None, ...]:
    """A parameter for the cotangent of each output, None for outputs that are no floats."""
    return tuple(
        graph.builder.parameter(f"ct_{at}", output.type, _named(output, f"ct_{at}"))
        if output.dtype.is_inexact
        else None
        for at, output in enumerate(graph.outputs)
    )


def _scalar_gradients(graph: Graph, wrt: Iterable[Node], of: int) -> tuple[Node, ...]:
    output = graph.outputs[of]
    if output.shape or not output.dtype.is_inexact:
        raise ShapeError(
            f"a gradient is of one float, but {graph.name} returns {output.type}",
            fix="return the sum or the mean, or ask for the Jacobian (jacrev, jacfwd)",
            loc=output.source.loc,
        )
    with graph.builder.deriving(output.source), graph.builder.active():
        one = filled(1, output.type)
    seeds = [one if at == of else None for at in range(len(graph.outputs))]
    return gradients(graph, wrt, seeds)


def _named(node: Node, name: str) -> Source:
    return Source(node.source.loc, name, node.source.scope)
