"""Lets loops that compute the same carry run as one: a loop and its way forward in a derivative."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import combinations
from typing import Any

from ..ir.graph import Graph
from ..ir.inline import moved
from ..ir.node import Node
from ..ir.op import operations
from ..ir.regions import bundles, with_inner
from ..ir.walk import rebuild

__all__ = ["merge_loops"]


def merge_loops(graph: Graph) -> Graph:
    """The graph in which no two loops of the same turns have a carry in common."""
    if not any(node.op.regional for node in graph.nodes):
        return graph
    while (better := _merged_once(graph)) is not graph:
        graph = better
    return _inside(graph)


def _inside(graph: Graph) -> Graph:
    """The same for the graphs inside."""
    better = cache(merge_loops)
    return graph.with_each(lambda node: with_inner(graph.builder, node, better))


def _merged_once(graph: Graph) -> Graph:
    loops = [group for group in bundles(graph.nodes).values() if group[0].op.name == "loop"]
    waits = _waiting(graph, loops)
    for (at, one), (number, other) in combinations(enumerate(loops), 2):
        apart = waits[one[0]] >> number & 1 or waits[other[0]] >> at & 1
        replaced = None if apart else _joined(graph, one, other)
        if replaced:
            new = rebuild(graph.nodes, graph.builder, replaced)
            return graph.with_outputs(new[output] for output in graph.outputs)
    return graph


def _joined(graph: Graph, one: list[Node], other: list[Node]) -> dict[Node, Node] | None:
    """The results of both loops as results of one, if they share a carry."""
    first, second = one[0], other[0]
    if any(first.attr(key) != second.attr(key) for key in ("length", "reverse")):
        return None
    starts = set(first.inputs[: first.attr("carries")])
    if starts.isdisjoint(second.inputs[: second.attr("carries")]):
        return None
    pair = _Pair(first, second)
    if not pair.shared:
        return None
    attrs, inputs, places = pair.merged()
    replaced = {}
    for nodes, where in ((one, places[0]), (other, places[1])):
        for node in nodes:
            with graph.builder.deriving(node.source):
                new = {**attrs, "result": where[node.attr("result")]}
                replaced[node] = graph.builder.apply(operations["loop"], inputs, new)
    return replaced


def _waiting(graph: Graph, loops: list[list[Node]]) -> dict[Node, int]:
    """For every node the loops that it waits for, as bits."""
    bit = {node: 1 << number for number, group in enumerate(loops) for node in group}
    waits: dict[Node, int] = {}
    for node in graph.nodes:
        found = 0
        for source in node.inputs:
            found |= waits[source] | bit.get(source, 0)
        waits[node] = found
    return waits


class _Pair:
    """Two loops; `shared` are their carries that are the same in every turn."""

    def __init__(self, first: Node, second: Node) -> None:
        self.first, self.second = first, second
        self.bodies: tuple[Graph, Graph] = (first.attr("body"), second.attr("body"))
        self.carries = (first.attr("carries"), second.attr("carries"))
        self.splits = tuple(n.attr("carries") + n.attr("scanned") for n in (first, second))
        self.builder = self.bodies[0].builder
        self.shared = self._candidates()
        while True:
            self.known, self.found = self._moved()
            wrong = [
                k
                for k, mate in self.shared.items()
                if self.found[self.bodies[1].outputs[k]] is not self.bodies[0].outputs[mate]
            ]
            if not wrong:
                break
            for k in wrong:
                del self.shared[k]

    def _candidates(self) -> dict[int, int]:
        """Carries of the second loop that begin as one of the first; of several that begin alike
        the first with the first, as a derivative keeps their order."""
        places: dict[Node, list[int]] = {}
        for k, start in enumerate(self.first.inputs[: self.carries[0]]):
            places.setdefault(start, []).append(k)
        mates = enumerate(self.second.inputs[: self.carries[1]])
        return {k: places[start].pop(0) for k, start in mates if places.get(start)}

    def _moved(self) -> tuple[dict[Node, Node], Mapping[Node, Node]]:
        """The body of the second loop beside that of the first."""
        ours, theirs = self.bodies[0].parameters, self.bodies[1].parameters
        slices, rest = self._same(*self._middle()), self._same(*self._last())
        known = {theirs[0]: ours[0]}
        for at, parameter in enumerate(theirs[1:]):
            mate = self.shared.get(at, slices.get(at, rest.get(at)))
            if mate is None:
                known[parameter] = self.builder.parameter("", parameter.type, parameter.source)
            else:
                known[parameter] = ours[1 + mate]
        return known, moved(self.bodies[1].nodes, known, self.builder)

    def _middle(self) -> tuple[range, range]:
        return range(self.carries[0], self.splits[0]), range(self.carries[1], self.splits[1])

    def _last(self) -> tuple[range, range]:
        counts = len(self.first.inputs), len(self.second.inputs)
        return range(self.splits[0], counts[0]), range(self.splits[1], counts[1])

    def _same(self, ours: range, theirs: range) -> dict[int, int]:
        """Places of the second loop that are given what a place of the first is given."""
        places = {self.first.inputs[at]: at for at in reversed(ours)}
        inputs = self.second.inputs
        return {at: places[inputs[at]] for at in theirs if inputs[at] in places}

    def merged(self) -> tuple[dict[str, Any], tuple[Node, ...], tuple[dict[int, int], ...]]:
        """Attributes and inputs of the one loop, and where the results of the two are in it."""
        ours, theirs = self.bodies
        new = [
            [at for at in places if self.known[theirs.parameters[1 + at]] not in ours.parameters]
            for places in (range(self.carries[1]), self._middle()[1], self._last()[1])
        ]
        places = (range(self.carries[0]), self._middle()[0], self._last()[0])
        parameters, inputs = [ours.parameters[0]], []
        for own, more in zip(places, new, strict=True):
            parameters += [ours.parameters[1 + at] for at in own]
            parameters += [self.known[theirs.parameters[1 + at]] for at in more]
            inputs += [self.first.inputs[at] for at in own]
            inputs += [self.second.inputs[at] for at in more]
        state = self.carries[0] + len(new[0])
        rows = len(ours.outputs) - self.carries[0]
        outputs = [
            *ours.outputs[: self.carries[0]],
            *(self.found[theirs.outputs[at]] for at in new[0]),
            *ours.outputs[self.carries[0] :],
            *(self.found[output] for output in theirs.outputs[self.carries[1] :]),
        ]
        one = {k: k if k < self.carries[0] else k + len(new[0]) for k in range(len(ours.outputs))}
        two = {k: self.carries[0] + at for at, k in enumerate(new[0])} | self.shared
        for k in range(self.carries[1], len(theirs.outputs)):
            two[k] = state + rows + k - self.carries[1]
        attrs = {
            **self.first.attrs,
            "body": Graph(ours.name, tuple(parameters), tuple(outputs), self.builder),
            "carries": state,
            "scanned": self.first.attr("scanned") + len(new[1]),
        }
        return attrs, tuple(inputs), (one, two)
