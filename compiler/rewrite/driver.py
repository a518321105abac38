"""Applies rules to a graph, inputs before users, until none applies."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

from msgspec import Struct, field

from symfuse.runtime.errors import VerifyError

from ..ir.dims import is_equal
from ..ir.graph import Graph
from ..ir.node import Node
from ..ir.regions import with_inner
from ..ir.types import TensorType
from ..ops.kinds import filled
from .rule import Rule, RuleSet

__all__ = ["PassContext", "rewrite"]

_BUDGET = 64  # replacements per node of the graph; more means that rules chase each other


class PassContext(Struct):
    """What a run of passes may do to values, and how often each rule has been used."""

    numerics: str = "strict"
    fired: Counter[str] = field(default_factory=Counter)


def rewrite(graph: Graph, rules: RuleSet, context: PassContext | None = None) -> Graph:
    """The graph at rest: no rule applies to any of its nodes. Provenance is carried along."""
    return _Rewriter(graph, rules, context or PassContext()).run()


class _Rewriter:
    """Brings nodes to rest, each once; no recursion, so that chains may be of any length."""

    def __init__(self, graph: Graph, rules: RuleSet, context: PassContext) -> None:
        self.graph = graph
        self.builder = graph.builder
        self.rules = rules
        self.context = context
        self.settled: dict[Node, Node] = {}  # node → what stands for it when all is at rest
        self.became: dict[Node, Node] = {}  # node → its first replacement
        self.nested: dict[Graph, Graph] = {}  # bodies of loops and branches at rest
        self.recent: deque[str] = deque(maxlen=6)
        self.uses = Counter(x for node in graph.nodes for x in node.inputs)
        self.uses.update(graph.outputs)
        self.left = _BUDGET * (len(graph.nodes) + 16)

    def run(self) -> Graph:
        with self.builder.active():
            for node in self.graph.nodes:
                self._settle(node)
        return self.graph.with_outputs(self.settled[output] for output in self.graph.outputs)

    def _settle(self, root: Node) -> None:
        settled, became = self.settled, self.became
        stack = [root]
        while stack:
            node = stack[-1]
            if node in settled:
                stack.pop()
            elif node in became:
                stack.pop()
                settled[node] = settled[became[node]]
                self.uses[settled[node]] += self.uses[node]
            elif waiting := [source for source in node.inputs if source not in settled]:
                self._push(stack, waiting, node)
            else:
                self._advance(stack, node)

    def _advance(self, stack: list[Node], node: Node) -> None:
        """Replace the node on top, or find that it is at rest."""
        better = self._better(node)
        if better is node:
            self.settled[node] = node
        else:
            self.became[node] = better
            if better not in self.settled:
                self._push(stack, [better], node)

    def _push(self, stack: list[Node], nodes: list[Node], reason: Node) -> None:
        """Nodes that must come to rest first; one that waits already would wait for ever."""
        if any(node in self.became for node in nodes):
            raise self._chase(reason)
        stack.extend(nodes)

    def _better(self, node: Node) -> Node:
        """The node on settled inputs, or else what the first rule that applies gives for it."""
        inputs = tuple(self.settled[source] for source in node.inputs)
        same = self.builder.rebuilt(node, inputs)
        if same is not node:
            return same
        with self.builder.deriving(node.source):
            nested = self._with_nested(node)
            if nested is not node:
                return nested
            if node.dtype.is_complex or any(x.dtype.is_complex for x in node.inputs):
                return node  # rules are equations between real numbers
            for rule in self.rules.worth_trying(node, self.context.numerics):
                found = None if self._shares(rule, node) else rule(node)
                if found is not None and found is not node:
                    return self._checked(rule, node, found)
        return node

    def _shares(self, rule: Rule, node: Node) -> bool:
        """Whether something else uses what the rule wants for this node alone."""
        return any(self.uses[node.inputs[at]] > 1 for at in rule.sole)

    def _checked(self, rule: Rule, node: Node, found: Any) -> Node:
        """The replacement as a node; a rule that changes the type is a defect."""
        new = found if isinstance(found, Node) else filled(found, node.type)
        if not _is_same(new.type, node.type):
            raise VerifyError(
                f"the rule {rule} replaces {node.op} {node.type} by {new.op} {new.type}",
                fix=f"state when {rule} holds",
                loc=node.source.loc,
            )
        self.context.fired[rule.name] += 1
        self.recent.append(rule.name)
        self.left -= 1
        if self.left < 0:
            raise self._chase(node)
        return new

    def _with_nested(self, node: Node) -> Node:
        """The node with the graphs among its attributes at rest."""
        return with_inner(self.builder, node, self._rewritten)

    def _rewritten(self, graph: Graph) -> Graph:
        """A graph at rest; each is rewritten once for all results."""
        if graph not in self.nested:
            self.nested[graph] = rewrite(graph, self.rules, self.context)
        return self.nested[graph]

    def _chase(self, node: Node) -> VerifyError:
        names = ", ".join(dict.fromkeys(self.recent))
        return VerifyError(
            f"rules do not come to rest on {node.op}: {names}",
            fix="let the right side of each be simpler than the left",
            loc=node.source.loc,
        )


def _is_same(one: TensorType, other: TensorType) -> bool:
    """Whether types are equal, if perhaps with sizes spelt in different ways."""
    if one == other:
        return True
    if one.dtype is not other.dtype or one.rank != other.rank:
        return False
    return all(is_equal(n, m) for n, m in zip(one.shape, other.shape, strict=True))
