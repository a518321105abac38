"""A graph: a named function from parameters to outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from .builder import Builder
from .dims import Symbol, symbols
from .interpret import interpret
from .node import Node
from .parser import read_graph
from .printer import format_graph
from .walk import topological

__all__ = ["Graph"]


@dataclass(frozen=True, eq=False)
class Graph:
    """Parameters, outputs and nothing that no output needs.

    `captured` holds the values of hidden parameters: arrays that the traced function closed over.
    """

    name: str
    parameters: tuple[Node, ...]
    outputs: tuple[Node, ...]
    builder: Builder = field(repr=False)
    captured: Mapping[Node, Any] = field(default_factory=dict, repr=False)
    donated: frozenset[Node] = field(default_factory=frozenset, repr=False)

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

    def with_outputs(self, outputs: Iterable[Node]) -> Graph:
        """The same function with other outputs."""
        chosen = tuple(outputs)
        same = len(chosen) == len(self.outputs) and all(
            new is old for new, old in zip(chosen, self.outputs, strict=True)
        )
        return self if same else replace(self, outputs=chosen)

    def stats(self) -> dict[str, int]:
        """How often each operation occurs, the most frequent first."""
        return dict(Counter(node.op.name for node in self.nodes).most_common())

    def __call__(self, *arrays: Any) -> Any:
        """Run the reference interpreter: NumPy, one operation after the other."""
        results = interpret(self, arrays)
        return results[0] if len(results) == 1 else results

    def text(self, *, locations: bool = True) -> str:
        """One line a node; `parse` reads it back."""
        return format_graph(self, locations=locations)

    @classmethod
    def parse(cls, text: str) -> Graph:
        """The graph that `text()` or a person wrote; a `GraphSyntaxError` shows the line."""
        return read_graph(text, cls)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        types = ", ".join(str(output.type) for output in self.outputs)
        return f"<graph {self.name}: {len(self.nodes)} nodes → {types}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython shows."""
        printer.text(self.text())
