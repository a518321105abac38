"""The gamma function, its logarithm and the beta functions.

Below 4, recurrence leads to an interval of length one or two, where a polynomial serves. Above,
there is Stirling's formula with a fitted rest, and left of zero Euler's reflection.
"""

from __future__ import annotations

import math

from ..kernel.number import Number, polynomial, select
from .steps import PI, in_double, is_odd, sine_of_pi, within

__all__ = [
    "beta", "betaln", "binet", "binet_fall", "gamma", "gamma_factors", "gammaln",
    "log_gamma_after_one",
]  # fmt: skip

_LARGE = 4.0
_OVERFLOW = 200.0  # from 171.7 on the result is infinite
_EXACT = 19.0  # up to 17!, rounding corrects all errors
_HALVED = 140.0  # from 143 on, the power in Stirling's formula overflows
_ROOT_TWO_PI = 2.5066282746310007
_HALF_LOG_TWO_PI = 0.9189385332046728
# Where recurrence begins for the logarithm: log(x) stays away from what it is added to.
_LOW, _MIDDLE, _UPPER = 0.7, 2.6, 3.6

# 1 / Γ(3/2 + t), |t| ≤ 1/2: tools/fit_special.py rgamma
_RECIPROCAL = (
    1.1283791670955126,
    -0.0411745264452831,
    -0.5266544355255387,
    0.17510202604393338,
    0.05096686024736792,
    -0.04215516936846563,
    0.006612897834166326,
    0.0021207314410001026,
    -0.0011107303297900543,
    0.0001523576381099421,
    2.5355590681140465e-05,
    -1.3896908169778895e-05,
    2.1552990891620767e-06,
    5.826728650599668e-08,
    -8.866304319524045e-08,
    1.660238418799814e-08,
)

# Γ(x) = √(2π) x**(x - 1/2) e**-x (1 + y P(y)), y = 1 / x: tools/fit_special.py stirling
_STIRLING = (
    0.0833333333333377,
    0.0034722222211478722,
    -0.0026813270684019263,
    -0.00022947604577926116,
    0.0007841383398918392,
    6.815250160124362e-05,
    -0.0005755868361377606,
    -0.0001691842091063382,
    0.0013944926990595828,
    -0.001583951847837921,
    0.000650680263349639,
)

# log Γ(x) = (x - 1/2) log(x) - x + log(2π) / 2 + y P(y²), y = 1 / x: tools/fit_special.py binet
_BINET = (
    0.08333333333333316,
    -0.0027777777776055008,
    0.0007936507428404286,
    -0.0005952312428084908,
    0.0008412438496466922,
    -0.001894968015228263,
    0.005775893209428622,
    -0.017921414563758523,
    0.034588509379368616,
)

# log Γ(x) = (x - 1) (x - 2) P((x - 3/2) / (x + 3/2)): tools/fit_special.py lgamma
_LOGARITHM = (
    0.48312895054098093,
    -0.43787968774291836,
    0.12832292192809142,
    -0.15080363092796822,
    0.08530564283838589,
    -0.09321052270307362,
    0.06382811745076647,
    -0.06769490539547514,
    0.0509159359291366,
    -0.05319453632241541,
    0.04232038442995126,
    -0.043835008717212375,
    0.03634404638496558,
    -0.037037481992180786,
    0.030014799981905767,
    -0.0359729044481755,
    0.03839300530652569,
    -0.0005657152095885757,
    0.0013427220749865775,
    -0.11946006055228832,
)


@in_double
def gamma(x: Number) -> Number:
    """Γ(x); NaN at negative integers, infinite with the sign of x at zero."""
    size = abs(x)
    left, right = gamma_factors(size)
    reflected = x.of(-PI) / (size * sine_of_pi(size)) / left / right
    right_half = left * right
    factorial = x.equals(x.emit("floor")) & (x < _EXACT)
    right_half = select(factorial, right_half.emit("rint"), right_half)
    value = select(x < 0.0, reflected, right_half)
    pole = (x < 0.0) & x.equals(x.emit("floor"))
    value = select(x.equals(0.0), x.of(math.inf).with_sign_of(x), value)
    return select(pole, math.nan, value)


def gamma_factors(x: Number) -> tuple[Number, Number]:
    """Two factors of Γ(x) for x > 0, neither of which overflows before 200."""
    large = x >= _LARGE
    small = _by_recurrence(within(x < _LARGE, x, 1.5))
    bounded = select(x > _OVERFLOW, _OVERFLOW, within(large, x, _LARGE))
    halved = bounded > _HALVED
    exponent = bounded - 0.5
    root = bounded.emit("pow", select(halved, exponent * 0.5, exponent))
    inverse = 1.0 / bounded
    rest = inverse * polynomial(inverse, _STIRLING) + 1.0
    other = root * ((-bounded).emit("exp") * (rest * _ROOT_TWO_PI))
    return select(large, other, small), select(large & halved, root, 1.0)


def _by_recurrence(x: Number) -> Number:
    """Γ(x) for 0 < x < 4, from 1 / Γ between 1 and 2."""
    third, second, first = x >= 3.0, x >= 2.0, x < 1.0
    whole = select(third, 3.0, select(second, x.of(2.0), select(first, x.of(0.0), 1.0)))
    factor = select(second, x - 1.0, 1.0) * select(third, x - 2.0, 1.0)
    return factor / (select(first, x, 1.0) * polynomial((x - whole) - 0.5, _RECIPROCAL))


