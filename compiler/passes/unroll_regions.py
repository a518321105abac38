"""Writes short loops and small choices out, for machines to which each launch is dear.

What a loop of few operations computes becomes a part of kernels beside it. A choice is made by
computing all branches and selecting from what they give, unless one has a loop of its own or much
to compute: then the host has to look at the number, for which the device has to come to rest.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from symfuse.runtime.dtypes import DType

from ..ir.graph import Graph
from ..ir.inline import moved
from ..ir.node import Node
from ..ir.op import operations
from ..ir.regions import bundle_key, changed, every_node

__all__ = ["MOST_CHOSEN", "MOST_WRITTEN", "unroll_regions"]

MOST_WRITTEN = 64  # operations of a loop that is written out, over all its turns
MOST_CHOSEN = 512  # operations of all branches together of which results are selected


def unroll_regions(graph: Graph) -> Graph:
    """The graph with no loop that is short and no choice that is small, in its bodies neither."""
    if not any(node.op.regional for node in graph.nodes):
        return graph
    return _Unroller(graph).run()


class _Unroller:
    def __init__(self, graph: Graph) -> None:
        self.graph, self.builder = graph, graph.builder
        self.inner = cache(unroll_regions)  # the results of a loop share its body

    def run(self) -> Graph:
        with self.builder.active():
            outputs = self._outputs(self.graph, {p: p for p in self.graph.parameters})
        return self.graph.with_outputs(outputs)

    def _outputs(self, graph: Graph, known: dict[Node, Node]) -> list[Node]:
        """The outputs of a graph for values of its parameters."""
        together: dict[Any, tuple[Node, ...]] = {}
        for node in graph.nodes:
            if node in known:
                continue
            if node.op.regional is None:
                known[node] = moved((node,), known, self.builder)[node]
                continue
            inputs = tuple(known[source] for source in node.inputs)
            attrs = changed(node, self.inner) or dict(node.attributes)
            with self.builder.deriving(node.source):
                if not _is_written_out(node, attrs):
                    known[node] = self.builder.apply(node.op, inputs, attrs)
                    continue
                key = bundle_key(node)
                if key not in together:
                    together[key] = self._results(node, attrs, inputs)
            known[node] = together[key][node.attr("result")]
        return [known[output] for output in graph.outputs]

    def _results(
        self, node: Node, attrs: dict[str, Any], inputs: tuple[Node, ...]
    ) -> tuple[Node, ...]:
        made = self._branch if node.op.name == "branch" else self._loop
        return made(attrs, inputs)

    def _loop(self, attrs: dict[str, Any], inputs: tuple[Node, ...]) -> tuple[Node, ...]:
        carries, scanned, length = (attrs[name] for name in ("carries", "scanned", "length"))
        body: Graph = attrs["body"]
        state, rows = list(inputs[:carries]), inputs[carries : carries + scanned]
        made: dict[int, list[Node]] = {}
        turns = range(length)
        for turn in reversed(turns) if attrs["reverse"] else turns:
            counter = self.builder.constant(turn, DType.I64)
            members = [_row(x, turn) for x in rows]
            given = [counter, *state, *members, *inputs[carries + scanned :]]
            found = self._outputs(body, dict(zip(body.parameters, given, strict=True)))
            state, made[turn] = found[:carries], found[carries:]
        stacked = [_stacked([made[t][k] for t in turns]) for k in range(len(made[0]))]
        return (*state, *stacked)

    def _branch(self, attrs: dict[str, Any], inputs: tuple[Node, ...]) -> tuple[Node, ...]:
        """Every branch is computed, and the results of one are chosen."""
        branches: tuple[Graph, ...] = attrs["branches"]
        found = [
            self._outputs(one, dict(zip(one.parameters, inputs[1:], strict=True)))
            for one in branches
        ]
        chosen = found[-1]
        for number in reversed(range(len(branches) - 1)):
            here = operations["less_equal"](inputs[0], number)
            pairs = zip(found[number], chosen, strict=True)
            chosen = [operations["select"](here, one, other) for one, other in pairs]
        return tuple(chosen)


def _is_written_out(node: Node, attrs: dict[str, Any]) -> bool:
    """Whether a loop is short or a choice small; a single branch is kept apart on purpose."""
    if node.op.name == "branch":
        branches: tuple[Graph, ...] = attrs["branches"]
        every = [inner for one in branches for inner in one.nodes]
        simple = all(inner.op.regional is None for inner in every)
        return len(branches) > 1 and simple and len(every) <= MOST_CHOSEN
    length = attrs.get("length")
    if not isinstance(length, int) or length < 1:
        return False
    return length * sum(1 for _ in every_node(attrs["body"])) <= MOST_WRITTEN


def _row(x: Node, turn: int) -> Any:
    ends = tuple(x.shape[1:])
    starts, stops = (turn, *(0 for _ in ends)), (turn + 1, *ends)
    row = operations["slice"](x, starts=starts, stops=stops, steps=(1,) * x.rank)
    return operations["reshape"](row, shape=ends)


def _stacked(rows: list[Node]) -> Any:
    tall = [operations["reshape"](row, shape=(1, *row.shape)) for row in rows]
    return tall[0] if len(tall) == 1 else operations["concatenate"](*tall, axis=0)
