"""Elements at shares of the way through an array in order: median, quantile, percentile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType, promoted
from symfuse.runtime.errors import UnsupportedError

from .. import numpy as snp
from ..tracing.dispatch import has_tracer, numpy_like
from .shared import (
    call,
    common_dtype,
    convert,
    expect,
    is_weak,
    normal_axes,
    product,
    size_number,
    traced,
)

__all__ = ["median", "nanmedian", "nanpercentile", "nanquantile", "percentile", "quantile"]

_ENDS = {  # alpha and beta of Hyndman and Fan, Sample Quantiles in Statistical Packages (1996)
    "interpolated_inverted_cdf": (0.0, 1.0), "hazen": (0.5, 0.5), "weibull": (0.0, 0.0),
    "linear": (1.0, 1.0), "median_unbiased": (1 / 3, 1 / 3), "normal_unbiased": (3 / 8, 3 / 8),
}  # fmt: skip
_DISCRETE: dict[str, Callable[[Any, Any], Any]] = {
    "lower": lambda n, q: snp.floor((n - 1) * q),
    "higher": lambda n, q: snp.ceil((n - 1) * q),
    "nearest": lambda n, q: snp.round((n - 1) * q),
    "midpoint": lambda n, q: (snp.floor((n - 1) * q) + snp.ceil((n - 1) * q)) / 2,
    "inverted_cdf": lambda n, q: snp.maximum(snp.ceil(n * q - 1), 0),
    "averaged_inverted_cdf": lambda n, q: (snp.floor(n * q - 1) + 1 + snp.ceil(n * q - 1)) / 2,
    "closest_observation": lambda n, q: _closest(n * q - 1.5),
}


_OF_ELEMENTS = {"lower", "higher", "nearest", "inverted_cdf", "closest_observation"}


_OVERWRITES = {"overwrite_input": (True, False)}  # nothing is overwritten


def _closest(place: Any) -> Any:
    """The next whole place; the one before where that is whole and odd, so counted from 1 even."""
    before = snp.floor(place)
    stays = (before == place) & (before % 2 == 1)
    return snp.maximum(snp.where(stays, before, before + 1), 0)


class _Lines:
    """The lines along axes in order, as floats along the last axis."""

    def __init__(self, a: Any, axis: Any) -> None:
        x = traced(a)
        own = common_dtype(x)
        self.shape, self.axes = x.shape, normal_axes(axis, x.ndim)
        self.wanted = own if own.is_float else DType.F64
        rest = [at for at in range(x.ndim) if at not in self.axes]
        lines = snp.transpose(x, (*rest, *self.axes))
        size = product([x.shape[at] for at in self.axes])
        lines = snp.reshape(lines, (*(x.shape[at] for at in rest), size))
        self.sorted = snp.sort(convert(lines, self.wanted.computed))

    def count(self, skip: bool) -> Any:
        """How many elements each line has, without NaN if they are skipped."""
        size = size_number(self.sorted.shape[-1])
        if not skip:
            return size
        return snp.sum(snp.logical_not(snp.isnan(self.sorted)), -1)

    def at(self, place: Any) -> Any:
        """The elements at places: the same for all lines, or a row of places for each."""
        wanted = convert(snp.clip(place, 0, self.sorted.shape[-1] - 1), DType.I64)
        if wanted.ndim < 2:
            found = snp.take(self.sorted, wanted, -1)
            return snp.moveaxis(found, -1, 0) if wanted.ndim else found
        lines = snp.broadcast_to(self.sorted, (*wanted.shape[:1], *self.sorted.shape))
        return snp.take_along_axis(lines, wanted[..., None], -1)[..., 0]

    def finished(self, found: Any, skip: bool, count: Any, keepdims: bool) -> Any:
        """NaN where a line has one, or nothing else; the axes kept if asked for."""
        last = self.sorted[..., -1]
        unknown = count == 0 if skip else snp.isnan(last)
        found = convert(snp.where(unknown, np.nan, found), self.wanted)
        if not keepdims:
            return found
        lead = found.shape[: found.ndim - (len(self.shape) - len(self.axes))]
        kept = (1 if at in self.axes else n for at, n in enumerate(self.shape))
        return snp.reshape(found, (*lead, *kept))


def _middle(a: Any, axis: Any, keepdims: bool, skip: bool) -> Any:
    lines = _Lines(a, axis)
    count = lines.count(skip)
    low, high = (_at(lines, snp.floor_divide(n, 2), skip) for n in (count - 1, count))
    # By the places: of equal elements, both count for the derivative. (Twice the middle element of
    # an odd number may be too great.)
    mean = snp.where(snp.equal(count % 2, 1), low, (low + high) * 0.5)
    return lines.finished(mean, skip, count, keepdims)


def _at(lines: _Lines, place: Any, skip: bool) -> Any:
    """The elements at one place for each line."""
    return lines.at(place[None])[0] if skip else lines.at(traced(place))


@numpy_like(np.median, idle=_OVERWRITES)
def median(
    a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
    keepdims: bool = False,
) -> Any:  # fmt: skip
    """The middle element along axes in order; of an even number the mean of the middle two."""
    return _middle(a, axis, keepdims, False)


@numpy_like(np.nanmedian, idle=_OVERWRITES)
def nanmedian(
    a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
    keepdims: bool = False,
) -> Any:  # fmt: skip
    """The median of the elements that are numbers; NaN where none is."""
    return _middle(a, axis, keepdims, True)


def _shared(a: Any, q: Any, axis: Any, method: str, keepdims: bool, skip: bool) -> Any:
    _expect_within(q, 1, "shares from 0 to 1; percentile takes 0 to 100")
    lines = _Lines(a, axis)
    shares = traced(np.asarray(q) if type(q) is list else q)
    if not is_weak(q):
        lines.wanted = promoted(lines.wanted, common_dtype(shares))
    computed = lines.wanted.computed
    if method in _OF_ELEMENTS:
        lines.wanted = common_dtype(traced(a))
    lines.sorted = convert(lines.sorted, computed)
    flat = snp.reshape(convert(shares, computed), (-1,))
    count = lines.count(skip)
    if skip:
        flat = snp.reshape(flat, (-1, *(1,) * (lines.sorted.ndim - 1)))
    found = _between(lines, _place(convert(traced(count), computed), flat, method), count)
    found = snp.reshape(found, (*shares.shape, *found.shape[1:]))
    return lines.finished(found, skip, count, keepdims)


def _place(count: Any, share: Any, method: str) -> Any:
    """How far into a line of `count` elements a share is, counted from 0."""
    if method == "linear":
        return (count - 1) * share
    if method in _DISCRETE:
        return _DISCRETE[method](count, share)
    if method not in _ENDS:
        raise UnsupportedError(
            f"quantile: there is no method {method!r}",
            fix=f"use one of {', '.join([*_ENDS, *_DISCRETE])}",
            loc=user_location(),
        )
    alpha, beta = _ENDS[method]
    return count * share + (alpha + share * (1 - alpha - beta)) - 1


def _between(lines: _Lines, place: Any, count: Any) -> Any:
    """The weighted mean of the elements on both sides of places."""
    place = snp.clip(place, 0, snp.maximum(count - 1, 0))
    low = snp.floor(place)
    first, second = lines.at(low), lines.at(snp.minimum(low + 1, count - 1))
    step = place - low
    step = snp.reshape(step, (*step.shape, *(1,) * (first.ndim - step.ndim)))
    way = second - first
    found = snp.where(step >= 0.5, second - way * (1 - step), first + way * step)
    return snp.where(step == 0, first, found)


@numpy_like(np.quantile, idle=_OVERWRITES)
def quantile(
    a: Any, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: bool = False,
) -> Any:  # fmt: skip
    """The elements at shares q, from 0 to 1, of the way along axes in order.

    What is between two elements is told by `method`; by default it is their weighted mean.
    """
    return _shared(a, q, axis, method, keepdims, False)


@numpy_like(np.nanquantile, idle=_OVERWRITES)
def nanquantile(
    a: Any, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: bool = False,
) -> Any:  # fmt: skip
    """The quantiles of the elements that are numbers; NaN where none is."""
    return _shared(a, q, axis, method, keepdims, True)


def _expect_within(q: Any, greatest: int, wanted: str) -> None:
    if not has_tracer((q,)):
        known = np.asarray(q)
        expect(bool(((known >= 0) & (known <= greatest)).all()), f"q is {q}", f"use {wanted}")


def _hundredths(q: Any) -> Any:
    _expect_within(q, 100, "numbers from 0 to 100; quantile takes shares from 0 to 1")
    if type(q) in (int, float):
        return q / 100
    return call("divide", traced(np.asarray(q) if type(q) is list else q), 100)


@numpy_like(np.percentile, idle=_OVERWRITES)
def percentile(
    a: Any, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: bool = False,
) -> Any:  # fmt: skip
    """As quantile, with shares from 0 to 100."""
    return quantile(traced(a), _hundredths(q), axis, method=method, keepdims=keepdims)


@numpy_like(np.nanpercentile, idle=_OVERWRITES)
def nanpercentile(
    a: Any, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: bool = False,
) -> Any:  # fmt: skip
    """As nanquantile, with shares from 0 to 100."""
    return nanquantile(traced(a), _hundredths(q), axis, method=method, keepdims=keepdims)
