"""Loops and branches run backwards: what they need of the way forward is kept, or computed again.

A loop that is linear in some of what it is given is parted: what does not depend on that runs
forward and keeps rows of what the way back reads; the rest runs backwards over these rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from symfuse.runtime.errors import UnsupportedError

from ..ir.builder import Builder
from ..ir.graph import Graph
from ..ir.location import Source
from ..ir.node import Node
from ..ir.op import operations
from ..ir.walk import rebuild, topological
from ..ops.kinds import zeros
from . import custom
from .bounded import as_loop
from .transpose import pull, reaching

__all__ = ["shares"]

Cotangents = Mapping[int, Node]
Shares = list[Node | None]


def shares(
    builder: Builder, node: Node, cotangents: Cotangents, is_linear: Sequence[bool]
) -> Shares:
    """The cotangent of each input, from those of all results of one loop or branch."""
    if node.op.name in custom.RULES:
        return custom.shares(builder, node, cotangents, is_linear)
    if node.op.name == "branch":
        return _branch(builder, node, cotangents, is_linear)
    attrs, inputs = node.attrs, node.inputs
    if node.op.name == "while_loop":
        if attrs["bound"] is None:
            raise UnsupportedError(
                "a while_loop without a bound cannot be differentiated backwards",
                fix="give it bound=, the greatest number of turns; or use fori_loop with numbers "
                "or sizes as bounds, or forward mode (jvp, jacfwd)",
                loc=node.source.loc,
            )
        attrs = as_loop(node, is_linear)
    return _Loop(builder, node.source, attrs, inputs, is_linear).shares(cotangents)


class _Way(Struct):
    """Where the way back finds what it reads of the way forward."""

    rows: list[Node]  # values of the body that are kept of every turn
    again: set[Node]  # values that are computed again


class _Loop:
    """The way back through one loop."""

    def __init__(
        self,
        builder: Builder,
        source: Source,
        attrs: dict[str, Any],
        inputs: tuple[Node, ...],
        is_linear: Sequence[bool],
    ) -> None:
        self.builder, self.source, self.attrs, self.inputs = builder, source, attrs, inputs
        self.body: Graph = attrs["body"]
        self.carries, self.split = attrs["carries"], attrs["carries"] + attrs["scanned"]
        self.turn, self.values = self.body.parameters[0], self.body.parameters[1:]
        self.is_given = tuple(is_linear)
        self.is_linear = self._settled(list(is_linear))

    def _settled(self, linear: list[bool]) -> list[bool]:
        """Which values change linearly: carries too that begin with zero."""
        while True:
            ends = [v for v, one in zip(self.values, linear, strict=True) if one]
            reached = reaching(self.body.nodes, ends)
            found = [
                one or (at < self.carries and self.body.outputs[at] in reached)
                for at, one in enumerate(linear)
            ]
            if found == linear:
                self.reached = reached
                return linear
            linear = found

    def shares(self, cotangents: Cotangents) -> Shares:
        """The cotangents of the inputs."""
        inner = self.body.builder
        linear = [v for v, one in zip(self.values, self.is_linear, strict=True) if one]
        state = [k for k in range(self.carries) if self.is_linear[k]]
        made = [k for k in sorted(cotangents) if k >= self.carries]
        made = [k for k in made if self.body.outputs[k] in self.reached]
        ends = [k for k in (*state, *made) if self.body.outputs[k] in self.reached]
        given = {
            k: inner.parameter("", self.body.outputs[k].type, self._named(k))
            for k in dict.fromkeys((*state, *made))
        }
        outputs = [self.body.outputs[k] for k in ends]
        found = dict(
            zip(linear, pull(outputs, [given[k] for k in ends], linear, inner), strict=True)
        )
        wanted = [node for node in found.values() if node is not None]
        way = self._way(wanted, list(given.values()))
        rows = self._kept(way.rows)
        return self._back(found, way, rows, given, state, made, cotangents)

    def _named(self, output: int) -> Source:
        node = self.body.outputs[output]
        return Source(node.source.loc, f"ct_{node.source.variable() or output}", "")

    # what the way back reads

    def _way(self, wanted: Iterable[Node], cotangents: list[Node]) -> _Way:
        """Values between both ways: views and what is the same in every turn cost less to
        compute again than to keep."""
        order = topological(wanted)
        back = reaching(order, cotangents) - set(cotangents)
        varying = reaching(order, [self.turn, *self.values[: self.split]])
        rows: dict[Node, None] = {}
        again: set[Node] = set()
        stack = [x for node in order if node in back for x in node.inputs if x not in back]
        stack += [node for node in order if node in wanted and node not in back]
        outside = {self.turn, *self.values[self.carries :], *cotangents}
        while stack:
            node = stack.pop()
            if node in again or node in rows or node in outside or node.is_constant:
                continue
            if node not in varying or node.op.moves is not None or node.op.name == "iota":
                again.add(node)
                stack.extend(node.inputs)
            else:
                rows[node] = None
        position = {node: at for at, node in enumerate(order)}
        return _Way(sorted(rows, key=position.__getitem__), again)

    def _kept(self, rows: Sequence[Node]) -> list[Node]:
        """The values of every turn, from a loop over what is not linear."""
        if not rows:
            return []
        known = [at for at, one in enumerate(self.is_linear) if not one]
        state = [at for at in known if at < self.carries]
        outputs = (*(self.body.outputs[at] for at in state), *rows)
        parameters = (self.turn, *(self.values[at] for at in known))
        graph = Graph(f"{self.body.name}_kept", parameters, outputs, self.body.builder)
        attrs = {
            "body": graph,
            "carries": len(state),
            "scanned": sum(self.carries <= at < self.split for at in known),
            "length": self.attrs["length"],
            "reverse": self.attrs["reverse"],
        }
        inputs = tuple(self.inputs[at] for at in known)
        return self._results(inputs, attrs, range(len(state), len(outputs)))

    # the way back

    def _back(
        self,
        found: Mapping[Node, Node | None],
        way: _Way,
        rows: Sequence[Node],
        given: Mapping[int, Node],
        state: Sequence[int],
        made: Sequence[int],
        cotangents: Cotangents,
    ) -> Shares:
        inner = self.body.builder
        kept = {node: inner.parameter("", node.type, node.source) for node in way.rows}
        sums = [at for at in range(self.split, len(self.inputs)) if self._has(found, at)]
        stacked = [at for at in range(self.carries, self.split) if self._has(found, at)]
        totals = [inner.parameter("", self.values[at].type) for at in sums]
        new = rebuild(topological(x for x in found.values() if x is not None), inner, kept)
        with inner.deriving(self.source), inner.active():
            ends = [self._share(found, new, at) for at in state]
            ends += [
                operations["add"](total, self._share(found, new, at))
                for total, at in zip(totals, sums, strict=True)
            ]
            ends += [self._share(found, new, at) for at in stacked]
        walked = [at for at in range(self.carries, self.split) if not self.is_linear[at]]
        rest = [at for at in range(self.split, len(self.inputs)) if not self.is_linear[at]]
        slices = (*(given[k] for k in made), *kept.values(), *(self.values[at] for at in walked))
        parameters = (self.turn, *(given[k] for k in state), *totals, *slices)
        parameters = (*parameters, *(self.values[at] for at in rest))
        with self.builder.deriving(self.source), self.builder.active():
            starts = [
                cotangents[k] if k in cotangents else zeros(self.body.outputs[k].type)
                for k in state
            ]
            starts += [zeros(self.values[at].type) for at in sums]
        inputs = (
            *starts,
            *(cotangents[k] for k in made),
            *rows,
            *(self.inputs[at] for at in (*walked, *rest)),
        )
        attrs = {
            "body": Graph(f"{self.body.name}_back", parameters, tuple(ends), inner),
            "carries": len(starts),
            "scanned": len(slices),
            "length": self.attrs["length"],
            "reverse": not self.attrs["reverse"],
        }
        shared: Shares = [None] * len(self.inputs)
        places = [*state, *sums, *stacked]
        for at, result in zip(places, self._results(inputs, attrs, range(len(ends))), strict=True):
            shared[at] = result if self.is_given[at] else None
        return shared

    def _has(self, found: Mapping[Node, Node | None], at: int) -> bool:
        return self.is_linear[at] and found.get(self.values[at]) is not None

    def _share(self, found: Mapping[Node, Node | None], new: Mapping[Node, Node], at: int) -> Node:
        one = found.get(self.values[at])
        return zeros(self.values[at].type) if one is None else new[one]

    def _results(
        self, inputs: tuple[Node, ...], attrs: dict[str, Any], numbers: Iterable[int]
    ) -> list[Node]:
        with self.builder.deriving(self.source):
            return [
                self.builder.apply(operations["loop"], inputs, {**attrs, "result": number})
                for number in numbers
            ]


def _branch(
    builder: Builder, node: Node, cotangents: Cotangents, is_linear: Sequence[bool]
) -> Shares:
    """The way back through the branch that was taken, which is computed again."""
    linear, numbers = is_linear[1:], sorted(cotangents)
    graphs = tuple(_back_branch(one, linear, numbers) for one in node.attr("branches"))
    known = [x for x, one in zip(node.inputs[1:], linear, strict=True) if not one]
    inputs = (node.inputs[0], *known, *(cotangents[k] for k in numbers))
    shared: Shares = [None] * len(node.inputs)
    places = [at for at, one in enumerate(is_linear) if one]
    with builder.deriving(node.source):
        for number, at in enumerate(places):
            attrs = {"branches": graphs, "result": number}
            shared[at] = builder.apply(operations["branch"], inputs, attrs)
    return shared


def _back_branch(one: Graph, linear: Sequence[bool], numbers: Sequence[int]) -> Graph:
    """From what a branch knows and the cotangents of its results to those of what it is given."""
    builder = one.builder
    ends = [p for p, is_one in zip(one.parameters, linear, strict=True) if is_one]
    known = [p for p, is_one in zip(one.parameters, linear, strict=True) if not is_one]
    given = [builder.parameter("", one.outputs[k].type, one.outputs[k].source) for k in numbers]
    reached = reaching(one.nodes, ends)
    pairs = [
        (one.outputs[k], ct)
        for k, ct in zip(numbers, given, strict=True)
        if one.outputs[k] in reached
    ]
    found = pull([x for x, _ in pairs], [ct for _, ct in pairs], ends, builder)
    with builder.active():
        outputs = tuple(
            zeros(p.type) if share is None else share for p, share in zip(ends, found, strict=True)
        )
    return Graph(f"{one.name}_back", (*known, *given), outputs, builder)
