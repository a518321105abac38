"""Symbolic sizes in the hands of users: a comparison that depends on the size is refused."""

from __future__ import annotations

import operator
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import Dim, Expr, is_at_most, is_equal, is_less
from symfuse.compiler.ir.location import is_ours, user_location
from symfuse.runtime.errors import ArgumentError, ShapeError, TraceError

from .dispatch import FUNCTIONS, Traceable, call_numpy

__all__ = ["Size", "given_attributes", "plain", "shown_to_users", "whole"]

_IN_SIZES = frozenset({"shape", "starts", "stops", "steps", "low", "high", "interior"})


class Size(Expr):
    """A symbolic size that does not pretend to know how it compares with numbers.

    With whole numbers and sizes it makes sizes; with others, by `/`, by `**` and in functions of
    NumPy it is a traced number.
    """

    __slots__ = ()
    __hash__ = Expr.__hash__

    def __array_ufunc__(  # type: ignore[override]  # None there: only users mix sizes and NumPy
        self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any
    ) -> Any:
        if method != "__call__":
            return NotImplemented
        of_sizes = _OF_SIZES.get(ufunc)
        if of_sizes is not None and all(map(_is_whole, inputs)):
            return of_sizes(*map(_as_size, inputs))
        found = call_numpy(ufunc, plain(inputs), kwargs)
        if isinstance(found, Traceable):
            found._weak = False  # type: ignore[attr-defined]  # as numbers of NumPy's are, unlike Python's
        return found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, int) or is_ours(sys._getframe(1).f_code):
            return isinstance(other, Expr) and self.terms == other.terms
        return _decided(self, is_equal(plain(self), other), f"== {other}")

    def __ne__(self, other: object) -> bool:
        if not isinstance(other, int) or is_ours(sys._getframe(1).f_code):
            return not (isinstance(other, Expr) and self.terms == other.terms)
        return not _decided(self, is_equal(plain(self), other), f"!= {other}")

    def __lt__(self, other: Any) -> bool:
        return _decided(self, is_less(plain(self), plain(other)), f"< {other}")

    def __le__(self, other: Any) -> bool:
        return _decided(self, is_at_most(plain(self), plain(other)), f"<= {other}")

    def __gt__(self, other: Any) -> bool:
        return _decided(self, is_less(plain(other), plain(self)), f"> {other}")

    def __ge__(self, other: Any) -> bool:
        return _decided(self, is_at_most(plain(other), plain(self)), f">= {other}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer | Expr)


def _as_size(value: Any) -> Any:
    """A size as user code gets it, or a number of NumPy's as one of Python's."""
    return shown_to_users((value,))[0] if isinstance(value, Expr) else operator.index(value)


def _arithmetic(symbol: str, name: str) -> Any:
    """The operator of sizes, where there is one, and else that of traced numbers."""
    known, is_reflected = getattr(Expr, symbol, None), symbol.startswith("__r")

    def apply(self: Size, other: Any) -> Any:
        if known is not None and _is_whole(other):
            return _as_size(known(plain(self), plain(_as_size(other))))
        if isinstance(other, Traceable | np.ndarray) and not is_reflected:
            return NotImplemented
        operands = plain((other, self) if is_reflected else (self, other))
        return FUNCTIONS[name](*operands)

    return apply


for _symbol, _name in {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide",
    "floordiv": "floor_divide", "mod": "remainder", "pow": "**",
}.items():  # fmt: skip
    for _place in ("", "r"):
        setattr(Size, f"__{_place}{_symbol}__", _arithmetic(f"__{_place}{_symbol}__", _name))
_OF_SIZES: dict[Any, Any] = {
    np.add: operator.add, np.subtract: operator.sub, np.multiply: operator.mul,
    np.floor_divide: operator.floordiv, np.remainder: operator.mod, np.negative: operator.neg,
}  # fmt: skip


def shown_to_users(shape: tuple[Dim, ...]) -> tuple[Dim, ...]:
    """A shape as user code gets it."""
    return tuple(n if isinstance(n, int) else Size(n.terms, n.has_calls) for n in shape)


def plain(value: Any) -> Any:
    """A value, or the parts of a tuple, as the compiler takes them."""
    if isinstance(value, Size):
        return Expr(value.terms, value.has_calls)
    return tuple(map(plain, value)) if type(value) is tuple else value


def given_attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of an operation as the compiler takes them: sizes are whole numbers."""
    found = {name: plain(value) for name, value in attrs.items()}
    for name in found.keys() & _IN_SIZES:
        if type(found[name]) is tuple:
            found[name] = tuple(map(whole, found[name]))
    negative = [n for n in found.get("shape", ()) if type(n) is int and n < 0]
    if negative:
        fix = "give one of at least 0; reshape finds one size out by -1"
        raise ShapeError(f"a size is {negative[0]}", fix=fix, loc=user_location())
    return found


def whole(size: Any) -> Any:
    """A size that a user gave, or a bound of one, as the compiler takes it."""
    if type(size) is int or isinstance(size, Expr):
        return plain(size)
    if not hasattr(size, "__index__"):
        raise ArgumentError(
            f"{size!r} stands where a whole number is needed",
            fix="give an int",
            loc=user_location(),
        )
    return operator.index(size)


def _decided(size: Size, known: bool | None, question: str) -> bool:
    if known is None:
        raise TraceError(
            f"whether {size} {question} is known only when the graph runs",
            fix="give the spec a number for this size (jit: static_dims), or bounds by sf.dim; "
            "np.arange of sizes is snp.arange",
            loc=user_location(),
        )
    return known
