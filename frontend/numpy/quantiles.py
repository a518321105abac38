"""Elements at shares of the way through an array in order: median, quantile, percentile."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType, promoted
from symfuse.runtime.errors import UnsupportedError

from ..tracing.dispatch import FUNCTIONS, numpy_like
from .manipulation import expand_dims, moveaxis, ravel, reshape
from .shared import call, common_dtype, convert, is_weak, normal_axis, size_number, traced
from .sorting import sort

__all__ = ["median", "percentile", "quantile"]


def _in_order(a: Any, axis: Any) -> tuple[Any, DType]:
    """The lines along an axis in order, as floats along the last axis, and the result's type."""
    x = traced(a)
    own = common_dtype(x)
    wanted = own if own.is_float else DType.F64
    x = ravel(x) if axis is None else moveaxis(x, normal_axis(axis, x.ndim), -1)
    return sort(convert(x, wanted.computed)), wanted


def _finished(found: Any, lines: Any, a: Any, axis: Any, wanted: DType, keepdims: bool) -> Any:
    """NaN where a line has one, which is its last element then; the axis kept if asked for."""
    last = lines[..., -1]
    found = convert(call("select", call("isnan", last), last, found), wanted)
    if not keepdims:
        return found
    x = traced(a)
    if axis is None:
        lead = found.ndim - (lines.ndim - 1)
        return reshape(found, (*found.shape[:lead], *(1,) * x.ndim))
    lead = found.ndim - (x.ndim - 1)
    return expand_dims(found, lead + normal_axis(axis, x.ndim))


@numpy_like(np.median)
def median(
    a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
    keepdims: bool = False,
) -> Any:  # fmt: skip
    """The middle element along an axis in order; of an even number the mean of the middle two."""
    lines, wanted = _in_order(a, axis)
    size = lines.shape[-1]
    low, high = (FUNCTIONS["take"](lines, _place(n), -1) for n in ((size - 1) // 2, size // 2))
    both = call("multiply", call("add", low, high), 0.5)
    found = call("select", call("equal", low, high), low, both)  # infinities have no mean
    return _finished(found, lines, a, axis, wanted, keepdims)


def _place(size: Any) -> Any:
    return np.asarray(size) if isinstance(size, int) else convert(size_number(size), DType.I64)


@numpy_like(np.quantile)
def quantile(
    a: Any, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: bool = False,
) -> Any:  # fmt: skip
    """The elements at shares q, from 0 to 1, of the way along an axis in order.

    Between two elements it is a weighted mean of both.
    """
    if method != "linear":
        raise UnsupportedError(
            f"quantile: method {method!r} cannot be traced",
            fix='use method="linear"',
            loc=user_location(),
        )
    lines, wanted = _in_order(a, axis)
    shares = traced(np.asarray(q) if type(q) is list else q)
    if not is_weak(q):
        wanted = promoted(wanted, common_dtype(shares))
    lines, shares = convert(lines, wanted.computed), convert(shares, wanted.computed)
    steps = traced(size_number(lines.shape[-1] - 1))
    at = call("multiply", shares, convert(steps, wanted.computed))
    low = call("floor", at)
    step = call("subtract", at, low)
    place = convert(low, DType.I64)
    first, second = (
        _to_front(call("take", lines, p, axis=lines.ndim - 1), shares.ndim)
        for p in (place, call("add", place, 1))
    )
    step = reshape(step, (*shares.shape, *(1,) * (lines.ndim - 1)))
    way = call("subtract", second, first)
    near = call("add", first, call("multiply", way, step))
    far = call("subtract", second, call("multiply", way, call("subtract", 1, step)))
    found = call("select", call("greater_equal", step, 0.5), far, near)
    return _finished(found, lines, a, axis, wanted, keepdims)


def _to_front(x: Any, count: int) -> Any:
    """The last axes, of which there are `count`, before all others."""
    lead = x.ndim - count
    return FUNCTIONS["transpose"](x, (*range(lead, x.ndim), *range(lead)))


@numpy_like(np.percentile)
def percentile(
    a: Any, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: bool = False,
) -> Any:  # fmt: skip
    """As quantile, with shares from 0 to 100."""
    if type(q) in (int, float):
        shares: Any = q / 100
    else:
        shares = FUNCTIONS["divide"](traced(np.asarray(q) if type(q) is list else q), 100)
    return quantile(a, shares, axis, method=method, keepdims=keepdims)
