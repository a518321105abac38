"""nextafter, and the remainders and floor quotients of floats."""

from __future__ import annotations

import math

from ....kernel.number import Number, fma, formula, select

__all__ = ["floordiv", "fmod", "mod", "nextafter"]


@formula
def nextafter(x: Number, y: Number) -> Number:
    """The neighbour of x towards y."""
    away = (x < y) ^ (x < 0.0)
    bits = x.bits()
    stepped = (bits + select(away, bits.of(1), -1)).as_float(x.dtype)
    least = bits.of(1).as_float(x.dtype).with_sign_of(y)
    stepped = select(x.equals(0.0), least, stepped)
    stepped = select(x.equals(y), y, stepped)
    return select(x.isnan() | y.isnan(), math.nan, stepped)


def _truncated_remainder(x: Number, y: Number) -> Number:
    """x - y trunc(x / y), exact: by one fma, or by libm where the quotient has too many digits."""
    a, b = abs(x), abs(y)
    quotient = a / b
    rest = fma(-quotient.emit("trunc"), b, a)
    # The quotient may have been rounded up to the next integer.
    rest = select(rest < 0.0, rest + b, rest).with_sign_of(x)
    hard = (quotient >= 2.0**x.format.mantissa) | b.equals(math.inf)
    routine = "fmod" + x.format.suffix
    return Number(x.s, x.s.rare(hard.value, rest.value, routine, x.value, y.value))


@formula
def fmod(x: Number, y: Number) -> Number:
    """The remainder with the sign of x, as C's fmod."""
    return _truncated_remainder(x, y)


@formula
def mod(x: Number, y: Number) -> Number:
    """The remainder with the sign of y, as Python's %."""
    rest = _truncated_remainder(x, y)
    other_side = (y < 0.0) ^ (rest < 0.0)
    moved = select(other_side, rest + y, rest)
    moved = select(rest.equals(0.0), rest.with_sign_of(y), moved)
    return select(y.equals(0.0), math.nan, moved)


@formula
def floordiv(x: Number, y: Number) -> Number:
    """floor(x / y), by way of the remainder as NumPy has it."""
    rest = _truncated_remainder(x, y)
    quotient = (x - rest) / y
    other_side = ((y < 0.0) ^ (rest < 0.0)) & rest.differs(0.0)
    quotient = select(other_side, quotient - 1.0, quotient)
    below = quotient.emit("floor")
    below = select(quotient - below > 0.5, below + 1.0, below)
    plain = x / y
    below = select(quotient.equals(0.0), quotient.of(0.0).with_sign_of(plain), below)
    return select(y.equals(0.0), plain, below)
