"""Writes loops and branches out, for machines that cannot run them as such."""

from __future__ import annotations

from typing import Any

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import UnsupportedError

from ..ir.graph import Graph
from ..ir.inline import moved
from ..ir.node import Node
from ..ir.op import operations
from ..ir.regions import bundle_key, every_node

__all__ = ["unroll_regions"]

MOST_TURNS = 64
MOST_NODES = 20_000


def unroll_regions(graph: Graph, where: str) -> Graph:
    """The graph without loops and branches; an UnsupportedError where that cannot be."""
    if not any(node.op.regional for node in graph.nodes):
        return graph
    return _Unroller(graph, where).run()


class _Unroller:
    def __init__(self, graph: Graph, where: str) -> None:
        self.graph, self.builder, self.where = graph, graph.builder, where
        self.left = MOST_NODES

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
            key = bundle_key(node)
            if key not in together:
                inputs = tuple(known[source] for source in node.inputs)
                with self.builder.deriving(node.source):
                    together[key] = self._results(node, inputs)
            known[node] = together[key][node.attr("result")]
        return [known[output] for output in graph.outputs]

    def _results(self, node: Node, inputs: tuple[Node, ...]) -> tuple[Node, ...]:
        if node.op.name == "branch":
            return self._branch(node, inputs)
        if node.op.name == "while_loop":
            raise self._unsupported(node, "a while_loop", "use fori_loop with numbers as bounds")
        return self._loop(node, inputs)

    def _loop(self, node: Node, inputs: tuple[Node, ...]) -> tuple[Node, ...]:
        carries, scanned, length = (node.attr(k) for k in ("carries", "scanned", "length"))
        body: Graph = node.attr("body")
        if not isinstance(length, int) or not 0 < length <= MOST_TURNS:
            what = f"a loop of {length} turns"
            raise self._unsupported(node, what, f"use up to {MOST_TURNS} turns, or vmap")
        self._spend(node, length * sum(1 for _ in every_node(body)))
        state, rows = list(inputs[:carries]), inputs[carries : carries + scanned]
        made: dict[int, list[Node]] = {}
        turns = range(length)
        for turn in reversed(turns) if node.attr("reverse") else turns:
            counter = self.builder.constant(turn, DType.I64)
            members = [_row(x, turn) for x in rows]
            given = [counter, *state, *members, *inputs[carries + scanned :]]
            found = self._outputs(body, dict(zip(body.parameters, given, strict=True)))
            state, made[turn] = found[:carries], found[carries:]
        stacked = [_stacked([made[t][k] for t in turns]) for k in range(len(made[0]))]
        return (*state, *stacked)

    def _branch(self, node: Node, inputs: tuple[Node, ...]) -> tuple[Node, ...]:
        """Every branch is computed, and the results of one are chosen."""
        branches: tuple[Graph, ...] = node.attr("branches")
        self._spend(node, sum(1 for one in branches for _ in every_node(one)))
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

    def _spend(self, node: Node, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise self._unsupported(node, "so large a loop", "use fewer turns, or vmap")

    def _unsupported(self, node: Node, what: str, fix: str) -> UnsupportedError:
        return UnsupportedError(
            f"{what} cannot be compiled for {self.where} yet",
            fix=f"{fix}; or compile for the processor (target='cpu')",
            loc=node.source.loc,
        )


def _row(x: Node, turn: int) -> Any:
    ends = tuple(x.shape[1:])
    starts, stops = (turn, *(0 for _ in ends)), (turn + 1, *ends)
    row = operations["slice"](x, starts=starts, stops=stops, steps=(1,) * x.rank)
    return operations["reshape"](row, shape=ends)


def _stacked(rows: list[Node]) -> Any:
    tall = [operations["reshape"](row, shape=(1, *row.shape)) for row in rows]
    return tall[0] if len(tall) == 1 else operations["concatenate"](*tall, axis=0)
