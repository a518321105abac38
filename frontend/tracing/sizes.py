"""Symbolic sizes in the hands of users: a comparison that depends on the size is refused."""

from __future__ import annotations

import operator
import sys
from collections.abc import Mapping
from typing import Any

from symfuse.compiler.ir.dims import Dim, Expr, is_at_most, is_equal, is_less
from symfuse.compiler.ir.location import is_ours, user_location
from symfuse.runtime.errors import ArgumentError, ShapeError, TraceError

__all__ = ["Size", "given_attributes", "plain", "shown_to_users", "whole"]

_IN_SIZES = frozenset({"shape", "starts", "stops", "steps", "low", "high", "interior"})


class Size(Expr):
    """A symbolic size that does not pretend to know how it compares with numbers."""

    __slots__ = ()
    __hash__ = Expr.__hash__

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
            fix="give the spec a number for this size (jit: static_dims), or bounds by sf.dim",
            loc=user_location(),
        )
    return known
