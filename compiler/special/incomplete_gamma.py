"""The incomplete gamma functions: the smaller share is computed, the other one is the rest.

Small parameters have a power series on the left and a continued fraction on the right, large ones
near their mean N. M. Temme's uniform expansion: "The asymptotic expansion of the incomplete gamma
functions", SIAM J. Math. Anal. 10 (1979); DLMF 8.7, 8.9, 8.12. The number of terms is fixed: it is
what the slowest arguments of each region need.
"""

from __future__ import annotations

import math

from ..kernel.number import Number, polynomial, select
from .error import scaled_erfc
from .gamma import binet, gamma_factors, log_gamma_after_one
from .series import Series
from .steps import in_double, within

__all__ = ["deviation", "gammainc", "gammainc_derivative", "gammaincc"]

_LARGE = 20.0  # the parameter from which Temme's expansion serves
_CORNER = 1.6  # below it, of both, the logarithm of x**a has to be taken apart
_SERIES, _FRACTION, _CORNER_SERIES = 54, 66, 22  # terms
_MOST_PARAMETER, _MOST = 1700.0, 4100.0  # beyond, outside of the expansion, a share is 0
_ROOT_TWO_PI = 2.5066282746310007

# atanh(r) = r + r³ P(r²), r² < 0.3: tools/fit_special.py atanh
_ATANH = (
    0.3333333333333333,
    0.2000000000000013,
    0.14285714285678178,
    0.11111111115134409,
    0.09090908856111263,
    0.07692315953247127,
    0.06666476562631023,
    0.05885362615420819,
    0.05229331214689016,
    0.05036660805763792,
    0.027245950950321226,
    0.10940196445161064,
    -0.17358989499739882,
    0.4696613579166345,
    -0.5288971733600141,
    0.39318701787097277,
)

# Row k is the coefficient of a**-k, in powers of η, |η| ≤ 1: tools/fit_special.py temme_0 ...
_TEMME = (
    (
        -0.3333333333333333,
        0.08333333333333333,
        -0.014814814814814817,
        0.0011574074074074065,
        0.00035273368606713354,
        -0.00017875514403289025,
        3.919263178353291e-05,
        -2.185448511140547e-06,
        -1.8540621978101622e-06,
        8.296711375267429e-07,
        -1.766595850987402e-07,
        6.7078387179044446e-09,
        1.026197190047858e-08,
        -4.381996438928667e-09,
        9.144746299611406e-10,
        -2.5581073911764557e-11,
        -5.7956520470844304e-11,
        2.4432597524493296e-11,
        -5.294515100870467e-12,
        6.648958081898242e-14,
        4.588461234558097e-13,
        -1.2691593606091375e-13,
    ),
    (
        -0.001851851851851852,
        -0.0034722222222169437,
        0.0026455026454988216,
        -0.0009902263376862584,
        0.00020576131704529727,
        -4.0187447128249094e-07,
        -1.8098552611234542e-05,
        7.649142915396078e-06,
        -1.6120766469396524e-06,
        4.701803812961321e-09,
        1.3782135232801113e-07,
        -5.76174217806152e-08,
        1.2025738096646903e-08,
        6.598389661103504e-11,
        -1.082996662451246e-09,
        3.823214738172556e-10,
        -4.7539974621182166e-11,
    ),
    (
        0.004133597883589748,
        -0.0026813271604913392,
        0.0007716049392528304,
        2.0093875597928106e-06,
        -0.00010736655165444499,
        5.292345478255795e-05,
        -1.2760489444304074e-05,
        3.4190758807164186e-08,
        1.3716590747434386e-06,
        -6.297316595291179e-07,
        1.4387471015208142e-07,
        -5.44255634985814e-10,
        -1.5260733285732295e-08,
        6.611724587719859e-09,
        -7.185628405045643e-10,
        -2.2569378989269513e-10,
    ),
    (
        0.0006494341563786008,
        0.0002294720924363464,
        -0.00046918949424031725,
        0.00026772067381681657,
        -7.561802221026997e-05,
        -2.400768484835215e-07,
        1.108271099475888e-05,
        -5.673029220582335e-06,
        1.4228269848344139e-06,
        -4.497085065836547e-09,
        -1.6894771345789085e-07,
        8.65837820194914e-08,
        -1.996163926497337e-08,
        -3.5917875043716794e-09,
        2.6792775043233227e-09,
    ),
    (
        -0.0008618882909167117,
        0.0007840392799506309,
        -0.00029907248860378487,
        -1.4653849024623596e-06,
        6.64152035149326e-05,
        -3.9671988666409435e-05,
        1.137401477313618e-05,
        -3.773602215012889e-08,
        -1.6896242471551701e-06,
        9.512252661981527e-07,
        -2.3912783190679013e-07,
        -4.664897140694595e-08,
        3.742289725936391e-08,
    ),
    (
        -0.0003367985702735262,
        -6.972814427908328e-05,
        0.0002772764775854421,
        -0.00019932525277238888,
        6.79648031619539e-05,
        1.3704569179633523e-07,
        -1.3539102571590632e-05,
        8.037061554686943e-06,
        -2.4004691523429794e-06,
        -3.076054102603987e-08,
        4.537007270703447e-07,
        -1.6508680042918965e-07,
    ),
    (
        0.0005313087235855947,
        -0.0005921661214716902,
        0.00027084081697736017,
        7.754623723077168e-07,
        -8.12460321932857e-05,
        5.622368809272897e-05,
        -1.9171646697827443e-05,
        -2.584085749853518e-07,
        4.530907300458536e-06,
        -1.8192984927116118e-06,
    ),
    (
        0.0003443367779421564,
        5.170550150529173e-05,
        -0.00033398848948664015,
        0.0002816380977013273,
        -0.00011454624973230052,
        -1.7199738110891458e-06,
        3.620138394521463e-05,
        -1.6417947001465604e-05,
    ),
    (
        -0.0006516418398295948,
        0.000839885347692932,
        -0.0004554496068866779,
        -7.01868315748599e-06,
        0.00021658999196025124,
        -0.00011539757701526129,
    ),
    (
        -0.0005967612901927463,
        -9.922969018084456e-05,
        0.000715298297305502,
        -0.0005577733768635165,
        0.0001426973136417046,
    ),
)


