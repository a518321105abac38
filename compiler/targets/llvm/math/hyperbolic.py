"""sinh, cosh, tanh and their inverses."""

from __future__ import annotations

import math

from symfuse.runtime.dtypes import DType

from ....kernel.number import Number, Table, fma, formula, horner, select
from .exponential import exp_parts
from .logarithm import log1p_of
from .twofold import fast_two_sum

__all__ = ["acosh", "asinh", "atanh", "cosh", "sinh", "tanh"]

# Just above the logarithm of twice the largest number, where cosh has become infinite.
_OVERFLOW = {DType.F32: 89.6, DType.F64: 710.6}
# From here on, tanh rounds to one.
_TANH_ONE = {DType.F32: 9.1, DType.F64: 19.1}
# From here on, a one beside x is lost.
_HUGE = {DType.F32: 2.0**26, DType.F64: 2.0**55}
_TANH_SMALL = 0.625

# tanh(x) = x + x**3 P(x**2) up to 5/8: tools/fit_math.py tanh
_TANH: Table = {
    DType.F32: (
        -0.3333328068256378,
        0.13331405818462372,
        -0.05373651906847954,
        0.020628197118639946,
        -0.005692349746823311,
    ),
    DType.F64: (
        -0.33333333333333315,
        0.13333333333329922,
        -0.05396825396611699,
        0.021869488469628325,
        -0.008863234319865264,
        0.0035921140213718093,
        -0.0014557258409167919,
        0.0005894505168483024,
        -0.0002370062554213684,
        9.154594042743644e-05,
        -3.0172178103446713e-05,
        6.034894937203191e-06,
    ),
}
# sinh(x) = x + x**3 P(x**2) up to 1: tools/fit_math.py sinh
_SINH: Table = {
    DType.F32: (
        0.1666666716337204,
        0.00833331048488617,
        0.00019842886831611395,
        2.782320507321856e-06,
    ),
    DType.F64: (
        0.16666666666666666,
        0.008333333333333573,
        0.0001984126984106116,
        2.7557319310089765e-06,
        2.5052089413439978e-08,
        1.6061338987547096e-10,
        7.503285269820141e-13,
        6.4745451856457445e-15,
    ),
}


def _odd_polynomial(x: Number, table: Table) -> Number:
    z = x * x
    return fma(x * z, horner(z, table[x.dtype]), x)


def _half_exp(size: Number) -> tuple[Number, Number]:
    """e**size / 2, infinite only where that is, and e**-size / 2; size >= 0."""
    high = _OVERFLOW[size.dtype]
    p, n = exp_parts(select(size > high, high, size))
    eighth = (p + 1.0) * (n - 2).power_of_two(size.dtype)
    return eighth + eighth, 0.125 / eighth


@formula
def sinh(x: Number) -> Number:
    """The hyperbolic sine."""
    size = abs(x)
    growing, falling = _half_exp(size)
    return select(size < 1.0, _odd_polynomial(x, _SINH), (growing - falling).with_sign_of(x))


@formula
def cosh(x: Number) -> Number:
    """The hyperbolic cosine."""
    growing, falling = _half_exp(abs(x))
    return growing + falling


@formula
def tanh(x: Number) -> Number:
    """The hyperbolic tangent, 1 - 2 / (e**2x + 1) but for small x."""
    size = abs(x)
    high = _TANH_ONE[x.dtype]
    capped = select(size > high, high, size)
    p, n = exp_parts(capped + capped)
    power = n.power_of_two(x.dtype)
    large = 1.0 - 2.0 / (fma(power, p, power) + 1.0)
    found = select(size < _TANH_SMALL, _odd_polynomial(size, _TANH), large)
    return found.with_sign_of(x)  # of zero, too, from which the polynomial takes it


@formula
def asinh(x: Number) -> Number:
    """The inverse of sinh: log(1 + (a + a**2 / (1 + sqrt(1 + a**2)))) for a = |x|."""
    size = abs(x)
    huge = size > _HUGE[x.dtype]
    beyond = size * size / (fma(size, size, 1.0).sqrt() + 1.0)
    high, low = fast_two_sum(size, beyond)
    y = log1p_of(select(huge, size, high), select(huge, 0.0, low), huge)
    return select(size < math.inf, y, size).with_sign_of(x)


@formula
def acosh(x: Number) -> Number:
    """The inverse of cosh: log(1 + (t + sqrt(t**2 + 2t))) for t = x - 1."""
    huge = x > _HUGE[x.dtype]
    t = x - 1.0
    high, low = fast_two_sum(fma(t, t, t + t).sqrt(), t)
    y = log1p_of(select(huge, x, high), select(huge, 0.0, low), huge)
    return select(x < 1.0, math.nan, select(x < math.inf, y, x))


@formula
def atanh(x: Number) -> Number:
    """The inverse of tanh: log(1 + 2a / (1 - a)) / 2 for a = |x|."""
    size = abs(x)
    double, rest = size + size, 1.0 - size
    inverse = 1.0 / rest
    quotient = double * inverse
    lost = fma(-quotient, rest, double) - quotient * ((1.0 - rest) - size)
    y = log1p_of(quotient, lost * inverse) * 0.5
    y = select(size < 1.0, y, select(size.equals(1.0), x.of(math.inf), math.nan))
    return y.with_sign_of(x)
