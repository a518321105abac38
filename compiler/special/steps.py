"""How special functions are written: over numbers of f64, for any emitter and type of float.

Results of f32 are those of f64, rounded: the digits that differences of great logarithms cost are
there to lose. The steps are scalar instructions, so each target has them, and NumPy too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from symfuse.runtime.dtypes import DType

from ..kernel.number import Number, select

__all__ = ["in_double", "is_odd", "reduced", "sine_of_pi", "split", "split_square", "within"]

PI = 3.141592653589793
_LOW_BITS = -(1 << 27)  # keeps the upper half of a mantissa, whose square is exact


def in_double(function: Callable[..., Number]) -> Callable[..., Any]:
    """A function of f64 numbers as one of an emitter and its values; NaN gives NaN."""

    @wraps(function)
    def emitted(s: Any, *operands: Any, **attrs: Any) -> Any:
        dtype = DType.of(operands[0].dtype)
        given = operands if dtype is DType.F64 else [s.convert(x, DType.F64) for x in operands]
        numbers = [Number(s, x) for x in given]
        found = function(*numbers, **attrs)
        for x in numbers:
            found = select(x.isnan(), x, found)
        return found.value if dtype is DType.F64 else s.convert(found.value, dtype)

    return emitted


def within(inside: Number, x: Number, otherwise: float) -> Number:
    """x where a condition holds, else a harmless number: branches are computed in every lane."""
    return select(inside, x, otherwise)


def is_odd(whole: Number) -> Number:
    """Whether a whole number is odd."""
    return (whole - (whole * 0.5).emit("floor") * 2.0).differs(0.0)


def reduced(x: Number) -> tuple[Number, Number]:
    """The nearest whole number and the exact distance from it."""
    whole = x.emit("rint")
    return whole, x - whole


def sine_of_pi(x: Number) -> Number:
    """sin(πx), with all digits near its zeros."""
    whole, rest = reduced(x)
    sine = (rest * PI).emit("sin")
    return select(is_odd(whole), -sine, sine)


def split(x: Number) -> tuple[Number, Number]:
    """x as a sum of two, whose products are exact."""
    high = (x.bits() & _LOW_BITS).as_float(x.dtype)
    return high, x - high


def split_square(x: Number) -> tuple[Number, Number]:
    """x² as a sum of two, of which the greater is exact."""
    high, low = split(x)
    return high * high, low * (x + high)
