"""What the functions of all topics need: arguments as tracers, axes, shapes, element types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from operator import index
from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import Expr, is_equal
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType, promoted
from symfuse.runtime.errors import ArgumentError, DTypeError, ShapeError

from ..tracing.dispatch import ACTIVE
from ..tracing.sizes import whole
from ..tracing.trace import as_array, call, current, dtype_of, size_value, weak_dtype
from ..tracing.tracer import Tracer

__all__ = [
    "DEVICE",
    "LAYOUT",
    "LIKE",
    "as_numbers",
    "as_reals",
    "broadcast_shape_to",
    "broadcast_shapes",
    "call",
    "common_dtype",
    "convert",
    "element_type",
    "expect",
    "expect_mode",
    "expect_rank",
    "flag",
    "floating",
    "folded_axes",
    "line",
    "normal_axes",
    "normal_axis",
    "product",
    "rounded_once",
    "size_number",
    "sizes_of",
    "traced",
]


# What the arguments of NumPy say that change nothing in a graph, whose arrays have no layout and no
# device of their own: parameters, and the values that they may have.
LAYOUT = {"order": ("K", "C", "A", "F", None)}
DEVICE = {"device": (None, "cpu")}
LIKE = {**LAYOUT, **DEVICE, "subok": (True, False)}


def traced(value: Any) -> Any:
    """Any array-like as a tracer of the running trace; outside of one, an array."""
    if isinstance(value, Tracer):
        return value
    if type(value) in (list, tuple) and any(isinstance(v, Tracer | list | tuple) for v in value):
        return _stacked([traced(v) for v in value])
    trace = current((value,))
    if trace is None:
        return as_array(value)
    if isinstance(value, Expr):
        return size_value(value)
    weak = type(value) in (bool, int, float, complex)
    return Tracer(trace, trace.lift(value), weak=weak)


def _stacked(rows: Sequence[Any]) -> Any:
    dtype = common_dtype(*rows)
    parts = [call("reshape", convert(row, dtype), shape=(1, *row.shape)) for row in rows]
    return call("concatenate", *parts, axis=0)


def element_type(dtype: Any) -> DType:
    """The element type that a user's dtype argument means."""
    try:
        if isinstance(dtype, Tracer | np.ndarray):
            raise TypeError("an array stands where an element type is needed: it has .dtype")
        return DType.of(dtype)
    except TypeError as error:
        fix = "name one of them, such as 'float32'"
        raise DTypeError(str(error), fix=fix, loc=user_location()) from None


def convert(x: Any, dtype: DType) -> Any:
    """The values in another element type; the array itself if it has it."""
    if isinstance(x, Tracer) and x._node.dtype is dtype and not x._weak:
        return x
    if not isinstance(x, Tracer) and dtype_of(x) is dtype and isinstance(x, np.ndarray):
        return x
    if type(x) in (bool, int, float, complex) and (trace := ACTIVE.get()) is not None:
        return Tracer(trace, trace.builder.constant(x, dtype))
    return call("convert", x, dtype=dtype)


def common_dtype(*values: Any) -> DType:
    """The element type that these values meet in; Python numbers give way."""
    strong = [dtype_of(v) for v in values if not is_weak(v)]
    weak = [dtype_of(v) for v in values if is_weak(v)]
    if not strong:
        return promoted(*weak)
    met = promoted(*strong)
    for one in weak:
        met = weak_dtype(one, [met])
    return met


def is_weak(value: Any) -> bool:
    """Whether a value takes the element type of what it meets."""
    if isinstance(value, Tracer):
        return value._weak
    return isinstance(value, Expr) or type(value) in (bool, int, float, complex)


def floating(dtype: DType) -> DType:
    """The element type of a real function of values of this one."""
    if dtype.is_inexact:
        return dtype
    return DType.F32 if dtype.itemsize < 4 else DType.F64


def as_numbers(*values: Any) -> tuple[Any, ...]:
    """The values; where all are truth values the small integers that NumPy computes with."""
    if not common_dtype(*values).is_bool:
        return values
    return tuple(convert(traced(v), DType.I8) for v in values)


def as_reals(*values: Any) -> list[Any]:
    """The values in the floating-point type that NumPy's ufuncs of real numbers meet in."""
    met = common_dtype(*values)
    if met.is_complex:
        raise DTypeError(
            f"{met} numbers have two parts",
            fix="pass one of them: x.real or x.imag",
            loc=user_location(),
        )
    given = [dtype_of(v) for v in values if not is_weak(v)]
    if not met.is_float:  # each integer type has a float that holds it: of bytes, halves
        is_narrow = given and promoted(*given) is met
        met = promoted(*map(_real_dtype, given)) if is_narrow else DType.F64
    return [convert(traced(v), met) for v in values]


def _real_dtype(dtype: DType) -> DType:
    return floating(dtype) if dtype.itemsize > 1 else DType.F16


def rounded_once(build: Callable[..., Any]) -> Callable[..., Any]:
    """A function of several steps that computes halves, its first argument, in f32."""

    @wraps(build)
    def function(x: Any, *args: Any, **kwargs: Any) -> Any:
        dtype = common_dtype(x := traced(x))
        if not dtype.is_half:
            return build(x, *args, **kwargs)
        return convert(build(convert(x, DType.F32), *args, **kwargs), dtype)

    return function


