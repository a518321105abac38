"""Decides which nodes share one kernel, and records for every edge the verdict and the reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ..ir.dims import is_at_most, product
from ..ir.graph import Graph
from ..ir.node import Node
from ..ir.regions import bundle_key
from ..kernel.body import Index
from ..kernel.domain import Domain, is_scan, own_domain, reads, sources, visited_shape
from .drafts import Draft, common_domain, in_order, is_below, kind, rank, row_size
from .inlining import inlined_nodes, is_free
from .separate_operands import in_memory

__all__ = ["Group", "Grouping", "Verdict", "group_kernels"]

MOST_NODES = 192  # of one kernel: beyond, registers spill and compile time grows
FEW_ROWS = 8  # fewer independent rows than this do not keep the cores busy …
LONG_ROW = 16384  # … when each is longer than this
_NOTHING: Mapping[Node, Node] = {}


class Verdict(Struct, frozen=True):
    """Whether two nodes share a kernel, and why not if they do not."""

    producer: Node
    consumer: Node
    reason: str = ""

    @property
    def joined(self) -> bool:
        return not self.reason

    def __str__(self) -> str:
        lines = [node.source.loc for node in (self.producer, self.consumer)]
        at = f"({lines[0]} and {lines[1]})" if all(lines) else "here"
        if self.joined:
            return f"{self.producer.op} and {self.consumer.op} share a kernel {at}"
        return f"{self.producer.op} and {self.consumer.op} stay apart {at}: {self.reason}"


class Group(Struct, frozen=True, eq=False):
    """Nodes computed by one kernel over one domain; `outputs` are stored, the rest is not."""

    kind: str
    nodes: tuple[Node, ...]
    outputs: tuple[Node, ...]
    domain: Domain
    anchor: Node | None = None


class Grouping(Struct, frozen=True):
    """The kernels to be, producers first, and the record of every decision."""

    groups: tuple[Group, ...]
    verdicts: tuple[Verdict, ...]
    inlined: frozenset[Node]
    reshaped: Mapping[Node, Node]  # output → the computed node that lies in its memory

    def sees_through(self, node: Node) -> bool:
        """Whether every reader computes the node for itself."""
        return node in self.inlined or is_free(node)


def group_kernels(
    graph: Graph, closed: Mapping[Node, Node] = _NOTHING, repeated: frozenset[Node] = frozenset()
) -> Grouping:
    """Every node that must be computed is in exactly one group; views are seen through.

    `closed` names nodes with the contraction in whose group they are, and which takes no others:
    a library computes it, or a kernel made for just that. Readers of `repeated` nodes compute
    them, each for itself.
    """
    return _Grouper(graph, closed, repeated).run()


class _Grouper:
    def __init__(
        self, graph: Graph, closed: Mapping[Node, Node], repeated: frozenset[Node]
    ) -> None:
        self.graph, self.closed = graph, closed
        self.inlined = inlined_nodes(graph) | repeated
        self.drafts: list[Draft | None] = []
        self.home: dict[Node, Draft] = {}
        self.verdicts: dict[tuple[Node, Node], Verdict] = {}
        self._read_by: dict[Node, tuple[Node, ...]] = {}
        self.gathered: dict[Any, Draft] = {}

    def run(self) -> Grouping:
        for node in self.graph.nodes:
            given = node.is_parameter or node.is_constant or node.op.is_view
            if not given and node not in self.inlined:
                self._place(node)
        reshaped = self._reshaped()
        for output in dict.fromkeys(self.graph.outputs):
            if output not in self.home and output not in reshaped:
                self._start(output)
        groups = self._finished(set(reshaped.values()))
        return Grouping(groups, tuple(self.verdicts.values()), frozenset(self.inlined), reshaped)

    def _reshaped(self) -> dict[Node, Node]:
        """Outputs that are another node's elements in the same order: they share its memory."""
        taken: dict[Node, Node] = {}
        for output in self.graph.outputs:
            source = in_memory(output)
            free = source in self.home and source not in (*self.graph.outputs, *taken.values())
            if source is not output and free:
                taken[output] = source
        return taken

    # placing one node

    def _place(self, node: Node) -> None:
        if node in self.closed:
            self._enclose(node)
            return
        if node.op.regional is not None:
            self._gather(node)
            return
        joined: Draft | None = None
        for draft, producer in self._candidates(node):
            target = self.drafts[draft.number]
            if target is None or target is joined:
                continue
            reason = self._why_not(producer, node, target, joined)
            self.verdicts[producer, node] = Verdict(producer, node, reason)
            if not reason:
                joined = self._merge(target, joined) if joined else self._join(target, node)
        if joined is None:
            self._start(node)

    def _enclose(self, node: Node) -> None:
        """Put the node into the group that was made up for it beforehand."""
        anchor = self.closed[node]
        draft = next((d for d in self.drafts if d is not None and d.anchor is anchor), None)
        if draft is None:
            draft = Draft(len(self.drafts), own_domain(anchor), anchor)
            self.drafts.append(draft)
        self._add(draft, node)
        for producer in self._producers(node):
            if self.home[producer] is draft:
                self.verdicts[producer, node] = Verdict(producer, node)

    def _gather(self, node: Node) -> None:
        """Put a result of a loop or branch to the others."""
        draft = self.gathered.get(bundle_key(node))
        if draft is None:
            self._start(node)
            self.gathered[bundle_key(node)] = self.home[node]
        else:
            self._add(draft, node)
        for producer in self._producers(node):
            reason = f"{node.op} has launches of its own"
            self.verdicts[producer, node] = Verdict(producer, node, reason)

    def _absorbed(self, node: Node) -> list[Draft]:
        """Drafts that only this node reads, at whatever positions: it computes them as it goes."""
        found = dict.fromkeys(self.home[producer] for producer in self._producers(node))
        return [draft for draft in found if self._is_for(draft, node)]

    def _is_for(self, draft: Draft, node: Node) -> bool:
        """Whether the draft is a map that nothing else reads and that is not computed twice."""
        if draft.domain.reduced or draft.anchor is not None:
            return False
        if draft.size >= MOST_NODES or self._times([node], draft) * draft.size > MOST_NODES:
            return False
        if is_at_most(product(visited_shape(node)), 2 * product(draft.domain.shape)) is not True:
            return False
        members = {*draft.nodes, *draft.helpers}
        outputs, seen, stack = set(self.graph.outputs), {node}, list(draft.nodes)
        while stack:
            one = stack.pop()
            if one in outputs:
                return False
            for user in self.graph.users[one]:
                if user not in seen:
                    seen.add(user)
                    if user in self.inlined:
                        stack.append(user)
                    elif user not in members:
                        return False
        return True

    def _absorb(self, draft: Draft, host: Draft) -> None:
        again = self._times(host.nodes, draft) - 1
        host.repeats += draft.repeats + again * draft.size
        for helper in (*draft.nodes, *draft.helpers):
            self.home[helper] = host
            host.helpers.append(helper)
        self.drafts[draft.number] = None
        host.waits = (host.waits | draft.waits) & ~(draft.bit | host.bit)

    def _times(self, nodes: Sequence[Node], draft: Draft) -> int:
        """At how many positions nodes, each over its own domain, read what a draft computes."""
        read_in = ((one, own_domain(one)) for one in nodes)
        return len(
            {
                (domain, index)
                for node, domain in read_in
                for read, index in self._reads(node, domain)
                if self.home.get(in_memory(read) if read.op.is_view else read) is draft
            }
        )

    def _candidates(self, node: Node) -> Iterator[tuple[Draft, Node]]:
        """The drafts that the node reads from: products first, as their results stay on chip."""
        found: dict[Draft, Node] = {}
        for producer in self._producers(node):
            found.setdefault(self.home[producer], producer)
        ranked = sorted(found.items(), key=lambda pair: (pair[0].anchor is None, -pair[0].number))
        return iter(ranked)

    def _reads(self, node: Node, domain: Domain) -> tuple[tuple[Node, Index], ...]:
        index = domain.index(visited_shape(node))
        if index is None:
            raise AssertionError(f"{node} has no place in {domain}")
        if node.op.reduction is None and not node.op.interleaves:
            return reads(node, index, self._sees_through)
        found: list[tuple[Node, Index]] = []
        for operand in node.inputs:
            is_inlined = operand in self.inlined
            found += reads(operand, index, self._sees_through) if is_inlined else [(operand, index)]
        return tuple(found)

    def _sees_through(self, node: Node) -> bool:
        return node in self.inlined or is_free(node)

    def _start(self, node: Node) -> None:
        one = node.op
        alone = one.contraction or one.scatter or one.overwrites or is_scan(node)
        apart = alone or one.regional or one.library
        anchor = node if apart else None
        draft = Draft(len(self.drafts), own_domain(node), anchor)
        absorbed = [] if anchor else self._absorbed(node)
        self.drafts.append(draft)
        self._add(draft, node)
        for other in absorbed:
            for producer in self._producers(node):
                if self.home[producer] is other:
                    self.verdicts[producer, node] = Verdict(producer, node)
            self._absorb(other, draft)

    def _join(self, draft: Draft, node: Node) -> Draft:
        if node.op.reduction is not None and not draft.domain.reduced:
            draft.domain = own_domain(node)
        self._add(draft, node)
        return draft

    def _add(self, draft: Draft, node: Node) -> None:
        draft.nodes.append(node)
        self.home[node] = draft
        self._wait(draft, self._needs(node) & ~draft.bit)

    def _needs(self, node: Node) -> int:
        """The drafts that must have run before the node can be computed."""
        needs = 0
        for producer in self._producers(node):
            home = self.home[producer]
            needs |= home.bit | home.waits
        return needs

    def _producers(self, node: Node) -> tuple[Node, ...]:
        """The computed nodes that the node reads, seen through what is inlined."""
        if node not in self._read_by:
            found = sources(node, self._sees_through)
            owners = (in_memory(x) if x.op.is_view else x for x in found)
            self._read_by[node] = tuple(x for x in owners if not x.is_parameter)
        return tuple(x for x in self._read_by[node] if x in self.home)

    def _wait(self, draft: Draft, needs: int) -> None:
        if needs | draft.waits == draft.waits:
            return
        draft.waits |= needs
        for other in self.drafts:
            if other is not None and other.waits & draft.bit:
                other.waits |= draft.waits

    def _merge(self, one: Draft, other: Draft) -> Draft:
        """Both drafts as one, under the number of the one with an anchor or reductions."""
        keep, gone = (one, other) if rank(one) >= rank(other) else (other, one)
        size = self._merged_size(one, other)
        keep.nodes.extend(gone.nodes)
        keep.helpers.extend(gone.helpers)
        for node in (*gone.nodes, *gone.helpers):
            self.home[node] = keep
        keep.repeats = size - len(keep.nodes) - len(keep.helpers)
        self.drafts[gone.number] = None
        waits = (keep.waits | gone.waits) & ~(keep.bit | gone.bit)
        keep.waits = waits
        for draft in self.drafts:
            if draft is not None and draft.waits & (gone.bit | keep.bit):
                draft.waits = (draft.waits | keep.bit | waits) & ~gone.bit
        return keep

    def _merged_size(self, one: Draft, other: Draft) -> int:
        """The size of both as one: helpers have what they read computed wherever they read it."""
        again = self._times(one.helpers, other) * other.size
        return one.size + other.size + again + self._times(other.helpers, one) * one.size

    # the verdict

    def _why_not(self, producer: Node, node: Node, draft: Draft, joined: Draft | None) -> str:
        """The first reason to keep them apart; empty when they can share a kernel."""
        if node.op.library is not None:
            return f"{node.op} is computed by a library"
        if node.op.contraction or node.op.scatter or node.op.overwrites or is_scan(node):
            return f"{node.op} has a loop structure of its own"
        if draft.anchor in self.closed:
            return "what it reads is computed apart"
        if draft.anchor is not None and not draft.anchor.op.contraction:
            return f"{draft.anchor.op} must finish before {node.op} reads it"
        if joined is not None:
            return self._why_not_merge(draft, joined)
        if draft.size >= MOST_NODES:
            return f"the kernel already computes {MOST_NODES} nodes"
        domain, reason = common_domain(draft, node)
        if reason:
            return reason
        return self._misplaced(node, draft, domain) or self._circular(node, draft)

    def _misplaced(self, node: Node, draft: Draft, domain: Domain) -> str:
        for read, index in self._reads(node, domain):
            if self.home.get(read) is draft and domain.index(read.shape) != index:
                return f"{node.op} reads {read.op} at other positions than those computed beside it"
        few = is_below(product(domain.kept_shape), FEW_ROWS)
        if domain.is_full(visited_shape(node)) and few and not is_below(row_size(domain), LONG_ROW):
            return "too few rows to keep the cores busy while each waits for its own reduction"
        return ""

    def _circular(self, node: Node, draft: Draft) -> str:
        for read in self._producers(node):
            home = self.home[read]
            if home is not draft and home.waits & draft.bit:
                return f"{node.op} also needs {read.op}, which waits for this kernel"
        return ""

    def _why_not_merge(self, draft: Draft, joined: Draft) -> str:
        host, guest = (draft, joined) if rank(draft) >= rank(joined) else (joined, draft)
        if guest.anchor is not None:
            return "two matrix products do not share one kernel"
        if guest.domain.reduced and guest.domain != host.domain:
            return "a reduction over a product's result waits for all of it"
        if host.domain.index(guest.domain.shape) is None:
            return "the kernels run over different domains"
        if self._merged_size(draft, joined) > MOST_NODES:
            return f"together they would compute more than {MOST_NODES} nodes"
        if reason := self._crossing(draft, joined) or self._crossing(joined, draft):
            return reason
        for other in self.drafts:
            if other is None or other is draft or other is joined:
                continue
            after_one = other.waits & (draft.bit | joined.bit)
            before_one = (draft.waits | joined.waits) & other.bit
            if after_one and before_one:
                return "another kernel must run between the two"
        return ""

    def _crossing(self, readers: Draft, producers: Draft) -> str:
        """Why some node of one draft cannot be computed beside what it reads from the other."""
        domain = producers.domain if rank(producers) > rank(readers) else readers.domain
        for node in readers.nodes:
            if not any(self.home[x] is producers for x in self._producers(node)):
                continue
            if node is readers.anchor:
                return f"{node.op} reads all of a result before it has its own"
            for read, index in self._reads(node, domain):
                if self.home.get(read) is producers and domain.index(read.shape) != index:
                    return f"{node.op} reads {read.op} at other positions than those beside it"
        return ""

    # the result

    def _finished(self, wanted: set[Node]) -> tuple[Group, ...]:
        drafts = [draft for draft in self.drafts if draft is not None]
        position = {node: at for at, node in enumerate(self.graph.nodes)}
        stored = self._stored(drafts) | wanted
        groups = []
        for draft in in_order(drafts):
            members = {*draft.nodes, *draft.helpers}
            nodes = tuple(sorted(members, key=position.__getitem__))
            outputs = tuple(node for node in nodes if node in stored)
            groups.append(Group(kind(draft), nodes, outputs, draft.domain, draft.anchor))
        return tuple(groups)

    def _stored(self, drafts: list[Draft]) -> set[Node]:
        stored = set(self.graph.outputs)
        for draft in drafts:
            for node in (*draft.nodes, *draft.helpers):
                for read in self._producers(node):
                    if self.home[read] is not draft or draft.anchor is node:
                        stored.add(read)
            if draft.anchor is not None and draft.anchor.op.regional is not None:
                stored.update(draft.nodes)
        return stored
