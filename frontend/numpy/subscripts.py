"""What stands between the brackets of x[...], sorted out for arrays of known rank."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct

from symfuse.compiler.ir.dims import Expr, is_at_most, maximum, minimum
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError, TraceError

from ..tracing.dispatch import FUNCTIONS, has_tracer
from ..tracing.refusals import OutOfRangeError
from ..tracing.sizes import whole
from ..tracing.tracer import Tracer
from .sizes import at_least, clipped, may_count_back, required

__all__ = ["Cut", "Index", "Subscript", "admitted", "expanded", "is_mask", "joined", "subscript"]


class Cut(Struct, frozen=True):
    """The elements start, start + step, ... of an axis; `flipped` reverses them afterwards."""

    start: Any
    stop: Any
    step: int
    flipped: bool = False
    dropped: bool = False  # a single index: the axis goes away
    not_negative: tuple[Any, ...] = ()  # bounds that would count from the end if they were

    @property
    def count(self) -> Any:
        length = self.stop - self.start
        return length if self.step == 1 else (length + self.step - 1) // self.step


class Index(Struct, frozen=True):
    """An axis read at the places that an array names."""

    places: Any


class Subscript(Struct, frozen=True):
    """One entry for each axis of the array, and the layout of the result's axes.

    The layout holds axis numbers for cut axes, None for new axes of size 1, and "places" where
    the axes of the index arrays go.
    """

    entries: tuple[Cut | Index, ...]
    layout: tuple[Any, ...]

    @property
    def indices(self) -> tuple[Index, ...]:
        """The index arrays, in the order of their axes."""
        return tuple(entry for entry in self.entries if isinstance(entry, Index))

    @property
    def indexed(self) -> tuple[int, ...]:
        """The axes that index arrays read."""
        return tuple(at for at, entry in enumerate(self.entries) if isinstance(entry, Index))


def admitted(x: Any, found: Subscript) -> Any:
    """An array that a subscript leads to, for sizes for which its bounds count from the start."""
    cuts = (entry for entry in found.entries if isinstance(entry, Cut))
    for bound in dict.fromkeys(bound for cut in cuts for bound in cut.not_negative):
        x = required(x, 0, bound)
    return x


def joined(key: Any) -> Any:
    """A subscript whose lists of places, some of them traced, are arrays."""
    if type(key) is tuple:
        return tuple(map(joined, key))
    return FUNCTIONS["array"](key) if isinstance(key, list) and has_tracer(key) else key


def is_mask(key: Any) -> bool:
    """Whether a subscript is a traced array of truth values."""
    return isinstance(key, Tracer) and key.dtype == np.bool_


def subscript(key: Any, shape: tuple[Any, ...]) -> Subscript:
    """The subscript for an array of this shape."""
    _check_masks(list(key) if isinstance(key, tuple) else [key], shape)
    parts = expanded(key, len(shape))
    advanced = any(_is_array(part) for part in parts)
    entries: list[Cut | Index] = []
    layout: list[Any] = []
    places: list[int] = []
    for part in parts:
        if part is None:
            layout.append(None)
            continue
        size = shape[len(entries)]
        if isinstance(part, slice):
            layout.append(len(entries))
            entries.append(_cut(part, size))
        elif _is_array(part) or advanced:
            places.append(len(layout))
            layout.append("places")
            entries.append(Index(part if isinstance(part, Tracer) else np.asarray(part)))
        else:
            entries.append(_single(part, size))
    return Subscript(tuple(entries), _with_places_once(layout, places))


def _check_masks(parts: list[Any], shape: tuple[Any, ...]) -> None:
    """Raise where a known mask has other sizes than the axes that it is for."""
    dots = [at for at, part in enumerate(parts) if part is Ellipsis]
    for at, part in enumerate(parts):
        if not isinstance(part, list | np.ndarray) or np.asarray(part).dtype != np.bool_:
            continue
        after = sum(map(_axes, parts[at:]))
        first = len(shape) - after if dots and at > dots[0] else sum(map(_axes, parts[:at]))
        sizes = zip(np.shape(part), shape[first:], strict=False)
        if any(isinstance(n, int) and m not in (n, 0) for m, n in sizes):
            raise OutOfRangeError(
                f"a mask of shape {np.shape(part)} for axes {first}, ... of {tuple(shape)}",
                fix="a mask has the sizes of the axes that it stands for",
                loc=user_location(),
            )


def _axes(part: Any) -> int:
    """How many axes of the array a part of a subscript stands for."""
    if part is None or part is Ellipsis:
        return 0
    is_array = isinstance(part, list | np.ndarray)
    return np.ndim(part) if is_array and np.asarray(part).dtype == np.bool_ else 1


def _with_places_once(layout: list[Any], places: list[int]) -> tuple[Any, ...]:
    """NumPy's rule: the places of index arrays stay if they are neighbours, else come first."""
    rest = [part for part in layout if part != "places"]
    if not places:
        return tuple(rest)
    together = places == list(range(places[0], places[-1] + 1))
    at = sum(part != "places" for part in layout[: places[0]]) if together else 0
    return (*rest[:at], "places", *rest[at:])


