"""The modified Bessel functions of the first kind, plain and over exp |x|."""

from __future__ import annotations

from typing import Any

from ..ir.op import Op
from .arithmetic import sign
from .compare import equal, select
from .kinds import like
from .sampling import numbers
from .stepwise import by_steps

__all__ = ["i0", "i0e", "i1", "i1e"]


def _over(y: Any, x: Any) -> Any:
    """y / x for a y that is near x / 2 at zero."""
    origin = equal(x, 0)
    return select(origin, like(0.5, x), y / select(origin, like(1, x), x))


i0: Op = by_steps(
    "i0",
    "bessel",
    doc="the modified Bessel function I₀(x)",
    formula="besseli(0, x)",
    partials=lambda x, out: (i1(x),),
    samples=numbers(1, 0.1, 12),
    ulp=8,
)

i1: Op = by_steps(
    "i1",
    "bessel",
    doc="the modified Bessel function I₁(x)",
    formula="besseli(1, x)",
    partials=lambda x, out: (i0(x) - _over(out, x),),
    samples=numbers(1, 0.1, 12),
    ulp=8,
)

i0e: Op = by_steps(
    "i0e",
    "bessel",
    doc="exp(-|x|) I₀(x)",
    formula="exp(-Abs(x))*besseli(0, x)",
    partials=lambda x, out: (i1e(x) - sign(x) * out,),
    samples=numbers(1, 0.1, 12),
    ulp=8,
)

i1e: Op = by_steps(
    "i1e",
    "bessel",
    doc="exp(-|x|) I₁(x)",
    formula="exp(-Abs(x))*besseli(1, x)",
    partials=lambda x, out: (i0e(x) - _over(out, x) - sign(x) * out,),
    samples=numbers(1, 0.1, 12),
    ulp=8,
)
