"""Differences of neighbours, and what lies between them: diff, gradient, trapezoid, interp."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError

from .. import numpy as snp
from ..tracing.dispatch import numpy_like
from ..tracing.sizes import whole
from .shared import (
    call,
    common_dtype,
    convert,
    expect,
    normal_axes,
    normal_axis,
    size_number,
    traced,
)

__all__ = ["diff", "ediff1d", "gradient", "interp", "trapezoid", "unwrap"]


def _part(x: Any, axis: int, start: int, stop: int) -> Any:
    """The elements of an axis from `start` up to the size less `stop`, which must be there."""
    starts = tuple(start if at == axis else 0 for at in range(x.ndim))
    stops = tuple(n - stop if at == axis else n for at, n in enumerate(x.shape))
    return call("slice", x, starts=starts, stops=stops, steps=(1,) * x.ndim)


def _one(x: Any, axis: int, place: int) -> Any:
    """The element at one place of an axis, from the end where it is negative, as an axis of 1."""
    return snp.expand_dims(x[(*(slice(None),) * axis, place)], axis)


def _cut(x: Any, axis: int, *bounds: Any) -> Any:
    """x[..., slice(*bounds), ...] along one axis."""
    return x[(*(slice(None),) * axis, slice(*bounds))]


def _eager_diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    ends = {"prepend": prepend, "append": append}
    return np.diff(a, n, axis, **{name: x for name, x in ends.items() if x is not None})


@numpy_like(np.diff, eager=_eager_diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The differences of neighbours along an axis, of what is put before and after it as well."""
    n = whole(n)
    expect(n >= 0, f"diff: n is {n}", "use 0 or more")
    x = traced(a)
    at = normal_axis(axis, x.ndim)
    if prepend is not None or append is not None:
        ends = [_beside(x, part, at) for part in (prepend, append)]
        x = snp.concatenate([*ends[0], x, *ends[1]], at)
    for _ in range(n):
        step = snp.not_equal if common_dtype(x).is_bool else snp.subtract
        x = step(_cut(x, at, 1, None), _cut(x, at, None, -1))
    return x


def _beside(x: Any, part: Any, axis: int) -> list[Any]:
    """What is put beside an array along an axis: one number fills a slice."""
    if part is None:
        return []
    part = traced(part)
    if part.ndim:
        return [part]
    return [snp.broadcast_to(part, (*x.shape[:axis], 1, *x.shape[axis + 1 :]))]


