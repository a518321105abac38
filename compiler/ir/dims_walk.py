"""Reading and rewriting expressions: values, substitution, coefficients, SymPy."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from functools import lru_cache, reduce
from typing import Any

from symfuse.runtime.errors import ShapeError

from .dims_compare import maximum, minimum
from .dims_expr import Call, Dim, Expr, Symbol, expression, fold
from .dims_terms import Atom, Terms, ordered

__all__ = [
    "coefficient",
    "evaluate",
    "from_sympy",
    "substitute",
    "symbols",
    "to_sympy",
    "without",
]


@lru_cache(maxsize=1 << 14)
def symbols(e: Dim) -> tuple[Symbol, ...]:
    """The symbols of an expression in the order in which it names them."""
    found: dict[Symbol, None] = {}
    if isinstance(e, Expr):
        for monomial, _ in ordered(e.terms):
            for atom in monomial:
                inner = atom.args if isinstance(atom, Call) else ()
                found.update(dict.fromkeys([atom] if isinstance(atom, Symbol) else []))
                found.update(dict.fromkeys(s for arg in inner for s in symbols(arg)))
    return tuple(found)


def substitute(e: Dim, values: Mapping[Symbol, Dim]) -> Dim:
    """The expression with each symbol of `values` replaced, all at once."""
    if isinstance(e, int) or not any(s in values for s in symbols(e)):
        return e
    result: Dim = fold(
        e,
        constant=_same,
        symbol=lambda symbol: values[symbol] if symbol in values else symbol + 0,
        add=operator.add,
        mul=operator.mul,
        floordiv=operator.floordiv,
        mod=operator.mod,
        max=maximum,
        min=minimum,
    )
    return result


def evaluate(e: Dim, values: Mapping[str, int]) -> int:
    """The number that an expression is for the values of its symbols."""
    if isinstance(e, int):
        return e
    result: int = fold(
        e,
        constant=int,
        symbol=lambda symbol: _value(values, symbol.name),
        add=operator.add,
        mul=operator.mul,
        floordiv=operator.floordiv,
        mod=operator.mod,
        max=max,
        min=min,
    )
    return result


@lru_cache(maxsize=1 << 14)
def coefficient(e: Dim, symbol: Symbol) -> Dim | None:
    """What multiplies a symbol in an expression that is affine in it, else None."""
    if isinstance(e, int):
        return 0
    slope: Terms = {}
    for monomial, c in e.terms.items():
        if e.has_calls and any(symbol in _symbols_of(atom) for atom in monomial):
            return None
        if symbol in monomial:
            rest = tuple(atom for atom in monomial if atom != symbol)
            if len(rest) != len(monomial) - 1:
                return None
            slope[rest] = c
    return expression(slope)


def without(e: Dim, symbol: Symbol) -> Dim:
    """The expression where the symbol is 0."""
    return substitute(e, {symbol: 0})


def to_sympy(e: Dim) -> Any:
    """The expression in SymPy, its symbols as integers of the same names."""
    import sympy

    return fold(
        e,
        constant=sympy.Integer,
        symbol=lambda s: sympy.Symbol(s.name, integer=True),
        add=operator.add,
        mul=operator.mul,
        floordiv=lambda x, k: sympy.floor(x / k),
        mod=sympy.Mod,
        max=sympy.Max,
        min=sympy.Min,
    )


def from_sympy(value: Any, known: Mapping[str, Symbol]) -> Dim:
    """The dimension that a SymPy expression of integers stands for."""
    import sympy

    if isinstance(value, sympy.Symbol):
        return known.get(value.name, Symbol(value.name)) + 0
    if isinstance(value, sympy.Integer):
        return int(value)
    args = value.args
    if isinstance(value, sympy.floor):
        args = sympy.together(args[0]).as_numer_denom()
    if isinstance(value, sympy.Pow) and args[1].is_Integer and args[1] > 0:
        args = (args[0],) * int(args[1])
    for kind, meaning in (
        (sympy.Add, operator.add),
        (sympy.Mul | sympy.Pow, operator.mul),
        (sympy.floor, operator.floordiv),
        (sympy.Mod, operator.mod),
        (sympy.Max, maximum),
        (sympy.Min, minimum),
    ):
        if isinstance(value, kind) and len(args) > 1 and not value.is_Rational:
            return reduce(meaning, [from_sympy(arg, known) for arg in args])
    raise ShapeError(
        f"{value} is no size", fix="use integers, symbols, + - *, floor(a/b), Mod, Max and Min"
    )


def _same(value: int) -> Dim:
    return value


def _value(values: Mapping[str, int], name: str) -> int:
    if name not in values:
        raise ShapeError(f"the size {name} has no value", fix=f"give a value for {name}")
    return values[name]


def _symbols_of(atom: Atom) -> set[Symbol]:
    """The symbols inside of a call."""
    args = atom.args if isinstance(atom, Call) else ()
    return {symbol for arg in args for symbol in symbols(arg)}
