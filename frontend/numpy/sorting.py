"""Functions of the order of elements: sort, partition, top_k, searchsorted, isin, nonzero."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError, UnsupportedError

from ..tracing.dispatch import FUNCTIONS, numpy_like
from ..tracing.trace import constant
from ..tracing.tracer import Tracer
from .elementwise import as_bool
from .manipulation import expand_dims, moveaxis, ravel
from .shared import (
    broadcast_shape_to,
    call,
    common_dtype,
    convert,
    expect,
    normal_axis,
    product,
    size_number,
    traced,
)

__all__ = [
    "argpartition", "argsort", "argwhere", "flatnonzero", "isin", "lexsort", "nonzero",
    "partition", "searchsorted", "sort", "top_k",
]  # fmt: skip

FEW = 64  # with so few elements to look for, comparing with each is faster than sorting them


# Every kind of sort leaves equal elements as they stand; there are no fields to order by.
_SORTS = {
    "kind": (None, "quicksort", "mergesort", "heapsort", "stable"),
    "order": (None,),
    "stable": (None, True, False),
}
_PARTITIONS = {"kind": ("introselect",), "order": (None,)}


def _at_once(name: str) -> Callable[..., Any]:
    """The function that builds graphs, on arrays: its operations compute by NumPy."""

    def compute(*args: Any, **kwargs: Any) -> Any:
        return FUNCTIONS[name](*args, **kwargs)

    return compute


def _eager_sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, **named: Any) -> Any:
    if named.pop("descending", False):
        return FUNCTIONS["sort"](np.asarray(a), axis, descending=True)
    return np.sort(a, axis, stable=named.get("stable", True))


def _eager_argsort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, **named: Any
) -> Any:
    if named.pop("descending", False):
        return FUNCTIONS["argsort"](np.asarray(a), axis, descending=True)
    return np.argsort(a, axis, stable=named.get("stable", True))


def _line(a: Any, axis: Any) -> tuple[Any, int]:
    """The array with the axis last, and where that belongs."""
    x = traced(a)
    if axis is None:
        x, axis = ravel(x), 0
    if not x.ndim:
        raise ShapeError(
            "an array of rank 0 has no axis to sort along", fix="axis=None", loc=user_location()
        )
    at = normal_axis(axis, x.ndim)
    return (x if at == x.ndim - 1 else moveaxis(x, at, -1)), at


def _back(x: Any, at: int) -> Any:
    return x if at == x.ndim - 1 else moveaxis(x, -1, at)


@numpy_like(np.sort, eager=_eager_sort, idle=_SORTS)
def sort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = True,
    descending: bool = False,
) -> Any:  # fmt: skip
    """The elements in order along an axis; NaN counts as the greatest.

    >>> import symfuse as sf
    >>> sf.numpy.sort([3, 1, 2], descending=True)
    array([3, 2, 1])
    """
    x, at = _line(a, axis)
    found = call("sort", x)
    return _back(call("reverse", found, axes=(x.ndim - 1,)) if descending else found, at)


@numpy_like(np.argsort, eager=_eager_argsort, idle=_SORTS)
def argsort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = True,
    descending: bool = False,
) -> Any:  # fmt: skip
    """The places of the elements in order along an axis, equal ones as they stand."""
    x, at = _line(a, axis)
    return _back(call("argsort", x, descending=bool(descending)), at)


def _check_kth(a: Any, kth: Any, axis: Any) -> None:
    x = traced(a)
    size = product(x.shape) if axis is None else x.shape[normal_axis(axis, x.ndim)]
    if isinstance(size, int) and not isinstance(kth, Tracer):
        fits = bool(((np.asarray(kth) < size) & (np.asarray(kth) >= -size)).all())
        expect(fits, f"partition: there is no place {kth} of {size}", f"use less than {size}")


@numpy_like(np.partition, idle=_PARTITIONS)
def partition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Any:
    """The elements along an axis with the kth of them in their places; traced, all are."""
    _check_kth(a, kth, axis)
    return sort(traced(a), axis)


@numpy_like(np.argpartition, idle=_PARTITIONS)
def argpartition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Any:
    """The places of the elements of `partition`."""
    _check_kth(a, kth, axis)
    return argsort(traced(a), axis)


@numpy_like(np.lexsort)
def lexsort(keys: Any, axis: Any = -1) -> Any:
    """The places of rows in order of the last key, where it is equal of the one before it."""
    rows = [traced(key) for key in keys] if isinstance(keys, list | tuple) else traced(keys)
    first, *more = [rows[at] for at in range(len(rows))]
    places = argsort(first, axis)
    for key in more:
        step = argsort(FUNCTIONS["take_along_axis"](key, places, axis), axis)
        places = FUNCTIONS["take_along_axis"](places, step, axis)
    return places


@numpy_like(eager=_at_once("top_k"))
def top_k(x: Any, k: int, /, *, axis: Any = -1, mode: str = "largest") -> tuple[Any, Any]:
    """The k largest (or, by mode, smallest) elements along an axis in order, and their places.

    >>> import symfuse as sf
    >>> sf.numpy.top_k([5, 9, 7], 2)
    (array([9, 7]), array([1, 2]))
    """
    line, at = _line(x, axis)
    if mode not in ("largest", "smallest"):
        raise ShapeError(f"top_k: mode is {mode!r}", fix='use "largest" or "smallest"')
    size = line.shape[-1]
    if isinstance(size, int) and not 0 <= k <= size:
        raise ShapeError(f"top_k: {k} of {size} elements", fix=f"use 0 <= k <= {size}")
    places = call("argsort", line, descending=mode == "largest")[..., :k]
    values = call("take_along_axis", line, places, axis=line.ndim - 1)
    return _back(values, at), _back(places, at)


# places in what is in order


@numpy_like(np.searchsorted)
def searchsorted(a: Any, v: Any, /, side: str = "left", sorter: Any = None) -> Any:
    """Where elements belong in a row that is in order: before equal ones, or after them.

    >>> import symfuse as sf
    >>> sf.numpy.searchsorted([1, 3, 5], [3, 4])
    array([1, 2])
    """
    row, wanted = traced(a), traced(v)
    if side not in ("left", "right"):
        raise ShapeError(f"searchsorted: side is {side!r}", fix='use "left" or "right"')
    if row.ndim != 1:
        raise ShapeError(f"searchsorted in an array of rank {row.ndim}", fix="pass one row")
    if sorter is not None:
        row = FUNCTIONS["take"](row, traced(sorter))
    dtype = common_dtype(row, wanted)
    return _places(convert(row, dtype), convert(wanted, dtype), side == "right")


def _is_before(x: Any, y: Any, or_equal: bool) -> Any:
    """Whether x < y, or x <= y; NaN is the greatest."""
    found = call("less_equal" if or_equal else "less", x, y)
    if not common_dtype(x).is_float:
        return found
    last = call("isnan", y)
    if not or_equal:
        last = call("logical_and", last, call("logical_not", call("isnan", x)))
    return call("logical_or", found, last)


def _places(row: Any, wanted: Any, or_equal: bool) -> Any:
    """How many elements of the row come before each one that is wanted."""
    size = row.shape[0]
    if not isinstance(size, int):
        each = _is_before(row, expand_dims(wanted, -1), or_equal)
        return FUNCTIONS["sum"](convert(each, DType.I64), -1)
    place = broadcast_shape_to(traced(constant(0, np.int64)), wanted.shape)
    step = 1 << max(size.bit_length() - 1, 0)
    while step and size:
        further = call("add", place, step)
        found = call("take", row, call("subtract", further, 1), axis=0)
        known = call("less_equal", further, size)
        goes = call("logical_and", known, _is_before(found, wanted, or_equal))
        place = call("select", goes, further, place)
        step //= 2
    return place


@numpy_like(np.isin, idle={"kind": (None, "sort", "table"), "assume_unique": (True, False)})
def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *,
    kind: Any = None,
) -> Any:  # fmt: skip
    """Whether each element is among others."""
    x, among = traced(element), ravel(traced(test_elements))
    dtype = common_dtype(x, among)
    x, among = convert(x, dtype), convert(among, dtype)
    size = among.shape[0]
    if isinstance(size, int) and size > FEW:
        among = sort(among)
        place = _places(among, x, False)
        found = call("equal", call("take", among, place, axis=0), x)
    else:
        found = FUNCTIONS["any"](call("equal", expand_dims(x, -1), among), -1)
    return call("logical_not", found) if invert else found


# places that are not zero


def needs_size(name: str) -> UnsupportedError:
    """The error for a function whose result has as many elements as the data say."""
    return UnsupportedError(
        f"{name}: how many elements the result has is known only when the graph runs",
        fix=f"give the greatest number: {name}(x, size=n)",
        loc=user_location(),
    )


def _sized(function: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """The eager form: NumPy's function, but for a call with a size."""

    @wraps(plain)
    def compute(x: Any, /, *, size: Any = None, fill_value: Any = None) -> Any:
        if size is None:
            return plain(x)
        return FUNCTIONS[function.__name__](np.asarray(x), size=size, fill_value=fill_value)

    return compute


