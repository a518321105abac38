"""Choosing among things: by logarithms of weights, or from an array."""

from __future__ import annotations

from typing import Any

from symfuse.compiler.ir.dims import is_equal, is_less, upper_bound
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArgumentError, ShapeError, UnsupportedError

from ..numpy.shared import (
    broadcast_shape_to,
    broadcast_shapes,
    common_dtype,
    convert,
    floating,
    normal_axis,
    traced,
)
from ..tracing.trace import call
from .arguments import checked_mode, plain_integer, plain_shape
from .distributions import gumbel
from .uniforms import finished, randint, uniform

__all__ = ["categorical", "choice"]

_MOST_STEPS = 32  # of a search among things whose number is not known


def categorical(
    key: Any,
    logits: Any,
    axis: int = -1,
    shape: Any = None,
    replace: bool = True,
    mode: str | None = None,
) -> Any:
    """Indices along an axis, each with a probability in proportion to exp(logits), as int64.

    The shape is that of the logits without the axis; one that is given may have more axes in front,
    for more draws of each.

    >>> import numpy as np, symfuse as sf
    >>> chosen = sf.random.categorical(sf.random.key(0), np.log([0.1, 0.2, 0.7]), shape=(1000,))
    >>> np.bincount(chosen).argmax()
    np.int64(2)
    """
    _check_replacement(replace)
    x = traced(logits)
    x = convert(x, floating(common_dtype(x)))
    if not x.ndim:
        raise ShapeError("categorical: logits have no axis", loc=user_location())
    at = normal_axis(axis, x.ndim)
    rest = (*x.shape[:at], *x.shape[at + 1 :])
    wanted = rest if shape is None else plain_shape(shape)
    if len(wanted) < len(rest) or broadcast_shapes(wanted, rest) != wanted:
        raise ShapeError(
            f"categorical: draws of shape {wanted} from logits of shape {tuple(x.shape)}",
            fix=f"give a shape that ends in {rest}",
            loc=user_location(),
        )
    lead = len(wanted) - len(rest)
    where = lead + at
    full = (*wanted[:where], x.shape[at], *wanted[where:])
    noise = gumbel(key, full, x.dtype, mode)
    return finished(call("argmax", call("add", noise, broadcast_shape_to(x, full)), axis=where))


def choice(
    key: Any,
    a: Any,
    shape: Any = (),
    replace: bool = True,
    p: Any = None,
    axis: int = 0,
    mode: str | None = None,
) -> Any:
    """Elements of an array, or of 0 … a-1, drawn with replacement, with probabilities p if given.

    >>> import symfuse as sf
    >>> sf.random.choice(sf.random.key(0), 10, (4,)).shape
    (4,)
    """
    _check_replacement(replace)
    count = plain_integer(a)
    array = None if count is not None else traced(a)
    sizes = plain_shape(shape)
    if array is not None:
        axis = normal_axis(axis, array.ndim)
        count = array.shape[axis]
    _check_some(count)
    if p is None:
        indices = randint(key, sizes, 0, count)
    else:
        indices = _weighted(key, sizes, traced(p), count, checked_mode(mode))
    if array is None:
        return indices
    return finished(call("take", array, indices, axis=axis))


def _check_replacement(replace: bool) -> None:
    if not replace:
        raise UnsupportedError(
            "drawing without replacement needs a sort, which graphs do not have",
            fix="draw with replacement, or outside of the graph by numpy.random",
            loc=user_location(),
        )


def _check_some(count: Any) -> None:
    if is_less(count, 1) is True:
        raise ArgumentError("choice: there is nothing to choose from", loc=user_location())


def _weighted(key: Any, shape: tuple[Any, ...], p: Any, count: Any, is_fine: bool) -> Any:
    """Where each draw falls among the sums of the first probabilities."""
    if p.ndim != 1 or is_equal(p.shape[0], count) is False:
        raise ShapeError(
            f"choice: p has shape {tuple(p.shape)} for {count} things",
            fix=f"give one probability for each, of shape ({count},)",
            loc=user_location(),
        )
    dtype = DType.F64 if is_fine else floating(common_dtype(p)).computed
    sums = call("cumsum", convert(p, dtype), axis=0, reverse=False)
    total = call("slice", sums, starts=(count - 1,), stops=(count,), steps=(1,))
    drawn = call("subtract", 1.0, uniform(key, shape, dtype))
    return _found(sums, call("multiply", call("reshape", total, shape=()), drawn), count)


def _found(sums: Any, drawn: Any, count: Any) -> Any:
    """For each number how many sums are below it, by halving what is left."""
    most = upper_bound(count)
    steps = _MOST_STEPS if most is None else int(most).bit_length()
    below = convert(call("multiply", drawn, 0.0), DType.I64)
    for step in reversed(range(steps)):
        next_ = call("add", below, 1 << step)
        last = call("minimum", call("subtract", next_, 1), count - 1)
        is_low = call("less", call("take", sums, last, axis=0), drawn)
        is_low = call("logical_and", is_low, call("less_equal", next_, count))
        below = call("select", is_low, next_, below)
    return finished(call("minimum", below, count - 1))
