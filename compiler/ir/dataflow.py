"""What a graph consists of: parameters, outputs and the nodes between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

from .builder import Builder
from .dims import Symbol, symbols
from .node import Node
from .walk import topological

__all__ = ["Dataflow"]


@dataclass(frozen=True, eq=False, repr=False)
class Dataflow:
    """Parameters, outputs and nothing that no output needs.

    `captured` holds the values of hidden parameters: arrays that the traced function closed over.
    """

    name: str
    parameters: tuple[Node, ...]
    outputs: tuple[Node, ...]
    builder: Builder
    captured: Mapping[Node, Any] = field(default_factory=dict)
    donated: frozenset[Node] = field(default_factory=frozenset)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every node that an output needs, inputs before users."""
        return topological(self.outputs)

    @cached_property
    def users(self) -> Mapping[Node, tuple[Node, ...]]:
        """The nodes that read each node."""
        users: dict[Node, list[Node]] = {node: [] for node in self.nodes}
        for node in self.nodes:
            for source in dict.fromkeys(node.inputs):
                users[source].append(node)
        return {node: tuple(readers) for node, readers in users.items()}

    @cached_property
    def symbols(self) -> tuple[Symbol, ...]:
        """The symbolic sizes of the parameters, in order of appearance."""
        found: dict[Symbol, None] = {}
        for parameter in self.parameters:
            for dim in parameter.shape:
                found.update(dict.fromkeys(symbols(dim)))
        return tuple(found)

    def with_outputs(self, outputs: Iterable[Node]) -> Self:
        """The same function with other outputs."""
        chosen = tuple(outputs)
        same = len(chosen) == len(self.outputs) and all(
            new is old for new, old in zip(chosen, self.outputs, strict=True)
        )
        return self if same else replace(self, outputs=chosen)

    def stats(self) -> dict[str, int]:
        """How often each operation occurs, the most frequent first."""
        return dict(Counter(node.op.name for node in self.nodes).most_common())
