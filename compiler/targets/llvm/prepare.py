"""The function that settles symbolic sizes before a program runs, and refuses what does not fit."""

from __future__ import annotations

from ...ir.dims import solve_plan
from ...ir.guards import Condition, conditions
from ..layout import Layout
from .addresses import Indices
from .scalars import LlvmScalars
from .writer import Writer

__all__ = ["prepare_text"]

_RELATIONS = {"=": "eq", "≤": "sle"}


def prepare_text(layout: Layout, declarations: set[str]) -> str:
    """`i64 prepare(dims, sizes, shapes)`: solve the sizes, check, and give what follows.

    `shapes` gets the sizes of the results, the bytes of the arena, and what the layout wants beyond
    that. The result is 0, or one more than the number of the first condition that fails.
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
    for number, condition in enumerate(conditions(layout.input_dims, layout.guards)):
        _require(w, _test(w, at, condition), number + 1)
    for number, dim in enumerate((*layout.output_dims, layout.arena, *layout.extra)):
        pointer = w.emit(f"getelementptr i64, ptr %shapes, i64 {number}", "p")
        w.line(f"store i64 {at.at_base(dim)}, ptr {pointer}, align 8")
    w.line("ret i64 0")
    return w.text()


def _test(w: Writer, at: Indices, condition: Condition) -> str:
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
