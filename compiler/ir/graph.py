"""A graph: a named function from parameters to outputs."""

from __future__ import annotations

from typing import Any, Self

from .dataflow import Dataflow
from .interpret import interpret
from .parser import read_graph
from .printer import format_graph

__all__ = ["Graph"]


class Graph(Dataflow, frozen=True, eq=False, dict=True):
    """A function that runs on arrays, prints as text and is read back from it."""

    def __call__(self, *arrays: Any) -> Any:
        """Run the reference interpreter: NumPy, one operation after the other."""
        results = interpret(self, arrays)
        return results[0] if len(results) == 1 else results

    def text(self, *, locations: bool = True) -> str:
        """One line a node; `parse` reads it back."""
        return format_graph(self, locations=locations)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The graph that `text()` or a person wrote; a `GraphSyntaxError` shows the line.

        A comment behind a node that reads `# model.py:12 in layer`, or has one half of that, says
        where the node came from; other comments are skipped.
        """
        return read_graph(text, cls)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        types = ", ".join(str(output.type) for output in self.outputs)
        return f"<graph {self.name}: {len(self.nodes)} nodes → {types}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython shows."""
        printer.text(self.text())
