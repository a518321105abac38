"""Complex values as pairs of real ones, and what kinds of operation do with them.

`Op.parts(node, operands)` is what a node is on pairs: complex operands come as `Pair`, real ones as
nodes, and so does the result go. `passes/expand_complex.py` calls it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from ..ir.op import operations

__all__ = ["Pair", "complex_product", "formula", "partwise"]


class Pair(Struct, frozen=True):
    """The real and the imaginary part of one complex value, with the algebra of these."""

    re: Any
    im: Any

    def __add__(self, other: Pair) -> Pair:
        return Pair(self.re + other.re, self.im + other.im)

    def __sub__(self, other: Pair) -> Pair:
        return Pair(self.re - other.re, self.im - other.im)

    def __neg__(self) -> Pair:
        return Pair(-self.re, -self.im)

    def __mul__(self, other: Pair) -> Pair:
        return complex_product(operations["multiply"], self, other)

    def scaled(self, factor: Any) -> Pair:
        """Both parts times one real number."""
        return Pair(self.re * factor, self.im * factor)

    def each(self, function: Callable[[Any], Any]) -> Pair:
        """A real function of both parts."""
        return Pair(function(self.re), function(self.im))

    @property
    def is_real(self) -> bool:
        """Whether the imaginary part is known to be zero."""
        return getattr(self.im, "number", None) == 0

    @property
    def conjugate(self) -> Pair:
        return Pair(self.re, -self.im)

    @property
    def turned(self) -> Pair:
        """The value times i."""
        return Pair(-self.im, self.re)

    @property
    def turned_back(self) -> Pair:
        """The value divided by i."""
        return Pair(self.im, -self.re)


def complex_product(times: Callable[[Any, Any], Any], x: Pair, y: Pair) -> Pair:
    """The product by four real ones, by two where one factor is known to be real."""
    if x.is_real:
        return Pair(times(x.re, y.re), times(x.re, y.im))
    if y.is_real:
        return Pair(times(x.re, y.re), times(x.im, y.re))
    real = times(x.re, y.re) - times(x.im, y.im)
    return Pair(real, times(x.re, y.im) + times(x.im, y.re))


def partwise(node: Any, operands: tuple[Any, ...]) -> Pair:
    """An operation that is linear with real coefficients: each part by itself."""

    def of(part: str) -> Any:
        given = (getattr(x, part) if isinstance(x, Pair) else x for x in operands)
        return node.op(*given, **node.attrs)

    return Pair(of("re"), of("im"))


def formula(function: Callable[..., Any]) -> Callable[[Any, tuple[Any, ...]], Any]:
    """An elementwise operation by its formula over pairs."""
    return lambda node, operands: function(*operands, **node.attrs)
