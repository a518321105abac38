"""The inverse of the error function, of sums, products, quotients and square roots alone.

All of these are rounded correctly everywhere, so it has the same bits in NumPy, in vectors and on
every target; random numbers rely on that. The plan is that of M. J. Wichura, Algorithm AS 241: the
percentage points of the normal distribution, Applied Statistics 37 (1988): one quotient of
polynomials in x² in the middle, another in r = √(-log((1 - |x|)/2)) outside. Lanes choose their
coefficients instead of branching, which is the concern of M. Giles, Approximating the erfinv
function, GPU Computing Gems (2012).
"""

from __future__ import annotations

import math
from typing import Any

from symfuse.runtime.dtypes import DType

from .tables import LOG

__all__ = ["erfinv"]

_MIDDLE = 0.85
_TAIL_START = 1.6

# Of erfinv(x) / x - 1 over 0.7225 - x², and of r - erfinv(x) over r - 1.6: numerators and
# denominators, lowest power first, from weighted least squares at Chebyshev nodes in 45 digits;
# relative errors of erfinv below 2**-27 and 2**-56.
_MIDDLE_OVER = {
    DType.F32: (
        0.1975323110818863,
        0.10377173870801926,
        -1.5442986488342285,
        -1.3238880634307861,
        -0.035767726600170135,
    ),
    DType.F64: (
        0.19753231156709133,
        1.3228489632833091,
        1.2865162588661567,
        -8.566446853025406,
        -24.632285428089933,
        -23.77016784479093,
        -8.707882673258384,
        -0.9217128261832639,
        -0.003057507656485886,
    ),
}
_MIDDLE_UNDER = {
    DType.F32: (
        1.0,
        5.080145359039307,
        6.963850498199463,
        2.277470350265503,
    ),
    DType.F64: (
        1.0,
        11.25168889511146,
        49.404444904288,
        107.35156167997833,
        121.0069581740638,
        67.85626356604534,
        16.475588111887532,
        1.2080459688546288,
    ),
}
_TAIL_OVER = {
    DType.F32: (
        0.5934779644012451,
        0.4307892322540283,
        0.06664597988128662,
        0.0007035399903543293,
        -1.3053961083642207e-05,
    ),
    DType.F64: (
        0.593477966396312,
        1.0068215553192743,
        0.6592525081717737,
        0.21222273612712533,
        0.035072582076678675,
        0.0027165491638796793,
        7.29688491740019e-05,
        1.4051922746770662e-07,
        -6.87113123829598e-10,
    ),
}
_TAIL_UNDER = {
    DType.F32: (
        1.0,
        1.0756083726882935,
        0.34184762835502625,
        0.029559660702943802,
    ),
    DType.F64: (
        1.0,
        2.046212838319325,
        1.6798343946953276,
        0.7115908126914237,
        0.16603635279339812,
        0.020843709221998147,
        0.0012367109672586478,
        2.435026041536294e-05,
    ),
}

# log(2) as a sum of two, of which the first times an exponent is exact.
_LN2 = {
    DType.F32: (0.693145751953125, 1.4286068203094172e-06),
    DType.F64: (0.6931471803691238, 1.9082149292705877e-10),
}
# The integer of as many bits, the stored bits of a mantissa, and those of √½.
_LAYOUT = {
    DType.F32: (DType.I32, 23, 0x3F3504F3),
    DType.F64: (DType.I64, 52, 0x3FE6A09E667F3BCD),
}


def erfinv(s: Any, x: Any) -> Any:
    """y with erf(y) = x, in scalar instructions."""
    dtype = DType.of(x.dtype)
    if dtype.is_half:
        return s.convert(erfinv(s, s.convert(x, DType.F32)), dtype)

    def number(value: float) -> Any:
        return s.const(value, dtype)

    size = s.abs(x)
    is_middle = s.lt(size, number(_MIDDLE))
    half_rest = s.mul(s.sub(number(1), size), number(0.5))
    root = s.sqrt(s.neg(_log(s, half_rest, dtype)))
    middle = s.sub(number(_MIDDLE**2), s.mul(x, x))
    t = s.select(is_middle, middle, s.sub(root, number(_TAIL_START)))
    over = _either(s, is_middle, t, _MIDDLE_OVER[dtype], _TAIL_OVER[dtype], dtype)
    under = _either(s, is_middle, t, _MIDDLE_UNDER[dtype], _TAIL_UNDER[dtype], dtype)
    correction = s.mul(s.select(is_middle, size, number(-1)), s.div(over, under))
    y = s.add(s.select(is_middle, size, root), correction)
    y = s.select(s.lt(size, number(1)), y, number(math.inf))
    # NaN outside of -1..1, and for NaN.
    y = s.select(s.le(size, number(1)), y, number(math.nan))
    return s.copysign(y, x)


def _either(
    s: Any, first: Any, t: Any, one: tuple[float, ...], other: tuple[float, ...], dtype: DType
) -> Any:
    """One of two polynomials of the same degree."""
    coefficients = [
        s.select(first, s.const(a, dtype), s.const(b, dtype))
        for a, b in zip(one, other, strict=True)
    ]
    return _polynomial(s, t, coefficients)


def _polynomial(s: Any, t: Any, coefficients: list[Any]) -> Any:
    """Even and odd powers apart: two chains run at a time."""
    square = s.mul(t, t)
    even, odd = (_chain(s, square, coefficients[start::2]) for start in (0, 1))
    return s.add(even, s.mul(t, odd))


def _chain(s: Any, t: Any, coefficients: list[Any]) -> Any:
    total = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        total = s.add(s.mul(total, t), coefficient)
    return total


def _log(s: Any, x: Any, dtype: DType) -> Any:
    """The logarithm of a normal number, exact to the last digits where it is not small."""
    integer, mantissa, root_half = _LAYOUT[dtype]
    bits = s.sub(s.bitcast(x, integer), s.const(root_half, integer))
    exponent = s.convert(s.convert(s.shr(bits, s.const(mantissa, integer)), DType.I32), dtype)
    kept = s.bitand(bits, s.const((1 << mantissa) - 1, integer))
    f = s.bitcast(s.add(kept, s.const(root_half, integer)), dtype)
    f = s.sub(f, s.const(1, dtype))
    high, low = (s.mul(exponent, s.const(part, dtype)) for part in _LN2[dtype])
    return s.add(high, s.add(_log_of_one_plus(s, f, dtype), low))


def _log_of_one_plus(s: Any, f: Any, dtype: DType) -> Any:
    coefficients = [s.const(c, dtype) for c in LOG[dtype]]
    if dtype is DType.F32:
        square = s.mul(f, f)
        rest = s.sub(s.mul(f, _polynomial(s, f, coefficients)), s.const(0.5, dtype))
        return s.add(f, s.mul(square, rest))
    q = s.div(f, s.add(f, s.const(2, dtype)))
    z = s.mul(q, q)
    inner = s.add(s.mul(z, _polynomial(s, z, coefficients)), s.const(2, dtype))
    return s.mul(q, inner)
