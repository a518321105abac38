"""Decompositions by NumPy, as the operations give them: NaN where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["cholesky", "eig", "eigh", "lu", "qr", "svd", "triangular_solve"]

Array = np.ndarray[Any, Any]


def _each(shape: tuple[int, ...], compute: Callable[..., Array], *arrays: Array) -> Array:
    """A function of matrices for every matrix of a batch; `shape` is that of one result."""
    x = arrays[0]
    out = np.empty((*x.shape[:-2], *shape), x.dtype)
    for at in np.ndindex(x.shape[:-2]):
        try:
            out[at] = compute(*(a[at] for a in arrays))
        except np.linalg.LinAlgError:
            out[at] = np.nan
    return out


def cholesky(x: Any) -> Array:
    """By NumPy."""
    x = np.asarray(x)
    return _each(x.shape[-2:], np.linalg.cholesky, x)


def triangular_solve(
    a: Any, b: Any, *, lower: bool, transposed: bool = False, unit: bool = False
) -> Array:
    """Row by row, each from the rows that are known."""
    a, x = np.asarray(a), np.array(b)
    n = a.shape[-1]
    if transposed:
        a, lower = np.swapaxes(a, -1, -2), not lower
    for i in range(n) if lower else reversed(range(n)):
        known = slice(0, i) if lower else slice(i + 1, n)
        x[..., i, :] -= np.einsum("...j,...jk->...k", a[..., i, known], x[..., known, :])
        if not unit:
            x[..., i, :] /= a[..., i, i, None]
    return x


def lu(x: Any) -> Array:
    """Column by column, the largest element in the place of the pivot."""
    x = np.asarray(x)
    n = x.shape[-1]
    return _each((n + 1, n), _one_lu, x)


def _one_lu(x: Array) -> Array:
    n = x.shape[-1]
    a, order = np.array(x.T), np.arange(n)
    for k in range(n):
        best = k + int(np.argmax(np.abs(a[k:, k].real) + np.abs(a[k:, k].imag)))  # LAPACK's size
        a[[k, best]], order[[k, best]] = a[[best, k]], order[[best, k]]
        if a[k, k]:
            a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k], a[k, k + 1 :])
    return np.concatenate([a.T, order[None].astype(x.dtype)])


def eigh(x: Any, *, vectors: bool = True) -> Array:
    """By NumPy, of the transposed matrix, which has its lower triangle above."""
    return _eigen(np.linalg.eigh, x, vectors)


def eig(x: Any, *, vectors: bool = True) -> Array:
    """By NumPy, of the transposed matrix."""
    return _eigen(np.linalg.eig, x, vectors)


def _eigen(decompose: Callable[[Array], Any], x: Any, vectors: bool) -> Array:
    x = np.asarray(x)
    n = x.shape[-1]

    def one(matrix: Array) -> Array:
        values, columns = decompose(matrix.T)
        return np.concatenate([columns.T, values[None]]) if vectors else np.asarray(values)

    return _each((n + 1, n) if vectors else (n,), one, x)


def qr(x: Any, *, complete: bool = False) -> Array:
    """By NumPy."""
    x = np.asarray(x)
    n, m = x.shape[-2:]

    def one(matrix: Array) -> Array:
        q, r = np.linalg.qr(matrix.T, mode="complete" if complete else "reduced")
        return np.concatenate([q.T, r], 1)

    return _each((m if complete else min(m, n), m + n), one, x)


def svd(x: Any, *, vectors: bool = True) -> Array:
    """By NumPy."""
    x = np.asarray(x)
    n, m = x.shape[-2:]

    def one(matrix: Array) -> Array:
        u, s, vt = np.linalg.svd(matrix.T, full_matrices=False)
        return np.concatenate([u.T.ravel(), vt.T.ravel(), s]) if vectors else np.asarray(s)

    return _each((min(m, n) * (m + n + 1 if vectors else 1),), one, x)
