"""The error function and the smooth steps of neural networks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir.op import Op
from .arithmetic import square
from .compare import greater
from .exponential import exp
from .kinds import mapped
from .sampling import numbers
from .stepwise import by_steps

__all__ = ["erf", "erfc", "erfinv", "relu", "sigmoid", "softplus"]

_SLOPE = 2 / math.sqrt(math.pi)
_erf = np.vectorize(math.erf, otypes=[np.float64])
_erfc = np.vectorize(math.erfc, otypes=[np.float64])

erf: Op = mapped(
    "erf",
    doc="the error function 2/√π ∫₀ˣ exp(-t²) dt",
    formula="erf(x)",
    body=lambda s, x: s.erf(x),
    partials=lambda x, out: (_SLOPE * exp(-square(x)),),
    reference=lambda x: _erf(x).astype(x.dtype),
    samples=numbers(),
    ulp=2,
)

erfc: Op = mapped(
    "erfc",
    doc="1 - erf(x), exact for great x",
    formula="erfc(x)",
    body=lambda s, x: s.erfc(x),
    partials=lambda x, out: (-_SLOPE * exp(-square(x)),),
    reference=lambda x: _erfc(x).astype(x.dtype),
    samples=numbers(),
    ulp=4,
)

# Each step is rounded correctly on every target: no unit in the last place is allowed.
erfinv: Op = by_steps(
    "erfinv",
    "inverse_error",
    doc="the y with erf(y) = x; ±∞ at ±1, NaN outside",
    formula="erfinv(x)",
    partials=lambda x, out: (1 / _SLOPE * exp(square(out)),),
    samples=numbers(1, -0.98, 0.98),
)


def _sigmoid(s: Any, x: Any) -> Any:
    """1 / (1 + e⁻ˣ) for x ≥ 0, else eˣ / (1 + eˣ): e is never raised above 1."""
    one = s.const(1, x.dtype)
    small = s.exp(s.neg(s.abs(x)))
    upper = s.ge(x, s.const(0, x.dtype))
    return s.div(s.select(upper, one, small), s.add(one, small))


def _sigmoid_reference(x: Any) -> Any:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small).astype(x.dtype) / (1 + small)


sigmoid: Op = mapped(
    "sigmoid",
    doc="1 / (1 + e⁻ˣ), without overflow",
    formula="1/(1 + exp(-x))",
    body=_sigmoid,
    partials=lambda x, out: (out * (1 - out),),
    reference=_sigmoid_reference,
    samples=numbers(),
    ulp=4,
)


def _softplus(s: Any, x: Any) -> Any:
    small = s.exp(s.neg(s.abs(x)))
    return s.add(s.max(x, s.const(0, x.dtype)), s.log1p(small))


softplus: Op = mapped(
    "softplus",
    doc="log(1 + eˣ), without overflow",
    formula="log(1 + exp(x))",
    body=_softplus,
    partials=lambda x, out: (sigmoid(x),),
    reference=lambda x: np.logaddexp(x, x.dtype.type(0)),
    samples=numbers(),
    ulp=4,
)

# The subderivative at 0 is 0.
relu: Op = mapped(
    "relu",
    doc="max(x, 0)",
    formula="Max(x, 0)",
    body=lambda s, x: s.max(x, s.const(0, x.dtype)),
    # By the result, which the next layer needs anyway: the argument need not be kept for it.
    partials=lambda x, out: (greater(out, 0),),
    reference=lambda x: np.maximum(x, x.dtype.type(0)),
    samples=numbers(),
)
