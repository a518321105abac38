"""The different elements of an array: unique_values, _counts, _inverse and _all."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from symfuse.runtime.dtypes import DType

from ..tracing.dispatch import FUNCTIONS
from .manipulation import ravel, reshape
from .shared import call, convert, traced
from .sorting import argsort, define_sized, needs_size, searchsorted

__all__ = ["unique_all", "unique_counts", "unique_inverse", "unique_values"]


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

    def __init__(self, x: Any, size: Any, name: str) -> None:
        if size is None:
            raise needs_size(name)
        self.x, self.size = traced(x), size
        flat = ravel(self.x)
        self.order = argsort(flat)
        self.sorted = call("take", flat, self.order, axis=0)
        after = call("not_equal", self.sorted[1:], self.sorted[:-1])
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
