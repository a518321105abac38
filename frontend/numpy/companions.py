"""Zeros of polynomials by eigenvalues, and quotients of polynomials."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType, promoted
from symfuse.runtime.errors import ShapeError

from .. import numpy as snp
from ..tracing.dispatch import FUNCTIONS, numpy_like
from .shared import common_dtype, convert, traced

__all__ = ["polydiv", "roots"]


def _coefficients(p: Any) -> Any:
    found = snp.atleast_1d(traced(p))
    if found.ndim != 1:
        raise ShapeError(
            f"coefficients of rank {found.ndim}",
            fix="pass the coefficients, the highest power first",
            loc=user_location(),
        )
    return convert(found, promoted(common_dtype(found), DType.F32))


def _eager_roots(p: Any) -> Any:
    found = np.roots(p)
    return found.astype(np.result_type(found.dtype, np.complex64), copy=False)


@numpy_like(np.roots, eager=_eager_roots)
def roots(p: Any) -> Any:
    """The zeros of a polynomial, in no order, always complex: eigenvalues of its companion matrix.

    NumPy leaves out zeros before the first coefficient. Traced, there is one root for each but the
    first coefficient, which must not be zero: of one that is, the roots are NaN.
    """
    p = _coefficients(p)
    others = p[1:]
    degree = others.shape[0]
    if isinstance(degree, int) and degree < 1:
        return snp.zeros(0, common_dtype(p).complex.numpy)
    first = snp.expand_dims(-others / p[0], 0)
    below = FUNCTIONS["eye"](degree, k=-1, dtype=common_dtype(p).numpy)
    is_first = snp.expand_dims(FUNCTIONS["arange"](degree) == 0, 1)
    return snp.linalg.eigvals(snp.where(is_first, first, below))


@numpy_like(np.polydiv)
def polydiv(u: Any, v: Any) -> Any:
    """The quotient and the remainder of two polynomials.

    NumPy leaves out zeros before the first coefficient of the remainder. Traced, there is one
    coefficient less than v has.
    """
    u, v = _coefficients(u), _coefficients(v)
    dtype = promoted(common_dtype(u), common_dtype(v))
    u, v = convert(u, dtype), convert(v, dtype)
    _check_sizes(u, v)
    count, size = u.shape[0] - v.shape[0] + 1, v.shape[0]
    if count < 1:
        return snp.zeros(1, dtype.numpy), u
    quotient, rest = [], u
    for _ in range(count):
        factor = rest[0] / v[0]
        quotient.append(factor)
        rest = snp.concatenate([rest[1:size] - factor * v[1:], rest[size:]])
    return snp.stack(quotient), rest if size > 1 else snp.zeros(1, dtype.numpy)


def _check_sizes(u: Any, v: Any) -> None:
    if not all(isinstance(x.shape[0], int) for x in (u, v)):
        raise ShapeError(
            f"{u.shape[0]} coefficients by {v.shape[0]}",
            fix="give both polynomials sizes that are numbers",
            loc=user_location(),
        )
