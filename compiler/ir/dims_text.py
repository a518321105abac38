"""Reads sizes and declarations of symbols from the text that `str` and `declaration` print."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping

from symfuse.runtime.errors import ShapeError

from .dims_compare import maximum, minimum
from .dims_expr import Dim, Symbol

__all__ = ["parse_dim", "parse_symbol"]

_DECLARATION = re.compile(r"\s*(\w+)\s*(?:in\s*\[(.*)\]\s*)?(?:%\s*(\d+)\s*)?")
_OPERATORS: dict[type[ast.operator], Callable[[Dim, Dim], Dim]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_CALLS: dict[str, Callable[..., Dim]] = {"max": maximum, "min": minimum}


def parse_dim(text: str, symbols: Mapping[str, Symbol]) -> Dim:
    """The size that a text such as `(N + 7)//8` means; unknown names are sizes of at least 0."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _not_a_size(text) from None

    def read(node: ast.expr) -> Dim:
        match node:
            case ast.Constant(value=int(number)) if not isinstance(number, bool):
                return number
            case ast.Name(id=name):
                return symbols.get(name, Symbol(name)) + 0
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -read(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](read(left), read(right))
            case ast.Call(func=ast.Name(id=("max" | "min") as name), args=[_, _, *_], keywords=[]):
                return _CALLS[name](*map(read, node.args))
        raise _not_a_size(text)

    try:
        return read(tree)
    except ZeroDivisionError:
        raise ShapeError(f"the size {text!r} divides by 0", fix="divide by a number > 0") from None


def parse_symbol(text: str, symbols: Mapping[str, Symbol] | None = None) -> Symbol:
    """The symbol that a text such as `N in [1, 64] % 8` declares."""
    found = _DECLARATION.fullmatch(text)
    if not found or not found[1].isidentifier():
        raise ShapeError(f"{text!r} declares no size", fix='write it as "N in [1, 64] % 8" or "N"')
    name, limits, step = found.groups()
    lower, upper = _limits(text, limits, symbols or {}) if limits else (0, None)
    return Symbol(name, lower, upper, int(step or 1))


def _limits(text: str, limits: str, symbols: Mapping[str, Symbol]) -> tuple[Dim, Dim | None]:
    """The two bounds, at the comma that stands outside of parentheses."""
    for at, letter in enumerate(limits):
        before = limits[:at]
        if letter == "," and before.count("(") == before.count(")"):
            after = limits[at + 1 :].strip()
            upper = None if after == "inf" else parse_dim(after, symbols)
            return parse_dim(before, symbols), upper
    raise ShapeError(f"{text!r} has no two bounds", fix='write them as in "N in [1, inf]"')


def _not_a_size(text: str) -> ShapeError:
    return ShapeError(
        f"{text!r} is no size",
        fix="write it with integers, names, + - * // %, max(…) and min(…), as in (N + 7)//8",
    )