@in_double
def gammainc(a: Number, x: Number) -> Number:
    """P(a, x), the share of the integral of t**(a - 1) exp(-t) that lies below x."""
    return _shares(a, x)[0]


@in_double
def gammaincc(a: Number, x: Number) -> Number:
    """Q(a, x), the share above x."""
    return _shares(a, x)[1]


@in_double
def gammainc_derivative(a: Number, x: Number, *, order: int = 1) -> Number:
    """The derivative of P(a, x) in a, of an order from 1 on: that of its steps.

    As in R. J. Moore: Algorithm AS 187, derivatives of the incomplete gamma integral, Applied
    Statistics 31 (1982), series and fraction are differentiated term by term; and so is Temme's
    expansion.
    """
    usual = (a > 0.0) & (x > 0.0) & (a < math.inf) & (x < math.inf)
    varying = Series.variable(within(usual, a, 1.0), order)
    lower, _ = _inside(varying, varying.of(within(usual, x, 1.0)))
    level = (x.equals(0.0) & (a > 0.0)) | (x.equals(math.inf) & (a > 0.0) & (a < math.inf))
    level = level | (a.equals(math.inf) & (x >= 0.0) & (x < math.inf))
    return select(usual, varying.of(lower).derivative, select(level, a.of(0.0), math.nan))


def _shares(a: Number, x: Number) -> tuple[Number, Number]:
    """P and Q, with their limits and NaN outside."""
    usual = (a > 0.0) & (x > 0.0) & (a < math.inf) & (x < math.inf)
    lower, upper = _inside(within(usual, a, 1.0), within(usual, x, 1.0))
    below = (x.equals(0.0) & (a > 0.0)) | (a.equals(math.inf) & (x < math.inf) & (x >= 0.0))
    above = (a.equals(0.0) & (x > 0.0)) | (x.equals(math.inf) & (a < math.inf) & (a >= 0.0))

    def limited(value: Number, at_left: float, at_right: float) -> Number:
        outside = select(below, x.of(at_left), select(above, x.of(at_right), math.nan))
        return select(usual, value, outside)

    return limited(lower, 0.0, 1.0), limited(upper, 1.0, 0.0)


