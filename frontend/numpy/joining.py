"""Functions that join, cut and repeat arrays: concatenate, stack, block, split, roll, tile."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from operator import floordiv, index, mod
from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import Expr, is_at_most, is_multiple, maximum, minimum
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError, UnsupportedError

from ..tracing.dispatch import FUNCTIONS, numpy_like
from ..tracing.tracer import Tracer
from . import shared
from .manipulation import atleast_1d, atleast_2d, atleast_3d, expand_dims, ravel, reshape
from .shared import (
    call,
    common_dtype,
    convert,
    expect,
    expect_rank,
    line,
    normal_axis,
    size_number,
    traced,
)

__all__ = [
    "append",
    "array_split",
    "block",
    "column_stack",
    "concat",
    "concatenate",
    "dsplit",
    "dstack",
    "hsplit",
    "hstack",
    "repeat",
    "roll",
    "split",
    "stack",
    "tile",
    "unstack",
    "vsplit",
    "vstack",
]


@numpy_like(np.concatenate)
def concatenate(arrays: Any, /, axis: Any = 0, out: None = None, *, dtype: Any = None) -> Any:
    """Arrays joined along an axis they have."""
    if isinstance(arrays, Tracer) and axis is not None and arrays.ndim > 1:
        return _merged(convert(arrays, _wanted(arrays, dtype)), normal_axis(axis, arrays.ndim - 1))
    parts = [traced(a) for a in arrays]
    if axis is None:
        parts, axis = [ravel(a) for a in parts], 0
    target = common_dtype(*parts) if dtype is None else shared.element_type(dtype)
    parts = [convert(part, target) for part in parts]
    if not parts[0].ndim:
        raise ShapeError(
            "arrays of rank 0 cannot be concatenated", fix="use stack", loc=user_location()
        )
    at = normal_axis(axis, parts[0].ndim)
    return call("concatenate", *parts, axis=at) if len(parts) > 1 else parts[0]


def _merged(rows: Any, axis: int) -> Any:
    """The rows of an array joined along an axis of theirs."""
    moved = FUNCTIONS["moveaxis"](rows, 0, axis)
    before, (count, size, *after) = moved.shape[:axis], moved.shape[axis:]
    return reshape(moved, (*before, count * size, *after))


def _wanted(x: Any, dtype: Any) -> Any:
    return common_dtype(x) if dtype is None else shared.element_type(dtype)


def _each(arrays: Any, prepared: Any) -> Any:
    """The arrays, each prepared; those that are the rows of one array stay so."""
    if not isinstance(arrays, Tracer):
        return [prepared(traced(a)) for a in arrays]
    return reshape(arrays, (arrays.shape[0], *prepared(arrays[0]).shape))


concat = concatenate


@numpy_like(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """One array behind another."""
    return concatenate([arr, values], axis)


@numpy_like(np.stack)
def stack(arrays: Any, axis: int = 0, out: None = None, *, dtype: Any = None) -> Any:
    """Arrays joined along a new axis."""
    if isinstance(arrays, Tracer) and arrays.ndim:
        whole = convert(arrays, _wanted(arrays, dtype))
        return FUNCTIONS["moveaxis"](whole, 0, normal_axis(axis, arrays.ndim))
    parts = [traced(a) for a in arrays]
    at = normal_axis(axis, parts[0].ndim + 1)
    for part in parts:
        if tuple(part.shape) != tuple(parts[0].shape):
            raise ShapeError(
                f"stack: shapes {tuple(parts[0].shape)} and {tuple(part.shape)} differ",
                fix="all arrays must have one shape",
                loc=user_location(),
            )
    return concatenate([expand_dims(part, at) for part in parts], at, dtype=dtype)


@numpy_like(np.vstack)
def vstack(tup: Any) -> Any:
    """Arrays below one another."""
    return concatenate(_each(tup, atleast_2d), 0)


@numpy_like(np.hstack)
def hstack(tup: Any) -> Any:
    """Arrays beside one another."""
    parts = _each(tup, atleast_1d)
    return concatenate(parts, 0 if parts[0].ndim == 1 else 1)


@numpy_like(np.dstack)
def dstack(tup: Any) -> Any:
    """Arrays behind one another, along the third axis."""
    return concatenate(_each(tup, atleast_3d), 2)


@numpy_like(np.column_stack)
def column_stack(tup: Any) -> Any:
    """One-dimensional arrays as the columns of a matrix."""
    return concatenate(_each(tup, lambda a: a if a.ndim > 1 else reshape(a, (-1, 1))), 1)


@numpy_like(np.block)
def block(arrays: Any) -> Any:
    """One array of nested lists of arrays: the innermost lists are joined along the last axis."""
    depth, leaves = _nested(arrays)
    rank = max([depth, *(traced(leaf).ndim for leaf in leaves)])
    return _joined(arrays, depth, rank)


def _nested(part: Any) -> tuple[int, list[Any]]:
    """How deep lists are nested, and what is in them."""
    if type(part) is not list:
        return 0, [part]
    inner = [_nested(one) for one in part]
    if not inner or len({depth for depth, _ in inner}) > 1:
        raise ShapeError(
            "block: lists are empty or not equally deep",
            fix="nest all arrays equally deep: [[a, b], [c, d]]",
            loc=user_location(),
        )
    return inner[0][0] + 1, [leaf for _, leaves in inner for leaf in leaves]


def _joined(part: Any, depth: int, rank: int) -> Any:
    if type(part) is list:
        return concatenate([_joined(one, depth - 1, rank) for one in part], -depth)
    x = traced(part)
    return reshape(x, (1,) * (rank - x.ndim) + tuple(x.shape))


def _pieces(x: Any, bounds: Sequence[Any], axis: int) -> list[Any]:
    lead = (slice(None),) * axis
    ends = [0, *bounds, x.shape[axis]]
    return [x[(*lead, slice(a, b))] for a, b in pairwise(ends)]


def _sections(given: Any) -> tuple[int, list[Any]]:
    """The number of parts, or 0 and the places to cut."""
    if hasattr(given, "__len__"):
        return 0, list(given)
    count = index(given)
    if count < 1:
        raise ShapeError(f"{count} parts", fix="give a number from 1", loc=user_location())
    return count, []


def _static_size(x: Any, axis: int, what: str) -> int:
    size = x.shape[axis]
    if not isinstance(size, int):
        raise ShapeError(
            f"{what} along the symbolic size {size}",
            fix="give the places to cut, or a spec with this size as a number",
            loc=user_location(),
        )
    return size


@numpy_like(np.split, view=True)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """The array cut at places, or into a number of equal parts."""
    x = traced(ary)
    at = normal_axis(axis, x.ndim)
    count, places = _sections(indices_or_sections)
    if not count:
        return _pieces(x, places, at)
    size = x.shape[at]
    if is_multiple(size, count) is False:
        raise ShapeError(
            f"size {size} does not divide into {count} equal parts",
            fix="use array_split, or give the places to cut",
            loc=user_location(),
        )
    each = size // count
    if not isinstance(size, int):  # that it divides is known when the program runs
        x = reshape(x, (*x.shape[:at], count * each, *x.shape[at + 1 :]))
    return _pieces(x, [each * i for i in range(1, count)], at)


@numpy_like(np.array_split, view=True)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """The array cut at places, or into parts that are as equal as possible."""
    x = traced(ary)
    at = normal_axis(axis, x.ndim)
    count, places = _sections(indices_or_sections)
    if count:
        each, more = (f(x.shape[at], count) for f in (floordiv, mod))
        places = [each * i + minimum(i, more) for i in range(1, count)]
    return _pieces(x, places, at)


@numpy_like(np.hsplit, view=True)
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    """The array cut between columns."""
    x = traced(ary)
    expect_rank(x, 1)
    return split(x, indices_or_sections, 0 if x.ndim == 1 else 1)


@numpy_like(np.vsplit, view=True)
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    """The array cut between rows."""
    x = traced(ary)
    expect_rank(x, 2)
    return split(x, indices_or_sections, 0)


@numpy_like(np.dsplit, view=True)
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    """The array cut along the third axis."""
    x = traced(ary)
    expect_rank(x, 3)
    return split(x, indices_or_sections, 2)


@numpy_like(np.unstack, view=True)
def unstack(x: Any, /, *, axis: int = 0) -> Any:
    """The parts of the array along an axis, as a tuple."""
    x = traced(x)
    at = normal_axis(axis, x.ndim)
    lead = (slice(None),) * at
    return tuple(x[(*lead, i)] for i in range(_static_size(x, at, "unstack")))


@numpy_like(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """The elements moved along axes by shifts, which may be traced; what leaves at one end enters
    at the other."""
    x = traced(a)
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), x.shape)
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    shifts = shift if isinstance(shift, tuple | list) else (shift,) * len(axes)
    if len(axes) == 1 and len(shifts) > 1:
        axes = axes * len(shifts)
    if len(shifts) == 1:
        shifts = shifts * len(axes)
    if len(shifts) != len(axes):
        raise ShapeError(
            f"{len(shifts)} shifts along {len(axes)} axes",
            fix="give one shift for each axis",
            loc=user_location(),
        )
    for by, one in zip(shifts, axes, strict=True):
        x = _rolled(x, by, normal_axis(one, x.ndim))
    return x


def _rolled(x: Any, by: Any, axis: int) -> Any:
    size = x.shape[axis]
    if isinstance(by, Tracer):
        places = FUNCTIONS["remainder"](FUNCTIONS["arange"](size) - by, size_number(size))
        return FUNCTIONS["take"](x, places, axis)
    cut = _turned(-by if isinstance(by, Expr) else -index(by), size)
    if cut == 0:
        return x
    lead = (slice(None),) * axis
    return concatenate([x[(*lead, slice(cut, None))], x[(*lead, slice(None, cut))]], axis)


def _turned(place: Any, size: Any) -> Any:
    """A place on a circle of so many."""
    if is_at_most(0, place) and is_at_most(place, size):
        return place
    if is_at_most(-size, place) and is_at_most(place, 0):
        return size + place
    return place % maximum(size, 1)


@numpy_like(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """The array repeated as a whole along axes."""
    x = traced(A)
    given = tuple(reps) if isinstance(reps, tuple | list | np.ndarray) else (reps,)
    counts = tuple(n if isinstance(n, Expr) else index(n) for n in given)
    rank = max(x.ndim, len(counts))
    counts = (1,) * (rank - len(counts)) + counts
    shape = (1,) * (rank - x.ndim) + tuple(x.shape)
    wide = tuple(part for n, size in zip(counts, shape, strict=True) for part in (n, size))
    copies = call(
        "broadcast", x, shape=wide, axes=tuple(2 * (rank - x.ndim + i) + 1 for i in range(x.ndim))
    )
    return call(
        "reshape", copies, shape=tuple(n * size for n, size in zip(counts, shape, strict=True))
    )


def _eager_repeat(
    a: Any, repeats: Any, axis: Any = None, *, total_repeat_length: Any = None
) -> Any:
    if total_repeat_length is None:
        return np.repeat(a, repeats, axis)
    given = {"total_repeat_length": total_repeat_length}
    return FUNCTIONS["repeat"](np.asarray(a), np.asarray(repeats), axis, **given)


@numpy_like(np.repeat, eager=_eager_repeat)
def repeat(a: Any, repeats: Any, axis: Any = None, *, total_repeat_length: Any = None) -> Any:
    """Each element repeated along an axis.

    Traced counts need `total_repeat_length`, how many elements to give: where there would be fewer
    the last one is repeated, as `jax.numpy.repeat` has it.
    """
    x, at = line(traced(a), axis)
    if isinstance(repeats, Tracer) or total_repeat_length is not None:
        return _repeated(x, repeats, at, total_repeat_length)
    if not isinstance(repeats, int | Expr):
        size, given = _static_size(x, at, "repeat"), np.asarray(repeats)
        expect(given.size in (1, size), f"repeat: {given.size} counts for {size} elements",
               "give one count, or one for each")  # fmt: skip
        counts = np.broadcast_to(given, (size,))
        return FUNCTIONS["take"](x, np.repeat(np.arange(len(counts)), counts), at)
    shape = (*x.shape[: at + 1], repeats, *x.shape[at + 1 :])
    axes = tuple(i if i <= at else i + 1 for i in range(x.ndim))
    final = (*x.shape[:at], x.shape[at] * repeats, *x.shape[at + 1 :])
    return call("reshape", call("broadcast", x, shape=shape, axes=axes), shape=final)


def _repeated(x: Any, repeats: Any, axis: int, total: Any) -> Any:
    """Each element as often as a traced count says; the last one to the end."""
    if total is None:
        raise UnsupportedError(
            "repeat by traced counts: how many elements there are is known only when it runs",
            fix="give their number: symfuse.numpy.repeat(x, counts, total_repeat_length=n)",
            loc=user_location(),
        )
    counts = FUNCTIONS["broadcast_to"](traced(repeats), (x.shape[axis],))
    ends = FUNCTIONS["cumsum"](counts)
    places = FUNCTIONS["searchsorted"](ends, FUNCTIONS["arange"](total), side="right")
    last = size_number(x.shape[axis]) - 1
    return FUNCTIONS["take"](x, FUNCTIONS["minimum"](places, last), axis)
