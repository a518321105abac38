"""log, log2, log10 and log1p: an exponent, and log(1 + f) for a mantissa near one."""

from __future__ import annotations

import math

from symfuse.runtime.dtypes import DType

from ....kernel.number import Number, fma, formula, horner, select
from ....special.tables import LOG
from .exponential import LN2
from .twofold import fast_two_sum, two_product

__all__ = ["beyond_linear", "log", "log1p", "log1p_of", "log2", "log10", "split"]

SQRT_HALF_BITS = {DType.F32: 0x3F3504F3, DType.F64: 0x3FE6A09E667F3BCD}

# Logarithms of 2, whose first part times an exponent is exact, and of e, as sums of two.
_LOG2_OF = {
    DType.F32: ((1.0, 0.0), (1.4426950216293335, 1.925963033500011e-08)),
    DType.F64: ((1.0, 0.0), (1.4426950408889634, 2.0355273740931033e-17)),
}
_LOG10_OF = {
    DType.F32: (
        (0.301025390625, 4.605039066518657e-06),
        (0.4342944920063019, -1.0103049952192578e-08),
    ),
    DType.F64: (
        (0.30102999566383914, 1.42050232272661e-13),
        (0.4342944819032518, 1.098319650216765e-17),
    ),
}


def split(x: Number, *, subnormal: bool = True) -> tuple[Number, Number]:
    """e and f with x = 2**e (1 + f) and 1 + f within a factor sqrt(2) of one; x is positive."""
    layout, lift = x.format, x.format.mantissa + 1
    tiny = x < layout.least_normal
    normal = select(tiny, x * 2.0**lift, x) if subnormal else x
    bits = normal.bits() - SQRT_HALF_BITS[x.dtype]
    exponent = (bits >> layout.mantissa).small_to_float(x.dtype)
    if subnormal:
        exponent = exponent - select(tiny, x.of(float(lift)), 0.0)
    return exponent, _mantissa(bits, x.dtype) - 1.0


def _mantissa(bits: Number, dtype: DType) -> Number:
    mask = (1 << (bits.dtype.bits - 1 - (8 if dtype is DType.F32 else 11))) - 1
    return ((bits & mask) + SQRT_HALF_BITS[dtype]).as_float(dtype)


def beyond_linear(f: Number) -> Number:
    """log(1 + f) - f, for 1 + f near one."""
    if f.dtype is DType.F32:
        return f * f * fma(f, horner(f, LOG[DType.F32]), -0.5)
    s = f / (f + 2.0)
    z = s * s
    half = f * f * 0.5
    return fma(s, fma(z, horner(z, LOG[DType.F64]), half), -half)


def _assemble(exponent: Number, f: Number, rest: Number) -> Number:
    high, low = LN2[f.dtype]
    return fma(exponent, high, f + fma(exponent, low, rest))


def _at_ends(x: Number, y: Number, zero: float) -> Number:
    """y for x between `zero` and infinity; there, and outside, what a logarithm must be."""
    y = select(x < math.inf, y, x)
    return select(x > zero, y, select(x.equals(zero), x.of(-math.inf), math.nan))


@formula
def log(x: Number) -> Number:
    """The natural logarithm."""
    exponent, f = split(x)
    return _at_ends(x, _assemble(exponent, f, beyond_linear(f)), 0.0)


def _log_to_base(x: Number, of_two: tuple[float, float], of_e: tuple[float, float]) -> Number:
    exponent, f = split(x)
    high, low = two_product(f, x.of(of_e[0]))
    low = fma(beyond_linear(f), of_e[0], fma(f, of_e[1], low))
    total, lost = fast_two_sum(exponent * of_two[0], high)
    return _at_ends(x, total + (lost + fma(exponent, of_two[1], low)), 0.0)


@formula
def log2(x: Number) -> Number:
    """The logarithm to base 2, exact for powers of 2."""
    return _log_to_base(x, *_LOG2_OF[x.dtype])


@formula
def log10(x: Number) -> Number:
    """The logarithm to base 10."""
    return _log_to_base(x, *_LOG10_OF[x.dtype])


def log1p_of(high: Number, low: Number | None = None, doubled: Number | None = None) -> Number:
    """log(1 + high + low) for high > -1; where `doubled`, log(2 high) of a huge high."""
    layout, dtype = high.format, high.dtype
    bits = (high + 1.0).bits() - SQRT_HALF_BITS[dtype]
    n = bits >> layout.mantissa
    large = n > layout.mantissa + 4
    shrink = (-n).power_of_two(dtype)
    # 1 + high scaled to about one, less one, with a single rounding.
    exact = fma(high, shrink, shrink - 1.0)
    f = select(large, _mantissa(bits, dtype) - 1.0, exact)
    rest = beyond_linear(f)
    if low is not None:
        rest = fma(select(large, 0.0, low * shrink), 1.0 - f, rest)
    exponent = n.small_to_float(dtype)
    if doubled is not None:
        exponent = exponent + select(doubled, high.of(1.0), 0.0)
    return _assemble(exponent, f, rest)


@formula
def log1p(x: Number) -> Number:
    """log(1 + x), with all digits for small x."""
    y = _at_ends(x, log1p_of(x), -1.0)
    return select(x.equals(0.0), x, y)
