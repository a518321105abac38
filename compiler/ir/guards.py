"""What the sizes of a graph have to satisfy, and is known only when it runs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from symfuse.runtime.errors import GuardError

from .dataflow import Dataflow
from .dims import Dim, evaluate, solve_plan
from .regions import every_node
from .types import Guard

__all__ = ["Condition", "conditions", "expect_sizes", "guards_of"]

_RELATIONS: dict[str, Callable[[int, int], bool]] = {"=": operator.eq, "≤": operator.le}


class Condition(Struct, frozen=True):
    """What must hold: two sizes in a relation, or an input's size and what it has to be."""

    left: Dim
    relation: str
    right: Dim
    entry: int | None = None  # the input dimension that stands on the left
    divisor: int = 1  # left has to be a multiple of it

    def __str__(self) -> str:
        if self.divisor != 1:
            return f"{self.left} a multiple of {self.divisor}"
        return f"{self.left} {self.relation} {self.right}"

    def holds(self, sizes: Mapping[str, int], given: Sequence[int]) -> bool:
        """Whether it does for the values of the symbols, and the sizes that the inputs have."""
        left = evaluate(self.left, sizes) if self.entry is None else given[self.entry]
        if self.divisor != 1:
            left %= self.divisor
        return _RELATIONS[self.relation](left, evaluate(self.right, sizes))


def guards_of(graph: Dataflow) -> tuple[Guard, ...]:
    """What the operations of a graph need of symbolic sizes, those inside of loops as well."""
    found: dict[Guard, None] = {}
    for node in every_node(graph) if graph.symbols else ():
        if node.op.guards is not None:
            types = (source.type for source in node.inputs)
            found.update(dict.fromkeys(node.op.guards(*types, **node.attrs)))
    return tuple(found)


def conditions(dims: Sequence[Dim], guards: Iterable[Guard]) -> Iterator[Condition]:
    """All that is checked before a call, in the order of the checks; each prints as a sentence.

    `dims` are the sizes of all inputs.
    """
    plan = solve_plan(dims)
    for symbol, *_ in plan.assignments:
        size = symbol + 0
        yield Condition(symbol.lower, "≤", size)
        if symbol.upper is not None:
            yield Condition(size, "≤", symbol.upper)
        if symbol.multiple_of != 1:
            yield Condition(size, "=", 0, divisor=symbol.multiple_of)
    for entry, expected in plan.checks:
        yield Condition(dims[entry], "=", expected, entry)
    for left, relation, right in guards:
        yield Condition(left, relation, right)


def expect_sizes(graph: Dataflow, given: Sequence[int], sizes: Mapping[str, int]) -> None:
    """Raise unless all holds for the sizes of the inputs of a graph and of its symbols."""
    dims = [dim for parameter in graph.parameters for dim in parameter.shape]
    for condition in conditions(dims, guards_of(graph)) if graph.symbols else ():
        if not condition.holds(sizes, given):
            known = ", ".join(f"{name} = {size}" for name, size in sizes.items())
            raise GuardError(
                f"the graph is valid for {condition}; it got arrays with {known}",
                fix="pass arrays with sizes for which this holds",
            )
