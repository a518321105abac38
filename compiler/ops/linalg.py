"""Decompositions of matrices, which LAPACK computes; leading axes are batches.

Each has one result. Where there are several parts, they lie side by side in it. Some take the
transposed matrix, of which LAPACK makes what it would make of the matrix itself (`lapack.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, ShapeError

from ..ir.dims import is_equal, minimum
from ..ir.op import Op, Sample
from ..ir.types import TensorType
from . import lapack, linalg_references, linalg_rules
from .alignment import as_one_dtype
from .complex import by_library
from .kinds import spread
from .sampling import COMPLEX, Samples, draw

__all__ = ["cholesky", "eig", "eigh", "lu", "qr", "svd", "triangular_solve"]

_F32, _F64 = DType.F32, DType.F64


def _require_matrix(x: TensorType, *, square: bool = True) -> TensorType:
    if x.dtype not in (_F32, _F64, *COMPLEX):
        raise DTypeError(f"{x} has no decompositions", fix="convert it to f32 or f64")
    if x.rank < 2:
        raise ShapeError(f"{x} is no matrix", fix="it needs two axes")
    if square and is_equal(*x.shape[-2:]) is not True:
        raise ShapeError(f"{x} is not square", fix="give both of its last axes one size")
    return x


_SQUARE = ((3, 3), (2, 3, 3), (1, 1), (0, 0))


def _decomposition(name: str, **facts: Any) -> Op:
    """Its plan, derivative and reference stand under its name in the modules of these."""
    facts.setdefault("dtypes", (_F32, _F64))
    facts.setdefault("errors", (((TensorType((3,), _F32),), {}, ShapeError),))
    op = Op(
        name=name,
        align=as_one_dtype,
        batch=lambda inputs, batched, attrs: op(*spread(inputs, batched), **attrs),
        library=getattr(lapack, f"call_{name}"),
        parts=by_library,
        jvp=getattr(linalg_rules, f"{name}_jvp"),
        reference=getattr(linalg_references, name),
        ulp=256,
        **facts,
    )
    return op


def _samples(matrices: Callable[..., Any], shapes: Any, **attrs: Any) -> Samples:
    def samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        drawn = (matrices(rng, shape) for shape in shapes)
        if dtype.is_complex:
            drawn = (_phased(rng, x) for x in drawn)
        return [Sample((np.asarray(x, dtype.numpy),), attrs) for x in drawn]

    return samples


def _phased(rng: np.random.Generator, x: Any) -> Any:
    """Complex matrices with the eigenvalues and singular values of these."""
    turns = np.exp(1j * rng.uniform(-3, 3, max(x.shape[-2:])))
    return turns[: x.shape[-2], None] * x * turns[: x.shape[-1]].conj()


def _positive(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    x = rng.normal(size=shape)
    return x @ np.swapaxes(x, -1, -2) + 2 * np.eye(shape[-1])


def _spread_out(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Symmetric, with eigenvalues well apart."""
    x = rng.normal(size=shape)
    return x + np.swapaxes(x, -1, -2) + 4 * np.diag(np.arange(float(shape[-1])))


