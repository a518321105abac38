"""Floating-point numbers and their parts: frexp, ldexp, modf, spacing, divmod, float_power."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType, promoted
from symfuse.runtime.errors import DTypeError

from .. import numpy as snp
from ..tracing.dispatch import numpy_like
from .shared import as_numbers, as_reals, common_dtype, convert, traced

__all__ = ["divmod", "fix", "float_power", "frexp", "ldexp", "logaddexp2", "modf", "spacing"]


@numpy_like(np.divmod)
def divmod(x1: Any, x2: Any, /) -> tuple[Any, Any]:
    """The quotient rounded down, and what is left, with the sign of x2."""
    x, y = traced(x1), traced(x2)
    return snp.floor_divide(x, y), snp.remainder(x, y)


@numpy_like(np.fix)
def fix(x: Any, out: None = None) -> Any:
    """The next whole number towards zero."""
    return snp.trunc(traced(x))


@numpy_like(np.float_power)
def float_power(x1: Any, x2: Any, /) -> Any:
    """x1 to the power of x2, in float64 at least."""
    x, y = traced(x1), traced(x2)
    dtype = promoted(common_dtype(x, y), DType.F64)
    return snp.power(convert(x, dtype), convert(y, dtype))


@numpy_like(np.logaddexp2)
def logaddexp2(x1: Any, x2: Any, /) -> Any:
    """log2(2^x1 + 2^x2), without overflow."""
    x, y = as_reals(x1, x2)
    less = snp.log1p(snp.exp2(-snp.abs(x - y))) / math.log(2)
    return snp.maximum(x, y) + snp.where(x == y, 1.0, less)


@numpy_like(np.modf)
def modf(x: Any, /) -> tuple[Any, Any]:
    """The part behind the point and the whole part, both with the sign of x."""
    (x,) = as_reals(x)
    whole = snp.trunc(x)
    part = snp.where(snp.isinf(x), 0.0, x - whole)
    return snp.copysign(part, x), whole


@numpy_like(np.ldexp)
def ldexp(x1: Any, x2: Any, /) -> Any:
    """x1 · 2^x2, rounded once."""
    (x,), (exponent,) = as_reals(x1), as_numbers(traced(x2))
    if not common_dtype(exponent).is_integer:
        raise DTypeError(
            f"ldexp: exponents of type {exponent.dtype}", fix="use integers", loc=user_location()
        )
    exponent = convert(exponent, DType.I64)
    dtype = common_dtype(x)
    wide = convert(x, dtype.computed)
    least, greatest = (-1022, 1023) if common_dtype(wide) is DType.F64 else (-126, 127)
    for _ in range(3):
        step = snp.clip(exponent, least, greatest)
        wide = wide * snp.exp2(convert(step, common_dtype(wide)))
        exponent = exponent - step
    return convert(wide, dtype)


@numpy_like(np.frexp)
def frexp(x: Any, /) -> tuple[Any, Any]:
    """m and the integer n with x = m · 2^n and 0.5 <= |m| < 1; n is 0 for zero, NaN, infinities."""
    (x,) = as_reals(x)
    wide = convert(x, DType.F64)
    least = 2.0**-1022
    size = snp.abs(wide)
    plain = (size > 0) & snp.isfinite(wide)
    tiny = size < least
    size = snp.where(plain, snp.where(tiny, size * 2.0**54, size), 1.0)
    power = snp.floor(snp.log2(size)) + 1  # off by one where the logarithm is rounded up
    half = snp.floor(power / 2)
    m = size * snp.exp2(-half) * snp.exp2(half - power)
    above, below = m >= 1, m < 0.5
    m = snp.where(above, m / 2, snp.where(below, m * 2, m))
    power = power + snp.where(above, 1.0, snp.where(below, -1.0, 0.0)) - snp.where(tiny, 54.0, 0.0)
    whole = snp.where(plain, power, 0.0)
    found = snp.where(plain, snp.copysign(m, wide), wide)
    return convert(found, common_dtype(x)), convert(whole, DType.I32)


@numpy_like(np.spacing)
def spacing(x: Any, /) -> Any:
    """The distance from x to the next number away from zero; of float16 to the next greater one,
    as NumPy has it."""
    (x,) = as_reals(x)
    if common_dtype(x) is DType.F16:
        step = snp.nextafter(x, snp.full_like(x, np.inf)) - x
        return snp.where(snp.isinf(x), math.nan, step)
    size = snp.abs(x)
    step = snp.nextafter(size, snp.full_like(size, np.inf)) - size
    return snp.where(x < 0, -step, step)
