"""erf and erfc."""

from __future__ import annotations

from symfuse.runtime.dtypes import DType

from ....kernel.number import Number, Table, fma, formula, horner, select
from .exponential import exp_parts, scale
from .twofold import fast_two_sum

__all__ = ["erf", "erfc"]

_ERF_SMALL = {DType.F32: 0.93, DType.F64: 1.0}
_ERF_ONE = {DType.F32: 3.95, DType.F64: 5.95}
_ERFC_SMALL = 0.5
_ERFC_ZERO = {DType.F32: 10.2, DType.F64: 27.5}
_CENTER = {DType.F32: 2.0, DType.F64: 4.0}

# erf(x) = x + x P(x**2) for small x: tools/fit_math.py erf
_ERF: Table = {
    DType.F32: (
        0.12837916612625122,
        -0.3761262595653534,
        0.11283578723669052,
        -0.026853352785110474,
        0.005187193397432566,
        -0.0007998396176844835,
        7.809888484189287e-05,
    ),
    DType.F64: (
        0.1283791670955126,
        -0.376126389031841,
        0.11283791670971097,
        -0.026866170648030527,
        0.005223977652682535,
        -0.000854832853497805,
        0.00012055386154488739,
        -1.4926880319178938e-05,
        1.6481037264005315e-06,
        -1.655686792778247e-07,
        1.6011262246786485e-08,
        -1.6456395392224824e-09,
        1.4328255183783545e-10,
    ),
}
# erfc(x) = exp(-x - x P(x)) for the others: tools/fit_math.py erf_tail
_ERF_TAIL: Table = {
    DType.F32: (
        0.1286485642194748,
        0.6351510286331177,
        0.10623731464147568,
        -0.023762384429574013,
        0.003642571857199073,
        -0.00032281799940392375,
        1.1230932614125777e-05,
    ),
    DType.F64: (
        0.12837911816030892,
        0.6366201859287872,
        0.10277111030342453,
        -0.019125705365064152,
        -0.0002106995074949637,
        0.0016908407520219255,
        -0.0005728875529513809,
        -2.3495445252098386e-06,
        9.63230428695307e-05,
        -5.643981945561218e-05,
        2.0503131270822537e-05,
        -5.430233234236142e-06,
        1.0884531860517872e-06,
        -1.6481973347441805e-07,
        1.835934437342779e-08,
        -1.4224929058282695e-09,
        6.853289143509876e-11,
        -1.5460666202187595e-12,
    ),
}
# (1 + 2x) exp(x**2) erfc(x) = P((x - k) / (x + k)), k = _CENTER: tools/fit_math.py erfc
_ERFC: Table = {
    DType.F32: (
        1.2769783735275269,
        -0.09276381880044937,
        -0.16602948307991028,
        0.1640508770942688,
        -0.05423673614859581,
        -0.008027536794543266,
        0.008830128237605095,
        0.00122799479868263,
        -0.0017382395453751087,
        -0.0003257330390624702,
        0.00046173183363862336,
    ),
    DType.F64: (
        1.2329951186255526,
        -0.13962111684056253,
        0.015379652102602184,
        0.06809705425469494,
        -0.10103906603518524,
        0.09373283499825903,
        -0.0663303658400203,
        0.03716751553879539,
        -0.016197733703846424,
        0.005031969971176053,
        -0.0007577759145628017,
        -0.00019925670797812738,
        0.00015063380576721373,
        -2.4398892759142094e-05,
        -1.1257957843985027e-05,
        5.7081066610786554e-06,
        3.62036267746114e-07,
        -8.212584713293549e-07,
        -5.604976906108293e-09,
        1.0416785859119486e-07,
        3.5222392517429354e-08,
        -9.785450059123086e-09,
        -1.32898709709315e-08,
    ),
}


@formula
def erf(x: Number) -> Number:
    """The error function."""
    size = abs(x)
    inner = fma(horner(x * x, _ERF[x.dtype]), x, x)
    one = _ERF_ONE[x.dtype]
    t = select(size > one, one, size)
    p, n = exp_parts(-fma(horner(t, _ERF_TAIL[x.dtype]), t, t))
    outer = (1.0 - (p + 1.0) * n.power_of_two(x.dtype)).with_sign_of(x)
    return select(size < _ERF_SMALL[x.dtype], inner, outer)


def _tail(size: Number) -> Number:
    """erfc for size >= 1/2: exp(-x**2) P(q) / (1 + 2x), with the square to twice the precision."""
    most, center = _ERFC_ZERO[size.dtype], _CENTER[size.dtype]
    size = select(size > most, most, size)
    # One division serves for both quotients.
    plus, divisor = size + center, fma(size, 2.0, 1.0)
    inverse = 1.0 / (plus * divisor)
    constant, *slopes = _ERFC[size.dtype]
    q = (size - center) * divisor * inverse
    value, value_low = fast_two_sum(q.of(constant), q * horner(q, tuple(slopes)))
    inverse = inverse * plus
    quotient = value * inverse
    lost = fma(size, 2.0, 1.0 - divisor)
    rest = fma(-quotient, divisor, value) + fma(-quotient, lost, value_low)
    square = size * size
    p, n = exp_parts(-square, -fma(size, size, -square))
    return scale(quotient + fma(quotient, p, rest * inverse * (p + 1.0)), n)


@formula
def erfc(x: Number) -> Number:
    """1 - erf(x), with all digits for large x."""
    size = abs(x)
    tail = _tail(size)
    outer = select(x < 0.0, 2.0 - tail, tail)
    inner = 1.0 - fma(horner(x * x, _ERF[x.dtype]), x, x)
    return select(size < _ERFC_SMALL, inner, outer)
