"""Images in other sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import is_at_most
from symfuse.runtime.errors import UnsupportedError

from ..numpy.shared import call, common_dtype, convert, floating, size_number, traced
from .spatial import channels_last, failing, from_channels_last

__all__ = ["resize"]


def resize(
    x: Any,
    size: Any,
    method: str = "bilinear",
    data_format: str = "channels_last",
) -> Any:
    """The images with other sizes of space, by "nearest" or "bilinear" interpolation.

    Elements are squares with their values in the middle, as for `jax.image.resize` without
    antialiasing, `keras.ops.image.resize` and PyTorch's `align_corners=False`.

    >>> import numpy as np, symfuse as sf
    >>> sf.nn.functional.resize(np.array([1.0, 3.0]).reshape(1, 2, 1), 4)[0, :, 0]
    array([1. , 1.5, 2.5, 3. ])
    """
    if method not in ("nearest", "bilinear", "linear"):
        raise failing(f"resize: method={method!r}", 'use "nearest" or "bilinear"', UnsupportedError)
    x = traced(x)
    rank = x.ndim - 2
    x = channels_last(x, rank, data_format, "resize")
    wanted = tuple(size) if isinstance(size, tuple | list) else (size,) * rank
    if len(wanted) != rank or any(is_at_most(1, n) is False for n in wanted):
        raise failing(
            f"resize: size={size!r} for {rank} spatial axes",
            f"give a number, at least 1, or {rank} of them",
        )
    for axis, count in enumerate(wanted, 1):
        x = _nearest(x, axis, count) if method == "nearest" else _linear(x, axis, count)
    return from_channels_last(x, data_format)


def _nearest(x: Any, axis: int, count: Any) -> Any:
    size = x.shape[axis]
    if isinstance(size, int) and isinstance(count, int) and size and count % size == 0:
        return _repeated(x, axis, count // size)
    middle = call("add", call("multiply", _places(count), 2), 1)  # of an element, in halves
    source = call(
        "floor_divide", call("multiply", middle, size_number(size)), size_number(2 * count)
    )
    return call("take", x, source, axis=axis)


def _repeated(x: Any, axis: int, times: int) -> Any:
    """Each element so many times: copies along a new axis, whose adjoint is a plain sum."""
    shape = (*x.shape[: axis + 1], times, *x.shape[axis + 1 :])
    axes = tuple(a + (a > axis) for a in range(x.ndim))
    copies = call("broadcast", x, shape=shape, axes=axes)
    return call(
        "reshape", copies, shape=(*x.shape[:axis], x.shape[axis] * times, *x.shape[axis + 1 :])
    )


def _linear(x: Any, axis: int, count: Any) -> Any:
    """Between the two elements whose middles are next to that of the result."""
    size, dtype = x.shape[axis], floating(common_dtype(x))
    x = convert(x, dtype.computed)
    places = convert(_places(count), dtype.computed)
    ratio = _ratio(size, count, dtype.computed)
    at = call("subtract", call("multiply", call("add", places, 0.5), ratio), 0.5)
    at = call("maximum", at, 0)
    whole = call("floor", at)
    low = convert(whole, _INDEX)
    last = size_number(size - 1)
    low = call("minimum", low, last)
    high = call("minimum", call("add", low, 1), last)
    share = call("subtract", at, whole)
    weight = call(
        "broadcast", share, shape=(*x.shape[:axis], count, *x.shape[axis + 1 :]), axes=(axis,)
    )
    first, second = (call("take", x, places, axis=axis) for places in (low, high))
    step = call("multiply", call("subtract", second, first), weight)
    return convert(call("add", first, step), dtype)


_INDEX = common_dtype(np.zeros((), np.int64))


def _places(count: Any) -> Any:
    if isinstance(count, int):
        return traced(np.arange(count))
    return call("iota", shape=(count,), axis=0, dtype=_INDEX)


def _ratio(size: Any, count: Any, dtype: Any) -> Any:
    if isinstance(size, int) and isinstance(count, int):
        return size / count
    above, below = (convert(traced(size_number(n)), dtype) for n in (size, count))
    return call("divide", above, below)
