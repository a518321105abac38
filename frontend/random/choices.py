"""Choosing among things: by logarithms of weights, or from an array."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import is_at_most, is_equal, is_less, upper_bound
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
    product,
    traced,
)
from ..tracing.dispatch import FUNCTIONS
from ..tracing.trace import call
from .arguments import checked_mode, plain_integer, plain_shape
from .distributions import gumbel
from .uniforms import bits, finished, randint, uniform

__all__ = ["categorical", "choice", "permutation"]

_F64 = DType.F64

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
    """Elements of an array, or of 0 … a-1, with probabilities p if given; each is drawn at most
    once without `replace`.

    >>> import symfuse as sf
    >>> sf.random.choice(sf.random.key(0), 10, (4,)).shape
    (4,)
    """
    count = plain_integer(a)
    array = None if count is not None else traced(a)
    sizes = plain_shape(shape)
    if array is not None:
        axis = normal_axis(axis, array.ndim)
        count = array.shape[axis]
    _check_some(count)
    if not replace:
        indices = _without_replacement(key, sizes, p, count, mode)
    elif p is None:
        indices = randint(key, sizes, 0, count)
    else:
        indices = _weighted(key, sizes, traced(p), count, checked_mode(mode))
    if array is None:
        return indices
    return finished(call("take", array, indices, axis=axis))


def permutation(key: Any, x: Any, axis: int = 0, independent: bool = False) -> Any:
    """The slices of an array along an axis, or 0 … x-1, in a random order.

    With `independent` each line along the axis has an order of its own.

    >>> import symfuse as sf
    >>> sorted(sf.random.permutation(sf.random.key(0), 5).tolist())
    [0, 1, 2, 3, 4]
    """
    count = plain_integer(x)
    if count is not None:
        return _order(key, (count,), 0)
    array = traced(x)
    axis = normal_axis(axis, array.ndim)
    if independent:
        order = _order(key, tuple(array.shape), axis)
        return finished(call("take_along_axis", array, order, axis=axis))
    order = _order(key, (array.shape[axis],), 0)
    return finished(call("take", array, order, axis=axis))


def _order(key: Any, shape: tuple[Any, ...], axis: int) -> Any:
    """The numbers 0, 1, ... along an axis in a random order: that of random words."""
    return finished(FUNCTIONS["argsort"](bits(key, shape, "uint64"), axis=axis))


def _without_replacement(
    key: Any, shape: tuple[Any, ...], p: Any, count: Any, mode: str | None
) -> Any:
    """The first of all things in a random order; probabilities are raced (Gumbel's trick)."""
    wanted = product(shape)
    if is_at_most(wanted, count) is False:
        raise ArgumentError(
            f"choice: {wanted} of {count} things without replacement",
            fix="draw fewer, or with replacement",
            loc=user_location(),
        )
    if p is None:
        order = _order(key, (count,), 0)
    else:
        p = traced(p)
        _check_weights(p, count)
        with np.errstate(divide="ignore"):
            score = call("add", gumbel(key, (count,), None, mode), call("log", convert(p, _F64)))
        order = FUNCTIONS["argsort"](call("negative", score))
    first = call("slice", order, starts=(0,), stops=(wanted,), steps=(1,))
    return finished(call("reshape", first, shape=shape))


def _check_replacement(replace: bool) -> None:
    if not replace:
        raise UnsupportedError(
            "categorical draws with replacement only",
            fix="draw by choice(key, n, shape, replace=False, p=...)",
            loc=user_location(),
        )


def _check_some(count: Any) -> None:
    if is_less(count, 1) is True:
        raise ArgumentError("choice: there is nothing to choose from", loc=user_location())


def _weighted(key: Any, shape: tuple[Any, ...], p: Any, count: Any, is_fine: bool) -> Any:
    """Where each draw falls among the sums of the first probabilities."""
    _check_weights(p, count)
    dtype = _F64 if is_fine else floating(common_dtype(p)).computed
    sums = call("cumsum", convert(p, dtype), axis=0, reverse=False)
    total = call("slice", sums, starts=(count - 1,), stops=(count,), steps=(1,))
    drawn = call("subtract", 1.0, uniform(key, shape, dtype))
    return _found(sums, call("multiply", call("reshape", total, shape=()), drawn), count)


def _check_weights(p: Any, count: Any) -> None:
    if p.ndim != 1 or is_equal(p.shape[0], count) is False:
        raise ShapeError(
            f"choice: p has shape {tuple(p.shape)} for {count} things",
            fix=f"give one probability for each, of shape ({count},)",
            loc=user_location(),
        )


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
