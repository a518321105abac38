"""Circular and hyperbolic functions and their inverses."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.op import Op
from . import complex_functions as of_complex
from .arithmetic import hypot, reciprocal, rsqrt, square
from .kinds import mapped
from .pairs import formula
from .sampling import numbers

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "sin",
    "sinh",
    "tan",
    "tanh",
]

sin: Op = mapped(
    "sin",
    doc="the sine of x in radians",
    formula="sin(x)",
    body=lambda s, x: s.sin(x),
    partials=lambda x, out: (cos(x),),
    parts=formula(of_complex.sin),
    reference=np.sin,
    samples=numbers(),
    ulp=2,
)

cos: Op = mapped(
    "cos",
    doc="the cosine of x in radians",
    formula="cos(x)",
    body=lambda s, x: s.cos(x),
    partials=lambda x, out: (-sin(x),),
    parts=formula(of_complex.cos),
    reference=np.cos,
    samples=numbers(),
    ulp=2,
)

tan: Op = mapped(
    "tan",
    doc="the tangent of x in radians",
    formula="tan(x)",
    body=lambda s, x: s.tan(x),
    partials=lambda x, out: (1 + square(out),),
    parts=formula(of_complex.tan),
    reference=np.tan,
    samples=numbers(low=-1.2, high=1.2),
    ulp=3,
)

asin: Op = mapped(
    "asin",
    doc="the angle in [-π/2, π/2] whose sine is x",
    formula="asin(x)",
    body=lambda s, x: s.asin(x),
    partials=lambda x, out: (rsqrt((1 - x) * (1 + x)),),
    parts=formula(of_complex.asin),
    reference=np.arcsin,
    samples=numbers(low=-0.9, high=0.9),
    ulp=2,
)

acos: Op = mapped(
    "acos",
    doc="the angle in [0, π] whose cosine is x",
    formula="acos(x)",
    body=lambda s, x: s.acos(x),
    partials=lambda x, out: (-rsqrt((1 - x) * (1 + x)),),
    parts=formula(of_complex.acos),
    reference=np.arccos,
    samples=numbers(low=-0.9, high=0.9),
    ulp=2,
)

atan: Op = mapped(
    "atan",
    doc="the angle in [-π/2, π/2] whose tangent is x",
    formula="atan(x)",
    body=lambda s, x: s.atan(x),
    partials=lambda x, out: (reciprocal(1 + square(x)),),
    parts=formula(of_complex.atan),
    reference=np.arctan,
    samples=numbers(),
    ulp=2,
)


def _atan2_partials(x: Any, y: Any, out: Any) -> tuple[Any, Any]:
    """By the distance, as its square would overflow, or be zero near the origin."""
    distance = hypot(x, y)
    return y / distance / distance, -x / distance / distance


atan2: Op = mapped(
    "atan2",
    doc="the angle of the point (y, x): x is its height and y its width, in NumPy's order",
    formula="atan2(x, y)",
    body=lambda s, x, y: s.atan2(x, y),
    partials=_atan2_partials,
    reference=np.arctan2,
    samples=numbers(2, 0.5),
    ulp=2,
)

sinh: Op = mapped(
    "sinh",
    doc="(eˣ - e⁻ˣ) / 2",
    formula="sinh(x)",
    body=lambda s, x: s.sinh(x),
    partials=lambda x, out: (cosh(x),),
    parts=formula(of_complex.sinh),
    reference=np.sinh,
    samples=numbers(),
    ulp=3,
)

cosh: Op = mapped(
    "cosh",
    doc="(eˣ + e⁻ˣ) / 2",
    formula="cosh(x)",
    body=lambda s, x: s.cosh(x),
    partials=lambda x, out: (sinh(x),),
    parts=formula(of_complex.cosh),
    reference=np.cosh,
    samples=numbers(),
    ulp=3,
)

tanh: Op = mapped(
    "tanh",
    doc="sinh x / cosh x",
    formula="tanh(x)",
    body=lambda s, x: s.tanh(x),
    partials=lambda x, out: (1 - square(out),),
    parts=formula(of_complex.tanh),
    reference=np.tanh,
    samples=numbers(),
    ulp=2,
)

asinh: Op = mapped(
    "asinh",
    doc="the inverse of sinh",
    formula="asinh(x)",
    body=lambda s, x: s.asinh(x),
    partials=lambda x, out: (rsqrt(square(x) + 1),),
    parts=formula(of_complex.asinh),
    reference=np.arcsinh,
    samples=numbers(),
    ulp=3,
)

acosh: Op = mapped(
    "acosh",
    doc="the inverse of cosh on [1, ∞)",
    formula="acosh(x)",
    body=lambda s, x: s.acosh(x),
    partials=lambda x, out: (rsqrt(x - 1) * rsqrt(x + 1),),
    parts=formula(of_complex.acosh),
    reference=np.arccosh,
    samples=numbers(low=1.5),
    ulp=3,
)

atanh: Op = mapped(
    "atanh",
    doc="the inverse of tanh on (-1, 1)",
    formula="atanh(x)",
    body=lambda s, x: s.atanh(x),
    partials=lambda x, out: (reciprocal((1 - x) * (1 + x)),),
    parts=formula(of_complex.atanh),
    reference=np.arctanh,
    samples=numbers(low=-0.9, high=0.9),
    ulp=3,
)
