"""Graphs as attributes: the bodies of loops and branches, and the operations that have them.

An operation has one result. One of several results is several nodes, a bundle: they have the same
operation, inputs and attributes but for `result`, the number of the result that each is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import is_
from typing import Any

import numpy as np
from msgspec import Struct

from .builder import Builder
from .dataflow import Dataflow
from .node import Node, attribute_key

__all__ = [
    "Bound",
    "Regional",
    "bundle_key",
    "bundles",
    "changed",
    "every_node",
    "executed_regions",
    "plain_attributes",
    "regions",
    "run_region",
    "titled_regions",
    "with_inner",
]

Array = np.ndarray[Any, Any]


class Regional(Struct, frozen=True):
    """What sets operations with regions apart: all results come at once.

    `results(values, attributes)` computes them by NumPy; `count(attributes)` is their number.
    """

    results: Callable[[Sequence[Any], Mapping[str, Any]], tuple[Array, ...]]
    count: Callable[[Mapping[str, Any]], int]


def regions(node: Node) -> tuple[Dataflow, ...]:
    """The graphs among the attributes of a node."""
    found: list[Dataflow] = []
    for _, value in node.attributes:
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, Dataflow):
                found.append(one)
    return tuple(found)


def plain_attributes(node: Node) -> Iterator[tuple[str, Any]]:
    """The attributes that are no graphs."""
    graphs = {title.split()[0] for title, _ in titled_regions(node)}
    return (pair for pair in node.attributes if pair[0].removesuffix("es") not in graphs)


def titled_regions(node: Node) -> Iterator[tuple[str, Dataflow]]:
    """Its graphs with what each is of it: `body`, `condition`, `branch 0`."""
    for name, value in node.attributes:
        if isinstance(value, Dataflow):
            yield name, value
        elif isinstance(value, tuple) and any(isinstance(one, Dataflow) for one in value):
            singular = name.removesuffix("es")
            yield from ((f"{singular} {number}", one) for number, one in enumerate(value))


def executed_regions(node: Node) -> tuple[Dataflow, ...]:
    """Those of its graphs that computing it runs: all but the rules of derivatives."""
    return tuple(graph for title, graph in titled_regions(node) if not title.startswith("rule"))


def every_node(graph: Dataflow) -> Iterator[Node]:
    """The nodes of a graph and of those inside it, which several results of a loop share."""
    inside: dict[Dataflow, None] = {}
    for node in graph.nodes:
        yield node
        if node.op.regional is not None:
            inside.update(dict.fromkeys(regions(node)))
    for region in inside:
        yield from every_node(region)


def changed(node: Node, change: Callable[[Any], Any]) -> dict[str, Any] | None:
    """The attributes of a node with its graphs changed; None if all are what they were."""

    def inside(value: Any) -> Any:
        if isinstance(value, Dataflow):
            return change(value)
        if not isinstance(value, tuple) or not any(isinstance(one, Dataflow) for one in value):
            return value
        found = tuple(map(inside, value))
        return value if all(map(is_, found, value)) else found

    attrs = {name: inside(value) for name, value in node.attributes}
    return None if all(attrs[name] is value for name, value in node.attributes) else attrs


def with_inner(builder: Builder, node: Node, change: Callable[[Any], Any]) -> Node:
    """The node with its graphs changed."""
    attrs = changed(node, change) if node.op.regional is not None else None
    return builder.apply(node.op, node.inputs, attrs) if attrs else node


def bundle_key(node: Node) -> Any:
    """What the results of one loop or branch have in common."""
    attrs = tuple((k, attribute_key(v)) for k, v in node.attributes if k != "result")
    return (node.op, node.inputs, attrs)


def bundles(nodes: Iterable[Node]) -> dict[Any, list[Node]]:
    """The results of each loop and branch among nodes, in their order."""
    found: dict[Any, list[Node]] = {}
    for node in nodes:
        if node.op.regional is not None:
            found.setdefault(bundle_key(node), []).append(node)
    return found


class Bound(Struct, frozen=True):
    """A region whose symbolic sizes have values: a function of arrays."""

    region: Dataflow
    run: Callable[[Dataflow, Sequence[Any]], tuple[Array, ...]]
    concrete: Callable[[Any], Any]

    def __call__(self, *arrays: Any) -> tuple[Array, ...]:
        return self.run(self.region, arrays)

    def shape(self, node: Node) -> tuple[int, ...]:
        """The sizes of a value of the region."""
        return tuple(self.concrete(size) for size in node.shape)


def run_region(region: Any, arrays: Sequence[Any]) -> tuple[Array, ...]:
    """All outputs of a region, bound or not."""
    found = region(*arrays)
    return found if isinstance(found, tuple) else (found,)