def _inside(a: Number, x: Number) -> tuple[Number, Number]:
    """P and Q of positive numbers."""
    large, corner = a >= _LARGE, (a < _CORNER) & (x < _CORNER)
    exponent, eta, close = _exponent(a, x, x - a)
    near = large & (exponent * 2.0 <= a) & close
    power, weight = _weights(a, x, exponent)
    left = x <= a
    series = weight * _series(select(a > _MOST_PARAMETER, _MOST_PARAMETER, a), x)
    fraction = weight * (a * _fraction(a, x))
    share = select(left, series, fraction)
    expanded = _expanded(
        within(near, a, _LARGE), within(near, exponent, 0.0), within(near, eta, 0.0), left
    )
    share = select(near, expanded, share)
    rest = 1.0 - share
    lower, upper = select(left, share, rest), select(left, rest, share)
    small = _near_origin(within(corner, a, 1.0), within(corner, x, 1.0), power)
    return select(corner, small[0], lower), select(corner, small[1], upper)


def deviation(a: Number, x: Number, difference: Number) -> Number:
    """x - a - a log(x / a), without cancellation near zero, where the difference of x and a is
    known."""
    return _exponent(a, x, difference)[0]


def _exponent(a: Number, x: Number, difference: Number) -> tuple[Number, Number, Number]:
    """The same; the root of 2 / a times this, with the sign of x - a; and whether x is so close to
    a that the root is known."""
    total = x + a
    ratio = difference / total
    close = ratio * ratio < 0.3
    inner = within(close, ratio, 0.0)
    square = inner * inner
    bend = total - a * (inner * polynomial(square, _ATANH)) * 2.0
    far = difference - a * (x / a).emit("log")
    return select(close, square * bend, far), inner * (bend / a * 2.0).sqrt(), close


def _weights(a: Number, x: Number, exponent: Number) -> tuple[Number, Number]:
    """x**a / Γ(a + 1) for a small a, and this times exp(-x) for any."""
    large = a >= _LARGE
    small = within(~large, a, 1.0)
    left, right = gamma_factors(small + 1.0)
    most = select(x > 1000.0, 1000.0, x)
    power = most.emit("pow", small) / (left * right)
    great = within(large, a, _LARGE)
    root = great.sqrt() * _ROOT_TWO_PI
    far = (-(exponent + binet(great))).emit("exp") / root
    return power, select(large, far, power * (-most).emit("exp"))


def _series(a: Number, x: Number) -> Number:
    """1 + x / (a + 1) (1 + x / (a + 2) (1 + ...)) for x ≤ a, as one quotient."""
    bounded = select(x > a, a, x)
    above, below = a.of(1.0), a.of(1.0)
    for k in range(_SERIES, 0, -1):
        factor = a + float(k)
        above, below = below * factor + bounded * above, below * factor
    return above / below


def _fraction(a: Number, x: Number) -> Number:
    """1 / (x + 1 - a - (1 - a) / (x + 3 - a - 2 (2 - a) / (x + 5 - a - ...))) for x > a."""
    inside = (x > a) & (x >= _CORNER) & (x < _MOST) & (a < _MOST_PARAMETER)
    a, x = within(inside, a, 1.0), within(inside, x, 2.0)
    first = x - a + 1.0
    above, above_before = a.of(1.0), a.of(0.0)
    below, below_before = first, a.of(1.0)
    for k in range(1, _FRACTION):
        factor, step = first + 2.0 * k, (a - float(k)) * float(k)
        above, above_before = factor * above + step * above_before, above
        below, below_before = factor * below + step * below_before, below
    return above / below


def _expanded(a: Number, exponent: Number, eta: Number, left: Number) -> Number:
    """The smaller share by Temme's expansion."""
    inverse = 1.0 / a
    total = polynomial(eta, _TEMME[-1])
    for row in reversed(_TEMME[:-1]):
        total = polynomial(eta, row) + inverse * total
    rest = total / (a.sqrt() * _ROOT_TWO_PI)
    tail = scaled_erfc(select(left, -eta, eta) * (a * 0.5).sqrt()) * 0.5
    return (-exponent).emit("exp") * (tail + select(left, -rest, rest))


def _near_origin(a: Number, x: Number, power: Number) -> tuple[Number, Number]:
    """Both shares of small numbers: Q from 1 - x**a / Γ(a + 1), of which all digits are kept."""
    total, term = x.of(0.0), x.of(1.0)
    for n in range(1, _CORNER_SERIES + 1):
        term = term * x * (-1.0 / n)
        total = total + term / (a + float(n))
    exponent = a * x.emit("log") - log_gamma_after_one(a)
    change = a * total
    return power * (change + 1.0), -exponent.emit("expm1") - power * change
