"""Arrays as sets: unique, unique_values and its relatives, intersect1d, union1d, setdiff1d."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArgumentError

from ..tracing.dispatch import FUNCTIONS, numpy_like
from .manipulation import ravel, reshape
from .shared import call, common_dtype, convert, traced
from .sorting import argsort, define_sized, isin, needs_size, nonzero, searchsorted, sort

__all__ = [
    "intersect1d", "setdiff1d", "setxor1d", "union1d", "unique", "unique_all", "unique_counts",
    "unique_inverse", "unique_values",
]  # fmt: skip


class UniqueCounts(NamedTuple):
    """What `unique_counts` gives."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """What `unique_inverse` gives."""

    values: Any
    inverse_indices: Any


class UniqueAll(NamedTuple):
    """What `unique_all` gives."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class _Found:
    """The elements in order, and for each the number of different ones before it."""

    def __init__(self, x: Any, size: Any, name: str, equal_nan: bool = False) -> None:
        if size is None:
            raise needs_size(name)
        self.x, self.size = traced(x), size
        flat = ravel(self.x)
        self.order = argsort(flat)
        self.sorted = call("take", flat, self.order, axis=0)
        after = call("not_equal", self.sorted[1:], self.sorted[:-1])
        if equal_nan and common_dtype(flat).is_float:  # NaN comes last: others follow the first
            after = call("logical_and", after, call("logical_not", call("isnan", self.sorted[:-1])))
        steps = FUNCTIONS["concatenate"]([traced(np.zeros(1, np.int64)), convert(after, DType.I64)])
        self.rank = FUNCTIONS["cumsum"](steps[: flat.shape[0]])
        number = call("iota", shape=(size,), axis=0, dtype=DType.I64)
        self.first = searchsorted(self.rank, number)
        self.end = searchsorted(self.rank, number, side="right")

    def values(self, fill: Any) -> Any:
        """The different elements; where there are fewer than `size`, the least, or `fill`."""
        found = call("take", self.sorted, self.first, axis=0)
        there = call("greater", self.end, self.first)
        return call("select", there, found, self.sorted[0] if fill is None else fill)

    def places(self) -> Any:
        """Where each of the different elements stands first."""
        there = call("greater", self.end, self.first)
        return call("select", there, call("take", self.order, self.first, axis=0), 0)

    def counts(self) -> Any:
        """How often each occurs."""
        return call("subtract", self.end, self.first)

    def inverse(self) -> Any:
        """For each element of the array the number of the different one that it is."""
        back = argsort(self.order)
        return reshape(call("take", self.rank, back, axis=0), self.x.shape)


_UNIQUE = {"assume_unique": (True, False)}  # which would save a sort at most


def _values(x: Any, /, *, size: Any = None, fill_value: Any = None) -> Any:
    """The different elements in order; traced, `size` of them.

    Where there are fewer, `fill_value` follows, which is the least element if it is not given.

    >>> import numpy as np, symfuse as sf
    >>> sf.numpy.unique_values(np.array([2, 1, 2]), size=3)
    array([1, 2, 1])
    """
    return _Found(x, size, "unique_values").values(fill_value)


def _counts(x: Any, /, *, size: Any = None, fill_value: Any = None) -> Any:
    """The different elements, and how often each occurs."""
    found = _Found(x, size, "unique_counts")
    return UniqueCounts(found.values(fill_value), found.counts())


def _inverse(x: Any, /, *, size: Any = None, fill_value: Any = None) -> Any:
    """The different elements, and for each element of the array its place among them."""
    found = _Found(x, size, "unique_inverse")
    return UniqueInverse(found.values(fill_value), found.inverse())


def _all(x: Any, /, *, size: Any = None, fill_value: Any = None) -> Any:
    """The different elements, where each stands first, the inverse, and the counts."""
    found = _Found(x, size, "unique_all")
    return UniqueAll(found.values(fill_value), found.places(), found.inverse(), found.counts())


def _in_order(x: Any, /) -> Any:
    return np.unique(x, equal_nan=False)  # the order of np.unique_values is any


unique_values = define_sized("unique_values", _values, np.unique_values, _in_order)
unique_counts = define_sized("unique_counts", _counts, np.unique_counts)
unique_inverse = define_sized("unique_inverse", _inverse, np.unique_inverse)
unique_all = define_sized("unique_all", _all, np.unique_all)


def _eager_unique(
    ar: Any, *args: Any, size: Any = None, fill_value: Any = None, **named: Any
) -> Any:
    if size is None:
        return np.unique(ar, *args, **named)
    return FUNCTIONS["unique"](np.asarray(ar), *args, size=size, fill_value=fill_value, **named)


