"""exp, exp2 and expm1: a power of two times a polynomial on half a unit around zero."""

from __future__ import annotations

from symfuse.runtime.dtypes import DType

from ....kernel.number import Number, Table, fma, formula, horner, select

__all__ = ["exp", "exp2", "exp_parts", "expm1", "limit", "scale"]

LOG2_E = 1.4426950408889634
# log(2) to twice the working precision; with fma the first product loses nothing.
LN2 = {
    DType.F32: (0.6931471824645996, -1.9046542121259336e-09),
    DType.F64: (0.6931471805599453, 2.3190468138462996e-17),
}
# Below the first every result is zero, above the second it is infinite.
_EXP_RANGE = {DType.F32: (-104.5, 89.0), DType.F64: (-746.0, 710.0)}
_EXP2_RANGE = {DType.F32: (-151.0, 128.5), DType.F64: (-1076.0, 1024.5)}
_LEAST_EXPM1 = -40.0

# e**r = 1 + r + r**2 P(r): tools/fit_math.py exp
_EXP: Table = {
    DType.F32: (
        0.4999999701976776,
        0.1666654795408249,
        0.04166737198829651,
        0.008366132155060768,
        0.0013877045130357146,
    ),
    DType.F64: (
        0.5000000000000006,
        0.16666666666666677,
        0.04166666666658042,
        0.008333333333364851,
        0.001388888892996422,
        0.0001984126973175677,
        2.480150713856727e-05,
        2.7557418420491945e-06,
        2.762536875209631e-07,
        2.5046119989223332e-08,
    ),
}
# The same with one more term, for results that are small differences.
_EXPM1: Table = {
    DType.F32: (
        0.5,
        0.1666666567325592,
        0.04166649654507637,
        0.008333532139658928,
        0.0013932009460404515,
        0.00019775250984821469,
    ),
    DType.F64: (
        0.5,
        0.16666666666666677,
        0.04166666666666669,
        0.00833333333332181,
        0.0013888888888888217,
        0.00019841269885206045,
        2.4801587288968693e-05,
        2.7557245369948874e-06,
        2.755732275809073e-07,
        2.5108591699039154e-08,
        2.0895461150632283e-09,
    ),
}
# 2**f = 1 + f P(f): tools/fit_math.py exp2
_EXP2: Table = {
    DType.F32: (
        0.6931471824645996,
        0.24022650718688965,
        0.05550405755639076,
        0.009618088603019714,
        0.001333702588453889,
        0.0001545137638458982,
        1.4587055375159252e-05,
    ),
    DType.F64: (
        0.6931471805599453,
        0.24022650695910072,
        0.055504108664823575,
        0.009618129107628026,
        0.0013333558145958227,
        0.00015403530394098258,
        1.5252734258299668e-05,
        1.321548628938857e-06,
        1.0177888450465687e-07,
        7.055067855623942e-09,
        4.4805573119408304e-10,
        2.5518827729115634e-11,
    ),
}


def limit(x: Number, low: float, high: float) -> Number:
    """The number brought between two bounds; NaN stays."""
    x = select(x < low, low, x)
    return select(x > high, high, x)


def scale(x: Number, n: Number) -> Number:
    """x * 2**n, rounded once: by one instruction, or in two steps of which the first is exact."""
    if x.s.scales(x.value):
        whole = (n + x.format.magic_bits).as_float(x.dtype) - x.format.magic  # as n was made
        return Number(x.s, x.s.scaled(x.value, whole.value))
    half = n >> 1
    return x * half.power_of_two(x.dtype) * (n - half).power_of_two(x.dtype)


def _reduce(x: Number) -> tuple[Number, Number]:
    """r and n with x = n log(2) + r and |r| no more than log(2) / 2."""
    high, low = LN2[x.dtype]
    n, count = x.rounded(LOG2_E)
    return fma(n, -low, fma(n, -high, x)), count


def exp_parts(x: Number, correction: Number | None = None) -> tuple[Number, Number]:
    """p and n with e**(x + correction) = 2**n (1 + p), for x within the range of results."""
    r, n = _reduce(x)
    if correction is not None:
        r = r + correction
    return fma(horner(r, _EXP[x.dtype]), r * r, r), n


@formula
def exp(x: Number) -> Number:
    """e**x."""
    p, n = exp_parts(limit(x, *_EXP_RANGE[x.dtype]))
    return scale(p + 1.0, n)


@formula
def exp2(x: Number) -> Number:
    """2**x, exact for integers."""
    x = limit(x, *_EXP2_RANGE[x.dtype])
    whole, n = x.rounded()
    f = x - whole
    return scale(fma(f, horner(f, _EXP2[x.dtype]), 1.0), n)


@formula
def expm1(x: Number) -> Number:
    """e**x - 1, with all digits for small x."""
    r, n = _reduce(limit(x, _LEAST_EXPM1, _EXP_RANGE[x.dtype][1]))
    # Half of the result, as 2**n itself may overflow.
    power = (n - 1).power_of_two(x.dtype)
    beyond = r * r * horner(r, _EXPM1[x.dtype])
    half = fma(power, beyond, fma(power, r, power - 0.5))
    return select(abs(x) < x.format.epsilon / 8, x, half + half)
