"""pow for floats, by a logarithm with more digits than the result has, and for integers."""

from __future__ import annotations

import math
import struct
from decimal import Context, Decimal
from typing import Any

from symfuse.runtime.dtypes import DType

from ....kernel.number import Number, fma, formula, horner, select
from .exponential import LOG2_E, exp_parts, limit, scale
from .logarithm import split
from .twofold import fast_two_sum, two_product

__all__ = ["pow"]

# In f64 for f32: log(1 + f) = f - f**2/2 + f**3 P(f) and 2**f = 1 + f P(f): tools/fit_math.py
_LOG = (
    0.3333333339913049,
    -0.25000001125764265,
    0.1999998926505389,
    -0.16666532459365974,
    0.1428617899535016,
    -0.12505713415398886,
    0.11105472516495589,
    -0.0988938773352112,
    0.09040193895487483,
    -0.09286929713549222,
    0.09115747016864233,
    -0.04822619946855507,
)
_EXP2 = (
    0.6931471805468308,
    0.2402265069556674,
    0.0555041093900653,
    0.009618129216980518,
    0.0013333452085448724,
    0.0001540341691824456,
    1.5309765037227648e-05,
    1.3263231403458414e-06,
)
# log((1 + s) / (1 - s)) = 2 s + 2/3 s**3 + s**5 P(s**2): tools/fit_math.py pow_log
_LOG_RATIO = (
    0.4,
    0.2857142857142689,
    0.2222222222271639,
    0.18181818106059944,
    0.15384622180078028,
    0.13332960301518293,
    0.1177725210459471,
    0.10279280862880082,
    0.12026232972650104,
)
_TWO_THIRDS = (0.6666666666666666, 3.700743415417188e-17)
# log(2), the first part short enough to be multiplied by an exponent exactly.
_LN2 = (0.693147180559663, 2.8235290563031577e-13)
_DIGITS = Context(prec=40)
# Products with a logarithm beyond these are as good as infinite.
_BEYOND = 1500.0
_EXP_RANGE = (-746.0, 710.0)


@formula
def pow(x: Number, y: Number) -> Number:
    """x**y: for floats as C's Annex F has it, for integers modulo 2**bits.

    Where NumPy refuses, an integer to a negative power is the reciprocal rounded towards zero.
    """
    if x.dtype.is_integer:
        return _integer_power(x, y)
    raw = (_single if x.dtype is DType.F32 else _double)(abs(x), y, _literal(x))
    return _with_special_cases(x, y, raw)


def _literal(x: Number) -> float | None:
    """The size of a number that is written into the code, if it has a logarithm."""
    value: Any = x.value
    name = getattr(value, "name", "")
    if not name.startswith("0x"):
        return None
    size = abs(float(*struct.unpack("<d", struct.pack("<Q", int(name, 16)))))
    return size if 0 < size < math.inf else None


def _single(size: Number, y: Number, base: float | None) -> Number:
    """size**y in f32, computed in f64."""
    exponent = y.convert(DType.F64)
    log2 = _log2(size.convert(DType.F64)) if base is None else exponent.of(math.log2(base))
    product = limit(exponent * log2, -160.0, 160.0)
    whole, n = product.rounded()
    f = product - whole
    return (fma(f, horner(f, _EXP2), 1.0) * n.power_of_two(DType.F64)).convert(DType.F32)


def _log2(x: Number) -> Number:
    """log2(x) in f64 for a number of f32, which is not subnormal there."""
    e, f = split(x, subnormal=False)
    return fma(fma(f * f, fma(f, horner(f, _LOG), -0.5), f), LOG2_E, e)


def _double(size: Number, y: Number, base: float | None) -> Number:
    """size**y in f64: e**(y log(size)), the exponent as the sum of two floats."""
    high, low = _long_log(size) if base is None else _long_log_of(base, size)
    product, lost = two_product(y, high)
    inside = abs(product) < _BEYOND
    lost = select(inside, fma(y, low, lost), 0.0)
    p, n = exp_parts(limit(product, *_EXP_RANGE), lost)
    return scale(p + 1.0, n)


def _long_log_of(base: float, like: Number) -> tuple[Number, Number]:
    """The same of a number that is known here."""
    log = _DIGITS.ln(Decimal(base))
    high = float(log)
    return like.of(high), like.of(float(log - Decimal(high)))


def _long_log(x: Number) -> tuple[Number, Number]:
    """log(x) as the sum of two floats, to about 66 bits."""
    e, f = split(x)
    # s = f / (2 + f) and its square and cube, each as a sum of two.
    divisor, lost = fast_two_sum(x.of(2.0), f)
    inverse = 1.0 / divisor
    s = f * inverse
    s_low = (fma(-s, divisor, f) - s * lost) * inverse
    z, z_low = two_product(s, s)
    z_low = fma(s + s, s_low, z_low)
    cube, cube_low = two_product(s, z)
    cube_low = cube_low + fma(s, z_low, s_low * z)
    factor, factor_low = fast_two_sum(
        x.of(_TWO_THIRDS[0]), fma(z, horner(z, _LOG_RATIO), _TWO_THIRDS[1])
    )
    term, term_low = two_product(cube, factor)
    term_low = term_low + fma(cube, factor_low, cube_low * factor)
    high, low = fast_two_sum(s + s, term)
    low = low + (term_low + (s_low + s_low))
    total, lost = fast_two_sum(e * _LN2[0], high)
    return fast_two_sum(total, lost + fma(e, _LN2[1], low))


def _with_special_cases(x: Number, y: Number, raw: Number) -> Number:
    """|x|**y made x**y: zeros, infinities, negative bases and NaN."""
    size, negative = abs(x), x.emit("signbit")
    whole = y.emit("trunc").equals(y)
    half = y * 0.5
    odd = whole & half.emit("trunc").differs(half)
    infinite = size.equals(math.inf)
    ends = select((y < 0.0) ^ infinite, x.of(math.inf), 0.0)
    result = select(infinite | size.equals(0.0), ends, raw)
    result = select(size.equals(1.0), 1.0, result)
    result = select(negative & odd, -result, result)
    real = whole | ~(x < 0.0) | infinite
    result = select(real & ~x.isnan() & ~y.isnan(), result, math.nan)
    return select(y.equals(0.0) | x.equals(1.0), 1.0, result)


def _integer_power(x: Number, y: Number) -> Number:
    """By squaring, one step for each bit of the exponent."""
    result, square = x.of(1), x
    for bit in range(x.dtype.bits - x.dtype.is_signed):
        result = select(((y >> bit) & 1).differs(0), result * square, result)
        square = square * square
    if not x.dtype.is_signed:
        return result
    sign = select((y & 1).differs(0), x, x.of(1))
    reciprocal = select(((x + 1) & ~x.of(2)).equals(0), sign, 0)
    return select(y < 0, reciprocal, result)
