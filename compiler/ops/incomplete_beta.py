"""The incomplete beta function, a function of two parameters, with its derivatives in all three."""

from __future__ import annotations

import math
from typing import Any

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError

from ..ir.op import Op
from ..ir.types import TensorType
from .arithmetic import negative
from .compare import equal, greater, less, select
from .exponential import exp, log, log1p
from .gamma import betaln, digamma, polygamma
from .kinds import checked, like
from .logic import logical_and
from .sampling import FLOATS, few
from .stepwise import by_steps

__all__ = ["betainc", "betainc_derivative", "betaincc"]

Orders = tuple[int, int]

_SHARES = few((0.3, 6), (0.3, 6), (0.05, 0.95))


def _density(a: Any, b: Any, x: Any, orders: Orders = (0, 0)) -> Any:
    """The derivative of orders in a and b of x**(a - 1) (1 - x)**(b - 1) / B(a, b)."""
    is_inside = logical_and(greater(x, 0), less(x, 1))
    inside = select(is_inside, x, like(0.5, x))
    found = _by_leibniz(a, b, inside, orders)
    first, last = equal(x, 0), equal(x, 1)
    ends = select(first, _at_end(a, b, orders), select(last, _at_end(b, a, orders[::-1]), math.nan))
    return select(is_inside, found, ends)


def _by_leibniz(a: Any, b: Any, x: Any, orders: Orders) -> Any:
    """The same for x between 0 and 1, by the derivatives of the logarithm."""
    if orders == (0, 0):
        return exp((a - 1) * log(x) + (b - 1) * log1p(negative(x)) - betaln(a, b))
    i, j = orders
    if i == 0:
        return _by_leibniz(b, a, 1 - x, (j, i))
    terms = [
        math.comb(i - 1, k) * math.comb(j, m)
        * (_by_leibniz(a, b, x, (k, m)) * _slope(a, b, x, (i - k, j - m)))
        for k in range(i)
        for m in range(j + 1)
    ]  # fmt: skip
    return sum(terms[1:], terms[0])


def _slope(a: Any, b: Any, x: Any, orders: Orders) -> Any:
    """The derivative of the logarithm of the density, at least once in a."""
    count = sum(orders) - 1
    both = polygamma(a + b, order=count) if count else digamma(a + b)
    if orders[1]:
        return both
    return both - polygamma(a, order=count) if count else both - digamma(a) + log(x)


def _at_end(a: Any, b: Any, orders: Orders) -> Any:
    """The density and its derivatives for x = 0."""
    i, j = orders
    pole = like(math.inf if i % 2 == 0 else -math.inf, a)
    one = like(1, b) if j == 1 else like(0, b)
    at_one = pole if i else (b if j == 0 else one)  # where no power of x is left
    return select(less(a, 1), pole, select(equal(a, 1), at_one, like(0, a)))


betainc: Op = by_steps(
    "betainc",
    "incomplete_beta",
    operands=3,
    doc="I(x, y, z) = 1/B(x, y) ∫₀ᶻ t**(x - 1) (1 - t)**(y - 1) dt",
    formula="betainc_regularized(x, y, 0, z)",
    partials=lambda a, b, x, out: (
        lambda: betainc_derivative(a, b, x, orders=(1, 0)),
        lambda: betainc_derivative(a, b, x, orders=(0, 1)),
        lambda: _density(a, b, x),
    ),
    samples=_SHARES,
    ulp=128,
)

betaincc: Op = by_steps(
    "betaincc",
    "incomplete_beta",
    operands=3,
    doc="1 - I(x, y, z), the share of B(x, y) that lies above z",
    formula="betainc_regularized(x, y, z, 1)",
    partials=lambda a, b, x, out: (
        lambda: negative(betainc_derivative(a, b, x, orders=(1, 0))),
        lambda: negative(betainc_derivative(a, b, x, orders=(0, 1))),
        lambda: negative(_density(a, b, x)),
    ),
    samples=_SHARES,
    ulp=128,
)


def _derivative_type(
    a: TensorType, b: TensorType, x: TensorType, *, orders: Orders = (1, 0)
) -> TensorType:
    if min(orders) < 0 or max(orders) < 1:
        raise ShapeError(
            f"there is no betainc_derivative of orders {orders}", fix="orders (0, 0) are betainc"
        )
    return checked("betainc_derivative", (a, b, x), FLOATS)


betainc_derivative: Op = by_steps(
    "betainc_derivative",
    "incomplete_beta",
    operands=3,
    doc="the derivative of I(x, y, z) in x and y, of orders that are not both 0",
    formula="diff(betainc_regularized(x, y, 0, z), (x, orders[0]), (y, orders[1]))",
    result_type=_derivative_type,
    partials=lambda a, b, x, out, *, orders=(1, 0): (
        lambda: betainc_derivative(a, b, x, orders=(orders[0] + 1, orders[1])),
        lambda: betainc_derivative(a, b, x, orders=(orders[0], orders[1] + 1)),
        lambda: _density(a, b, x, orders),
    ),
    samples=_SHARES,
    errors=(((TensorType((3,), DType.F32),) * 3, {"orders": (0, 0)}, ShapeError),),
    ulp=512,
)
