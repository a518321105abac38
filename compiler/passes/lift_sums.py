"""Sums that loops add up turn by turn, as one sum over rows of all turns after the loop.

The slope of a weight that every turn multiplies with is such a sum: one product over all turns in
place of a small one in each, with nothing to carry on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..ir.builder import Builder
from ..ir.dims import Dim, product
from ..ir.graph import Graph
from ..ir.node import Node
from ..ir.op import operations
from ..ir.regions import bundles
from ..ir.walk import rebuild

__all__ = ["lift_sums"]


def lift_sums(graph: Graph) -> Graph:
    """The graph in which loops carry no sum of products, or of sums, of rows."""
    replaced: dict[Node, Node] = {}
    for group in bundles(graph.nodes).values():
        if group[0].op.name == "loop":
            replaced |= _Lifting(graph.builder, group).results()
    if not replaced:
        return graph
    new = rebuild(graph.nodes, graph.builder, replaced)
    return graph.with_outputs(new[output] for output in graph.outputs)


class _Lifting:
    """One loop; `terms` are what its turns add to results that are sums."""

    def __init__(self, builder: Builder, group: list[Node]) -> None:
        self.builder, self.group, self.node = builder, group, group[0]
        self.body: Graph = self.node.attr("body")
        self.carries = self.node.attr("carries")
        self.first = self.carries + self.node.attr("scanned")
        self.walked = {
            self.body.parameters[1 + at]: self.node.inputs[at]
            for at in range(self.carries, self.first)
        }
        self.missing: dict[Node, None] = {}  # values of a turn that become rows
        self.terms: dict[Node, Node] = {}
        for one in (*group, *group):  # the second time with the rows that others have asked for
            if one not in self.terms and (term := self._term(one)) is not None:
                self.terms[one] = term

    def results(self) -> dict[Node, Node]:
        """What stands for the results of the loop, if some of them are sums."""
        if not self.terms:
            return {}
        found = {}
        for one in self.group:
            with self.builder.deriving(one.source), self.builder.active():
                number = one.attr("result")
                if one in self.terms:
                    total = _over_turns(self.terms[one], self._rows(self.terms[one].inputs))
                    start = one.inputs[number]
                    found[one] = total if start.number == 0 else operations["add"](start, total)
                else:
                    found[one] = self._result(number)
        return found

    def _term(self, one: Node) -> Node | None:
        """What every turn adds to a carry that it does not read otherwise."""
        number = one.attr("result")
        if number >= self.carries:
            return None
        carry, total = self.body.parameters[1 + number], self.body.outputs[number]
        reads = sum(source is carry for node in self.body.nodes for source in node.inputs)
        reads += sum(output is carry for output in self.body.outputs)
        if total.op.name != "add" or carry not in total.inputs or reads != 1:
            return None
        term: Node = next(source for source in total.inputs if source is not carry)
        if not term.op.contraction and term.op.name != "reduce_sum":
            return None
        return term if self._has_rows(term, carry) else None

    def _has_rows(self, term: Node, carry: Node) -> bool:
        """Whether rows of the operands are there, or are worth being made."""
        there = {*self.walked, *self.body.outputs[self.carries :], *self.missing}
        fixed = set(self.body.parameters[1 + self.first :])
        if fixed.intersection(term.inputs):
            return False
        new = [source for source in term.inputs if source not in there]
        read = _bytes(self.walked)
        if any(not _is_less(_bytes(new), most) for most in (_bytes([carry]), read) if new):
            return False
        self.missing.update(dict.fromkeys(new))
        return True

    def _rows(self, values: Iterable[Node]) -> dict[Node, Node]:
        """What values of a turn are in all turns."""
        outputs = (*self.body.outputs, *self.missing)
        return {
            value: self.walked[value]
            if value in self.walked
            else self._result(self.carries + outputs[self.carries :].index(value))
            for value in values
        }

    def _result(self, number: int) -> Node:
        """A result of the loop that makes the missing rows as well."""
        body = self.body.with_outputs((*self.body.outputs, *self.missing))
        attrs = {**self.node.attrs, "body": body, "result": number}
        return self.builder.apply(self.node.op, self.node.inputs, attrs)


def _bytes(nodes: Iterable[Node]) -> Dim:
    total: Dim = 0
    for node in nodes:
        total = total + product(node.shape) * node.dtype.itemsize
    return total


def _is_less(one: Dim, other: Dim) -> bool:
    """Whether a size is known to be no more than another."""
    rest = other - one
    return rest >= 0 if isinstance(rest, int) else rest.interval[0] >= 0


def _over_turns(term: Node, rows: Mapping[Node, Node]) -> Node:
    """The sum of a term over all turns, which lie along a new first axis."""
    operands, attrs = [rows[source] for source in term.inputs], term.attrs
    if not term.op.contraction:
        found: Node = term.op(*operands, axes=(0, *(axis + 1 for axis in attrs["axes"])))
        return found
    batch = tuple(tuple(axis + 1 for axis in axes) for axes in attrs["batch"])
    over = tuple((0, *(axis + 1 for axis in axes)) for axes in attrs["contracting"])
    whole: Node = term.op(*operands, batch=batch, contracting=over)
    return whole
