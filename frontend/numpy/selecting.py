"""Parts of arrays by conditions and places: choose, compress, extract, delete, insert, resize."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArgumentError, ShapeError, UnsupportedError

from .. import numpy as snp
from ..tracing.dispatch import has_tracer, numpy_like
from ..tracing.tracer import Tracer
from .shared import (
    call,
    convert,
    expect,
    expect_mode,
    normal_axis,
    product,
    size_number,
    sizes_of,
    traced,
)

__all__ = [
    "choose", "compress", "delete", "diagflat", "extract", "insert", "piecewise", "resize",
]  # fmt: skip


@numpy_like(np.choose)
def choose(a: Any, choices: Any, out: None = None, mode: str = "raise") -> Any:
    """For each element of a the element of that choice; traced numbers outside are clipped."""
    expect_mode(mode)
    parts = list(choices) if isinstance(choices, list | tuple) else list(snp.unstack(choices))
    number, *arrays = snp.broadcast_arrays(traced(a), *map(traced, parts))
    if mode == "wrap":
        number = snp.remainder(number, len(arrays))
    number = snp.clip(convert(number, DType.I64), 0, len(arrays) - 1)
    return snp.take_along_axis(snp.stack(arrays), number[None], 0)[0]


def _eager_compress(
    condition: Any, a: Any, axis: Any = None, out: None = None, *, size: Any = None,
    fill_value: Any = None,
) -> Any:  # fmt: skip
    if size is None:
        return np.compress(condition, a, axis)
    return _compressed(np.asarray(condition), np.asarray(a), axis, size, fill_value)


def _compressed(condition: Any, a: Any, axis: Any, size: Any, fill_value: Any) -> Any:
    x = snp.ravel(a) if axis is None else a
    at = 0 if axis is None else normal_axis(axis, x.ndim)
    places = snp.nonzero(condition, size=size)[0]
    found = snp.take(x, places, at)
    if fill_value is None:
        return found
    there = snp.arange(size) < snp.count_nonzero(condition)
    shape = tuple(-1 if one == at else 1 for one in range(x.ndim))
    return snp.where(snp.reshape(there, shape), found, fill_value)


@numpy_like(np.compress, eager=_eager_compress)
def compress(
    condition: Any, a: Any, axis: Any = None, out: None = None, *, size: Any = None,
    fill_value: Any = None,
) -> Any:  # fmt: skip
    """The parts along an axis where a condition holds.

    A traced condition needs `size`, how many to give; where there are fewer, `fill_value` follows,
    or the first part.

    >>> import numpy as np, symfuse as sf
    >>> sf.numpy.compress([False, True, True], np.array([4, 5, 6]), size=3, fill_value=0)
    array([5, 6, 0])
    """
    x = traced(a)
    if isinstance(condition, Tracer) or size is not None:
        return _compressed(traced(condition), x, axis, size, fill_value)
    places = np.flatnonzero(np.asarray(condition))
    return snp.take(snp.ravel(x) if axis is None else x, places, 0 if axis is None else axis)


def _eager_extract(condition: Any, arr: Any, *, size: Any = None, fill_value: Any = None) -> Any:
    return _eager_compress(np.ravel(condition), np.ravel(arr), size=size, fill_value=fill_value)


@numpy_like(np.extract, eager=_eager_extract)
def extract(condition: Any, arr: Any, *, size: Any = None, fill_value: Any = None) -> Any:
    """The elements where a condition holds; a traced condition needs `size`, as in `compress`."""
    flat = snp.ravel(condition) if isinstance(condition, Tracer) else np.ravel(condition)
    return compress(flat, snp.ravel(traced(arr)), size=size, fill_value=fill_value)


def _line(arr: Any, axis: Any) -> tuple[Any, int]:
    """The array and the axis, of the flat array where none is given."""
    x = traced(arr)
    return (snp.ravel(x), 0) if axis is None else (x, normal_axis(axis, x.ndim))


def _ordered(obj: Any, size: Any) -> tuple[list[Any], list[int]]:
    """Places along a symbolic size from the first on, and which of those given each is."""
    given = np.arange(obj.stop)[obj] if _is_counted(obj) else np.asarray(obj)
    from_end = given < 0 if given.dtype.kind in "iu" else None
    if from_end is None or from_end.any() != from_end.all():
        raise ShapeError(
            f"the places {obj} along the symbolic size {size} are in no known order",
            fix="count all of them from one end, or give the spec a number for this size",
            loc=user_location(),
        )
    order = np.argsort(given, kind="stable").tolist()
    return [size + p if p < 0 else p for p in given[order].tolist()], order


def _is_counted(obj: Any) -> bool:
    """Whether a slice has the same places in every array that is long enough."""
    return (
        isinstance(obj, slice) and isinstance(obj.stop, int) and min(obj.start or 0, obj.stop) >= 0
    )


def _range(x: Any, axis: int, start: Any, stop: Any) -> Any:
    """The parts from one place up to another; if there are not so many, that is an error."""
    shape = tuple(x.shape)
    starts = tuple(start if at == axis else 0 for at in range(x.ndim))
    stops = (*shape[:axis], stop, *shape[axis + 1 :])
    return call("slice", x, starts=starts, stops=stops, steps=(1,) * x.ndim)


def _cut(x: Any, axis: int, *bounds: Any) -> Any:
    return x[(*(slice(None),) * axis, slice(*bounds))]


@numpy_like(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    """The array without the parts at places along an axis, which must not be traced."""
    if has_tracer((obj,)):
        raise UnsupportedError(
            "by traced places: how many elements are left is known only when it runs",
            fix="keep those wanted: symfuse.numpy.compress(condition, x, size=n)",
            loc=user_location(),
        )
    x, at = _line(arr, axis)
    size = x.shape[at]
    if not isinstance(obj, int) and isinstance(size, int):
        return snp.take(x, np.delete(np.arange(size), obj), at)
    if not isinstance(obj, int):
        bounds = [-1, *dict.fromkeys(_ordered(obj, size)[0]), size]
        return snp.concatenate([_range(x, at, a + 1, b) for a, b in pairwise(bounds)], at)
    x[(*(slice(None),) * at, obj)]  # a place that is not there is an error
    after = [] if obj == -1 else [_cut(x, at, obj + 1, None)]
    return snp.concatenate([_cut(x, at, None, obj), *after], at)


@numpy_like(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """The array with values put before places along an axis, which must not be traced."""
    x, at = _line(arr, axis)
    given = snp.astype(traced(values), x.dtype)
    given = snp.reshape(given, (1,) * (x.ndim - given.ndim) + tuple(given.shape))
    if isinstance(obj, int):
        size = x.shape[at]
        fits = not isinstance(size, int) or -size <= obj <= size
        expect(fits, f"insert: there is no place {obj} of {size}", "use a place from 0 to the size")
        given = snp.moveaxis(given, 0, at)
        new = snp.broadcast_to(given, (*x.shape[:at], given.shape[at], *x.shape[at + 1 :]))
        return snp.concatenate([_cut(x, at, None, obj), new, _cut(x, at, obj, None)], at)
    size = x.shape[at]
    if not isinstance(size, int):
        return _put_between(x, at, _ordered(obj, size), given)
    places = np.arange(size)[obj] if isinstance(obj, slice) else np.asarray(obj)
    fits = bool(((places >= -size) & (places <= size)).all())
    expect(fits, f"insert: places {obj} of {size}", "use places from 0 to the size")
    new = snp.broadcast_to(given, (*x.shape[:at], places.size, *x.shape[at + 1 :]))
    order = np.insert(np.arange(size), places, np.arange(size, size + places.size))
    return snp.take(snp.concatenate([x, new], at), order, at)


def _put_between(x: Any, axis: int, ordered: tuple[list[Any], list[int]], given: Any) -> Any:
    places, order = ordered
    new = snp.broadcast_to(given, (*x.shape[:axis], len(places), *x.shape[axis + 1 :]))
    parts, before = [], 0
    for place, at in zip(places, order, strict=True):
        parts += [_range(x, axis, before, place), _range(new, axis, at, at + 1)]
        before = place
    return snp.concatenate([*parts, _range(x, axis, before, x.shape[axis])], axis)


@numpy_like(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """The elements in another shape, again from the first where they are too few."""
    x = snp.ravel(traced(a))
    shape = sizes_of(new_shape)
    least = min((size for size in shape if isinstance(size, int)), default=0)
    expect(least >= 0, f"a size is {least}", "give one of at least 0")
    places = snp.arange(product(shape))
    if x.shape[0] == 0:
        return snp.zeros(shape, x.dtype)
    return snp.reshape(snp.take(x, places % size_number(x.shape[0])), shape)


@numpy_like(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """The matrix with the elements of an array on a diagonal."""
    return snp.diag(snp.ravel(traced(v)), k)


@numpy_like(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """For each element the function, or number, of the last condition that holds.

    One function more than conditions is for the elements where none does.
    """
    x = traced(x)
    conditions = [traced(c) for c in condlist] if isinstance(condlist, list | tuple) else [condlist]
    if len(funclist) not in (len(conditions), len(conditions) + 1):
        raise ArgumentError(
            f"piecewise: {len(funclist)} functions for {len(conditions)} conditions",
            fix="give one for each, and one more for the rest",
            loc=user_location(),
        )

    def value(piece: Callable[..., Any] | Any) -> Any:
        found = piece(x, *args, **kw) if callable(piece) else piece
        return snp.astype(traced(found), x.dtype)

    result = value(funclist[-1]) if len(funclist) > len(conditions) else snp.zeros_like(x)
    for condition, piece in zip(conditions, funclist, strict=False):
        result = snp.where(condition, value(piece), result)
    return result
