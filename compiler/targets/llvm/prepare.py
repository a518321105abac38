"""The function that settles symbolic sizes before a program runs, and refuses what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ...ir.dims import Dim, Symbol, solve_plan
from ...ir.types import Guard
from ...kernel.phases import Buffer
from .addresses import Indices
from .kernels import Place
from .scalars import LlvmScalars
from .writer import Writer

__all__ = ["Layout", "conditions", "prepare_text"]

_RELATIONS = {"=": "eq", "≤": "sle"}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything lies, and the sizes of what comes in and goes out."""

    places: Callable[[Buffer], Place]
    symbols: tuple[Symbol, ...]
    input_dims: tuple[Dim, ...]
    output_dims: tuple[Dim, ...]
    arena: Dim
    guards: tuple[Guard, ...] = ()


@dataclass(frozen=True, slots=True)
class _Condition:
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


def conditions(layout: Layout) -> tuple[str, ...]:
    """A sentence for every condition that `prepare` checks, in the order of its codes."""
    return tuple(map(str, _conditions(layout)))


def _conditions(layout: Layout) -> Iterator[_Condition]:
    plan = solve_plan(layout.input_dims)
    for symbol, *_ in plan.assignments:
        size = symbol + 0
        yield _Condition(symbol.lower, "≤", size)
        if symbol.upper is not None:
            yield _Condition(size, "≤", symbol.upper)
        if symbol.multiple_of != 1:
            yield _Condition(size, "=", 0, divisor=symbol.multiple_of)
    for entry, expected in plan.checks:
        yield _Condition(layout.input_dims[entry], "=", expected, entry)
    for left, relation, right in layout.guards:
        yield _Condition(left, relation, right)


def prepare_text(layout: Layout, declarations: set[str]) -> str:
    """`i64 prepare(dims, sizes, shapes)`: solve the sizes, check, and give what follows.

    The result is 0, or one more than the number of the first condition that fails.
    """
    params = (("ptr", "%dims"), ("ptr", "%sizes"), ("ptr", "%shapes"))
    w = Writer("prepare", params, returns="i64", declarations=declarations)
    at = Indices(w, LlvmScalars(w))
    for symbol, place, offset, divisor in solve_plan(layout.input_dims).assignments:
        rest = w.emit(f"sub i64 {_entry(w, place)}, {offset}")
        at.bind(symbol, w.emit(f"sdiv i64 {rest}, {divisor}"))
    for number, symbol in enumerate(layout.symbols):
        pointer = w.emit(f"getelementptr i64, ptr %sizes, i64 {number}", "p")
        w.line(f"store i64 {at.base[symbol]}, ptr {pointer}, align 8")
    for number, condition in enumerate(_conditions(layout)):
        _require(w, _test(w, at, condition), number + 1)
    for number, dim in enumerate((*layout.output_dims, layout.arena)):
        pointer = w.emit(f"getelementptr i64, ptr %shapes, i64 {number}", "p")
        w.line(f"store i64 {at.at_base(dim)}, ptr {pointer}, align 8")
    w.line("ret i64 0")
    return w.text()


def _test(w: Writer, at: Indices, condition: _Condition) -> str:
    entry = condition.entry
    left = at.at_base(condition.left) if entry is None else _entry(w, entry)
    if condition.divisor != 1:
        left = w.emit(f"urem i64 {left}, {condition.divisor}")
    relation, right = _RELATIONS[condition.relation], at.at_base(condition.right)
    return w.emit(f"icmp {relation} i64 {left}, {right}")


def _entry(w: Writer, number: int) -> str:
    place = w.emit(f"getelementptr i64, ptr %dims, i64 {number}", "p")
    return w.emit(f"load i64, ptr {place}, align 8")


def _require(w: Writer, holds: str, code: int) -> None:
    """Leave with `code` unless the condition holds."""
    good, bad = w.label("holds"), w.label("fails")
    w.branch_if(holds, good, bad)
    w.start_block(bad)
    w.line(f"ret i64 {code}")
    w.start_block(good)
