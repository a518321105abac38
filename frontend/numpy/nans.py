"""Functions that leave out NaN: nansum, nanmean, nanvar, nanmax, nanargmax, nancumsum."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import numpy as snp
from ..tracing.dispatch import numpy_like
from .shared import call, common_dtype, traced

__all__ = [
    "nanargmax", "nanargmin", "nancumprod", "nancumsum", "nanmax", "nanmean", "nanmin", "nanprod",
    "nanstd", "nansum", "nanvar",
]  # fmt: skip


def _is_number(x: Any) -> Any:
    return snp.logical_not(snp.isnan(x))


def _instead(a: Any, value: float) -> Any:
    """The array with a number in place of NaN."""
    x = traced(a)
    return call("select", snp.isnan(x), value, x) if common_dtype(x).is_inexact else x


@numpy_like(np.nansum)
def nansum(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False,
    initial: Any = None, where: Any = None,
) -> Any:  # fmt: skip
    """The sum of the elements that are numbers."""
    return snp.sum(_instead(a, 0), axis, dtype, None, keepdims, **_given(initial, where))


@numpy_like(np.nanprod)
def nanprod(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False,
    initial: Any = None, where: Any = None,
) -> Any:  # fmt: skip
    """The product of the elements that are numbers."""
    return snp.prod(_instead(a, 1), axis, dtype, None, keepdims, **_given(initial, where))


def _given(initial: Any, where: Any) -> dict[str, Any]:
    named = {"initial": initial, "where": where}
    return {name: value for name, value in named.items() if value is not None}


@numpy_like(np.nancumsum)
def nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
    """The sums of the numbers up to each element."""
    return snp.cumsum(_instead(a, 0), axis, dtype)


@numpy_like(np.nancumprod)
def nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
    """The products of the numbers up to each element."""
    return snp.cumprod(_instead(a, 1), axis, dtype)


@numpy_like(np.nanmean)
def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, *,
    where: Any = True,
) -> Any:  # fmt: skip
    """The mean of the elements that are numbers; NaN where none is."""
    x = traced(a)
    there = snp.logical_and(_is_number(x), where)
    return snp.mean(_instead(x, 0), axis, dtype, None, keepdims, where=there)


@numpy_like(np.nanvar)
def nanvar(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: Any = 0,
    keepdims: bool = False, *, where: Any = True, mean: Any = None, correction: Any = None,
) -> Any:  # fmt: skip
    """The mean squared distance of the numbers from their mean, which may be given; NaN where they
    are too few."""
    x, less = traced(a), ddof if correction is None else correction
    if not common_dtype(x).is_inexact:
        return snp.var(x, axis, dtype, None, less, keepdims, where=where, mean=mean)
    there = snp.logical_and(_is_number(x), where)
    found = snp.var(_instead(x, 0), axis, dtype, None, less, keepdims, where=there, mean=mean)
    return snp.where(snp.sum(there, axis, keepdims=keepdims) > less, found, math.nan)


@numpy_like(np.nanstd)
def nanstd(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: Any = 0,
    keepdims: bool = False, *, where: Any = True, mean: Any = None, correction: Any = None,
) -> Any:  # fmt: skip
    """The square root of the variance of the elements that are numbers."""
    given = {"where": where, "mean": mean, "correction": correction}
    return snp.sqrt(nanvar(traced(a), axis, dtype, None, ddof, keepdims, **given))


def _extreme(name: str, a: Any, axis: Any, keepdims: bool, **given: Any) -> Any:
    """The greatest or least number, or NaN where there is none."""
    x = traced(a)
    if not common_dtype(x).is_float:
        return getattr(snp, name)(x, axis, None, keepdims, **given)
    worst = -math.inf if name == "max" else math.inf
    found = getattr(snp, name)(_instead(x, worst), axis, None, keepdims, **given)
    if given:
        return found
    return snp.where(snp.all(snp.isnan(x), axis, None, keepdims), math.nan, found)


@numpy_like(np.nanmax)
def nanmax(
    a: Any, axis: Any = None, out: None = None, keepdims: bool = False, initial: Any = None,
    where: Any = None,
) -> Any:  # fmt: skip
    """The largest of the elements that are numbers; NaN where none is."""
    return _extreme("max", a, axis, keepdims, **_given(initial, where))


@numpy_like(np.nanmin)
def nanmin(
    a: Any, axis: Any = None, out: None = None, keepdims: bool = False, initial: Any = None,
    where: Any = None,
) -> Any:  # fmt: skip
    """The smallest of the elements that are numbers; NaN where none is."""
    return _extreme("min", a, axis, keepdims, **_given(initial, where))


@numpy_like(np.nanargmax)
def nanargmax(a: Any, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Any:
    """The index of the first largest number; traced, 0 where there is none."""
    return snp.argmax(_instead(a, -math.inf), axis, keepdims=keepdims)


@numpy_like(np.nanargmin)
def nanargmin(a: Any, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Any:
    """The index of the first smallest number; traced, 0 where there is none."""
    return snp.argmin(_instead(a, math.inf), axis, keepdims=keepdims)
