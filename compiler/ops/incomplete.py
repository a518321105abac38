"""Functions of an argument and a parameter: incomplete gamma functions, the zeta function."""

from __future__ import annotations

import math
from typing import Any

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError

from ..ir.op import Op
from ..ir.types import TensorType
from .arithmetic import negative
from .compare import equal, greater, less, select
from .exponential import exp, log
from .gamma import digamma, gammaln, of_order, polygamma
from .kinds import like
from .logic import logical_and
from .sampling import few
from .stepwise import by_steps

__all__ = ["gammainc", "gammainc_derivative", "gammaincc", "zeta"]

_SHARES = few((0.3, 6), (0.2, 6))


def _density(a: Any, x: Any, order: int = 0) -> Any:
    """The derivative of an order in a of x**(a - 1) exp(-x) / gamma(a), by Leibniz's formula: the
    logarithm of this has the derivative log(x) - digamma(a)."""
    is_inside = logical_and(greater(x, 0), less(x, math.inf))
    inside = select(is_inside, x, like(1, x))
    found = [exp((a - 1) * log(inside) - inside - gammaln(a))]
    slopes = [log(inside) - digamma(a)] if order else []
    slopes += [negative(polygamma(a, order=k)) for k in range(1, order)]
    for n in range(order):
        found.append(sum(math.comb(n, k) * found[k] * slopes[n - k] for k in range(n + 1)))
    return select(is_inside, found[-1], _at_ends(a, x, order))


def _at_ends(a: Any, x: Any, order: int) -> Any:
    """The same for x = 0 and x = ∞, and NaN outside."""
    pole = like(math.inf if order % 2 == 0 else -math.inf, x)
    at_one = like(1, x) if order == 0 else pole  # where no power of x is left
    at_zero = select(less(a, 1), pole, select(equal(a, 1), at_one, like(0, x)))
    beyond = select(equal(x, math.inf), like(0, x), like(math.nan, x))
    return select(equal(x, 0), at_zero, beyond)


gammainc: Op = by_steps(
    "gammainc",
    "incomplete_gamma",
    operands=2,
    doc="P(x, y) = 1/Γ(x) ∫₀ʸ t**(x - 1) exp(-t) dt",
    formula="lowergamma(x, y)/gamma(x)",
    partials=lambda a, x, out: (
        lambda: gammainc_derivative(a, x),
        lambda: _density(a, x),
    ),
    samples=_SHARES,
    ulp=64,
)

gammaincc: Op = by_steps(
    "gammaincc",
    "incomplete_gamma",
    operands=2,
    doc="Q(x, y) = 1 - P(x, y), the share of gamma(x) that lies above y",
    formula="uppergamma(x, y)/gamma(x)",
    partials=lambda a, x, out: (
        lambda: negative(gammainc_derivative(a, x)),
        lambda: negative(_density(a, x)),
    ),
    samples=_SHARES,
    ulp=64,
)


def _derivative_type(a: TensorType, x: TensorType, *, order: int = 1) -> TensorType:
    return of_order("gammainc_derivative", "gammainc", order, a, x)


gammainc_derivative: Op = by_steps(
    "gammainc_derivative",
    "incomplete_gamma",
    operands=2,
    doc="the derivative of P(x, y) in x of an order from 1 on",
    formula="diff(lowergamma(x, y)/gamma(x), x, order)",
    result_type=_derivative_type,
    partials=lambda a, x, out, *, order=1: (
        lambda: gammainc_derivative(a, x, order=order + 1),
        lambda: _density(a, x, order),
    ),
    samples=_SHARES,
    errors=(((TensorType((3,), DType.F32),) * 2, {"order": 0}, ShapeError),),
    ulp=128,
)

zeta: Op = by_steps(
    "zeta",
    "zeta",
    operands=2,
    doc="ζ(x, y) = Σ (y + k)**-x, k = 0, 1, ...; infinite for x = 1, NaN for x < 1",
    formula="zeta(x, y)",
    partials=lambda x, q, out: (None, lambda: -x * zeta(x + 1, q)),
    constant_in={0: "there is no closed form of it"},
    samples=few((1.2, 6), (0.3, 6)),
    ulp=64,
)
