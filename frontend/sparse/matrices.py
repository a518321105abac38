"""Sparse matrices whose entries are traced."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.compiler.sparsity.relations import scipy_sparse
from symfuse.runtime.errors import ShapeError

from ..numpy.creation import zeros
from ..tracing.trace import call
from ..tracing.tree import register

__all__ = ["CSR", "Layout", "matrix"]

Array = np.ndarray[Any, Any]


class Layout:
    """Where the entries of a matrix stand, row by row; equal ones are the same places."""

    __slots__ = ("_key", "indices", "indptr", "shape")

    def __init__(self, indices: Array, indptr: Array, shape: tuple[int, int]) -> None:
        self.indices, self.indptr, self.shape = indices, indptr, shape
        self._key = blake2b(indices.tobytes() + indptr.tobytes() + repr(shape).encode()).digest()

    @property
    def rows(self) -> Array:
        """The row of every entry."""
        return np.repeat(np.arange(self.shape[0]), np.diff(self.indptr))

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and self._key == other._key


class CSR:
    """A sparse matrix by rows, as SciPy's: `data`, `indices` and `indptr`.

    It is a pytree whose one leaf is `data`, f[nnz]; where the entries stand is fixed. So it goes
    into and out of `jit`, and under `vmap` its data have a batch axis.
    """

    __slots__ = ("data", "layout")

    def __init__(self, data: Any, layout: Layout) -> None:
        self.data, self.layout = data, layout

    @property
    def indices(self) -> Array:
        """The column of every entry, i[nnz]."""
        return self.layout.indices

    @property
    def indptr(self) -> Array:
        """Where each row begins, and the end of the last one, i[rows + 1]."""
        return self.layout.indptr

    @property
    def shape(self) -> tuple[int, int]:
        return self.layout.shape

    @property
    def nnz(self) -> int:
        """The number of entries."""
        return int(self.layout.indices.size)

    @property
    def dtype(self) -> Any:
        return self.data.dtype

    def todense(self) -> Any:
        """The matrix as an array, f[rows, columns]."""
        places = self.layout.rows * self.shape[1] + self.indices
        flat = zeros(self.shape[0] * self.shape[1], dtype=self.dtype)
        filled = call("scatter_add", flat, places, self.data, axis=0)
        return call("reshape", filled, shape=self.shape)

    def to_scipy(self) -> Any:
        """The same as scipy.sparse.csr_array."""
        data = np.asarray(self.data)
        return scipy_sparse().csr_array((data, self.indices, self.indptr), shape=self.shape)

    def __matmul__(self, x: Any) -> Any:
        """The product with a vector of shape (columns,)."""
        if np.shape(x) != self.shape[1:]:
            raise ShapeError(
                f"a matrix of shape {self.shape} is multiplied by an array of shape {np.shape(x)}",
                fix=f"multiply it by a vector of {self.shape[1]} elements",
                loc=user_location(),
            )
        terms = call("multiply", self.data, call("take", x, self.indices, axis=0))
        sums = zeros(self.shape[0], dtype=terms.dtype)
        return call("scatter_add", sums, self.layout.rows, terms, axis=0)

    def __repr__(self) -> str:
        rows, columns = self.shape
        return f"<CSR {self.dtype} {rows} × {columns}, {self.nnz} entries>"


def matrix(data: Any, layout: Layout, is_traced: bool) -> Any:
    """The matrix with these entries: SciPy's, or a CSR where they are traced."""
    found = CSR(data, layout)
    return found if is_traced else found.to_scipy()


def _taken_apart(value: CSR) -> tuple[Sequence[Any], Layout]:
    return (value.data,), value.layout


def _put_together(layout: Layout, children: Any) -> CSR:
    return CSR(children[0], layout)


register(CSR, _taken_apart, _put_together)
