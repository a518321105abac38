"""Index expressions → C++ integers: 32 bits where every part is known to fit, else 64."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from msgspec import Struct

from ...ir.dims import Dim, Symbol, fold

__all__ = ["FITS", "Indices"]

FITS = 2**31 - 2**24  # below this an index fits, even one that has run past the end of its tile


class _Part(Struct, frozen=True):
    """A piece of an expression: `level` 2 is a sum, 1 a product, 0 stands for itself."""

    text: str
    low: float
    high: float
    wide: bool
    level: int = 0

    @property
    def fits(self) -> bool:
        return _fit(self.low, self.high)

    def within(self, level: int) -> str:
        return self.text if self.level <= level else f"({self.text})"


class Indices:
    """What each symbol is called, and the text of expressions over symbols."""

    def __init__(self) -> None:
        self._names: dict[Symbol, _Part] = {}

    def bind(self, symbol: Symbol, text: str, *, wide: bool = False, atom: bool = True) -> None:
        """Let a symbol stand for an expression, an i64 if it is wide, else an i32."""
        self._names[symbol] = _Part(text, *symbol.interval, wide, 0 if atom else 1)

    def text(self, dim: Dim) -> str:
        """The value of an expression."""
        return self._part(dim).text

    def factor(self, dim: Dim) -> str:
        """The same, to stand as a factor or a summand that is taken off."""
        return self._part(dim).within(0)

    def c_type(self, dim: Dim) -> str:
        """The integer type that holds an expression and those a little further."""
        part = self._part(dim)
        return "i64" if part.wide or not part.fits else "i32"

    def _part(self, dim: Dim) -> _Part:
        return fold(
            dim,
            constant=_constant,
            symbol=self._symbol,
            add=_add,
            mul=_multiply,
            floordiv=lambda x, k: _divide(x, k, "/", "sf_index_quotient"),
            mod=lambda x, k: _divide(x, k, "%", "sf_index_rest"),
            max=lambda x, y: _extreme(x, y, "sf_max", max),
            min=lambda x, y: _extreme(x, y, "sf_min", min),
        )

    def _symbol(self, symbol: Symbol) -> _Part:
        if symbol not in self._names:
            raise AssertionError(f"{symbol} has no value here")
        return self._names[symbol]


def _fit(low: float, high: float) -> bool:
    return max(-low, high) < FITS


def _constant(number: int) -> _Part:
    text = str(number) if abs(number) < FITS else f"{number}ll"
    wide = abs(number) >= FITS
    return _Part(text, number, number, wide, 0 if number >= 0 else 2)


def _add(x: _Part, y: _Part) -> _Part:
    if "0" in (x.text, y.text):
        return y if x.text == "0" else x
    low, high = x.low + y.low, x.high + y.high
    left, right, wide = _widened(x, y, low, high)
    if left.text.startswith("-") and not right.text.startswith("-"):
        left, right = right, left
    if right.text.startswith("-"):
        text = f"{left.text} - {right.text[1:]}"
    else:
        text = f"{left.text} + {right.text}"
    return _Part(text, low, high, wide, 2)


def _multiply(x: _Part, y: _Part) -> _Part:
    if "0" in (x.text, y.text):
        return _constant(0)
    corners = [_product(a, b) for a in (x.low, x.high) for b in (y.low, y.high)]
    left, right, wide = _widened(x, y, min(corners), max(corners))
    if left.text == "-1":
        return _Part(f"-{right.within(0)}", min(corners), max(corners), wide, 2)
    negative = left.text.startswith("-")  # only constants are: they stand first in a product
    first = left.text if negative else left.within(1)
    text = f"{first} * {right.within(0)}"
    return _Part(text, min(corners), max(corners), wide, 2 if negative else 1)


def _product(a: float, b: float) -> float:
    return 0 if a == 0 or b == 0 else a * b


def _divide(x: _Part, k: _Part, sign: str, guarded: str) -> _Part:
    if sign == "%":
        low, high = 0.0, min(x.high, k.high - 1)
    else:
        low, high = 0.0, x.high // max(1, k.low) if x.high != inf else inf
    wide = x.wide or k.wide
    if k.low < 1:
        return _Part(f"{guarded}({x.text}, {k.text})", low, high, True)
    return _Part(f"{x.within(1)} {sign} {k.within(0)}", low, high, wide, 1)


def _extreme(x: _Part, y: _Part, name: str, of: Callable[[float, float], float]) -> _Part:
    wide = x.wide or y.wide
    texts = (p.text if p.wide or not wide else f"(i64){p.within(0)}" for p in (x, y))
    return _Part(f"{name}({', '.join(texts)})", of(x.low, y.low), of(x.high, y.high), wide)


def _widened(x: _Part, y: _Part, low: float, high: float) -> tuple[_Part, _Part, bool]:
    """The operands such that the result does not overflow: a cast where both are narrow."""
    if x.wide or y.wide:
        return x, y, True
    if _fit(low, high):
        return x, y, False
    return _Part(f"(i64){x.within(0)}", x.low, x.high, True, x.level and 1), y, True
