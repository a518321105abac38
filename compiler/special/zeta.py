"""The zeta function of Hurwitz, by the formula of Euler and Maclaurin (DLMF 25.11.5)."""

from __future__ import annotations

import math

from ..kernel.number import Number, select
from .digamma import bernoulli
from .steps import in_double, within

__all__ = ["zeta"]

_TERMS = 10  # that are summed one by one
_REST = 10  # of the formula
_GREAT = 1e300  # stands for infinity
_MANY = 1e6  # an exponent with which all terms but the first are 0


@in_double
def zeta(x: Number, q: Number) -> Number:
    """Σ (q + k)**-x, k = 0, 1, ...; infinite for x = 1 and for q = 0, -1, ..., NaN for x < 1 and
    for other q < 0."""
    usual = (x > 1.0) & (q > 0.0)
    value = _sum(within(usual, x, 2.0), within(usual, q, 1.0))
    pole = x.equals(1.0) | ((x > 1.0) & (q <= 0.0) & q.equals(q.emit("floor")))
    return select(usual, value, select(pole, x.of(math.inf), math.nan))


def _sum(x: Number, q: Number) -> Number:
    q = q.emit("min", _GREAT)
    end = q + float(_TERMS)
    last, inverse = end.emit("pow", -x), 1.0 / end
    few = x.emit("min", _MANY)
    total = last * end / (x - 1.0) + last * 0.5
    factor = last * few * inverse
    for j, number in enumerate(bernoulli()[:_REST], 1):
        total = total + factor * float(number / math.factorial(2 * j))
        factor = factor * ((few + float(2 * j - 1)) * inverse) * ((few + float(2 * j)) * inverse)
    for k in reversed(range(_TERMS)):
        total = total + (q + float(k)).emit("pow", -x)
    return total
