"""Systems of linear equations, and what else follows from decompositions.

Where a matrix is singular NumPy raises LinAlgError; compiled code gives infinities and NaN.
"""

from __future__ import annotations

import math
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import is_equal, is_less, maximum
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError

from ..tracing.dispatch import FUNCTIONS, numpy_like
from .decompositions import (
    SlogdetResult,
    adjoint,
    factors,
    matrices,
    permuted,
    transposed,
)
from .shared import (
    broadcast_shape_to,
    broadcast_shapes,
    call,
    common_dtype,
    convert,
    expect_rank,
    size_number,
    traced,
)

__all__ = [
    "cho_solve", "cond", "det", "inv", "lstsq", "lu", "matrix_rank", "pinv", "slogdet", "solve",
    "solve_triangular",
]  # fmt: skip


def _paired(a: Any, b: Any) -> tuple[Any, Any]:
    """Matrices and right sides of one type and with the same batches."""
    a, b = matrices(a, square=True), matrices(b)
    dtype = common_dtype(a, b)
    lead = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if is_equal(a.shape[-1], b.shape[-2]) is not True:
        raise ShapeError(
            f"matrices {tuple(a.shape)} and right sides {tuple(b.shape)} do not fit",
            fix="give both the same number of rows",
            loc=user_location(),
        )
    return (
        broadcast_shape_to(convert(a, dtype), (*lead, *a.shape[-2:])),
        broadcast_shape_to(convert(b, dtype), (*lead, *b.shape[-2:])),
    )


def _for_vectors(solve: Any, a: Any, b: Any) -> Any:
    """A vector as the right side is a matrix of one column."""
    b = traced(b)
    if b.ndim != 1:
        return solve(*_paired(a, b))
    return solve(*_paired(a, FUNCTIONS["expand_dims"](b, -1)))[..., 0]


def _solved(a: Any, b: Any) -> Any:
    packed, order = factors(a)
    half = call(
        "triangular_solve", packed, permuted(b, order), lower=False, transposed=True, unit=True
    )
    return call("triangular_solve", packed, half, lower=True, transposed=True)


@numpy_like(np.linalg.solve)
def solve(a: Any, b: Any, /) -> Any:
    """x with a @ x = b; a vector b is one column."""
    return _for_vectors(_solved, a, b)


@numpy_like(np.linalg.inv)
def inv(x: Any, /) -> Any:
    """The inverse of square matrices."""
    x = matrices(x, square=True)
    return _solved(*_paired(x, convert(FUNCTIONS["eye"](x.shape[-1]), common_dtype(x))))


def _diagonal(x: Any) -> Any:
    return FUNCTIONS["diagonal"](x, 0, -2, -1)


def _parity(order: Any, like: Any) -> Any:
    """1 for an even order, -1 for an odd one: pairs that stand the wrong way round are counted."""
    n = order.shape[-1]
    first, second = FUNCTIONS["expand_dims"](order, -1), FUNCTIONS["expand_dims"](order, -2)
    place = FUNCTIONS["arange"](n)
    before = FUNCTIONS["expand_dims"](place, -1) < place
    wrong = FUNCTIONS["sum"](FUNCTIONS["logical_and"](before, first > second), (-2, -1))
    return convert(1 - 2 * (wrong % 2), common_dtype(like))


@numpy_like(np.linalg.det)
def det(x: Any, /) -> Any:
    """The determinant of square matrices.

    Up to 3 × 3 it is a polynomial, which has its derivatives for singular matrices too.
    """
    x = matrices(x, square=True)
    size = x.shape[-1]
    if isinstance(size, int) and 1 <= size <= 3:
        return _by_minors([[x[..., i, j] for j in range(size)] for i in range(size)])
    packed, order = factors(x)
    return _parity(order, x) * FUNCTIONS["prod"](_diagonal(packed), -1)


