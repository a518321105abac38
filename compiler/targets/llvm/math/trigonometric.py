"""sin, cos and tan, with arguments reduced by pi in three parts (Cody and Waite, with fma)."""

from __future__ import annotations

from symfuse.runtime.dtypes import DType

from ....kernel.number import Number, Table, fma, formula, horner, select
from .twofold import fast_two_sum, two_product

__all__ = ["cos", "sin", "tan"]

ONE_OVER_PI = 0.3183098861837907
# pi as the sum of three floats, each the nearest to what the ones before leave over.
PI = {
    DType.F32: (3.1415927410125732, -8.742277657347586e-08, -3.4302490200117637e-15),
    DType.F64: (3.141592653589793, 1.2246467991473532e-16, -2.9947698097183397e-33),
}
# Beyond these, three parts of pi are too few.
_LARGE = {DType.F32: 2.0**16, DType.F64: 2.0**27}

# sin(r) = r + r**3 P(r**2) up to pi/2: tools/fit_math.py sin
_SIN: Table = {
    DType.F32: (
        -0.1666666716337204,
        0.008333350531756878,
        -0.00019843093468807638,
        2.7627065719570965e-06,
        -2.550359212705189e-08,
    ),
    DType.F64: (
        -0.16666666666666666,
        0.008333333333333215,
        -0.00019841269841218165,
        2.7557319213008896e-06,
        -2.5052107091164256e-08,
        1.6058954633078195e-10,
        -7.643585750119211e-13,
        2.7339325035974875e-15,
        -1.141499713527452e-18,
    ),
}
# The same up to pi/4, and cos(r) = 1 - z/2 + z**2 P(z), z = r**2: tools/fit_math.py tan
_NEAR_SIN: Table = {
    DType.F32: (
        -0.16666655242443085,
        0.008332189172506332,
        -0.00019518288900144398,
    ),
    DType.F64: (
        -0.1666666666666663,
        0.008333333333321839,
        -0.00019841269829356452,
        2.755731353764464e-06,
        -2.5050734236314405e-08,
        1.5895423667107e-10,
    ),
}
_NEAR_COS: Table = {
    DType.F32: (
        0.04166664555668831,
        -0.0013887309469282627,
        2.4432323698420078e-05,
    ),
    DType.F64: (
        0.041666666666666595,
        -0.0013888888888873342,
        2.4801587289001707e-05,
        -2.7557314216782686e-07,
        2.0875705339579394e-09,
        -1.1358745211072621e-11,
    ),
}


def _reduce(x: Number, turns: Number, part: float) -> tuple[Number, Number]:
    """x - turns * pi * part as the sum of two floats, with all digits even where little is left."""
    first, second, third = (part * c for c in PI[x.dtype])
    near = fma(turns, -first, x)
    product, lost = two_product(turns, x.of(-second))
    high, low = fast_two_sum(near, product)
    return high, fma(turns, -third, low + lost)


def _sine(r: Number, low: Number) -> Number:
    """sin(r + low) for |r| up to pi/2."""
    z = r * r
    slope = fma(z, -4 * ONE_OVER_PI**2, 1.0)  # near cos(r), and zero with it
    cubic, *higher = _SIN[r.dtype]
    # Near pi/2 the cubic term is large, so its coefficient enters without another rounding.
    cube = r * z
    tail = fma(cube * z, horner(z, tuple(higher)), low * slope)
    return r + fma(cube, cubic, tail)


def _sine_and_cosine(r: Number, low: Number) -> tuple[tuple[Number, Number], ...]:
    """sin(r + low) and cos(r + low) for |r| up to pi/4, each as the sum of two floats."""
    z = r * r
    half = z * 0.5
    near = 1.0 - half
    sine = fma(r * z, horner(z, _NEAR_SIN[r.dtype]), low * near)
    lost = (1.0 - near) - half
    cosine = lost + fma(z * z, horner(z, _NEAR_COS[r.dtype]), -(r * low))
    return fast_two_sum(r, sine), fast_two_sum(near, cosine)


def _flip_if_odd(x: Number, n: Number) -> Number:
    """x with its sign changed where the integer n is odd."""
    return (x.bits() ^ (n << (x.format.width - 1))).as_float(x.dtype)


def _exact_if_large(x: Number, y: Number, name: str) -> Number:
    large = abs(x) > _LARGE[x.dtype]
    routine = name + x.format.suffix
    return Number(x.s, x.s.rare(large.value, y.value, routine, x.value))


@formula
def sin(x: Number) -> Number:
    """The sine."""
    turns, n = x.rounded(ONE_OVER_PI)
    y = _flip_if_odd(_sine(*_reduce(x, turns, 1.0)), n)
    return _exact_if_large(x, select(x.equals(0.0), x, y), "sin")


@formula
def cos(x: Number) -> Number:
    """The cosine, as a sine about the nearest odd multiple of pi/2."""
    turns, n = fma(x, ONE_OVER_PI, -0.5).rounded()
    y = _flip_if_odd(_sine(*_reduce(x, turns + 0.5, 1.0)), n + 1)
    return _exact_if_large(x, y, "cos")


@formula
def tan(x: Number) -> Number:
    """The tangent, sin / cos or -cos / sin about the nearest multiple of pi/2."""
    turns, n = x.rounded(2 * ONE_OVER_PI)
    r, low = _reduce(x, turns, 0.5)
    sine, cosine = _sine_and_cosine(r, low)
    odd = (n & 1).differs(0)
    above, above_low = (select(odd, -c, s) for s, c in zip(sine, cosine, strict=True))
    below, below_low = (select(odd, s, c) for s, c in zip(sine, cosine, strict=True))
    inverse = 1.0 / below
    y = above * inverse
    y = fma(fma(-y, below, above) + fma(-y, below_low, above_low), inverse, y)
    return _exact_if_large(x, select(x.equals(0.0), x, y), "tan")
