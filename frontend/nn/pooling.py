"""What is left of each window: its greatest element or its mean."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import is_at_most, is_equal
from symfuse.runtime.dtypes import DType

from ..numpy.shared import call, common_dtype, convert, floating, traced
from .spatial import (
    Sliding,
    channels_last,
    failing,
    from_channels_last,
    margins,
    padded,
    per_axis,
    slid,
)

__all__ = ["avg_pool", "global_avg_pool", "global_max_pool", "max_pool"]


def max_pool(
    x: Any,
    pool_size: Any = 2,
    strides: Any = None,
    padding: Any = "valid",
    data_format: str = "channels_last",
    dilation: Any = 1,
) -> Any:
    """The greatest element of each window; windows lie side by side unless `strides` says else.

    `x` has the axes batch, space, channels. Elements that tie share the derivative evenly, as
    those of `maximum` do.

    >>> import numpy as np, symfuse as sf
    >>> x = np.array([[-1, 2, 0, 0], [0, 1, 3, -2], [0, 0, -1, 4], [3, -1, -2, -2]])
    >>> sf.nn.functional.max_pool(x[None, :, :, None], 2)[0, :, :, 0]
    array([[2, 3],
           [3, 4]])
    """
    x = traced(x)
    rank = x.ndim - 2
    x = channels_last(x, rank, data_format, "max_pool")
    sliding = _sliding(pool_size, rank, strides, dilation, padding)
    windowed = slid(padded(x, padding, sliding, "max_pool", _least(common_dtype(x))), sliding)
    return from_channels_last(call("reduce_max", windowed, axes=sliding.places), data_format)


def avg_pool(
    x: Any,
    pool_size: Any = 2,
    strides: Any = None,
    padding: Any = "valid",
    data_format: str = "channels_last",
    count_include_pad: bool = False,
) -> Any:
    """The mean of each window; of what padding adds nothing is counted, unless it is asked for.

    >>> import numpy as np, symfuse as sf
    >>> sf.nn.functional.avg_pool(np.arange(4.0).reshape(1, 4, 1), 2)[0, :, 0]
    array([0.5, 2.5])
    """
    x = traced(x)
    dtype = floating(common_dtype(x))
    rank = x.ndim - 2
    x = channels_last(convert(x, dtype.computed), rank, data_format, "avg_pool")
    sliding = _sliding(pool_size, rank, strides, 1, padding)
    filled = padded(x, padding, sliding, "avg_pool")
    total = call("reduce_sum", slid(filled, sliding), axes=sliding.places)
    alike = all(is_equal(a, b) for a, b in zip(x.shape, filled.shape, strict=True))
    if alike or count_include_pad:
        mean = call("multiply", total, 1 / prod(sliding.sizes))
    else:
        mean = call("divide", total, _counts(x, padding, sliding, total.shape))
    return from_channels_last(convert(mean, dtype), data_format)


def global_max_pool(x: Any, data_format: str = "channels_last", keepdims: bool = False) -> Any:
    """The greatest element of each channel."""
    x = traced(x)
    return _global("reduce_max", x, data_format, keepdims, "global_max_pool")


def global_avg_pool(x: Any, data_format: str = "channels_last", keepdims: bool = False) -> Any:
    """The mean of each channel.

    >>> import numpy as np, symfuse as sf
    >>> sf.nn.functional.global_avg_pool(np.arange(8.0).reshape(1, 2, 2, 2))
    array([[3., 4.]])
    """
    x = traced(x)
    dtype = floating(common_dtype(x))
    x = convert(x, dtype.computed)
    total = _global("reduce_sum", x, data_format, keepdims, "global_avg_pool")
    space = x.shape[2:] if data_format == "channels_first" else x.shape[1:-1]
    count: Any = 1
    for size in space:
        count = count * size
    return convert(call("divide", total, convert(traced(count), dtype.computed)), dtype)


def _global(name: str, x: Any, data_format: str, keepdims: bool, asked: str) -> Any:
    x = channels_last(x, x.ndim - 2, data_format, asked)
    y = call(name, x, axes=tuple(range(1, x.ndim - 1)))
    if not keepdims:
        return y
    y = call("reshape", y, shape=(x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1]))
    return from_channels_last(y, data_format)


def _sliding(pool_size: Any, rank: int, strides: Any, dilation: Any, padding: Any) -> Sliding:
    """How windows move; each holds at least one element that is not padding."""
    sizes = per_axis(pool_size, rank, "pool_size")
    sliding = Sliding.of(sizes, sizes if strides is None else strides, dilation)
    pairs = () if isinstance(padding, str) else margins(padding, rank, "padding")
    for span, (low, high) in zip(sliding.spans, pairs, strict=False):
        if is_at_most(span, low) or is_at_most(span, high):
            raise failing(
                f"padding={padding!r} for windows that span {sliding.spans}: the first or the last"
                " would hold nothing else",
                "give less padding than windows span",
            )
    return sliding


def _least(dtype: DType) -> float | int:
    """What no element is less than."""
    if dtype.is_float:
        return -np.inf
    return 0 if dtype.is_bool else int(np.iinfo(dtype.numpy).min)


def _counts(x: Any, padding: Any, sliding: Sliding, shape: tuple[Any, ...]) -> Any:
    """How many elements of x each window holds."""
    ones = call(
        "broadcast",
        traced(np.ones((), common_dtype(x).numpy)),
        shape=(1, *x.shape[1:-1], 1),
        axes=(),
    )
    held = call(
        "reduce_sum", slid(padded(ones, padding, sliding, "avg_pool"), sliding), axes=sliding.places
    )
    held = call("reshape", held, shape=shape[1:-1])
    return call("broadcast", held, shape=shape, axes=tuple(range(1, len(shape) - 1)))
