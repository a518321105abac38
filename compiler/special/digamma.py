"""The derivatives of the logarithm of the gamma function."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

from ..kernel.number import Number, polynomial, select
from .steps import PI, in_double, reduced, within

__all__ = ["bernoulli", "digamma", "polygamma"]

_LARGE = 4.0
_LOW, _MIDDLE, _UPPER = 0.9, 2.2, 3.2
# The zero of ψ less one, as a sum of two.
_ZERO, _ZERO_REST = 0.46163214496836236, -1.5522348162858677e-17
_TERMS = 12  # of the Euler-Maclaurin sum

# ψ(x) = (x - zero) P((x - 3/2) / (x + 3/2)): tools/fit_special.py digamma
_DIGAMMA = (
    0.9510558760318328,
    -1.2708822638443813,
    0.8940000943228327,
    -0.9480504699661467,
    0.8970527239091234,
    -0.9236820282116024,
    0.9043231381839454,
    -0.9182041370030124,
    0.9075818926658402,
    -0.9159382692358142,
    0.9092527444896028,
    -0.9145206491123459,
    0.9081239767134623,
    -0.92269338608507,
    0.9384065440458362,
    -0.7511886750300888,
    0.8098047205860556,
    -2.1776063694094896,
)

# ψ(x) = log(x) - y / 2 - y² P(y²), y = 1 / x: tools/fit_special.py digamma_tail
_DIGAMMA_TAIL = (
    0.08333333333331924,
    -0.008333333324960729,
    0.003968252184969657,
    -0.004166474856821679,
    0.0075637395312632555,
    -0.020620605043624507,
    0.07120069973637701,
    -0.23275878249480197,
    0.44946079831381164,
)


@in_double
def digamma(x: Number) -> Number:
    """ψ(x), the logarithmic derivative of Γ; NaN at negative integers."""
    left = x < 0.0
    value = _right_digamma(select(left, 1.0 - x, x))
    _, rest = reduced(x)
    value = select(left, value - x.of(PI) / (rest * PI).emit("tan"), value)
    pole = (x < 0.0) & rest.equals(0.0) | x.equals(-math.inf)
    value = select(x.equals(0.0), -x.of(math.inf).with_sign_of(x), value)
    return select(pole, math.nan, value)


def _right_digamma(x: Number) -> Number:
    """ψ(x) for x > 0."""
    small = within(x < _LARGE, x, 1.5)
    low, once, twice = small < _LOW, small > _MIDDLE, small > _UPPER
    d = small - select(twice, 3.0, select(once, x.of(2.0), select(low, x.of(0.0), 1.0)))
    near = ((d - _ZERO) - _ZERO_REST) * polynomial((d - 0.5) / (d + 2.5), _DIGAMMA)
    near = near - select(low, 1.0 / small, 0.0) + select(once, 1.0 / (small - 1.0), 0.0)
    near = near + select(twice, 1.0 / (small - 2.0), 0.0)
    inverse = 1.0 / within(x >= _LARGE, x, _LARGE)
    square = inverse * inverse
    rest = inverse * 0.5 + square * polynomial(square, _DIGAMMA_TAIL)
    return select(x >= _LARGE, x.emit("log") - rest, near)


@in_double
def polygamma(x: Number, *, order: int = 1) -> Number:
    """The derivative of ψ of an order from 1 on."""
    left = x < 0.0
    value = _right_polygamma(select(left, 1.0 - x, x), order)
    _, rest = reduced(x)
    slope = _cotangent_derivative(1.0 / (rest * PI).emit("tan"), order) * PI ** (order + 1)
    mirrored = (value if order % 2 == 0 else -value) - slope
    pole = left & rest.equals(0.0)
    at_pole = math.inf if order % 2 else math.nan
    return select(pole, at_pole, select(left, mirrored, value))


def _right_polygamma(x: Number, order: int) -> Number:
    """±order! Σ (x + k)**-(order + 1), by the Euler-Maclaurin formula; all terms have one sign."""
    count = 8 + 2 * order
    near = x < float(count)
    far = select(near, x + float(count), x)
    inverse = 1.0 / far
    square = inverse * inverse
    bernoulli = polynomial(square, _euler_maclaurin(order))
    tail = _power(inverse, order)
    total = tail * (inverse * 0.5) + tail * (square * bernoulli) + tail * (1.0 / order)
    for k in reversed(range(count)):
        total = total + select(near, 1.0 / _power(x + float(k), order + 1), 0.0)
    return total * float(math.factorial(order) * (-1) ** (order + 1))


def _power(x: Number, exponent: int) -> Number:
    """A whole power by squaring."""
    if exponent == 1:
        return x
    half = _power(x, exponent // 2)
    return half * half * x if exponent % 2 else half * half


def _euler_maclaurin(order: int) -> tuple[float, ...]:
    """B(2j) / (2j)! (s)(s + 1)...(s + 2j - 2) for s = order + 1."""
    return tuple(
        float(number * math.prod(range(order + 1, order + 2 * j)) / math.factorial(2 * j))
        for j, number in enumerate(bernoulli(), 1)
    )


@cache
def bernoulli() -> tuple[Fraction, ...]:
    """B(2), B(4), ..., B(2 _TERMS)."""
    found = [Fraction(1)]
    for m in range(1, 2 * _TERMS + 1):
        total = sum((math.comb(m + 1, k) * b for k, b in enumerate(found)), Fraction(0))
        found.append(-total / (m + 1))
    return tuple(found[2::2])


def _cotangent_derivative(cotangent: Number, order: int) -> Number:
    """The derivative of cot, over the cotangent itself: c' = -(1 + c²)."""
    total = cotangent.of(0.0)
    for coefficient in reversed(_cotangent_polynomial(order)):
        total = total * cotangent + float(coefficient)
    return total


def _cotangent_polynomial(order: int) -> list[int]:
    coefficients = [0, 1]
    for _ in range(order):
        slopes = [k * c for k, c in enumerate(coefficients)][1:]
        coefficients = [0] * (len(slopes) + 2)
        for k, slope in enumerate(slopes):
            coefficients[k] -= slope
            coefficients[k + 2] -= slope
    return coefficients
