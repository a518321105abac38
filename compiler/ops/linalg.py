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


def _square(name: str, matrices: Callable[..., Any], **facts: Any) -> Op:
    return _decomposition(
        name, samples=_samples(matrices, ((3, 3), (2, 3, 3), (1, 1), (0, 0))), **facts
    )


def _decomposition(name: str, **facts: Any) -> Op:
    facts.setdefault("dtypes", (_F32, _F64))
    facts.setdefault("errors", (((TensorType((3,), _F32),), {}, ShapeError),))
    return Op(
        name=name,
        align=as_one_dtype,
        batch=lambda inputs, batched, attrs: op_of[name](*spread(inputs, batched), **attrs),
        ulp=256,
        **facts,
    )


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


def _same_type(x: TensorType) -> TensorType:
    return _require_matrix(x)


cholesky: Op = _square(
    "cholesky",
    _positive,
    doc="the lower triangle L with L·Lᵀ = x, of which the lower triangle is read; NaN where there "
    "is none",
    result_type=_same_type,
    library=lapack.call_cholesky,
    parts=by_library,
    jvp=linalg_rules.cholesky_jvp,
    reference=linalg_references.cholesky,
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
    library=lapack.call_triangular_solve,
    parts=by_library,
    jvp=linalg_rules.triangular_solve_jvp,
    transpose=linalg_rules.triangular_solve_transpose,
    reference=linalg_references.triangular_solve,
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


lu: Op = _square(
    "lu",
    _apart,
    doc="of the transposed matrix: L and U in one, transposed, and below it the order of the rows",
    result_type=_one_row_more,
    library=lapack.call_lu,
    parts=by_library,
    jvp=linalg_rules.lu_jvp,
    reference=linalg_references.lu,
)

eigh: Op = _square(
    "eigh",
    _spread_out,
    doc="the eigenvectors of a symmetric matrix as rows, and below them the eigenvalues; the "
    "upper triangle is read",
    result_type=_one_row_more,
    library=lapack.call_eigh,
    parts=by_library,
    jvp=linalg_rules.eigh_jvp,
    reference=linalg_references.eigh,
)


def _complex_row_more(x: TensorType) -> TensorType:
    if not x.dtype.is_complex:
        raise DTypeError(f"{x} is real", fix="convert it to complex numbers, which values may be")
    return _one_row_more(x)


eig: Op = _square(
    "eig",
    _apart,
    doc="of the transposed complex matrix: the eigenvectors as rows, below them the eigenvalues",
    result_type=_complex_row_more,
    library=lapack.call_eig,
    parts=by_library,
    jvp=linalg_rules.refused,
    reference=linalg_references.eig,
    dtypes=COMPLEX,
    errors=(((TensorType((3, 3), _F32),), {}, DTypeError),),
)

_OBLONG = ((3, 3), (2, 2, 3), (4, 3), (1, 1), (0, 0), (2, 0))


def _qr_type(x: TensorType, *, complete: bool = False) -> TensorType:
    n, m = _require_matrix(x, square=False).shape[-2:]
    return x.with_shape((*x.shape[:-2], m if complete else minimum(m, n), m + n))


def _qr_samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    whole = _samples(_apart, ((2, 4), (3, 2), (0, 2)), complete=True)(rng, dtype)
    unsmooth = [Sample(s.inputs, s.attrs, smooth=False) for s in whole]
    return [*_samples(_apart, _OBLONG)(rng, dtype), *unsmooth]


qr: Op = _decomposition(
    "qr",
    doc="of the transposed matrix: the columns of Q as rows, each followed by its row of R",
    result_type=_qr_type,
    library=lapack.call_qr,
    parts=by_library,
    jvp=linalg_rules.qr_jvp,
    reference=linalg_references.qr,
    samples=_qr_samples,
)


def _svd_type(x: TensorType) -> TensorType:
    n, m = _require_matrix(x, square=False).shape[-2:]
    return x.with_shape((*x.shape[:-2], minimum(m, n) * (m + n + 1)))


svd: Op = _decomposition(
    "svd",
    doc="of the transposed matrix: the elements of Uᵀ, V and the singular values after each other",
    result_type=_svd_type,
    library=lapack.call_svd,
    parts=by_library,
    jvp=linalg_rules.svd_jvp,
    reference=linalg_references.svd,
    samples=_samples(_apart, _OBLONG),
)

op_of = {op.name: op for op in (cholesky, triangular_solve, lu, eigh, eig, qr, svd)}