@in_double
def gammaln(x: Number) -> Number:
    """log |Γ(x)|."""
    return _logarithm(x)


def _logarithm(x: Number) -> Number:
    size = abs(x)
    upper = _positive_logarithm(size)
    share = size * abs(sine_of_pi(size)) * (1 / PI)
    reflected = -share.emit("log") - upper
    near_zero = size < 2.0**-60
    value = select((x < 0.0) & ~near_zero, reflected, upper)
    pole = (x <= 0.0) & x.equals(x.emit("floor"))
    return select(pole, math.inf, value)


def _positive_logarithm(x: Number) -> Number:
    """log Γ(x) for x ≥ 0."""
    large = x >= _LARGE
    small = within(x < _LARGE, x, 1.5)
    low, twice, once = small < _LOW, small > _UPPER, small > _MIDDLE
    # One logarithm serves for all: of x, of 1 or of what recurrence has left behind.
    factor = select(once, small - 1.0, 1.0) * select(twice, small - 2.0, 1.0)
    argument = select(large, x, select(low, small, factor))
    log = argument.emit("log")
    whole = select(twice, 3.0, select(once, x.of(2.0), select(low, x.of(0.0), 1.0)))
    d = small - whole
    near = log_gamma_after_one(d) + select(low, -log, log)
    far = (x - 0.5) * (log - 1.0) + (binet(within(large, x, _LARGE)) + (_HALF_LOG_TWO_PI - 0.5))
    return select(large, far, near)


def log_gamma_after_one(d: Number) -> Number:
    """log Γ(1 + d) for -0.3 ≤ d ≤ 1.6, with all digits of a small d."""
    return d * (d - 1.0) * polynomial((d - 0.5) / (d + 2.5), _LOGARITHM)


def binet(x: Number) -> Number:
    """What Stirling's formula lacks, for x ≥ 4."""
    inverse = 1.0 / x
    return inverse * polynomial(inverse * inverse, _BINET)


def binet_fall(x: Number, step: Number) -> Number:
    """binet(x) - binet(x + step), with all digits for a small step."""
    left, right = 1.0 / x, 1.0 / (x + step)
    first, second = left * left, right * right
    slope, before, behind = x.of(0.0), x.of(_BINET[-1]), x.of(_BINET[-1])
    for coefficient in reversed(_BINET[:-1]):
        slope = slope * second + before
        before, behind = before * first + coefficient, behind * second + coefficient
    return step * left * right * (left * (left + right) * slope + behind)


@in_double
def betaln(a: Number, b: Number) -> Number:
    """log |B(a, b)|: for great arguments by differences of the rests in Stirling's formula."""
    return _beta_logarithm(a, b)


def _beta_logarithm(a: Number, b: Number) -> Number:
    """The plan is that of A. R. DiDonato and A. H. Morris, Algorithm 708 (TOMS 18, 1992)."""
    low, high = a.emit("min", b), a.emit("max", b)
    both, one = low >= _LARGE, (high >= _LARGE) & (low > 0.0)
    p, q = within(both, low, _LARGE), within(one, high, _LARGE)
    total = within(one, low, _LARGE) + q
    ratio = within(one, low, _LARGE) / q
    rest = binet(q) - binet(total)
    bend = ratio.emit("log1p")
    # log(Γ(q) / Γ(total)), to which log Γ(low) is to be added.
    quotient = rest - (q + (low - 0.5)) * bend - low * (q.emit("log") - 1.0)
    log_share = (p / (p + q)).emit("log")
    far = binet(p) + rest + _HALF_LOG_TWO_PI - q.emit("log") * 0.5
    far = far + (p - 0.5) * log_share - q * bend
    first = _logarithm(low)
    near = (first + _logarithm(within(~one, high, 1.0))) - _logarithm(within(~one, low + high, 1.0))
    value = select(both, far, select(one, first + quotient, near))
    value = select(high.equals(math.inf) & (low > 0.0), -math.inf, value)
    return _at_poles(low, high, value)


def _at_poles(low: Number, high: Number, value: Number) -> Number:
    """NaN where an argument is a negative integer, else infinity where one is zero."""
    value = select(low.equals(0.0) | high.equals(0.0), math.inf, value)
    whole = low.equals(low.emit("floor")) & (low < 0.0)
    return select(whole | (high.equals(high.emit("floor")) & (high < 0.0)), math.nan, value)


@in_double
def beta(a: Number, b: Number) -> Number:
    """B(a, b) = Γ(a) Γ(b) / Γ(a + b), through logarithms where one of these overflows."""
    log = _beta_logarithm(a, b)
    sign = _sign(a) * _sign(b) * _sign(a + b)
    few = (abs(a) < 2.5) & (abs(b) < 2.5)
    p, q = within(few, a, 1.0), within(few, b, 1.0)
    near = _small_gamma(p) * _small_gamma(q) / _small_gamma(p + q)
    value = select(few & (a > 0.0) & (b > 0.0), near, log.emit("exp") * sign)
    return _at_poles(a, b, value)


def _small_gamma(x: Number) -> Number:
    left, right = gamma_factors(abs(x))
    return left * right


def _sign(x: Number) -> Number:
    """The sign of Γ(x)."""
    negative = (x < 0.0) & is_odd(x.emit("floor"))
    return select(negative, x.of(-1.0), 1.0)