@numpy_like(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """The differences of neighbours in the flat array, between what is put at its ends."""
    x = snp.ravel(traced(ary))
    steps = snp.subtract(x[1:], x[:-1])
    begin, end = (_end_of(part, steps.dtype) for part in (to_begin, to_end))
    return snp.concatenate([*begin, steps, *end], dtype=steps.dtype)


def _end_of(part: Any, dtype: Any) -> list[Any]:
    """What is put at an end of differences, which must be of their kind."""
    if part is None:
        return []
    given = snp.ravel(snp.asarray(part))
    what = f"{given.dtype} at an end of {dtype}"
    expect(np.can_cast(given.dtype, dtype, "same_kind"), what, f"write .astype({dtype.name!r})")
    return [given]


# derivatives and integrals of samples


@numpy_like(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Differences over distances along each axis: central inside, of the given order at the ends.

    What follows f is one distance, one for each axis, or the coordinates along each.
    """
    x = traced(f)
    own = common_dtype(x)  # truth values have no difference
    x = x if own.is_inexact or own.is_bool else convert(x, DType.F64)
    axes = normal_axes(axis, x.ndim)
    steps = varargs or (1.0,)
    steps = steps * len(axes) if len(steps) == 1 else steps
    if len(steps) != len(axes) or edge_order not in (1, 2):
        raise ShapeError(
            f"gradient: {len(varargs)} distances for {len(axes)} axes, edge_order={edge_order}",
            fix="give one distance, or one for each axis; edge_order is 1 or 2",
            loc=user_location(),
        )
    found = [_slope(x, h, at, edge_order) for h, at in zip(steps, axes, strict=True)]
    return found[0] if len(found) == 1 else tuple(found)


def _slope(x: Any, step: Any, axis: int, order: int) -> Any:
    """The derivative along one axis, whose step is a number or an array of coordinates."""
    at = [_one(x, axis, i) for i in range(order + 1)]
    back = [_one(x, axis, -1 - i) for i in range(order + 1)]
    middle = (_part(x, axis, 0, 2), _part(x, axis, 1, 1), _part(x, axis, 2, 0))
    if isinstance(step, int | float) or not traced(step).ndim:
        inner = (middle[2] - middle[0]) / (2.0 * step)
        first, last = _even_end(at, step), 0 - _even_end(back, step)
    else:
        d = _along(diff(traced(step)), axis, x.ndim)
        inner = _weighted(middle, _part(d, axis, 0, 1), _part(d, axis, 1, 0))
        first = _end(at, *(_one(d, axis, i) for i in range(order)))
        last = 0 - _end(back, *(_one(d, axis, -1 - i) for i in range(order)))
    return snp.concatenate([first, inner, last], axis)


def _along(x: Any, axis: int, rank: int) -> Any:
    return snp.reshape(x, tuple(x.shape[0] if at == axis else 1 for at in range(rank)))


def _weighted(parts: Any, before: Any, after: Any) -> Any:
    """The slope at the middle of three samples with two distances between them."""
    both = before + after
    weights = (-after / (before * both), (after - before) / (before * after),
               before / (after * both))  # fmt: skip
    return sum((w * part for w, part in zip(weights[1:], parts[1:], strict=True)),
               weights[0] * parts[0])  # fmt: skip


def _even_end(samples: Any, step: Any) -> Any:
    if len(samples) == 2:
        return (samples[1] - samples[0]) / step
    return (-1.5 / step) * samples[0] + (2.0 / step) * samples[1] + (-0.5 / step) * samples[2]


def _end(samples: Any, near: Any, next_: Any = None) -> Any:
    """The slope at the first of two or three samples."""
    if next_ is None:
        return (samples[1] - samples[0]) / near
    both = near + next_
    weights = (-(2.0 * near + next_) / (near * both), both / (near * next_),
               -near / (next_ * both))  # fmt: skip
    return weights[0] * samples[0] + weights[1] * samples[1] + weights[2] * samples[2]


@numpy_like(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral of samples along an axis, as a line from each to the next."""
    y = traced(y)
    at = normal_axis(axis, y.ndim)
    width = dx
    if x is not None:
        places = traced(x)
        width = _along(diff(places), at, y.ndim) if places.ndim == 1 else diff(places, axis=at)
    return snp.sum(width * (_cut(y, at, 1, None) + _cut(y, at, None, -1)) / 2.0, at)


@numpy_like(np.interp)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """The value at x of the line through the points (xp, fp), where xp increases.

    Outside it is `left` and `right`, or the first and last of fp. With `period`, x and xp count
    up to multiples of it.
    """
    x, xp, fp = (convert(traced(one), DType.F64) for one in (x, xp, fp))
    if xp.ndim != 1 or xp.shape != fp.shape:
        raise ShapeError(
            f"interp: xp has shape {tuple(xp.shape)} and fp {tuple(fp.shape)}",
            fix="pass two rows of equal size",
            loc=user_location(),
        )
    if period is not None:
        x, xp, fp = _wrapped(x, xp, fp, period)
    size = size_number(xp.shape[0])
    before = snp.clip(snp.searchsorted(xp, x, side="right") - 1, 0, snp.maximum(size - 2, 0))
    x0, y0 = snp.take(xp, before), snp.take(fp, before)
    x1, y1 = (snp.take(one, snp.minimum(before + 1, size - 1)) for one in (xp, fp))
    slope = (y1 - y0) / snp.where(x1 == x0, 1.0, x1 - x0)
    found = snp.where(x == x1, y1, slope * (x - x0) + y0)
    found = snp.where(x < xp[0], fp[0] if left is None else left, found)
    found = snp.where(x > xp[-1], fp[-1] if right is None else right, found)
    return snp.where(snp.isnan(x), x, found)


def _wrapped(x: Any, xp: Any, fp: Any, period: Any) -> tuple[Any, Any, Any]:
    """The points in order within one period, with one more on either side."""
    length = abs(period)
    x, xp = x % length, xp % length
    order = snp.argsort(xp)
    xp, fp = snp.take(xp, order), snp.take(fp, order)
    xp = snp.concatenate([xp[-1:] - length, xp, xp[:1] + length])
    return x, xp, snp.concatenate([fp[-1:], fp, fp[:1]])


@numpy_like(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * math.pi) -> Any:
    """The array with multiples of the period added after jumps of more than half of it."""
    x = traced(p)
    at = normal_axis(axis, x.ndim)
    steps = diff(x, axis=at)  # in the type of the array
    dtype = common_dtype(steps, period)
    fix = "convert the array to one that has"
    expect(not dtype.is_unsigned, f"{dtype} has no negative numbers", fix)
    x, steps = convert(x, dtype), convert(steps, dtype)
    half, odd = divmod(period, 2) if dtype.is_integer else (period / 2, 0)
    nearest = snp.remainder(steps + half, period) - half
    if not odd:
        nearest = snp.where((nearest == -half) & (steps > 0), half, nearest)
    enough = period / 2 if discont is None else snp.maximum(discont, period / 2)
    correction = snp.where(snp.abs(steps) < enough, 0, nearest - steps)
    moved = _cut(x, at, 1, None) + snp.cumsum(correction, at, dtype=x.dtype)
    return snp.concatenate([_cut(x, at, 0, 1), call("convert", moved, dtype=dtype)], at)