def expanded(key: Any, rank: int) -> list[Any]:
    """The parts of a subscript, masks as index arrays, with slices for the axes not named."""
    parts = list(key) if isinstance(key, tuple) else [key]
    found: list[Any] = []
    for part in parts:
        found += _part(part)
    used = sum(part is not None and part is not Ellipsis for part in found)
    if used > rank:
        raise ShapeError(
            f"{used} indices for an array of rank {rank}",
            fix=f"give at most {rank}",
            loc=user_location(),
        )
    filler = [slice(None)] * (rank - used)
    dots = [at for at, part in enumerate(found) if part is Ellipsis]
    if len(dots) > 1:
        raise ShapeError("more than one ... in a subscript", loc=user_location())
    at = dots[0] if dots else len(found)
    return [*found[:at], *filler, *found[at + len(dots) :]]


def _part(part: Any) -> list[Any]:
    if part is None or part is Ellipsis or isinstance(part, slice | Expr):
        return [part]
    if is_mask(part):
        raise TraceError(
            "a traced array of truth values selects a number of elements that is not known",
            fix="keep the shape: snp.where(mask, x, 0), or sum(x * mask)",
            loc=user_location(),
        )
    if isinstance(part, Tracer):
        return [_integer(part)]
    array = np.asarray(part)
    if array.dtype == np.bool_:
        return list(np.nonzero(array))
    array = array.astype(np.int64) if array.size == 0 else array
    _integer(array)
    return [int(array) if array.ndim == 0 else array]


def _integer(index: Any) -> Any:
    if not np.issubdtype(index.dtype, np.integer):
        raise TraceError(
            f"an index of element type {index.dtype}",
            fix="index with integers: i.astype('int64')",
            loc=user_location(),
        )
    return index


def _is_array(part: Any) -> bool:
    return isinstance(part, Tracer | np.ndarray)


def _single(at: Any, size: Any) -> Cut:
    if isinstance(at, int) and isinstance(size, int) and not -size <= at < size:
        raise _out_of_range(at, size)
    start = at + size if isinstance(at, int) and at < 0 else at
    if isinstance(start, int) and not isinstance(size, int):
        at_least(size, start + 1, f"index {at}")
    return Cut(start, start + 1, 1, dropped=True)


def _out_of_range(at: int, size: int) -> ShapeError:
    return OutOfRangeError(
        f"index {at} is out of range for an axis of size {size}",
        fix=f"use an index from {-size} to {size - 1}" if size else "the axis has no elements",
        loc=user_location(),
    )


def _cut(part: slice, size: Any) -> Cut:
    step = 1 if part.step is None else whole(part.step)
    if step == 0:
        raise ShapeError("a slice with step 0", loc=user_location())
    part = slice(_whole(part.start), _whole(part.stop), step)
    if not any(isinstance(v, Expr) for v in (part.start, part.stop, size)):
        start, stop, step = part.indices(size)
        count = len(range(start, stop, step))
        if count == 0:
            return Cut(0, 0, 1)
        if step > 0:
            return Cut(start, start + (count - 1) * step + 1, step)
        return Cut(start + (count - 1) * step, start + 1, -step, flipped=True)
    return _symbolic_cut(part, size, step)


def _whole(bound: Any) -> Any:
    return None if bound is None else whole(bound)


def _symbolic_cut(part: slice, size: Any, step: int) -> Cut:
    if step < 0:
        return _flipped_cut(part, size, -step)
    first = 0 if part.start is None else part.start
    start = clipped(first, size)
    return Cut(start, _stop(first, part.stop, start, size), step, not_negative=_unsure(part, size))


def _unsure(part: slice, size: Any) -> tuple[Any, ...]:
    """The bounds that have to be told from those that count from the end when sizes are known."""
    return tuple(bound for bound in (part.start, part.stop) if may_count_back(bound, size))


def _stop(first: Any, bound: Any, start: Any, size: Any) -> Any:
    """Where a slice ends; not before its start. Of one that leaves out so many at both ends it is
    told by how many are left, so that slices with as many left are known to be as long."""
    if bound is None:
        return size
    stop = clipped(bound, size)
    if isinstance(first, int) and isinstance(bound, int):
        if bound < 0 <= first:
            return start + size - minimum(size, first - bound)
        if (first < 0) == (bound < 0):
            return stop if first <= bound else start
    return stop if is_at_most(start, stop) else maximum(start, stop)


def _flipped_cut(part: slice, size: Any, step: int) -> Cut:
    """The first element of a slice backwards is the last that the cut reaches."""
    stop = size if part.start is None else clipped(part.start, size, 1)
    low = 0 if part.stop is None else minimum(clipped(part.stop, size, 1), stop)
    left_over = minimum((stop - low - 1) % step, stop - low)
    return Cut(low + left_over, stop, step, flipped=True, not_negative=_unsure(part, size))
