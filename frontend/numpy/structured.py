"""Exponentials of matrices, and matrices of blocks and diagonals, with the arguments of SciPy."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError

from ..tracing.dispatch import FUNCTIONS, numpy_like
from .decompositions import matrices
from .shared import call, common_dtype, convert, traced

__all__ = ["block_diag", "expm", "toeplitz"]

# The Padé approximant of degree 13, and the norm up to which its error is that of rounding in f64.
_PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0,
    129060195264000.0, 10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0,
    40840800.0, 960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip
_NORM = 5.371920351148152
_MOST = 48  # squarings


@numpy_like()
def expm(A: Any) -> Any:
    """The exponential of square matrices, by scaling and squaring; NaN where an element has more
    than fifteen digits before the point.

    N. J. Higham: The scaling and squaring method for the matrix exponential revisited. SIAM J.
    Matrix Anal. Appl. 26 (2005).

    >>> import numpy as np, symfuse as sf
    >>> bool(np.allclose(sf.linalg.expm(np.diag([0.0, 1.0])), np.diag([1.0, np.e])))
    True
    """
    x = matrices(A, square=True)
    while_loop = import_module("symfuse.control.whiles").while_loop
    count = _squarings(x)
    start = _pade(x * _spread(convert(FUNCTIONS["exp2"](-count), common_dtype(x))))

    def squared(state: Any) -> Any:
        found, left = state
        waits = left > 0
        found = call("select", _spread(waits), FUNCTIONS["matmul"](found, found), found)
        return found, call("select", waits, left - 1.0, left)

    found, left = while_loop(
        lambda state: FUNCTIONS["any"](state[1] > 0), squared, (start, count), bound=_MOST
    )
    return call("select", _spread(left > 0), float("nan"), found)


def _spread(x: Any) -> Any:
    """One number for each matrix, beside its elements."""
    return FUNCTIONS["expand_dims"](x, (-2, -1))


def _squarings(x: Any) -> Any:
    """How often each matrix is halved until its norm is small, as f64 numbers."""
    sums = FUNCTIONS["sum"](FUNCTIONS["abs"](call("stop_gradient", x)), axis=-2)
    norm = FUNCTIONS["max"](sums, axis=-1, initial=0.0) * (1 / _NORM)
    steps = FUNCTIONS["ceil"](FUNCTIONS["log2"](FUNCTIONS["maximum"](norm, 1.0)))
    return FUNCTIONS["astype"](steps, float)


def _pade(x: Any) -> Any:
    times, one = FUNCTIONS["matmul"], convert(FUNCTIONS["eye"](x.shape[-1]), common_dtype(x))
    second = times(x, x)
    fourth = times(second, second)
    sixth = times(second, fourth)
    b, powers = _PADE, (one, second, fourth, sixth)

    def half(first: int) -> Any:
        high = sum(b[first + 6 + 2 * k] * powers[k] for k in (1, 2, 3))
        return times(sixth, high) + sum(b[first + 2 * k] * powers[k] for k in range(4))

    odd, even = times(x, half(1)), half(0)
    return FUNCTIONS["solve"](even - odd, even + odd)


@numpy_like()
def block_diag(*arrs: Any) -> Any:
    """Matrices along the diagonal, zeros elsewhere; a vector is a row.

    >>> import symfuse as sf
    >>> sf.linalg.block_diag([[1, 2]], [[3]]).tolist()
    [[1, 2, 0], [0, 0, 3]]
    """
    blocks = [FUNCTIONS["atleast_2d"](traced(x)) for x in arrs]
    if not blocks or any(x.ndim > 2 for x in blocks):
        raise ShapeError(
            f"blocks of shapes {[tuple(x.shape) for x in blocks]}",
            fix="give one matrix or more",
            loc=user_location(),
        )
    before, width = 0, sum(x.shape[1] for x in blocks)
    rows = []
    for x in blocks:
        after = width - before - x.shape[1]
        rows.append(FUNCTIONS["pad"](x, ((0, 0), (before, after))))
        before = before + x.shape[1]
    return FUNCTIONS["concatenate"](rows, axis=0)


@numpy_like()
def toeplitz(c: Any, r: Any = None) -> Any:
    """The matrix of equal diagonals with the first column c and the first row r, by default
    conj(c); r[0] is not read.

    >>> import symfuse as sf
    >>> sf.linalg.toeplitz([1, 2], [1, 5]).tolist()
    [[1, 5], [2, 1]]
    """
    column = FUNCTIONS["ravel"](traced(c))
    row = FUNCTIONS["conj"](column) if r is None else FUNCTIONS["ravel"](traced(r))
    ends = FUNCTIONS["concatenate"]([FUNCTIONS["flip"](column), row[1:]])
    n, m = (FUNCTIONS["arange"](x.shape[0]) for x in (column, row))
    places = FUNCTIONS["expand_dims"](column.shape[0] - 1 - n, -1) + m
    return FUNCTIONS["take"](ends, places)
