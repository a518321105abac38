"""Decompositions of matrices; those in the leading axes are a batch.

Traced, LAPACK computes them in compiled code. Where a decomposition does not exist, NumPy raises
LinAlgError; compiled code, which cannot, gives NaN.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from symfuse.compiler.ir.dims import is_equal, minimum
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import OptionError, ShapeError

from ..tracing.dispatch import FUNCTIONS, numpy_like
from .shared import broadcast_shape_to, call, common_dtype, convert, traced

__all__ = [
    "EigResult", "EighResult", "QRResult", "SVDResult", "SlogdetResult", "adjoint", "cholesky",
    "eig", "eigh", "eigvals", "eigvalsh", "factors", "matrices", "permuted", "qr", "svd", "svdvals",
    "transposed",
]  # fmt: skip


class EighResult(NamedTuple):
    """What `eigh` gives."""

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """What `qr` gives."""

    Q: Any
    R: Any


class SVDResult(NamedTuple):
    """What `svd` gives."""

    U: Any
    S: Any
    Vh: Any


class SlogdetResult(NamedTuple):
    """What `slogdet` gives."""

    sign: Any
    logabsdet: Any


def matrices(x: Any, *, square: bool = False) -> Any:
    """The argument as matrices of floats."""
    x = traced(x)
    x = convert(x, common_dtype(x, 1.0))
    if x.ndim < 2 or (square and is_equal(*x.shape[-2:]) is not True):
        what = "square matrices" if square else "matrices"
        raise ShapeError(
            f"an array of shape {tuple(x.shape)} holds no {what}",
            fix="the last two axes are those of the matrices",
            loc=user_location(),
        )
    return x


def transposed(x: Any) -> Any:
    """Every matrix transposed."""
    return FUNCTIONS["matrix_transpose"](x)


def adjoint(x: Any) -> Any:
    """Every matrix transposed and conjugated."""
    return FUNCTIONS["conj"](transposed(x))


@numpy_like(np.linalg.cholesky)
def cholesky(x: Any, /, *, upper: bool = False) -> Any:
    """The lower triangle L with L @ L.T.conj() = x, or with `upper` its adjoint; compiled, NaN
    where x is not positive definite."""
    x = matrices(x, square=True)
    return adjoint(call("cholesky", adjoint(x))) if upper else call("cholesky", x)


def factors(x: Any) -> tuple[Any, Any]:
    """LU of square matrices: both triangles in one, transposed; and the order of the rows."""
    n = x.shape[-1]
    packed = call("lu", transposed(x))
    order = FUNCTIONS["real"](packed[..., n, :])
    return packed[..., :n, :], FUNCTIONS["astype"](order, np.int64)


def permuted(b: Any, order: Any) -> Any:
    """The rows of matrices in another order."""
    places = FUNCTIONS["expand_dims"](order, -1)
    return call("take_along_axis", b, broadcast_shape_to(places, b.shape), axis=b.ndim - 2)


@numpy_like(np.linalg.qr)
def qr(x: Any, /, mode: str = "reduced") -> Any:
    """Q with orthonormal columns and the upper triangle R with Q @ R = x; modes "reduced",
    "complete" and "r"."""
    if mode not in ("reduced", "complete", "r"):
        raise OptionError(f"qr: mode={mode!r}", fix='use "reduced", "complete" or "r"')
    x = matrices(x)
    m = x.shape[-2]
    packed = call("qr", transposed(x), complete=mode == "complete")
    r = packed[..., m:]
    return r if mode == "r" else QRResult(transposed(packed[..., :m]), r)


@numpy_like(np.linalg.eigh)
def eigh(x: Any, /, UPLO: str = "L") -> EighResult:
    """Eigenvalues of symmetric or Hermitian matrices, the least first, and their vectors as
    columns; one triangle is read. Derivatives of vectors need eigenvalues that differ, and are
    those of functions that do not depend on signs or phases of vectors."""
    x = _triangle("eigh", x, UPLO)
    n = x.shape[-1]
    packed = call("eigh", x)
    return EighResult(FUNCTIONS["real"](packed[..., n, :]), transposed(packed[..., :n, :]))


def _triangle(name: str, x: Any, uplo: str) -> Any:
    """Matrices whose upper triangle is the one to be read, transposed."""
    if uplo not in ("L", "U"):
        raise OptionError(f"{name}: UPLO={uplo!r}", fix='use "L" or "U"')
    x = matrices(x, square=True)
    return transposed(x) if uplo == "L" else FUNCTIONS["conj"](x)


@numpy_like(np.linalg.eigvalsh)
def eigvalsh(x: Any, /, UPLO: str = "L") -> Any:
    """The eigenvalues of symmetric or Hermitian matrices, the least first; they have derivatives
    where some are equal, too."""
    return FUNCTIONS["real"](call("eigh", _triangle("eigvalsh", x, UPLO), vectors=False))


@numpy_like(np.linalg.svd, idle={"hermitian": (True, False)})
def svd(
    x: Any, /, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """U, S and Vh with (U * S) @ Vh = x, the greatest of S first. Derivatives of U and Vh need
    singular values that differ, none of them 0 where x is complex or oblong, and no full matrices
    of oblong ones; they are those of functions that do not depend on signs or phases."""
    x = matrices(x)
    m, n = x.shape[-2:]
    k = minimum(m, n)
    packed = call("svd", transposed(x), vectors=bool(compute_uv))
    if not compute_uv:
        return FUNCTIONS["real"](packed)
    s = FUNCTIONS["real"](packed[..., k * (m + n) :])
    u = transposed(FUNCTIONS["reshape"](packed[..., : k * m], (*x.shape[:-2], k, m)))
    v = FUNCTIONS["reshape"](packed[..., k * m : k * (m + n)], (*x.shape[:-2], n, k))
    if full_matrices and is_equal(m, n) is not True:
        u, v = _completed(u), _completed(v)
    return SVDResult(u, s, transposed(v))


def _completed(u: Any) -> Any:
    """Orthonormal columns with further ones, as many as there are rows."""
    m, k = u.shape[-2:]
    if is_equal(m, k) is True:
        return u
    whole = transposed(call("qr", transposed(u), complete=True)[..., :m])
    return FUNCTIONS["concatenate"]([u, whole[..., k:]], axis=-1)


@numpy_like(getattr(np.linalg, "svdvals", None))
def svdvals(x: Any, /) -> Any:
    """The singular values, the greatest first; they have derivatives where some are equal, too."""
    return FUNCTIONS["svd"](x, compute_uv=False)


class EigResult(NamedTuple):
    """What `eig` gives."""

    eigenvalues: Any
    eigenvectors: Any


def _eager_eig(x: Any, /) -> EigResult:
    values, vectors = np.linalg.eig(x)
    dtype = np.result_type(values.dtype, np.complex64)
    return EigResult(values.astype(dtype, copy=False), vectors.astype(dtype, copy=False))


@numpy_like(np.linalg.eig, eager=_eager_eig)
def eig(x: Any, /) -> EigResult:
    """Eigenvalues of square matrices, in no order, and their vectors as columns, always complex.
    Derivatives of vectors need eigenvalues that differ, and are those of functions that do not
    depend on phases of vectors."""
    x = _complex_columns(x)
    n = x.shape[-1]
    packed = call("eig", x)
    return EigResult(packed[..., n, :], transposed(packed[..., :n, :]))


def _complex_columns(x: Any) -> Any:
    x = matrices(x, square=True)
    return transposed(convert(x, common_dtype(x).complex))


@numpy_like(np.linalg.eigvals, eager=lambda x, /: _eager_eig(x)[0])
def eigvals(x: Any, /) -> Any:
    """The eigenvalues of square matrices, in no order, always complex."""
    return call("eig", _complex_columns(x), vectors=False)