def _by_minors(rows: list[list[Any]]) -> Any:
    """The determinant of matrices of these elements, by the first row."""
    first, *rest = rows
    if not rest:
        return first[0]
    terms = [x * _by_minors([row[:k] + row[k + 1 :] for row in rest]) for k, x in enumerate(first)]
    return sum(terms[2::2], terms[0]) - sum(terms[3::2], terms[1])


@numpy_like(np.linalg.slogdet)
def slogdet(x: Any, /) -> SlogdetResult:
    """The sign of the determinant and the logarithm of its absolute value."""
    x = matrices(x, square=True)
    packed, order = factors(x)
    diagonal = _diagonal(packed)
    sign = _parity(order, x) * FUNCTIONS["prod"](FUNCTIONS["sign"](diagonal), -1)
    return SlogdetResult(sign, FUNCTIONS["sum"](FUNCTIONS["log"](FUNCTIONS["abs"](diagonal)), -1))


def _precision(x: Any) -> Any:
    """How far singular values of 0 may be off, as a share of the greatest."""
    return size_number(maximum(*x.shape[-2:])) * float(np.finfo(x.dtype).eps)


def _each(bound: Any) -> Any:
    """A number for each matrix, beside its singular values."""
    bound = traced(bound)
    return FUNCTIONS["expand_dims"](bound, -1) if bound.ndim else bound


def _inverted(s: Any, share: Any) -> Any:
    """1 / s, and 0 where s is at most a share of the greatest."""
    counts = s > _each(share) * FUNCTIONS["max"](s, -1, keepdims=True, initial=0.0)
    return FUNCTIONS["where"](counts, 1 / FUNCTIONS["where"](counts, s, 1), 0)


@numpy_like(np.linalg.pinv, idle={"hermitian": (True, False)})
def pinv(x: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = 1e-15) -> Any:
    """The pseudo-inverse; singular values up to `rtol` times the greatest count as 0. It has
    derivatives where some are equal, too, and the rank does not change."""
    x = matrices(x)
    share = rcond if rcond is not None else _precision(x) if rtol is None else rtol
    return _pseudo_inverse()(x, share)


@cache
def _pseudo_inverse() -> Any:
    """The function with a derivative of its own, whose module is loaded when one is needed."""
    found = import_module("symfuse.derivatives.jvp").custom_jvp(_of_singular_values)
    found.defjvp(_pseudo_inverse_jvp)
    return found


def _of_singular_values(x: Any, share: Any) -> Any:
    u, s, vh = FUNCTIONS["svd"](x, full_matrices=False)
    weights = FUNCTIONS["expand_dims"](_inverted(s, share), -2)
    return FUNCTIONS["matmul"](adjoint(vh) * weights, adjoint(u))


def _pseudo_inverse_jvp(primals: Any, tangents: Any) -> Any:
    """G. H. Golub and V. Pereyra: The differentiation of pseudo-inverses and nonlinear least
    squares problems whose variables separate. SIAM J. Numer. Anal. 10 (1973)."""
    x, t = primals[0], tangents[0]
    p, times = _pseudo_inverse()(*primals), FUNCTIONS["matmul"]
    p_turned, t_turned = adjoint(p), adjoint(t)
    beside = t_turned - times(times(t_turned, x), p)
    before = t_turned - times(p, times(x, t_turned))
    along = times(times(p, t), p)
    return p, times(times(p, p_turned), beside) + times(before, times(p_turned, p)) - along


@numpy_like(np.linalg.matrix_rank, idle={"hermitian": (True, False)})
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """How many singular values are above `tol`, or above `rtol` times the greatest."""
    if traced(A).ndim < 2:  # one row, or a number
        return FUNCTIONS["astype"](FUNCTIONS["any"](traced(A)), np.int64)
    x = matrices(A)
    s = FUNCTIONS["svdvals"](x)
    if tol is None:
        greatest = FUNCTIONS["max"](s, -1, keepdims=True, initial=0.0)
        bound = greatest * _each(_precision(x) if rtol is None else rtol)
    else:
        bound = _each(tol)
    return FUNCTIONS["sum"](FUNCTIONS["astype"](s > bound, np.int64), -1)


