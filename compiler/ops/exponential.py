"""Exponentials and logarithms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir.op import Op
from . import complex_functions as of_complex
from .kinds import mapped
from .pairs import formula
from .sampling import numbers

__all__ = ["exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "logaddexp"]

_LN2, _LN10 = math.log(2), math.log(10)

exp: Op = mapped(
    "exp",
    doc="eˣ",
    formula="exp(x)",
    body=lambda s, x: s.exp(x),
    partials=lambda x, out: (out,),
    parts=formula(of_complex.exp),
    reference=np.exp,
    samples=numbers(),
    ulp=2,
)

exp2: Op = mapped(
    "exp2",
    doc="2ˣ",
    formula="2**x",
    body=lambda s, x: s.exp2(x),
    partials=lambda x, out: (_LN2 * out,),
    parts=formula(of_complex.scaled_exp(2)),
    reference=np.exp2,
    samples=numbers(),
    ulp=2,
)

expm1: Op = mapped(
    "expm1",
    doc="eˣ - 1, exact near 0",
    formula="exp(x) - 1",
    body=lambda s, x: s.expm1(x),
    partials=lambda x, out: (out + 1,),
    parts=formula(of_complex.expm1),
    reference=np.expm1,
    samples=numbers(),
    ulp=2,
)

log: Op = mapped(
    "log",
    doc="the natural logarithm",
    formula="log(x)",
    body=lambda s, x: s.log(x),
    partials=lambda x, out: (1 / x,),
    parts=formula(of_complex.log),
    reference=np.log,
    samples=numbers(low=0.2),
    ulp=2,
)

log2: Op = mapped(
    "log2",
    doc="the logarithm to base 2",
    formula="log(x)/log(2)",
    body=lambda s, x: s.log2(x),
    partials=lambda x, out: (1 / _LN2 / x,),
    parts=formula(of_complex.scaled_log(2)),
    reference=np.log2,
    samples=numbers(low=0.2),
    ulp=2,
)

log10: Op = mapped(
    "log10",
    doc="the logarithm to base 10",
    formula="log(x)/log(10)",
    body=lambda s, x: s.log10(x),
    partials=lambda x, out: (1 / _LN10 / x,),
    parts=formula(of_complex.scaled_log(10)),
    reference=np.log10,
    samples=numbers(low=0.2),
    ulp=2,
)

log1p: Op = mapped(
    "log1p",
    doc="log(1 + x), exact near 0",
    formula="log(1 + x)",
    body=lambda s, x: s.log1p(x),
    partials=lambda x, out: (1 / (1 + x),),
    parts=formula(of_complex.log1p),
    reference=np.log1p,
    samples=numbers(low=-0.5),
    ulp=2,
)


def _logaddexp(s: Any, x: Any, y: Any) -> Any:
    """Equal operands apart, because ∞ - ∞ is no number."""
    smaller = s.exp(s.neg(s.abs(s.sub(x, y))))
    unequal = s.add(s.max(x, y), s.log1p(smaller))
    return s.select(s.eq(x, y), s.add(x, s.const(_LN2, x.dtype)), unequal)


logaddexp: Op = mapped(
    "logaddexp",
    doc="log(eˣ + eʸ), without overflow",
    formula="log(exp(x) + exp(y))",
    body=_logaddexp,
    partials=lambda x, y, out: (exp(x - out), exp(y - out)),
    reference=np.logaddexp,
    samples=numbers(2),
    ulp=4,
)