def _apart(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Singular values and pivots well apart, and none small."""
    return rng.uniform(-1, 1, size=shape) + 3 * np.eye(shape[-2], shape[-1]) * np.arange(
        1.0, shape[-1] + 1
    )


def _valued(matrices: Callable[..., Any], shapes: Any) -> Samples:
    """Samples of what gives values, with vectors and without."""
    whole, values = _samples(matrices, shapes), _samples(matrices, shapes, vectors=False)
    return lambda rng, dtype: [*whole(rng, dtype), *values(rng, dtype)]


cholesky: Op = _decomposition(
    "cholesky",
    doc="the lower triangle L with L·Lᵀ = x, of which the lower triangle is read; NaN where there "
    "is none",
    result_type=lambda x: _require_matrix(x),
    samples=_samples(_positive, _SQUARE),
)


def _solve_type(
    a: TensorType, b: TensorType, *, lower: bool, transposed: bool = False, unit: bool = False
) -> TensorType:
    _require_matrix(a)
    _require_matrix(b, square=False)
    pairs = zip(a.shape[:-1], b.shape[:-1], strict=False)
    if a.rank != b.rank or not all(is_equal(n, m) for n, m in pairs):
        raise ShapeError(f"{a} and {b} do not fit", fix="give both the same rows and batches")
    return b


def _systems(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    found = []
    for shape, columns in (((3, 3), 2), ((2, 3, 3), 1), ((1, 1), 3), ((0, 0), 2)):
        a = np.asarray(_apart(rng, shape), dtype.numpy)
        b = draw(rng, dtype, (*shape[:-1], columns))
        for lower in (False, True):
            attrs = {"lower": lower, "transposed": columns < 2, "unit": columns == 3}
            found.append(Sample((a, b), attrs))
    a, b = np.asarray(_apart(rng, (4, 4)), dtype.numpy), draw(rng, dtype, (4, 1))
    for lower in (False, True):
        found += [
            Sample((a, b), {"lower": lower}),
            Sample((a, b), {"lower": lower, "transposed": True, "unit": True}),
        ]
    return found


triangular_solve: Op = _decomposition(
    "triangular_solve",
    doc="x with a·x = b, or aᵀ·x = b, where one triangle of a counts, and with unit its diagonal "
    "is 1",
    result_type=_solve_type,
    transpose=linalg_rules.triangular_solve_transpose,
    samples=_systems,
    errors=(
        (
            (TensorType((3, 3), _F32), TensorType((2, 3), _F32)),
            {"lower": True},
            ShapeError,
        ),
    ),
)


def _one_row_more(x: TensorType) -> TensorType:
    n = _require_matrix(x).shape[-1]
    return x.with_shape((*x.shape[:-2], n + 1, n))


lu: Op = _decomposition(
    "lu",
    doc="of the transposed matrix: L and U in one, transposed, and below it the order of the rows",
    result_type=_one_row_more,
    samples=_samples(_apart, _SQUARE),
)


def _eigen_type(x: TensorType, *, vectors: bool = True) -> TensorType:
    return _one_row_more(x) if vectors else x.with_shape(_require_matrix(x).shape[:-1])


eigh: Op = _decomposition(
    "eigh",
    doc="the eigenvectors of a symmetric matrix as rows, and below them the eigenvalues, or these "
    "alone; the upper triangle is read",
    result_type=_eigen_type,
    samples=_valued(_spread_out, _SQUARE),
)


def _complex_eigen_type(x: TensorType, *, vectors: bool = True) -> TensorType:
    if not x.dtype.is_complex:
        raise DTypeError(f"{x} is real", fix="convert it to complex numbers, which values may be")
    return _eigen_type(x, vectors=vectors)


eig: Op = _decomposition(
    "eig",
    doc="of the transposed complex matrix: the eigenvectors as rows, below them the eigenvalues, "
    "or these alone",
    result_type=_complex_eigen_type,
    samples=_valued(_apart, _SQUARE),
    dtypes=COMPLEX,
    errors=(((TensorType((3, 3), _F32),), {}, DTypeError),),
)

_OBLONG = ((3, 3), (2, 2, 3), (4, 3), (1, 1), (0, 0), (2, 0))


def _qr_type(x: TensorType, *, complete: bool = False) -> TensorType:
    n, m = _require_matrix(x, square=False).shape[-2:]
    return x.with_shape((*x.shape[:-2], m if complete else minimum(m, n), m + n))


def _qr_samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    found = [
        *_samples(_apart, _OBLONG)(rng, dtype),
        *_samples(_apart, ((2, 4), (3, 2), (0, 2)), complete=True)(rng, dtype),
    ]
    # The sign of a column flips where its diagonal element becomes real: none of them is.
    turn = np.asarray(np.exp(1j) if dtype.is_complex else 1, dtype.numpy)
    return [Sample((x.inputs[0] * turn,), x.attrs, smooth=not x.attrs) for x in found]


qr: Op = _decomposition(
    "qr",
    doc="of the transposed matrix: the columns of Q as rows, each followed by its row of R",
    result_type=_qr_type,
    samples=_qr_samples,
)


def _svd_type(x: TensorType, *, vectors: bool = True) -> TensorType:
    n, m = _require_matrix(x, square=False).shape[-2:]
    return x.with_shape((*x.shape[:-2], minimum(m, n) * (m + n + 1 if vectors else 1)))


svd: Op = _decomposition(
    "svd",
    doc="of the transposed matrix: the elements of Uᵀ, Vᴴᵀ and the singular values after each "
    "other, or the values alone",
    result_type=_svd_type,
    samples=_valued(_apart, _OBLONG),
)