def _found_places(x: Any, size: Any, fill: Any, name: str) -> tuple[Any, Any]:
    """The places of elements that are not zero in the flat array, and which of them there are."""
    if size is None:
        raise needs_size(name)
    count = FUNCTIONS["cumsum"](convert(as_bool(ravel(x)), DType.I64))
    number = call("iota", shape=(size,), axis=0, dtype=DType.I64)
    places = _places(count, call("add", number, 1), False)
    total = FUNCTIONS["sum"](convert(as_bool(x), DType.I64))
    return places, call("less", number, total)


def _nonzero(x: Any, /, *, size: Any = None, fill_value: Any = None) -> tuple[Any, ...]:
    """The places of elements that are not zero, an array for each axis.

    Traced, it needs `size`, the number of places to give; where there are fewer, `fill_value`
    (0) follows.

    >>> import numpy as np, symfuse as sf
    >>> sf.numpy.nonzero(np.array([0, 4, 0, 5]), size=3)
    (array([1, 3, 0]),)
    """
    array = traced(x)
    if not array.ndim:
        raise ShapeError("nonzero of an array of rank 0", fix="reshape it to (1,)")
    places, there = _found_places(array, size, fill_value, "nonzero")
    found = []
    for length in reversed(array.shape):
        size_of = size_number(length)
        at = call("remainder", places, size_of)
        places = call("floor_divide", places, size_of)
        found.append(call("select", there, at, 0 if fill_value is None else fill_value))
    return tuple(reversed(found))


def _flatnonzero(x: Any, /, *, size: Any = None, fill_value: Any = None) -> Any:
    """The places of elements that are not zero in the flat array."""
    return _nonzero(ravel(traced(x)), size=size, fill_value=fill_value)[0]


def _argwhere(x: Any, /, *, size: Any = None, fill_value: Any = None) -> Any:
    """The places of elements that are not zero, one row each."""
    return FUNCTIONS["stack"](_nonzero(x, size=size, fill_value=fill_value), -1)


def define_sized(
    name: str,
    build: Callable[..., Any],
    stands_for: Callable[..., Any],
    plain: Callable[..., Any] | None = None,
) -> Any:
    """A function that takes a size where it is traced, under its name."""
    build.__name__ = build.__qualname__ = name
    return numpy_like(stands_for, eager=_sized(build, plain or stands_for))(build)


nonzero = define_sized("nonzero", _nonzero, np.nonzero)
flatnonzero = define_sized("flatnonzero", _flatnonzero, np.flatnonzero)
argwhere = define_sized("argwhere", _argwhere, np.argwhere)
