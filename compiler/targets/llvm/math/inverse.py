"""asin, acos, atan and atan2."""

from __future__ import annotations

import math

from symfuse.runtime.dtypes import DType

from ....kernel.number import Number, Table, formula, horner, select
from .trigonometric import PI
from .twofold import fast_two_sum

__all__ = ["acos", "asin", "atan", "atan2"]

# asin(s) = s + s**3 P(s**2) up to 1/2: tools/fit_math.py asin
_ASIN: Table = {
    DType.F32: (
        0.16666752099990845,
        0.07495307177305222,
        0.04546961560845375,
        0.024181757122278214,
        0.04216449707746506,
    ),
    DType.F64: (
        0.16666666666665403,
        0.0750000000033857,
        0.044642856826958566,
        0.030381959196508258,
        0.02237175655796615,
        0.01735972814890913,
        0.013884996553167248,
        0.0121708284241194,
        0.006520788006442364,
        0.019548437589320105,
        -0.016256657719631615,
        0.03193497257743033,
    ),
}
# atan(t) = t + t**3 P(t**2) up to 1: tools/fit_math.py atan
_ATAN: Table = {
    DType.F32: (
        -0.33333298563957214,
        0.1999852955341339,
        -0.1426403820514679,
        0.1095113530755043,
        -0.0840044692158699,
        0.057907283306121826,
        -0.031128663569688797,
        0.01088861096650362,
        -0.001787880901247263,
    ),
    DType.F64: (
        -0.33333333333333065,
        0.19999999999950946,
        -0.14285714282544335,
        0.11111111006087267,
        -0.09090906985782278,
        0.07692279631311802,
        -0.06666402299286374,
        0.058805169937303434,
        -0.05253468723225112,
        0.04722147251551206,
        -0.04218704765406441,
        0.036631925787021104,
        -0.029887500230593052,
        0.02196409067671742,
        -0.013880362110654942,
        0.0071817375633152596,
        -0.002877073700834352,
        0.0008284638608395774,
        -0.00015152258361197962,
        1.3159204709685986e-05,
    ),
}


def _pi(dtype: DType, part: float) -> tuple[float, float]:
    high, low, _ = PI[dtype]
    return part * high, part * low


def _reduced_asin(x: Number) -> tuple[Number, Number, Number]:
    """Whether |x| <= 1/2; v = x there and sqrt((1 - |x|) / 2) beyond; and asin(v) - v."""
    size = abs(x)
    small = size <= 0.5
    z = select(small, x * x, (1.0 - size) * 0.5)
    v = select(small, x, z.sqrt())
    return small, v, v * z * horner(z, _ASIN[x.dtype])


def _quarter_less(v: Number, rest: Number) -> Number:
    """pi/2 - (v + rest)."""
    high, low = _pi(v.dtype, 0.5)
    total, lost = fast_two_sum(v.of(high), -v)
    return total + ((lost + low) - rest)


@formula
def asin(x: Number) -> Number:
    """The angle in [-pi/2, pi/2] with this sine."""
    small, v, rest = _reduced_asin(x)
    near = _quarter_less(v + v, rest + rest)
    return select(small, v + rest, near.with_sign_of(x))


@formula
def acos(x: Number) -> Number:
    """The angle in [0, pi] with this cosine."""
    small, v, rest = _reduced_asin(x)
    y = select(x > 0.5, v + rest, _quarter_less(v, rest))
    return select(small, y, y + y)


def _from_base(high: Number, low: Number, t: Number) -> Number:
    """high + low + atan(t), for |t| <= 1 and a base of zero or at least pi/2."""
    z = t * t
    rest = t * z * horner(z, _ATAN[t.dtype])
    total, lost = fast_two_sum(high, t)
    return total + ((lost + low) + rest)


@formula
def atan(x: Number) -> Number:
    """The angle in [-pi/2, pi/2] with this tangent."""
    size = abs(x)
    steep = size > 1.0
    t = select(steep, x.of(-1.0), size) / select(steep, size, 1.0)
    high, low = (select(steep, x.of(part), 0.0) for part in _pi(x.dtype, 0.5))
    return _from_base(high, low, t).with_sign_of(x)


@formula
def atan2(y: Number, x: Number) -> Number:
    """The angle of the point (x, y)."""
    height, width = abs(y), abs(x)
    steep, left = height > width, x.emit("signbit")
    small, large = select(steep, width, height), select(steep, height, width)
    t = small / large
    # Quotients without a value of their own: 0 / 0 and inf / inf.
    t = select(small.equals(large), select(small > 0.0, x.of(1.0), 0.0), t)
    t = select(steep ^ left, -t, t)
    quarter, half = _pi(x.dtype, 0.5), _pi(x.dtype, 1.0)
    high, low = (
        select(steep, x.of(upright), select(left, x.of(level), 0.0))
        for upright, level in zip(quarter, half, strict=True)
    )
    return select(y.isnan() | x.isnan(), math.nan, _from_base(high, low, t).with_sign_of(y))
