"""Roots without a library: rsqrt, cbrt and hypot."""

from __future__ import annotations

import math

from symfuse.runtime.dtypes import DType

from ....kernel.number import Number, fma, formula, select

__all__ = ["cbrt", "hypot", "rsqrt"]

# x**(-1/3) to 5 %: these bits less a third of those of x (the high half of them, for f64).
_CBRT_BITS = {DType.F32: 0x54A21D2A, DType.F64: 0x553EF0FF}
_THIRD = 0x55555556
# Powers of two: to bring subnormal numbers up, and the cube root of that to bring results down.
_LIFT = {DType.F32: (2.0**24, 2.0**-8), DType.F64: (2.0**54, 2.0**-18)}
# Squares neither overflow nor lose digits between 2**-k and 2**k; a factor brings the rest there.
_SAFE = {DType.F32: (60, 2.0**100), DType.F64: (500, 2.0**600)}


@formula
def rsqrt(x: Number) -> Number:
    """1 / sqrt(x)."""
    return 1.0 / x.sqrt()


def _rough_inverse_cbrt(x: Number) -> Number:
    bits = x.bits().convert(DType.U64)
    if x.dtype is DType.F64:
        rough = (bits >> 32) * _THIRD >> 32
        return ((_CBRT_BITS[x.dtype] - rough) << 32).as_float(x.dtype)
    rough = bits * _THIRD >> 32
    return (_CBRT_BITS[x.dtype] - rough).convert(DType.U32).as_float(x.dtype)


@formula
def cbrt(x: Number) -> Number:
    """The cube root, from x**(-1/3) by iterations without division."""
    size = abs(x)
    tiny = size < x.format.least_normal
    up, down = _LIFT[x.dtype]
    a = select(tiny, size * up, size)
    r = _rough_inverse_cbrt(a)
    for _ in range(2 if x.dtype is DType.F32 else 3):
        # r (1 + e/3 + 2/9 e**2) with e = 1 - a r**3
        e = fma(-(a * r), r * r, 1.0)
        r = fma(r * e, fma(e, 2.0 / 9.0, 1.0 / 3.0), r)
    inverse = r * r
    y = a * inverse
    square = y * y
    error = fma(square, y, -a) + fma(y, y, -square) * y
    y = fma(error * inverse, -1.0 / 3.0, y)
    y = select(tiny, y * down, y)
    return select((size > 0.0) & (size < math.inf), y.with_sign_of(x), x)


@formula
def hypot(x: Number, y: Number) -> Number:
    """sqrt(x**2 + y**2) without overflow; infinite beside NaN, too."""
    a, b = abs(x), abs(y)
    swap = a < b
    large, small = select(swap, b, a), select(swap, a, b)
    k, factor = _SAFE[x.dtype]
    up, down = x.of(factor), x.of(1.0 / factor)
    far, near = large > 2.0**k, large < 2.0**-k
    by = select(far, down, select(near, up, 1.0))
    back = select(far, up, select(near, down, 1.0))
    scaled, other = large * by, small * by
    root = fma(scaled, scaled, other * other).sqrt() * back
    return select(a.equals(math.inf) | b.equals(math.inf), math.inf, root)
