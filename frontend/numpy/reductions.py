"""Functions that summarise along axes: sum, mean, var, max, argmax, cumsum."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import Expr
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType, promoted
from symfuse.runtime.errors import ArgumentError, DTypeError, ShapeError

from ..tracing.dispatch import FUNCTIONS, numpy_like
from .elementwise import as_bool
from .shared import (
    call,
    common_dtype,
    convert,
    element_type,
    expect,
    flag,
    folded_axes,
    line,
    normal_axes,
    normal_axis,
    product,
    size_number,
    traced,
)

__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "average", "count_nonzero", "cumprod",
    "cumsum", "cumulative_prod", "cumulative_sum", "max", "mean", "min", "prod", "ptp", "std",
    "sum", "var",
]  # fmt: skip


_OF_TRUTHS = {"reduce_sum": "reduce_any", "reduce_prod": "reduce_all"}


def _reduce(op: str, x: Any, axis: Any, keepdims: bool) -> Any:
    axes, is_kept = folded_axes(axis, x.ndim), flag("keepdims", keepdims)
    op = _OF_TRUTHS.get(op, op) if common_dtype(x).is_bool else op
    result = call(op, x, axes=axes) if axes else x
    if not is_kept or not axes:
        return result
    shape = tuple(1 if at in axes else size for at, size in enumerate(x.shape))
    return call("reshape", result, shape=shape)


def _kept(x: Any, where: Any, neutral: Any) -> Any:
    """The elements that a reduction is told to include, a neutral number in place of others."""
    if where is None or where is True:
        return x
    is_truth = type(neutral) is int and common_dtype(x).is_bool
    return FUNCTIONS["where"](where, x, bool(neutral) if is_truth else neutral)


def _first(initial: Any, dtype: DType) -> Any:
    """The value that a reduction begins with in the element type of its result, as NumPy casts it;
    None if there is none."""
    if type(initial) in (int, float) and dtype.is_integer:
        what = f"initial={initial} is no value of {dtype}"
        expect(math.isfinite(initial), what, "give a whole number")
        return int(initial)
    return initial if initial is None else convert(traced(initial), dtype)


def _wide(dtype: DType) -> DType:
    """The element type that NumPy sums integers in."""
    if dtype.is_inexact:
        return dtype
    return DType.U64 if dtype.is_unsigned else DType.I64


def _count(x: Any, axis: Any, where: Any = None, keepdims: bool = False) -> Any:
    """How many elements are reduced to one."""
    if where is None or where is True:
        return product([x.shape[a] for a in normal_axes(axis, x.ndim)])
    included = FUNCTIONS["broadcast_to"](traced(where), x.shape)
    return convert(sum(included, axis, keepdims=keepdims), common_dtype(x).real)


@numpy_like(np.sum)
def sum(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False,
    initial: Any = None, where: Any = None,
) -> Any:  # fmt: skip
    """The sum along axes; integers are added in 64 bits."""
    x = traced(a)
    x = convert(x, wanted := _wide(common_dtype(x)) if dtype is None else element_type(dtype))
    total = _reduce("reduce_sum", _kept(x, where, 0), axis, keepdims)
    return total if initial is None else FUNCTIONS["add"](total, _first(initial, wanted))


@numpy_like(np.prod)
def prod(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False,
    initial: Any = None, where: Any = None,
) -> Any:  # fmt: skip
    """The product along axes; integers are multiplied in 64 bits."""
    x = traced(a)
    x = convert(x, _wide(common_dtype(x)) if dtype is None else element_type(dtype))
    total = _reduce("reduce_prod", _kept(x, where, 1), axis, keepdims)
    return (
        total if initial is None else FUNCTIONS["multiply"](total, _first(initial, common_dtype(x)))
    )


def _extreme(name: str, a: Any, axis: Any, keepdims: bool, initial: Any, where: Any) -> Any:
    x = traced(a)
    if where is not None and where is not True and initial is None:
        raise ArgumentError(
            f"{name} with where= and without initial=",
            fix="give initial=, the value of no elements",
            loc=user_location(),
        )
    first, is_bool = _first(initial, common_dtype(x)), common_dtype(x).is_bool
    x = _kept(x, where, first)
    axes = folded_axes(axis, x.ndim)
    empty = [at for at in axes if isinstance(x.shape[at], int) and x.shape[at] == 0]
    if empty and initial is None:
        raise ShapeError(
            f"{name} of no elements: axis {empty[0]} of {tuple(x.shape)} has size 0",
            fix="give initial=, the value of no elements",
            loc=user_location(),
        )
    if empty and not is_bool:  # the sum of nothing is zero
        return call("add", _reduce("reduce_sum", x, axis, keepdims), first)
    op = ("reduce_any" if name == "max" else "reduce_all") if is_bool else f"reduce_{name}"
    found = _reduce(op, x, axis, keepdims)
    return found if initial is None else FUNCTIONS[f"{name}imum"](found, first)


@numpy_like(np.max, np.amax)
def max(
    a: Any, axis: Any = None, out: None = None, keepdims: bool = False, initial: Any = None,
    where: Any = None,
) -> Any:  # fmt: skip
    """The largest element along axes; NaN where one is NaN."""
    return _extreme("max", a, axis, keepdims, initial, where)


@numpy_like(np.min, np.amin)
def min(
    a: Any, axis: Any = None, out: None = None, keepdims: bool = False, initial: Any = None,
    where: Any = None,
) -> Any:  # fmt: skip
    """The smallest element along axes; NaN where one is NaN."""
    return _extreme("min", a, axis, keepdims, initial, where)


amax, amin = max, min


@numpy_like(np.all)
def all(
    a: Any, axis: Any = None, out: None = None, keepdims: bool = False, *, where: Any = None
) -> Any:
    """Whether every element along axes is true."""
    return _reduce("reduce_all", _kept(as_bool(traced(a)), where, True), axis, keepdims)


@numpy_like(np.any)
def any(
    a: Any, axis: Any = None, out: None = None, keepdims: bool = False, *, where: Any = None
) -> Any:
    """Whether some element along axes is true."""
    return _reduce("reduce_any", _kept(as_bool(traced(a)), where, False), axis, keepdims)


@numpy_like(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """How many elements along axes are not zero."""
    return _reduce("reduce_sum", convert(as_bool(traced(a)), DType.I64), axis, keepdims)


def _float_of(a: Any, dtype: Any) -> tuple[Any, DType]:
    """The values as floats to compute with, and the element type of the result."""
    x = traced(a)
    own = common_dtype(x)
    wanted = element_type(dtype) if dtype is not None else own if own.is_inexact else DType.F64
    return convert(x, wanted.computed), wanted


@numpy_like(np.mean)
def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, *,
    where: Any = None,
) -> Any:  # fmt: skip
    """The arithmetic mean along axes; of integers in float64."""
    x, wanted = _float_of(a, dtype)
    total = _reduce("reduce_sum", _kept(x, where, 0), axis, keepdims)
    return convert(call("divide", total, _or_size(_count(x, axis, where, keepdims))), wanted)


@numpy_like(np.var)
def var(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: Any = 0,
    keepdims: bool = False, *, where: Any = None, mean: Any = None, correction: Any = None,
) -> Any:  # fmt: skip
    """The mean squared distance from the mean along axes, which may be given."""
    found, wanted = _variance(a, dtype, axis, correction, ddof, keepdims, where, mean)
    return convert(found, wanted)


def _variance(
    a: Any, dtype: Any, axis: Any, less: Any, ddof: Any, keepdims: bool, where: Any, middle: Any
) -> tuple[Any, DType]:
    """The variance, and the element type that it is wanted in."""
    x, wanted = _float_of(a, dtype)
    if not wanted.is_inexact:
        raise DTypeError(
            f"a variance in {wanted}", fix="give a floating-point dtype", loc=user_location()
        )
    if middle is None:
        middle = mean(x, axis, keepdims=True, where=where)
    away = call("subtract", x, middle)
    away = FUNCTIONS["abs"](away) if common_dtype(x).is_complex else away
    total = _reduce("reduce_sum", _kept(call("square", away), where, 0), axis, keepdims)
    count = _left(_or_size(_count(x, axis, where, keepdims)), ddof if less is None else less)
    return call("divide", total, count), wanted.real if dtype is None else wanted


def _left(count: Any, less: Any) -> Any:
    """The count with some taken off; 0 of too few, whose variance is 0 / 0."""
    if isinstance(count, int) and isinstance(less, int | float):
        return count - less if count > less else 0
    return call("maximum", count - less, 0)


def _or_size(count: Any) -> Any:
    return size_number(count) if isinstance(count, Expr) else count


@numpy_like(np.std)
def std(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: Any = 0,
    keepdims: bool = False, *, where: Any = None, mean: Any = None, correction: Any = None,
) -> Any:  # fmt: skip
    """The square root of the variance along axes."""
    found, wanted = _variance(a, dtype, axis, correction, ddof, keepdims, where, mean)
    return convert(call("sqrt", found), wanted)


@numpy_like(np.average)
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    """The weighted mean along an axis, and if asked for the sums of the weights."""
    if weights is None:
        weights = FUNCTIONS["ones_like"](a) if returned else None
    if weights is None:
        return mean(a, tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims)
    (x, own), w = _float_of(a, None), traced(weights)
    wanted = promoted(own, common_dtype(w))
    w = _weights(convert(w, wanted.computed), x.shape, axis)
    axes = None if axis is None else normal_axes(axis, x.ndim)
    total = sum(w, axes, keepdims=keepdims)
    found = call("divide", sum(call("multiply", x, w), axes, keepdims=keepdims), total)
    found, total = convert(found, wanted), convert(total, wanted)
    return (found, FUNCTIONS["broadcast_to"](total, found.shape)) if returned else found


def _weights(w: Any, shape: Any, axis: Any) -> Any:
    """Weights of the elements along axes, which are named in their order, as those of an array."""
    if tuple(w.shape) == tuple(shape):
        return w
    expect(axis is not None, f"weights of shape {w.shape} for {shape}", "name their axes by axis=")
    named = axis if isinstance(axis, tuple | list) else (axis,)
    given = [normal_axis(at, len(shape)) for at in named]
    w = FUNCTIONS["transpose"](w, tuple(np.argsort(given).tolist()))
    w = FUNCTIONS["expand_dims"](w, tuple(at for at in range(len(shape)) if at not in given))
    return FUNCTIONS["broadcast_to"](w, shape)


@numpy_like(np.ptp)
def ptp(a: Any, axis: Any = None, out: None = None, keepdims: bool = False) -> Any:
    """The distance of the largest from the smallest element along axes."""
    return call("subtract", max(a, axis, keepdims=keepdims), min(a, axis, keepdims=keepdims))


def _position(op: str, a: Any, axis: Any, keepdims: bool) -> Any:
    x = traced(a)
    if common_dtype(x).is_bool:
        x = convert(x, DType.I8)
    along, at = line(x, axis)
    found = call(op, along, axis=at)
    if not keepdims:
        return found
    shape = [1 if axis is None or n == at else size for n, size in enumerate(x.shape)]
    return FUNCTIONS["reshape"](found, shape)


@numpy_like(np.argmax)
def argmax(a: Any, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Any:
    """The index of the first largest element."""
    return _position("argmax", a, axis, keepdims)


@numpy_like(np.argmin)
def argmin(a: Any, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Any:
    """The index of the first smallest element."""
    return _position("argmin", a, axis, keepdims)


def _scan(op: str, a: Any, axis: Any, dtype: Any) -> Any:
    x = traced(a)
    wanted = _wide(common_dtype(x)) if dtype is None else element_type(dtype)
    x, at = line(convert(x, wanted), axis)
    if wanted.is_bool:
        return as_bool(call(op, convert(x, DType.I64), axis=at, reverse=False))
    return call(op, x, axis=at, reverse=False)


@numpy_like(np.cumsum)
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
    """The sums of the elements up to each one."""
    return _scan("cumsum", a, axis, dtype)


@numpy_like(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
    """The products of the elements up to each one."""
    return _scan("cumprod", a, axis, dtype)


def _running(op: str, x: Any, axis: Any, dtype: Any, include_initial: bool, initial: int) -> Any:
    x = FUNCTIONS["atleast_1d"](traced(x))
    if axis is None and x.ndim > 1:
        raise ShapeError(
            f"cumulative results of an array of rank {x.ndim}", fix="give axis=",
            loc=user_location(),
        )  # fmt: skip
    found = _scan(op, x, 0 if axis is None else axis, dtype)
    if not include_initial:
        return found
    at = normal_axis(0 if axis is None else axis, found.ndim)
    shape = tuple(1 if a == at else n for a, n in enumerate(found.shape))
    first = FUNCTIONS["full"](shape, initial, common_dtype(found).numpy)
    return FUNCTIONS["concatenate"]([first, found], at)


@numpy_like(getattr(np, "cumulative_sum", cumsum))
def cumulative_sum(
    x: Any, /, *, axis: Any = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """The sums of the elements up to each one, after a first 0 if that is included."""
    return _running("cumsum", x, axis, dtype, include_initial, 0)


@numpy_like(getattr(np, "cumulative_prod", cumprod))
def cumulative_prod(
    x: Any, /, *, axis: Any = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """The products of the elements up to each one, after a first 1 if that is included."""
    return _running("cumprod", x, axis, dtype, include_initial, 1)
