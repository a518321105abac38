"""The scaled error function, the normal distribution, and the inverse of erfc.

exp(x²) erfc(x) is the one fit: the tail of the normal distribution, its logarithm and its inverse
follow from it without the loss of digits that squares of great numbers bring.
"""

from __future__ import annotations

import math

from ..kernel.number import Number, polynomial, select
from .inverse_error import erfinv
from .steps import in_double, split_square, within

__all__ = ["erfcinv", "erfcx", "log_ndtr", "logit", "ndtr", "scaled_erfc"]

_ROOT_HALF = 0.7071067811865476
_ROOT_PI = 1.772453850905516
_LOG_TWO = 0.6931471805599453
_VERY_FAR = 1e100  # where the logarithm of the tail is that of its exponential
_NEAR = 0.15  # below it, erfcinv is found by its logarithm

# (1 + 2x) exp(x²) erfc(x) = P((x - 4) / (x + 4)), x ≥ 0: tools/fit_special.py erfcx
_ERFCX = (
    1.2329951186255526,
    -0.1396211168405625,
    0.015379652102620024,
    0.06809705425469155,
    -0.10103906603632411,
    0.09373283499839673,
    -0.06633036581166878,
    0.03716751553662523,
    -0.016197734065721513,
    0.005031969986096771,
    -0.0007577732211017079,
    -0.00019925673704786637,
    0.0001506213142822883,
    -2.4399095414287207e-05,
    -1.122077333859066e-05,
    5.709608317587118e-06,
    2.909459882567528e-07,
    -8.256651272025049e-07,
    7.888001738353458e-08,
    1.1105611605655527e-07,
    -2.1866840133880286e-08,
    -1.5549510946570614e-08,
    3.949911164595546e-09,
    2.268370334850466e-09,
    -5.373770271280953e-10,
    -2.9679828020029174e-10,
    4.1756523318249407e-11,
    2.3603125476537286e-11,
)

# r - erfcinv(2 exp(-r²)) = P((r - 4) / (r + 4)), 3/2 < r < 28: tools/fit_special.py erfcinv
_ERFCINV = (
    0.33906690805080575,
    -0.44588305684831664,
    0.23137776043399658,
    -0.18084569397538633,
    0.1267785456729729,
    -0.10489561624324131,
    0.08146002344572058,
    -0.06641368229050983,
    0.052249948227455295,
    -0.06586430548902913,
    0.0722879512604652,
    -0.03644831830793172,
)


@in_double
def erfcx(x: Number) -> Number:
    """exp(x²) erfc(x)."""
    size = abs(x)
    right = scaled_erfc(size)
    left = _exp_of_square(size, 1.0) * 2.0 - right
    return select(x < 0.0, left, right)


def scaled_erfc(x: Number) -> Number:
    """exp(x²) erfc(x) for x ≥ 0."""
    finite = within(x < math.inf, x, 1e300)
    value = polynomial((finite - 4.0) / (finite + 4.0), _ERFCX) / (finite * 2.0 + 1.0)
    return select(x.equals(math.inf), 0.0, value)


def _exp_of_square(x: Number, factor: float) -> Number:
    """exp(factor x²)."""
    bounded = select(x > 40.0, x.of(40.0), x)
    high, low = split_square(bounded)
    return (high * factor).emit("exp") * (low * factor).emit("exp")


def _half_scaled(size: Number) -> Number:
    """The normal distribution beyond a positive number, over exp(-size² / 2)."""
    return scaled_erfc(size * _ROOT_HALF) * 0.5


@in_double
def ndtr(x: Number) -> Number:
    """The distribution function of the standard normal distribution."""
    size = abs(x)
    middle = size < 0.6
    near = (within(middle, x, 0.0) * _ROOT_HALF).emit("erf") * 0.5 + 0.5
    tail = _exp_of_square(size, -0.5) * _half_scaled(size)
    return select(middle, near, select(x > 0.0, 1.0 - tail, tail))


@in_double
def log_ndtr(x: Number) -> Number:
    """log(ndtr(x)): of 1 - tail, in the middle of (1 + erf) / 2, or of the tail."""
    size = abs(x)
    far = size >= _VERY_FAR
    scaled = _half_scaled(select(far, 1.0, size))
    middle = (x > -1.0) & (x < 0.3)
    error = (within(middle, x, 0.0) * _ROOT_HALF).emit("erf")
    beyond = select(middle, error, -(_exp_of_square(size, -0.5) * scaled)).emit("log1p")
    half_square = size * size * 0.5
    left = select(far, -half_square, scaled.emit("log") - half_square)
    return select(middle, beyond - _LOG_TWO, select(x > 0.0, beyond, left))


@in_double
def erfcinv(y: Number) -> Number:
    """The x with erfc(x) = y."""
    left = y > 1.0
    small = select(left, 2.0 - y, y)
    far = _newton(within((small > 0.0) & (small < _NEAR), small, 0.1))
    far = select(left, -far, far)
    near = Number(y.s, erfinv(y.s, (1.0 - y).value))
    value = select(small < _NEAR, far, near)
    ends = small.equals(0.0)
    value = select(ends, select(left, y.of(-math.inf), math.inf), value)
    return select((small >= 0.0), value, math.nan)


def _newton(y: Number) -> Number:
    """The x with x² - log(exp(x²) erfc(x)) = -log(y) by a step from eight digits."""
    log = y.emit("log")
    r = (_LOG_TWO - log).sqrt()
    x = r - polynomial((r - 4.0) / (r + 4.0), _ERFCINV)
    scaled = scaled_erfc(x)
    error = (x * x + log) - scaled.emit("log")
    return x - error * scaled * (_ROOT_PI / 2)


@in_double
def logit(x: Number) -> Number:
    """log(x / (1 - x)), with all digits near 1/2."""
    middle = abs(x - 0.5) < 0.25
    near = (within(middle, x, 0.5) * 2.0 - 1.0).emit("atanh") * 2.0
    low = x < 0.5
    share = select(low, x, 1.0 - x)
    side = share.emit("log") - (-share).emit("log1p")
    return select(middle, near, select(low, side, -side))
