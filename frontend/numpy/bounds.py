"""What becomes of indices outside of an array: `mode=` of x.at[...], as in JAX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArgumentError

from ..tracing.dispatch import FUNCTIONS
from ..tracing.tracer import Tracer
from .shared import call, convert, size_number, traced
from .subscripts import expanded

__all__ = ["MODES", "beyond", "fill_of", "kept_inside", "mode_of", "padded"]

MODES = ("promise_in_bounds", "clip", "drop", "fill", "wrap")


def mode_of(mode: Any, default: str) -> str:
    """The mode by its name."""
    name = default if mode is None else getattr(mode, "name", mode)
    if not isinstance(name, str) or name.lower() not in MODES:
        raise ArgumentError(
            f"mode {mode!r}", fix=f"choose from {', '.join(MODES)}", loc=user_location()
        )
    return name.lower()


def kept_inside(key: Any, shape: Sequence[Any], mode: str) -> Any:
    """The subscript with indices clipped to the array or wrapped around; of others as it is."""
    if mode == "wrap":
        return _changed(key, shape, lambda i, n: FUNCTIONS["remainder"](i, size_number(n)))
    if mode == "clip":
        return _changed(key, shape, _clipped)
    return key


def beyond(key: Any, shape: Sequence[Any]) -> tuple[Any, tuple[int, ...]]:
    """The subscript of an array with one more element along each axis that an index array reads:
    that is where indices outside of the array point; and these axes."""
    axes: list[int] = []

    def place(index: Any, size: Any) -> Any:
        n = size_number(size)
        wide = convert(index, DType.I64)
        at = call("select", call("less", wide, 0), call("add", wide, n), wide)
        inside = call("logical_and", call("greater_equal", at, 0), call("less", at, n))
        return call("select", inside, at, n)

    return _changed(key, shape, place, axes), tuple(axes)


def padded(x: Any, axes: Sequence[int], value: Any) -> Any:
    """The array with one more element of a value along some axes."""
    none = (0,) * x.ndim
    high = tuple(int(at in axes) for at in range(x.ndim))
    return call("pad", x, low=none, high=high, interior=none, value=value)


def fill_of(dtype: Any, given: Any) -> Any:
    """The number that stands for elements outside of an array."""
    if given is not None:
        return given
    if np.issubdtype(dtype, np.inexact):
        return float("nan")
    if dtype == np.bool_:
        return True
    limits = np.iinfo(dtype)
    return int(limits.min if limits.min < 0 else limits.max)


def _clipped(index: Any, size: Any) -> Any:
    low, high = (call("add", size_number(n), 0) for n in (0 * size, size - 1))
    wide = convert(index, DType.I64)
    at = call("select", call("less", wide, 0), call("add", wide, size_number(size)), wide)
    return call("maximum", call("minimum", at, high), low)


def _changed(
    key: Any,
    shape: Sequence[Any],
    change: Callable[[Any, Any], Any],
    axes: list[int] | None = None,
) -> tuple[Any, ...]:
    """The subscript with another index for each index and index array."""
    found: list[Any] = []
    axis = 0
    for part in expanded(key, len(shape)):
        if part is None:
            found.append(part)
            continue
        if isinstance(part, int | Tracer | np.ndarray):
            part = change(traced(np.asarray(part) if isinstance(part, int) else part), shape[axis])
            if axes is not None:
                axes.append(axis)
        found.append(part)
        axis += 1
    return tuple(found)
