"""A while loop with a bound as a loop of that many turns, which does nothing once it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symfuse.runtime.dtypes import DType

from ..ir.graph import Graph
from ..ir.inline import inlined
from ..ir.node import Node
from ..ir.op import operations
from ..ir.types import TensorType
from .transpose import reaching

__all__ = ["as_loop"]


def as_loop(node: Node, is_linear: Sequence[bool]) -> dict[str, Any]:
    """The attributes of the loop with the same inputs.

    In a turn the linear values are chosen apart from the others, which do not depend on them.
    """
    attrs = node.attrs
    body, condition, carries = attrs["body"], attrs["condition"], attrs["carries"]
    builder = body.builder
    turn = builder.parameter("", TensorType((), DType.I64))
    parameters = body.parameters
    linear = _linear_outputs(body, is_linear, carries)
    with builder.deriving(node.source), builder.active():
        (holds,) = inlined(condition, parameters, builder)
        goes_on = operations["convert"](holds, dtype=DType.I32)
    known = [p for p, one in zip(parameters, is_linear, strict=True) if not one]
    known = [p for p in known if p not in {parameters[k] for k in linear}]
    outputs: list[Node] = [*parameters[:carries]]
    for numbers, given in (
        ([k for k in range(carries) if k not in linear], known),
        (linear, list(parameters)),
    ):
        graphs = tuple(_copy(body, given, numbers, stays=stays) for stays in (True, False))
        with builder.deriving(node.source):
            for number, k in enumerate(numbers):
                new = {"branches": graphs, "result": number}
                outputs[k] = builder.apply(operations["branch"], (goes_on, *given), new)
    graph = Graph(f"{body.name}_bounded", (turn, *parameters), tuple(outputs), builder)
    return {
        "body": graph,
        "carries": carries,
        "scanned": 0,
        "length": attrs["bound"],
        "reverse": False,
    }


def _linear_outputs(body: Graph, is_linear: Sequence[bool], carries: int) -> list[int]:
    """The carries that depend on what is linear, in some turn."""
    linear = list(is_linear)
    while True:
        ends = [p for p, one in zip(body.parameters, linear, strict=True) if one]
        reached = reaching(body.nodes, ends)
        found = [
            one or (at < carries and body.outputs[at] in reached) for at, one in enumerate(linear)
        ]
        if found == linear:
            return [at for at in range(carries) if linear[at]]
        linear = found


def _copy(body: Graph, given: Sequence[Node], numbers: Sequence[int], *, stays: bool) -> Graph:
    """A branch of some carries: as they are, or after a turn."""
    sources = body.parameters if stays else body.outputs
    return Graph(body.name, tuple(given), tuple(sources[k] for k in numbers), body.builder)