def normal_axis(axis: Any, rank: int) -> int:
    """An axis counted from the front."""
    at = axis.__index__() if hasattr(axis, "__index__") else axis
    if not isinstance(at, int) or not -rank <= at < rank:
        raise ShapeError(
            f"axis {axis} is out of range for an array of rank {rank}",
            fix=f"use an axis from {-rank} to {rank - 1}" if rank else "leave out the axis",
            loc=user_location(),
        )
    return at % rank


def line(x: Any, axis: Any) -> tuple[Any, int]:
    """The array and its axis counted from the front; of no axis, or of a number, which is a line
    of one, all elements along one."""
    if axis is None or not x.ndim:
        x = call("reshape", x, shape=(product(x.shape),)) if x.ndim != 1 else x
    return x, normal_axis(0 if axis is None else axis, x.ndim)


def normal_axes(axis: Any, rank: int) -> tuple[int, ...]:
    """Axes counted from the front, each once; None means all."""
    if axis is None:
        return tuple(range(rank))
    axes = tuple(axis) if isinstance(axis, tuple | list) else (axis,)
    found = tuple(normal_axis(a, rank) for a in axes)
    if len(set(found)) != len(found):
        raise ShapeError(
            f"an axis occurs twice in {axis}", fix="name each axis once", loc=user_location()
        )
    return tuple(sorted(found)) if len(found) > 1 else found


def folded_axes(axis: Any, rank: int) -> tuple[int, ...]:
    """Axes as ufuncs take them: an integer or a tuple, and 0 and -1 of a number too."""
    if isinstance(axis, list | bool):
        expect(False, f"axis={axis}", "give an integer, or a tuple of them")
    return () if not rank and axis in (0, -1) else normal_axes(axis, rank)


def flag(name: str, value: Any) -> bool:
    """The truth of an argument that is True, False or an integer."""
    expect(hasattr(value, "__index__"), f"{name}={value!r}", "give True or False")
    return index(value) != 0


def expect(holds: Any, what: str, fix: str) -> None:
    """Raise ArgumentError at the user's line where an argument is not as it must be."""
    if not holds:
        raise ArgumentError(what, fix=fix, loc=user_location())


def expect_rank(x: Any, least: int, most: int | None = None) -> None:
    """Raise ShapeError at the user's line where an array has too few or too many axes."""
    if x.ndim < least or (most is not None and x.ndim > most):
        wanted = f"{least} or more" if most is None else f"{least} to {most}"
        raise ShapeError(
            f"an array of rank {x.ndim}", fix=f"pass one of rank {wanted}", loc=user_location()
        )


def product(sizes: Sequence[Any]) -> Any:
    """The number of elements of a shape."""
    total: Any = 1
    for size in sizes:
        total = total * size
    return total


def expect_mode(mode: Any) -> None:
    """Raise unless this is a way to treat places outside of an array."""
    known = ("raise", "clip", "wrap")
    expect(mode in known, f"mode={mode!r}", "use 'raise', 'clip' or 'wrap'")


def sizes_of(shape: Any) -> tuple[Any, ...]:
    """The sizes that a user's shape argument means: one, or a row of them."""
    sizes = tuple(shape) if isinstance(shape, tuple | list | np.ndarray) else (shape,)
    return tuple(map(whole, sizes))


def size_number(size: Any) -> Any:
    """A size for use in arithmetic with arrays."""
    return size if isinstance(size, int) else size_value(size)


def broadcast_shapes(*shapes: Sequence[Any]) -> tuple[Any, ...]:
    """The shape that arrays of these shapes meet in."""
    rank = max((len(shape) for shape in shapes), default=0)
    result: list[Any] = []
    for at in range(-rank, 0):
        sizes = [shape[at] for shape in shapes if len(shape) >= -at]
        wide = [size for size in sizes if is_equal(size, 1) is not True]
        chosen = wide[0] if wide else 1
        if any(is_equal(size, chosen) is not True for size in wide):
            unknown = all(is_equal(size, chosen) is not False for size in wide)
            shown = " and ".join(str(tuple(shape)) for shape in shapes)
            raise ShapeError(
                f"shapes do not {'provably ' if unknown else ''}broadcast: {shown}",
                fix="sizes must be equal or 1, compared from the last axis",
                loc=user_location(),
            )
        result.append(next((size for size in wide if isinstance(size, int)), chosen))
    return tuple(result)


def broadcast_shape_to(x: Any, shape: Sequence[Any]) -> Any:
    """Copies of x along new axes and axes of size 1, so that it has the shape."""
    shape = tuple(shape)
    if tuple(x.shape) == shape:
        return x
    lead = len(shape) - x.ndim
    broadcast_shapes(x.shape, shape)
    if lead < 0 or len(broadcast_shapes(x.shape, shape)) != len(shape):
        raise ShapeError(f"{x.shape} does not broadcast to {shape}", loc=user_location())
    kept = []
    for at, size in enumerate(x.shape):
        target = shape[lead + at]
        if is_equal(size, 1) is True and is_equal(target, 1) is not True:
            continue
        if is_equal(size, target) is False:
            raise ShapeError(
                f"shape {tuple(x.shape)} does not broadcast to {shape}",
                fix="sizes must be equal or 1, compared from the last axis",
                loc=user_location(),
            )
        kept.append(at)
    if len(kept) < x.ndim:
        x = call("reshape", x, shape=tuple(x.shape[at] for at in kept))
    return call("broadcast", x, shape=shape, axes=tuple(lead + at for at in kept))
