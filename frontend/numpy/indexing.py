"""Reading and updating parts of arrays: x[...], x[...] = v, x.at[...], take, one_hot."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError

from ..tracing.dispatch import FUNCTIONS, numpy_like
from ..tracing.trace import constant
from ..tracing.tracer import Tracer
from .pieces import has_traced_slice, piece_of, read
from .shared import (
    broadcast_shape_to,
    broadcast_shapes,
    call,
    convert,
    element_type,
    expect,
    expect_mode,
    line,
    normal_axis,
    product,
    size_number,
    traced,
)
from .sizes import at_least, required
from .subscripts import Cut, Subscript, _out_of_range, admitted, joined, subscript

__all__ = ["one_hot", "places_of", "take", "take_along_axis"]


def getitem(x: Tracer, key: Any) -> Any:
    """x[key]: a view for numbers and slices, a copy for index arrays."""
    key = joined(key)
    if has_traced_slice(key) and (piece := piece_of(key, x.shape)) is not None:
        return read(x, piece)
    found = subscript(key, x.shape)
    result = admitted(_cut_axes(x, found), found)
    if not found.indexed:
        shape = tuple(1 if part is None else result.shape[part] for part in found.layout)
        if result is x or shape != tuple(result.shape):
            result = call("reshape", result, shape=shape)
        if not shape and not _has_ellipsis(key):
            result._view = None  # an element, which is a number of its own in NumPy
        return result
    taken = _taken(result, found)
    taken._view = None
    return taken


def _has_ellipsis(key: Any) -> bool:
    return any(part is Ellipsis for part in (key if isinstance(key, tuple) else (key,)))


def _cut_axes(x: Tracer, found: Subscript) -> Any:
    """The slices of a subscript; indexed axes stay whole."""
    cuts = [
        e if isinstance(e, Cut) else Cut(0, n, 1)
        for e, n in zip(found.entries, x.shape, strict=True)
    ]
    result: Any = x
    if any(c.start != 0 or c.stop != n or c.step != 1 for c, n in zip(cuts, x.shape, strict=True)):
        bounds = zip(*((c.start, c.stop, c.step) for c in cuts), strict=True)
        starts, stops, steps = (tuple(part) for part in bounds)
        result = call("slice", x, starts=starts, stops=stops, steps=steps)
    flipped = tuple(at for at, c in enumerate(cuts) if c.flipped)
    return call("reverse", result, axes=flipped) if flipped else result


def _taken(x: Any, found: Subscript) -> Any:
    """The elements at index arrays, with the axes in the order of the layout."""
    axes, at = found.indexed, found.layout.index("places")
    before = [part for part in found.layout[:at] if part is not None]
    rest = [a for a in range(x.ndim) if a not in axes]
    order = (*rest[: len(before)], *axes, *rest[len(before) :])
    if order != tuple(range(x.ndim)):
        x = call("transpose", x, axes=order)
    first = len(before)
    sizes = x.shape[first : first + len(axes)]
    places = [places_of(entry.places, n) for entry, n in zip(found.indices, sizes, strict=True)]
    if len(axes) > 1:
        x = call(
            "reshape", x, shape=(*x.shape[:first], product(sizes), *x.shape[first + len(axes) :])
        )
    index = _combined(places, sizes)
    taken = call("take", x, index, axis=first)
    target: list[Any] = []
    sizes_left = iter((*taken.shape[:first], *taken.shape[first + index.ndim :]))
    for part in found.layout:
        target += (
            [1] if part is None else list(index.shape) if part == "places" else [next(sizes_left)]
        )
    return (
        taken
        if tuple(target) == tuple(taken.shape)
        else call("reshape", taken, shape=tuple(target))
    )


def _combined(places: list[Any], sizes: Any) -> Any:
    """One index into axes that were merged."""
    shape = broadcast_shapes(*(p.shape for p in places))
    index: Any = None
    for place, size in zip(places, sizes, strict=True):
        wide = broadcast_shape_to(place, shape)
        index = wide if index is None else index * size_number(size) + wide
    return index


def places_of(index: Any, size: Any) -> Any:
    """An index array with negative places counted from the end; known ones are checked."""
    if isinstance(index, Tracer) and (number := index._node.number) is not None:
        index = np.asarray(number)
    if isinstance(index, Tracer):
        wide = convert(index, DType.I64)
        if index._node.dtype.is_unsigned:
            return wide
        return call("select", call("less", wide, 0), wide + size_number(size), wide)
    array = np.asarray(index, np.int64)
    if not isinstance(size, int):
        first, last = int(array.min(initial=0)), int(array.max(initial=-1))
        at_least(size, max(last + 1, -first), f"index {last if last >= -first else first}")
        index = required(required(constant(array), last + 1, size), -first, size)
        return places_of(index, size) if first < 0 else index
    wrong = array[(array < -size) | (array >= size)]
    if wrong.size:
        raise _out_of_range(int(wrong.flat[0]), size)
    return constant(np.where(array < 0, array + size, array))


@numpy_like(np.take)
def take(a: Any, indices: Any, axis: Any = None, out: None = None, mode: str = "raise") -> Any:
    """The elements at places along an axis.

    Places that are known and outside raise OutOfRangeError at the user's line. Traced ones outside,
    which only the program sees, give the nearest element of the axis, as with `mode="clip"`
    (negative ones count from the end first). To have them raise, write
    `sf.debug.check((i >= 0) & (i < n), "place {}", i)`.
    """
    x, at = line(traced(a), axis)
    expect_mode(mode)
    places = indices if isinstance(indices, Tracer) else np.asarray(indices)
    if isinstance(indices, list) and not places.size:
        places = places.astype(np.int64)  # of no elements, which Python has no type for
    if not np.issubdtype(places.dtype, np.integer):
        raise DTypeError(
            f"take: indices of type {places.dtype}", fix="use integers", loc=user_location()
        )
    if mode == "clip":
        return call(
            "take", x, traced(FUNCTIONS["clip"](traced(places), 0, x.shape[at] - 1)), axis=at
        )
    if mode == "wrap":
        places = FUNCTIONS["remainder"](traced(places), size_number(x.shape[at]))
    return call("take", x, places_of(places, x.shape[at]), axis=at)


@numpy_like(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """For each line along an axis, the elements at places of its own."""
    x, index = traced(arr), indices if isinstance(indices, Tracer) else np.asarray(indices)
    if axis is None:
        x, axis = FUNCTIONS["ravel"](x), 0
    at = normal_axis(axis, x.ndim)
    what = f"indices {index.dtype}{list(index.shape)} for an array of rank {x.ndim}"
    fits = index.ndim == x.ndim and np.issubdtype(index.dtype, np.integer)
    expect(fits, what, "give integers, as many axes as the array has")
    places = places_of(index, x.shape[at])
    rest = [(*s[:at], *s[at + 1 :]) for s in (x.shape, places.shape)]
    common = broadcast_shapes(*rest)
    x = broadcast_shape_to(x, (*common[:at], x.shape[at], *common[at:]))
    places = broadcast_shape_to(places, (*common[:at], places.shape[at], *common[at:]))
    return call("take_along_axis", x, places, axis=at)


@numpy_like()
def one_hot(x: Any, num_classes: Any, *, dtype: Any = np.float32, axis: int = -1) -> Any:
    """Rows of zeros with a one at the place that each element of x names.

    >>> import symfuse as sf
    >>> sf.numpy.one_hot([0, 2], 3)
    array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    index = traced(x if isinstance(x, Tracer) else np.asarray(x))
    at = normal_axis(axis, index.ndim + 1)
    shape = (*index.shape[:at], num_classes, *index.shape[at:])
    classes = call("iota", shape=shape, axis=at, dtype=DType.I64)
    wide = broadcast_shape_to(FUNCTIONS["expand_dims"](convert(index, DType.I64), at), shape)
    return convert(call("equal", wide, classes), element_type(dtype))


FUNCTIONS["getitem"] = getitem
