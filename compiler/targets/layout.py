"""Where the buffers of a program lie, and what has to hold of its sizes before it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct

from ..ir.dims import Dim, Symbol, solve_plan
from ..ir.types import Guard
from ..kernel.phases import Buffer

__all__ = ["Condition", "Layout", "Place", "conditions"]


class Place(Struct, frozen=True):
    """Where a buffer lies: entry `number` of the call's pointers, or at `offset` in the arena."""

    number: int | None = None
    offset: Dim = 0


class Layout(Struct, frozen=True):
    """Where everything lies, and the sizes of what comes in and goes out.

    `extra` are formulas that a target wants to have worked out before each call. `pointers` come
    with a call; loops set so many `slots` behind them, each to where it sees memory in a turn.
    """

    places: Callable[[Buffer], Place]
    symbols: tuple[Symbol, ...]
    input_dims: tuple[Dim, ...]
    output_dims: tuple[Dim, ...]
    arena: Dim
    guards: tuple[Guard, ...] = ()
    extra: tuple[Dim, ...] = ()
    pointers: int = 0
    slots: int = 0


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


def conditions(layout: Layout) -> tuple[Condition, ...]:
    """All that is checked before a call, in the order of the checks; each prints as a sentence."""
    return tuple(_conditions(layout))


def _conditions(layout: Layout) -> Iterator[Condition]:
    plan = solve_plan(layout.input_dims)
    for symbol, *_ in plan.assignments:
        size = symbol + 0
        yield Condition(symbol.lower, "≤", size)
        if symbol.upper is not None:
            yield Condition(size, "≤", symbol.upper)
        if symbol.multiple_of != 1:
            yield Condition(size, "=", 0, divisor=symbol.multiple_of)
    for entry, expected in plan.checks:
        yield Condition(layout.input_dims[entry], "=", expected, entry)
    for left, relation, right in layout.guards:
        yield Condition(left, relation, right)
