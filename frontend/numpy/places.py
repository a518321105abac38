"""Index arrays: ix_, unravel_index, ravel_multi_index, and those of diagonals and triangles."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArgumentError, DTypeError, ShapeError

from .. import numpy as snp
from ..tracing.dispatch import numpy_like
from ..tracing.tracer import Tracer
from .shared import common_dtype, convert, expect, size_number, traced

__all__ = [
    "diag_indices", "diag_indices_from", "ix_", "ravel_multi_index", "tril_indices",
    "tril_indices_from", "triu_indices", "triu_indices_from", "unravel_index",
]  # fmt: skip


@numpy_like(np.ix_)
def ix_(*args: Any) -> tuple[Any, ...]:
    """Index arrays for the grid of several rows of indices: x[ix_(i, j)] is x[i][:, j]."""
    found = []
    for at, one in enumerate(args):
        row = one if isinstance(one, Tracer) else np.ix_(one)[0]
        is_mask = isinstance(row, Tracer) and row._node.dtype.is_bool
        expect(not is_mask, f"argument {at} is a traced mask", "use nonzero(mask, size=n)[0]")
        if row.ndim != 1:
            raise ShapeError(
                f"ix_: argument {at} has rank {row.ndim}", fix="pass rows", loc=user_location()
            )
        shape = tuple(row.shape[0] if at == axis else 1 for axis in range(len(args)))
        found.append(snp.reshape(row, shape))
    return tuple(found)


def _whole(name: str, indices: Any) -> Any:
    """Indices in 64 bits; other numbers than integers are an error."""
    places = traced(indices)
    if not common_dtype(places).is_integer:
        raise DTypeError(
            f"{name}: indices of type {places.dtype}", fix="use integers", loc=user_location()
        )
    return convert(places, DType.I64)


@numpy_like(np.unravel_index)
def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Any, ...]:
    """The indices along each axis of places in the flat array."""
    places = _whole("unravel_index", indices)
    sizes = list(shape) if isinstance(shape, tuple | list) else [shape]
    found = []
    for size in sizes if order == "F" else reversed(sizes):
        found.append(snp.remainder(places, size_number(size)))
        places = snp.floor_divide(places, size_number(size))
    return tuple(found if order == "F" else reversed(found))


_KEPT = {
    "raise": lambda index, size: index,
    "wrap": snp.remainder,
    "clip": lambda index, size: snp.clip(index, 0, size - 1),
}


@numpy_like(np.ravel_multi_index)
def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Any:
    """The places in the flat array of indices along each axis; traced ones are not checked."""
    sizes = list(dims) if isinstance(dims, tuple | list) else [dims]
    count = len(multi_index)
    expect(count == len(sizes), f"{count} indices for {len(sizes)} sizes", "give one for each axis")
    parts = [multi_index[at] for at in range(len(sizes))]
    modes = list(mode) if isinstance(mode, tuple | list) else [mode] * len(sizes)
    if set(modes) - set(_KEPT):
        raise ArgumentError(f"mode is {mode!r}", fix=f"use one of {', '.join(_KEPT)}")
    rows = list(zip(parts, sizes, modes, strict=True))
    place: Any = 0
    for part, size, how in reversed(rows) if order == "F" else rows:
        number = size_number(size)
        place = place * number + _KEPT[how](_whole("ravel_multi_index", part), number)
    return place


def _square(arr: Any) -> Any:
    sizes = traced(arr).shape
    if len(sizes) < 2 or len(set(sizes)) > 1:
        raise ShapeError(
            f"the diagonal of {tuple(sizes)}", fix="all sizes must be equal", loc=user_location()
        )
    return sizes


def diag_indices(n: Any, ndim: int = 2) -> tuple[Any, ...]:
    """The indices of the main diagonal of an array of `ndim` axes of size n."""
    return (snp.arange(n),) * ndim


@numpy_like(np.diag_indices_from)
def diag_indices_from(arr: Any) -> tuple[Any, ...]:
    """The indices of the main diagonal of an array."""
    sizes = _square(arr)
    return diag_indices(sizes[0], len(sizes))


def tril_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, ...]:
    """The indices of the lower triangle of an (n, m) matrix."""
    return np.tril_indices(n, k, m)


def triu_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, ...]:
    """The indices of the upper triangle of an (n, m) matrix."""
    return np.triu_indices(n, k, m)


@numpy_like(np.tril_indices_from)
def tril_indices_from(arr: Any, k: int = 0) -> tuple[Any, ...]:
    """The indices of the lower triangle of a matrix, whose sizes must be numbers."""
    rows, columns = traced(arr).shape
    return tril_indices(rows, k, columns)


@numpy_like(np.triu_indices_from)
def triu_indices_from(arr: Any, k: int = 0) -> tuple[Any, ...]:
    """The indices of the upper triangle of a matrix, whose sizes must be numbers."""
    rows, columns = traced(arr).shape
    return triu_indices(rows, k, columns)
