"""The gamma function, its logarithm with that one's derivatives, and the beta functions."""

from __future__ import annotations

from typing import Any

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError

from ..ir.op import Op
from ..ir.types import TensorType
from .kinds import checked
from .sampling import FLOATS, few, numbers
from .stepwise import by_steps

__all__ = ["beta", "betaln", "digamma", "gamma", "gammaln", "of_order", "polygamma"]


def of_order(name: str, before: str, order: int, *types: TensorType) -> TensorType:
    """The type of a derivative of an order from 1 on; that of order 0 is another operation."""
    if order < 1:
        raise ShapeError(f"there is no {name} of order {order}", fix=f"order 0 is {before}")
    return checked(name, types, FLOATS)


def _polygamma_type(x: TensorType, *, order: int = 1) -> TensorType:
    return of_order("polygamma", "digamma", order, x)


polygamma: Op = by_steps(
    "polygamma",
    "digamma",
    doc="the derivative of digamma of an order from 1 on",
    formula="polygamma(order, x)",
    result_type=_polygamma_type,
    partials=lambda x, out, *, order=1: (lambda: polygamma(x, order=order + 1),),
    samples=numbers(1, 0.1, 4),
    errors=(((TensorType((3,), DType.F32),), {"order": 0}, ShapeError),),
    ulp=8,
)

digamma: Op = by_steps(
    "digamma",
    "digamma",
    doc="ψ(x) = Γ'(x) / Γ(x), NaN at negative integers",
    formula="digamma(x)",
    partials=lambda x, out: (polygamma(x),),
    samples=numbers(1, 0.1, 4),
    ulp=16,
)

gammaln: Op = by_steps(
    "gammaln",
    "gamma",
    doc="log |Γ(x)|",
    formula="loggamma(x)",
    partials=lambda x, out: (digamma(x),),
    samples=numbers(1, 0.1, 4),
    ulp=16,
)

gamma: Op = by_steps(
    "gamma",
    "gamma",
    doc="Γ(x), which is (x - 1)! for whole numbers; NaN at negative integers",
    formula="gamma(x)",
    partials=lambda x, out: (out * digamma(x),),
    samples=numbers(1, 0.1, 4),
    ulp=16,
)


def _beta_slopes(x: Any, y: Any) -> tuple[Any, Any]:
    total = digamma(x + y)
    return digamma(x) - total, digamma(y) - total


betaln: Op = by_steps(
    "betaln",
    "gamma",
    operands=2,
    doc="log |B(x, y)|",
    formula="loggamma(x) + loggamma(y) - loggamma(x + y)",
    partials=lambda x, y, out: _beta_slopes(x, y),
    samples=few((0.1, 4), (0.1, 4)),
    ulp=32,
)

beta: Op = by_steps(
    "beta",
    "gamma",
    operands=2,
    doc="B(x, y) = Γ(x) Γ(y) / Γ(x + y)",
    formula="gamma(x)*gamma(y)/gamma(x + y)",
    partials=lambda x, y, out: tuple(out * slope for slope in _beta_slopes(x, y)),
    samples=few((0.1, 4), (0.1, 4)),
    ulp=64,
)