@numpy_like(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Any, Any, Any, Any]:
    """The x of least norm that makes a @ x - b least, the squares that are left, the rank and the
    singular values. Traced, the squares are there wherever a has more rows than columns."""
    a, right = matrices(a), traced(b)
    expect_rank(a, 2, 2)
    expect_rank(right, 1, 2)
    columns = FUNCTIONS["expand_dims"](right, -1) if right.ndim == 1 else right
    columns = convert(columns, common_dtype(a))
    u, s, vh = FUNCTIONS["svd"](a, full_matrices=False)
    share = _precision(a) if rcond is None else rcond
    weights = FUNCTIONS["expand_dims"](_inverted(s, share), -1)
    x = FUNCTIONS["matmul"](adjoint(vh), weights * FUNCTIONS["matmul"](adjoint(u), columns))
    off = FUNCTIONS["matmul"](a, x) - columns
    off = FUNCTIONS["abs"](off) if common_dtype(off).is_complex else off
    left = FUNCTIONS["sum"](FUNCTIONS["square"](off), -2)
    if is_less(a.shape[-1], a.shape[-2]) is not True:
        left = left[..., :0]
    rank = FUNCTIONS["astype"](FUNCTIONS["matrix_rank"](a, rtol=share), np.int32)
    return (x[..., 0] if right.ndim == 1 else x), left, rank, s


@numpy_like(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """The norm of the matrices times that of their inverses."""
    x = matrices(x)
    if p is None or p in (2, -2):
        s = FUNCTIONS["svdvals"](x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    norm = FUNCTIONS["matrix_norm"]
    order = "fro" if p == "fro" else "nuc" if p == "nuc" else float(p) if math.isinf(p) else p
    return norm(x, ord=order) * norm(FUNCTIONS["inv"](x), ord=order)


# under the names of SciPy


@numpy_like()
def solve_triangular(
    a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False
) -> Any:
    """x with a @ x = b, where only one triangle of a counts; with `trans` 1 or "T" of a.T instead,
    with 2 or "C" of its conjugate."""
    flags = {"lower": lower, "transposed": trans in (1, 2, "T", "C"), "unit": unit_diagonal}
    a = FUNCTIONS["conj"](a) if trans in (2, "C") else a
    return _for_vectors(lambda m, right: call("triangular_solve", m, right, **flags), a, b)


@numpy_like()
def cho_solve(c_and_lower: tuple[Any, bool], b: Any) -> Any:
    """x with (c @ c.T) @ x = b for a lower triangle c, or (c.T @ c) @ x = b for an upper one; of
    complex triangles the transpose is conjugated."""
    c, lower = c_and_lower

    def both(m: Any, right: Any) -> Any:
        turned = FUNCTIONS["conj"](m)
        first, second = (m, turned) if lower else (turned, m)
        half = call("triangular_solve", first, right, lower=lower, transposed=not lower)
        return call("triangular_solve", second, half, lower=lower, transposed=lower)

    return _for_vectors(both, c, b)


@numpy_like()
def lu(a: Any) -> tuple[Any, Any, Any]:
    """P, L and U with P @ L @ U = a: an order of rows, and two triangles."""
    x = matrices(a, square=True)
    packed, order = factors(x)
    both = transposed(packed)
    one = convert(FUNCTIONS["eye"](x.shape[-1]), common_dtype(x))
    places = FUNCTIONS["arange"](x.shape[-1])
    p = FUNCTIONS["expand_dims"](places, -1) == FUNCTIONS["expand_dims"](order, -2)
    return convert(p, common_dtype(x)), FUNCTIONS["tril"](both, -1) + one, FUNCTIONS["triu"](both)
