"""Polynomials by their coefficients, the highest power first: polyval, polyfit, polyder, vander."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import maximum
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType, promoted
from symfuse.runtime.errors import ShapeError

from .. import numpy as snp
from ..tracing.dispatch import numpy_like
from .shared import common_dtype, convert, expect, size_number, traced

__all__ = [
    "poly", "polyadd", "polyder", "polyfit", "polyint", "polymul", "polysub", "polyval", "vander",
]  # fmt: skip


@numpy_like(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """The polynomial with these coefficients at x, by Horner's rule."""
    coefficients, x = traced(p), traced(x)
    result: Any = snp.zeros_like(x)
    count = coefficients.shape[0]
    if not isinstance(count, int):
        result = convert(result, common_dtype(coefficients, x))
        # Loops are loaded where a function needs one.
        scan = import_module("symfuse.control.loops").scan
        return scan(lambda value, c: (value * x + c, None), result, coefficients)[0]
    for at in range(count):
        result = result * x + coefficients[at]
    return result


@numpy_like(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """The coefficients of the polynomial with these zeros and the first coefficient 1; of a square
    matrix, those of its characteristic polynomial."""
    zeros = traced(seq_of_zeros)
    if zeros.ndim == 2:
        found = poly(snp.linalg.eigvals(zeros))
        return found if common_dtype(zeros).is_complex else snp.real(found)
    if zeros.ndim != 1:
        raise ShapeError(
            f"poly of an array of rank {zeros.ndim}",
            fix="pass the zeros, or a square matrix, whose eigenvalues they are",
            loc=user_location(),
        )
    found = snp.ones(1, promoted(common_dtype(zeros), DType.F32).numpy)
    for at in range(zeros.shape[0]):
        found = snp.convolve(found, snp.stack([snp.ones_like(zeros[at]), -zeros[at]]))
    return found


def _aligned(a1: Any, a2: Any) -> tuple[Any, Any]:
    """Two rows of coefficients, the shorter one with zeros before it."""
    first, second = (snp.atleast_1d(traced(a)) for a in (a1, a2))
    size = maximum(first.shape[0], second.shape[0])
    padded = [snp.pad(a, (size - a.shape[0], 0)) for a in (first, second)]
    return padded[0], padded[1]


@numpy_like(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """The sum of two polynomials."""
    return snp.add(*_aligned(a1, a2))


@numpy_like(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """The difference of two polynomials."""
    return snp.subtract(*_aligned(a1, a2))


@numpy_like(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """The product of two polynomials; traced, zeros before the first coefficient are kept."""
    return snp.convolve(*(snp.atleast_1d(traced(a)) for a in (a1, a2)))


@numpy_like(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    """The m-th derivative of a polynomial."""
    expect(m >= 0, f"polyder: m is {m}", "use 0 or more; polyint integrates")
    found = traced(p)
    for _ in range(m):
        found = (found * snp.arange(found.shape[0] - 1, -1, -1))[:-1]
    return found


@numpy_like(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """The m-th integral of a polynomial; k are the constants, the first one that of the first."""
    expect(m >= 0, f"polyint: m is {m}", "use 0 or more; polyder differentiates")
    found = traced(p)
    constants = snp.zeros(m) if k is None else snp.atleast_1d(traced(k))
    constants = snp.broadcast_to(constants, (m,)) if constants.shape[0] == 1 else constants
    for at in range(m):
        raised = found / snp.arange(found.shape[0], 0, -1)
        found = snp.concatenate([raised, constants[at : at + 1]])
    return found


@numpy_like(np.vander)
def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    """The powers of each element as rows, the highest first unless `increasing`."""
    x = traced(x)
    count = x.shape[0] if N is None else N
    x = convert(x, promoted(common_dtype(x), DType.I64))
    factors = [snp.ones_like(x)[:, None], snp.broadcast_to(x[:, None], (x.shape[0], count))]
    powers = snp.cumprod(snp.concatenate(factors, 1)[:, :count], 1)
    return powers if increasing else powers[:, ::-1]


@numpy_like(np.polyfit)
def polyfit(
    x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False
) -> Any:
    """The polynomial of a degree that is nearest to points (x, y) in the sum of squares.

    With `full`, the squares that are left, the rank, the singular values and rcond as well; with
    `cov`, the covariances of the coefficients.
    """
    expect(deg >= 0, f"polyfit: the degree is {deg}", "use 0 or more")
    x, y = (convert(traced(one), promoted(common_dtype(one), DType.F64)) for one in (x, y))
    left, right = vander(x, deg + 1), y
    if w is not None:
        weights = traced(w)
        left = left * weights[:, None]
        right = right * (weights[:, None] if right.ndim == 2 else weights)
    scale = snp.sqrt(snp.sum(left * left, 0))
    left = left / scale
    share = size_number(x.shape[0]) * 2.0**-52 if rcond is None else rcond
    found, squares, rank, values = snp.linalg.lstsq(left, right, share)
    c = (found.T / scale).T
    if full:
        return c, squares, rank, values, share
    if not cov:
        return c
    base = snp.linalg.inv(snp.matmul(left.T, left)) / snp.outer(scale, scale)
    factor = 1 if cov == "unscaled" else squares / (size_number(x.shape[0]) - (deg + 1))
    return c, base * factor if y.ndim == 1 else base[:, :, None] * factor
