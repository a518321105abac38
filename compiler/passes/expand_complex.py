"""Complex values as pairs of real ones, which is what rules, kernels and targets know.

Parameters and results of a graph keep their complex types, and their memory: it is that of reals
along one more axis, which holds the two parts (`as_real`, `as_complex`). What loops and branches
are given, carry on and return is two values for each complex one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import accumulate
from typing import Any

from symfuse.runtime.errors import SymfuseError

from ..ir.builder import Builder
from ..ir.graph import Graph
from ..ir.node import Literal, Node
from ..ir.regions import changed, every_node
from ..ir.types import TensorType
from ..ops.complex import parts_of, whole_of
from ..ops.pairs import Pair
from ..rewrite.driver import PassContext

__all__ = ["expand_complex"]

Value = Node | Pair


def expand_complex(graph: Graph, context: PassContext | None = None) -> Graph:
    """The graph in which only parameters and results are complex."""
    if not any(node.dtype.is_complex for node in every_node(graph)):
        return graph
    with graph.builder.active():
        given = {p: parts_of(p) if p.dtype.is_complex else p for p in graph.parameters}
        found = _expanded(graph, given, cache(_expand_region))
        outputs = [_whole(output, found[output]) for output in graph.outputs]
    return graph.with_outputs(outputs)


def _whole(output: Node, value: Value) -> Node:
    """A result of the graph in memory; what came in as it is goes out as it is."""
    if output.is_parameter:
        return output
    return whole_of(value) if isinstance(value, Pair) else value


def _expand_region(region: Graph) -> Graph:
    """A graph inside a node, whose parameters and results are real, two for each complex one."""
    given: dict[Node, Value] = {p: _parameters(region.builder, p) for p in region.parameters}
    with region.builder.active():
        found = _expanded(region, given, cache(_expand_region))
    parameters = tuple(_flat(given[p] for p in region.parameters))
    outputs = tuple(_flat(found[output] for output in region.outputs))
    return Graph(region.name, parameters, outputs, region.builder)


def _parameters(builder: Builder, parameter: Node) -> Value:
    if not parameter.dtype.is_complex:
        return parameter
    type_ = parameter.type.with_dtype(parameter.dtype.real)
    name, source = parameter.source.name or "", parameter.source
    return Pair(*(builder.parameter(f"{name}_{part}", type_, source) for part in ("re", "im")))


def _flat(values: Iterable[Value]) -> Iterator[Node]:
    for value in values:
        if isinstance(value, Pair):
            yield from (value.re, value.im)
        else:
            yield value


def _expanded(graph: Graph, given: dict[Node, Value], inside: Any) -> dict[Node, Value]:
    """Each node, or the pair that stands for it."""
    new = dict(given)
    for node in graph.nodes:
        if node not in new:
            with graph.builder.deriving(node.source):
                new[node] = _value(graph.builder, node, [new[x] for x in node.inputs], inside)
    return new


def _value(builder: Builder, node: Node, operands: Sequence[Value], inside: Any) -> Value:
    if node.op.regional is not None:
        return _regional(builder, node, operands, inside)
    if node.is_constant:
        return _constant(builder, node) if node.dtype.is_complex else node
    if node.dtype.is_complex or any(isinstance(x, Pair) for x in operands):
        return _on_pairs(node, tuple(operands))
    return builder.rebuilt(node, tuple(_flat(operands)))


def _on_pairs(node: Node, operands: tuple[Value, ...]) -> Value:
    try:
        found: Value = node.op.parts(node, operands)  # type: ignore[misc]
    except SymfuseError as error:
        raise error.at(node.source.loc, prefix=node.op.name) from None
    return found


def _constant(builder: Builder, node: Node) -> Pair:
    value, dtype = node.attr("value"), node.dtype.real
    held = value.array() if isinstance(value, Literal) else value
    return Pair(builder.constant(held.real, dtype), builder.constant(held.imag, dtype))


def _regional(builder: Builder, node: Node, operands: Sequence[Value], inside: Any) -> Value:
    """A result of a loop or branch whose complex values are two real ones each."""
    attrs = changed(node, inside) or node.attrs
    widths = [_width(x.type) for x in node.inputs]
    for name, start in (("carries", 0), ("scanned", node.attrs.get("carries", 0))):
        if name in attrs:
            attrs[name] = sum(widths[start : start + attrs[name]])
    places = [0, *accumulate(_width(one.type) for one in _results(node))]
    at = places[node.attr("result")]
    inputs = tuple(_flat(operands))
    found = [
        builder.apply(node.op, inputs, {**attrs, "result": at + part})
        for part in range(_width(node.type))
    ]
    return found[0] if len(found) == 1 else Pair(*found)


def _results(node: Node) -> tuple[Node, ...]:
    """What a turn or a branch gives."""
    attrs = node.attrs
    region: Graph = attrs["body"] if "body" in attrs else attrs["branches"][0]
    return region.outputs


def _width(type_: TensorType) -> int:
    return 2 if type_.dtype.is_complex else 1
