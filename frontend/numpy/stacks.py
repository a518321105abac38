"""Functions of `numpy.linalg` that treat stacks of matrices otherwise than NumPy's plain ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import is_equal
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError

from .. import numpy as snp
from ..tracing.dispatch import numpy_like
from .shared import product, traced

__all__ = ["cross", "diagonal", "multi_dot", "outer", "tensorinv", "tensorsolve", "trace"]


@numpy_like(np.linalg.diagonal, name="linalg.diagonal")
def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """The elements of the last two axes whose indices differ by `offset`."""
    return snp.diagonal(traced(x), offset, -2, -1)


@numpy_like(np.linalg.trace, name="linalg.trace")
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The sum of a diagonal of the last two axes."""
    return snp.trace(traced(x), offset, -2, -1, dtype)


@numpy_like(np.linalg.outer, name="linalg.outer")
def outer(x1: Any, x2: Any, /) -> Any:
    """Every element of one vector times every element of another."""
    x, y = traced(x1), traced(x2)
    if x.ndim != 1 or y.ndim != 1:
        raise ShapeError(
            f"linalg.outer of arrays of rank {x.ndim} and {y.ndim}",
            fix="pass vectors, or use symfuse.numpy.outer, which flattens",
            loc=user_location(),
        )
    return snp.outer(x, y)


@numpy_like(np.linalg.cross, name="linalg.cross")
def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The vector product along an axis of size 3."""
    return snp.cross(traced(x1), traced(x2), axis=axis)


@numpy_like(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: None = None) -> Any:
    """The product of several matrices, in the order that takes the fewest multiplications.

    The first may be a row and the last a column.
    """
    parts = [traced(x) for x in arrays]
    if len(parts) < 2:
        raise ShapeError("multi_dot of fewer than two arrays", fix="pass two or more")
    letters = "abcdefghijklmnopqrstuvwxyz"
    terms = [letters[at : at + 2] for at in range(len(parts))]
    terms[0] = terms[0][-1:] if parts[0].ndim == 1 else terms[0]
    terms[-1] = terms[-1][:1] if parts[-1].ndim == 1 else terms[-1]
    ends = (terms[0][:-1], terms[-1][1:])
    return snp.einsum(f"{','.join(terms)}->{''.join(ends)}", *parts)


@numpy_like(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """The x with tensordot(a, x, x.ndim) = b, after `axes` of a have moved to its end."""
    a, right = traced(a), traced(b)
    if axes is not None:
        moved = [at for at in range(a.ndim) if at not in axes]
        a = snp.transpose(a, (*moved, *axes))
    wanted = a.shape[-(a.ndim - right.ndim) :]
    size = _square(a.shape, wanted, "tensorsolve")
    return snp.linalg.solve(a.reshape(size, size), right.ravel()).reshape(wanted)


@numpy_like(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse of tensordot(a, ·, ind) as a tensor."""
    a = traced(a)
    size = _square(a.shape, a.shape[:ind], "tensorinv")
    inverse = snp.linalg.inv(a.reshape(size, size))
    return inverse.reshape((*a.shape[ind:], *a.shape[:ind]))


def _square(shape: Any, part: Any, name: str) -> Any:
    """The number of rows of the matrix that a tensor is, which must be that of its columns."""
    size = product(part)
    if is_equal(product(shape), size * size) is False:
        raise ShapeError(
            f"{name}: the sizes {tuple(part)} of {tuple(shape)} do not make it a square matrix",
            fix="both groups of axes must have equally many elements",
            loc=user_location(),
        )
    return size
