"""The standard normal distribution, the scaled error function, and their inverses."""

from __future__ import annotations

import math
from typing import Any

from ..ir.op import Op
from .arithmetic import reciprocal, square
from .compare import greater, select
from .exponential import exp
from .kinds import like
from .sampling import numbers
from .stepwise import by_steps

__all__ = ["erfcinv", "erfcx", "log_ndtr", "logit", "ndtr"]

_SLOPE = 2 / math.sqrt(math.pi)
_FAR = 25.0  # where the derivative of erfcx is a small difference


def _erfcx_slope(x: Any, out: Any) -> Any:
    """2 x erfcx(x) - 2/√π, from its asymptotic series where both are nearly equal."""
    far = greater(x, _FAR)
    h = reciprocal(2 * square(select(far, x, like(_FAR, x))))
    series = h * (1 - h * (3 - h * (15 - h * (105 - h * (945 - h * (10395 - h * 135135))))))
    return select(far, -_SLOPE * series, 2 * x * out - _SLOPE)


erfcx: Op = by_steps(
    "erfcx",
    "error",
    doc="exp(x²) erfc(x), without overflow for positive x",
    formula="exp(x**2)*erfc(x)",
    partials=lambda x, out: (_erfcx_slope(x, out),),
    samples=numbers(),
    ulp=8,
)

ndtr: Op = by_steps(
    "ndtr",
    "error",
    doc="the distribution function of the standard normal distribution",
    formula="erfc(-x/sqrt(2))/2",
    partials=lambda x, out: (0.5 * _SLOPE * math.sqrt(0.5) * exp(-0.5 * square(x)),),
    samples=numbers(),
    ulp=8,
)

log_ndtr: Op = by_steps(
    "log_ndtr",
    "error",
    doc="log(ndtr(x)), without underflow",
    formula="log(erfc(-x/sqrt(2))/2)",
    partials=lambda x, out: (_SLOPE * math.sqrt(0.5) / erfcx(-math.sqrt(0.5) * x),),
    samples=numbers(),
    ulp=8,
)

erfcinv: Op = by_steps(
    "erfcinv",
    "error",
    doc="the y with erfc(y) = x, with all digits for small x",
    formula="erfinv(1 - x)",
    partials=lambda x, out: (-1 / _SLOPE * exp(square(out)),),
    samples=numbers(1, 0.01, 1.99),
    ulp=8,
)

logit: Op = by_steps(
    "logit",
    "error",
    doc="log(x / (1 - x)), which undoes the sigmoid",
    formula="log(x/(1 - x))",
    partials=lambda x, out: (reciprocal(x * (1 - x)),),
    samples=numbers(1, 0.02, 0.98),
    ulp=8,
)
