"""Symbolic sizes and index arithmetic: integers, and expressions over named symbols.

A `Dim` is a plain `int` where it is constant and an `Expr` where it is not. Sizes are at least 0
and are divided by positive numbers only.
"""

from __future__ import annotations

from collections.abc import Iterable

from symfuse.runtime.errors import ShapeError

from .dims_compare import (
    bounds,
    is_at_most,
    is_equal,
    is_less,
    is_multiple,
    lower_bound,
    maximum,
    minimum,
    upper_bound,
)
from .dims_expr import Call, Dim, Expr, Symbol, fold
from .dims_solve import SolvePlan, solve_plan
from .dims_text import parse_dim, parse_symbol
from .dims_walk import (
    coefficient,
    evaluate,
    from_sympy,
    substitute,
    symbols,
    to_sympy,
    without,
)

__all__ = [
    "Call",
    "Dim",
    "Expr",
    "SolvePlan",
    "Symbol",
    "bounds",
    "ceil_div",
    "coefficient",
    "dim",
    "evaluate",
    "fold",
    "from_sympy",
    "is_at_most",
    "is_equal",
    "is_less",
    "is_multiple",
    "lower_bound",
    "maximum",
    "minimum",
    "parse_dim",
    "parse_symbol",
    "product",
    "solve_plan",
    "substitute",
    "symbols",
    "to_sympy",
    "upper_bound",
    "without",
]


def dim(name: str, min: int = 0, max: int | None = None, multiple_of: int = 1) -> Expr:
    """A size that is known only when a program runs.

    >>> rows = dim("N", min=1, multiple_of=8)
    >>> rows * 2 + 1, rows % 4
    (2*N + 1, 0)
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise ShapeError(f"{name!r} cannot name a size", fix='use a name such as "N"')
    for word, value in (("min", min), ("max", max), ("multiple_of", multiple_of)):
        if type(value) is not int and not (word == "max" and value is None):
            raise ShapeError(f"{word} of the size {name} is {value!r}", fix="give an integer")
    if min < 0 or (max is not None and max < min):
        raise ShapeError(
            f"the size {name} cannot be from {min} to {max}", fix="choose 0 <= min <= max"
        )
    if multiple_of < 1:
        raise ShapeError(
            f"the size {name} cannot be a multiple of {multiple_of}", fix="give a number >= 1"
        )
    symbol = Symbol(name, min, max, multiple_of)
    if symbol.interval[0] > symbol.interval[1]:
        raise ShapeError(
            f"no multiple of {multiple_of} is from {min} to {max}, as the size {name} must be",
            fix="widen the bounds or choose a smaller multiple_of",
        )
    return Expr(symbol.terms)


def ceil_div(a: Dim, b: Dim) -> Dim:
    """a / b, rounded up."""
    return (a + b - 1) // b


def product(dims: Iterable[Dim]) -> Dim:
    """All of them multiplied; 1 if there are none."""
    total: Dim = 1
    for factor in dims:
        total = total * factor
    return total