@numpy_like(np.unique, eager=_eager_unique, idle={"sorted": (True, False)})
def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False,
    return_counts: bool = False, axis: Any = None, *, equal_nan: bool = True, sorted: bool = True,
    size: Any = None, fill_value: Any = None,
) -> Any:  # fmt: skip
    """The different elements in order, and if asked for where each stands first, for each element
    its place among them, and how often each occurs; traced, `size` of them.

    Where there are fewer, `fill_value` follows, which is the least element if it is not given.

    >>> import numpy as np, symfuse as sf
    >>> sf.numpy.unique(np.array([2, 1, 2]), return_counts=True, size=3)
    (array([1, 2, 1]), array([1, 2, 0]))
    """
    if axis is not None:
        raise ArgumentError(
            f"unique along axis {axis} cannot be traced", fix="leave out the axis",
            loc=user_location(),
        )  # fmt: skip
    found = _Found(ar, size, "unique", equal_nan)
    results = [found.values(fill_value)]
    results += [found.places()] if return_index else []
    results += [found.inverse()] if return_inverse else []
    results += [found.counts()] if return_counts else []
    return results[0] if len(results) == 1 else tuple(results)


# sets of two


def _two_sets(plain: Callable[..., Any]) -> Callable[..., Any]:
    """The eager form: NumPy's function, but for a call with a size."""

    def compute(ar1: Any, ar2: Any, *args: Any, size: Any = None, **named: Any) -> Any:
        fill = {"fill_value": named.pop("fill_value", None)}
        if size is None:
            return plain(ar1, ar2, *args, **named)
        arrays = (np.asarray(ar1), np.asarray(ar2))
        return FUNCTIONS[plain.__name__](*arrays, *args, size=size, **fill, **named)

    return compute


def _common(ar1: Any, ar2: Any) -> tuple[Any, Any]:
    first, second = ravel(traced(ar1)), ravel(traced(ar2))
    dtype = common_dtype(first, second)
    return convert(first, dtype), convert(second, dtype)


def _chosen(row: Any, there: Any, size: Any, fill: Any, name: str) -> Any:
    """The elements of a row that is in order where a condition holds, `size` of them."""
    if size is None:
        raise needs_size(name)
    places = nonzero(there, size=size)[0]
    found = call("take", row, places, axis=0)
    count = FUNCTIONS["count_nonzero"](there)
    number = call("iota", shape=(size,), axis=0, dtype=DType.I64)
    return call("select", call("less", number, count), found, found[0] if fill is None else fill)


def _is_first(row: Any) -> Any:
    """Whether each element of a row in order differs from the one before it."""
    after = call("not_equal", row[1:], row[:-1])
    return FUNCTIONS["concatenate"]([FUNCTIONS["ones_like"](row[:1], bool), after])


@numpy_like(np.union1d, eager=_two_sets(np.union1d))
def union1d(ar1: Any, ar2: Any, *, size: Any = None, fill_value: Any = None) -> Any:
    """The elements of one or the other array, in order and each once; traced, `size` of them."""
    row = sort(FUNCTIONS["concatenate"](_common(ar1, ar2)))
    return _chosen(row, _is_first(row), size, fill_value, "union1d")


@numpy_like(np.intersect1d, eager=_two_sets(np.intersect1d), idle=_UNIQUE)
def intersect1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False, *,
    size: Any = None, fill_value: Any = None,
) -> Any:  # fmt: skip
    """The elements that are in both arrays, in order and each once; traced, `size` of them."""
    if return_indices:
        raise ArgumentError(
            "intersect1d with return_indices cannot be traced", fix="leave it out",
            loc=user_location(),
        )  # fmt: skip
    first, second = _common(ar1, ar2)
    row = sort(first)
    there = call("logical_and", _is_first(row), isin(row, second))
    return _chosen(row, there, size, fill_value, "intersect1d")


@numpy_like(np.setdiff1d, eager=_two_sets(np.setdiff1d))
def setdiff1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, *, size: Any = None, fill_value: Any = None
) -> Any:
    """The elements of the first array that are not in the second; traced, `size` of them.

    In order and each once, unless they are unique and stay as they stand.
    """
    first, second = _common(ar1, ar2)
    row = first if assume_unique else sort(first)
    there = isin(row, second, invert=True)
    there = there if assume_unique else call("logical_and", _is_first(row), there)
    return _chosen(row, there, size, fill_value, "setdiff1d")


@numpy_like(np.setxor1d, eager=_two_sets(np.setxor1d), idle=_UNIQUE)
def setxor1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, *, size: Any = None, fill_value: Any = None
) -> Any:
    """The elements that are in just one of the arrays, in order and each once; traced, `size`."""
    first, second = _common(ar1, ar2)
    row = sort(FUNCTIONS["concatenate"]([first, second]))
    both = call("logical_and", isin(row, first), isin(row, second))
    there = call("logical_and", _is_first(row), call("logical_not", both))
    return _chosen(row, there, size, fill_value, "setxor1d")
