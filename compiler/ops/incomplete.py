"""Functions with derivatives in one argument: incomplete gamma functions, the zeta function."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType

from ..ir.op import Op, Sample
from .arithmetic import negative
from .exponential import exp, log
from .gamma import gammaln
from .sampling import edges
from .stepwise import by_steps

__all__ = ["gammainc", "gammaincc", "zeta"]

_NO_SERIES = "there is no closed form of it"


def _drawn(low: float, high: float) -> Any:
    """A few operands and the edges: the steps are long, and each sample is compiled."""

    def samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        pair = (rng.uniform(ends, 6, (3, 4)) for ends in (low, high))
        plain = Sample(tuple(np.asarray(x, dtype.numpy) for x in pair))
        return [plain, Sample(tuple(np.meshgrid(edges(dtype), edges(dtype))), smooth=False)]

    return samples


def _density(a: Any, x: Any) -> Any:
    """x**(a - 1) exp(-x) / gamma(a)."""
    return exp((a - 1) * log(x) - x - gammaln(a))


gammainc: Op = by_steps(
    "gammainc",
    "incomplete_gamma",
    operands=2,
    doc="P(x, y) = 1/Γ(x) ∫₀ʸ t**(x - 1) exp(-t) dt",
    formula="lowergamma(x, y)/gamma(x)",
    partials=lambda a, x, out: (None, lambda: _density(a, x)),
    constant_in={0: _NO_SERIES},
    samples=_drawn(0.3, 0.2),
    ulp=64,
)

gammaincc: Op = by_steps(
    "gammaincc",
    "incomplete_gamma",
    operands=2,
    doc="Q(x, y) = 1 - P(x, y), the share of gamma(x) that lies above y",
    formula="uppergamma(x, y)/gamma(x)",
    partials=lambda a, x, out: (None, lambda: negative(_density(a, x))),
    constant_in={0: _NO_SERIES},
    samples=_drawn(0.3, 0.2),
    ulp=64,
)

zeta: Op = by_steps(
    "zeta",
    "zeta",
    operands=2,
    doc="ζ(x, y) = Σ (y + k)**-x, k = 0, 1, ...; infinite for x = 1, NaN for x < 1",
    formula="zeta(x, y)",
    partials=lambda x, q, out: (None, lambda: -x * zeta(x + 1, q)),
    constant_in={0: _NO_SERIES},
    samples=_drawn(1.2, 0.3),
    ulp=64,
)
