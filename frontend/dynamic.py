"""Pieces of arrays at traced places, under the names of `jax.lax`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError

from .numpy.pieces import Piece, read, written
from .numpy.shared import convert, normal_axis, traced
from .tracing.trace import dtype_of

__all__ = [
    "dynamic_index_in_dim",
    "dynamic_slice",
    "dynamic_slice_in_dim",
    "dynamic_update_index_in_dim",
    "dynamic_update_slice",
    "dynamic_update_slice_in_dim",
]


def dynamic_slice(operand: Any, start_indices: Sequence[Any], slice_sizes: Sequence[Any]) -> Any:
    """The piece of some sizes that begins at some places, which may be traced.

    Negative places count from the end; a piece that would not fit is moved until it does.

    >>> import numpy as np, symfuse as sf
    >>> sf.dynamic_slice(np.arange(6), (np.int64(2),), (3,))
    array([2, 3, 4])
    """
    x = _array(operand)
    return read(x, _piece("dynamic_slice", x, start_indices, tuple(slice_sizes)))


def dynamic_update_slice(operand: Any, update: Any, start_indices: Sequence[Any]) -> Any:
    """The array with `update` in place of the piece that begins at some places.

    In a loop the array is written to in place if nothing reads it as it was before.

    >>> import numpy as np, symfuse as sf
    >>> sf.dynamic_update_slice(np.zeros(4), np.ones(2), (1,))
    array([0., 1., 1., 0.])
    """
    x, new = _array(operand), _array(update)
    if np.ndim(new) != x.ndim:
        raise ShapeError(
            f"dynamic_update_slice: an update of rank {np.ndim(new)} for an array of rank {x.ndim}",
            fix="give it the rank of the array, with axes of size 1",
            loc=user_location(),
        )
    piece = _piece("dynamic_update_slice", x, start_indices, tuple(new.shape))
    return written(x, piece, convert(new, dtype_of(x)), "set", "clip")


def dynamic_slice_in_dim(operand: Any, start_index: Any, slice_size: int, axis: int = 0) -> Any:
    """The piece of `slice_size` along an axis that begins at a place."""
    x = _array(operand)
    at = normal_axis(axis, x.ndim)
    sizes = [slice_size if a == at else n for a, n in enumerate(x.shape)]
    return dynamic_slice(x, _along(x, start_index, at), sizes)


def dynamic_index_in_dim(operand: Any, index: Any, axis: int = 0, keepdims: bool = True) -> Any:
    """The slice at one place along an axis."""
    found = dynamic_slice_in_dim(operand, index, 1, axis)
    return found if keepdims else found.squeeze(axis)


def dynamic_update_slice_in_dim(operand: Any, update: Any, start_index: Any, axis: int) -> Any:
    """The array with `update` in place of a piece along an axis."""
    x = _array(operand)
    return dynamic_update_slice(x, update, _along(x, start_index, normal_axis(axis, x.ndim)))


def dynamic_update_index_in_dim(operand: Any, update: Any, index: Any, axis: int) -> Any:
    """The array with `update` in place of the slice at one place along an axis."""
    x, new = _array(operand), _array(update)
    at = normal_axis(axis, x.ndim)
    if np.ndim(new) < x.ndim:
        new = new.reshape((*new.shape[:at], 1, *new.shape[at:]))
    return dynamic_update_slice(x, new, _along(x, index, at))


def _array(value: Any) -> Any:
    return traced(value if hasattr(value, "shape") else np.asarray(value))


def _along(x: Any, start: Any, axis: int) -> list[Any]:
    return [start if at == axis else 0 for at in range(x.ndim)]


def _piece(what: str, x: Any, starts: Sequence[Any], sizes: tuple[Any, ...]) -> Piece:
    if len(starts) != x.ndim or len(sizes) != x.ndim:
        raise ShapeError(
            f"{what}: {len(starts)} places and {len(sizes)} sizes for an array of rank {x.ndim}",
            fix=f"give {x.ndim} of each",
            loc=user_location(),
        )
    places = [_place(start, n) for start, n in zip(starts, x.shape, strict=True)]
    return Piece(tuple(places), sizes, ())


def _place(start: Any, size: Any) -> Any:
    if isinstance(start, int | np.integer):
        return int(start) + (size if start < 0 else 0)
    return np.where(start < 0, start + size, start)
