"""Checks what users hand in: keys, shapes, element types, and bounds that meet a shape."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import Expr, is_equal
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArgumentError, DTypeError, ShapeError

from ..numpy.shared import broadcast_shapes, convert, element_type, traced
from ..tracing.trace import dtype_of

__all__ = [
    "checked_key",
    "checked_mode",
    "fitting",
    "float_type",
    "integer_type",
    "plain_integer",
    "plain_shape",
]


def checked_key(key: Any) -> Any:
    """The key as an array of two words."""
    if type(key) in (bool, int, float):
        raise DTypeError(
            f"{key!r} is not a random key",
            fix=f"make a key of the seed: sf.random.key({int(key)})",
            loc=user_location(),
        )
    if isinstance(key, tuple) or not (hasattr(key, "dtype") or isinstance(key, list)):
        raise DTypeError(
            f"a random key is u32[2], got a {type(key).__name__}",
            fix="pass a key first, made by sf.random.key(seed), split or fold_in",
            loc=user_location(),
        )
    array = traced(key)
    if dtype_of(array) is not DType.U32:
        raise DTypeError(
            f"a random key is u32[2], got elements of type {dtype_of(array)}",
            fix="make keys by sf.random.key(seed), split or fold_in",
            loc=user_location(),
        )
    shape = tuple(array.shape)
    if len(shape) != 1 or is_equal(shape[0], 2) is not True:
        many = len(shape) > 1 and is_equal(shape[-1], 2) is True
        raise ShapeError(
            f"a random key is u32[2], got the shape {shape}",
            fix="choose one, as in keys[0], or draw for each by sf.vmap"
            if many
            else "make keys by sf.random.key(seed), split or fold_in",
            loc=user_location(),
        )
    return array


def plain_shape(shape: Any) -> tuple[Any, ...]:
    """The shape as a tuple of sizes; one size stands for a shape of one axis."""
    if getattr(shape, "dtype", None) == np.uint32 and np.shape(shape) == (2,):
        raise ArgumentError(
            "a random key in the place of the shape",
            fix="pass the key first, then the shape",
            loc=user_location(),
        )
    sizes = shape if isinstance(shape, tuple | list) else (shape,)
    return tuple(_size(size) for size in sizes)


def _size(size: Any) -> Any:
    if isinstance(size, Expr):
        return size
    whole = plain_integer(size)
    if whole is None or whole < 0:
        raise ShapeError(
            f"{size!r} is not a size",
            fix="give a shape of integers of at least 0, such as (3, 4)",
            loc=user_location(),
        )
    return whole


def plain_integer(value: Any) -> int | None:
    """The value as a Python integer, if it is an integer that is known now."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def float_type(dtype: Any) -> DType:
    """The floating-point type that is meant; None means f64."""
    found = DType.F64 if dtype is None else element_type(dtype)
    if not found.is_float:
        raise DTypeError(
            f"random numbers of this distribution are not integers: dtype={found}",
            fix="give a floating-point type, such as dtype='float32'; or use sf.random.randint",
            loc=user_location(),
        )
    return found


def integer_type(dtype: Any, otherwise: DType, *, unsigned: bool = False) -> DType:
    """The integer type that is meant."""
    found = otherwise if dtype is None else element_type(dtype)
    if not found.is_integer or (unsigned and not found.is_unsigned):
        kind = "unsigned integer" if unsigned else "integer"
        raise DTypeError(
            f"dtype={found} is not an {kind} type",
            fix=f"give one, such as dtype='{'uint32' if unsigned else 'int32'}'",
            loc=user_location(),
        )
    return found


def checked_mode(mode: str | None) -> bool:
    """Whether 53 random bits are asked for, whatever the element type."""
    if mode not in (None, "low", "high"):
        raise ArgumentError(
            f"mode={mode!r} is not known", fix='give "low" or "high"', loc=user_location()
        )
    return mode == "high"


def fitting(values: Sequence[Any], shape: tuple[Any, ...] | None, dtype: DType) -> Any:
    """The values in one element type, and the shape; None means that in which they meet."""
    arrays = [convert(traced(value), dtype) for value in values]
    met = broadcast_shapes(*(array.shape for array in arrays))
    if shape is None:
        return arrays, met
    if broadcast_shapes(met, shape) != shape:
        raise ShapeError(
            f"values of shape {met} do not fit into draws of shape {shape}",
            fix="give a shape whose last axes are those of the values",
            loc=user_location(),
        )
    return arrays, shape
