"""Statistics of samples: cov, corrcoef, bincount, digitize and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType, promoted
from symfuse.runtime.errors import ArgumentError, ShapeError, UnsupportedError

from .. import numpy as snp
from ..tracing.dispatch import has_tracer, numpy_like
from ..tracing.tracer import Tracer
from .shared import call, common_dtype, convert, element_type, expect, product, traced

__all__ = [
    "bincount", "corrcoef", "cov", "digitize", "histogram", "histogram2d", "histogram_bin_edges",
    "histogramdd",
]  # fmt: skip


def _rows(m: Any, rowvar: bool, dtype: DType) -> Any:
    """The variables as rows of a matrix."""
    x = traced(m)
    if x.ndim > 2:
        raise ShapeError(
            f"cov of an array of rank {x.ndim}", fix="pass a matrix", loc=user_location()
        )
    rows = convert(snp.atleast_2d(x), dtype)
    return rows if rowvar or x.ndim < 2 else rows.T


@numpy_like(np.cov)
def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None,
    fweights: Any = None, aweights: Any = None, *, dtype: Any = None,
) -> Any:  # fmt: skip
    """The covariances of variables, which are the rows of m and y, or with rowvar=False columns: a
    matrix, or of a single variable a number. Of a symbolic number of variables it is a matrix."""
    expect(ddof is None or ddof == int(ddof), f"cov: ddof is {ddof}", "use a whole number")
    given = [x for x in (m, y) if x is not None]
    wanted = promoted(*map(common_dtype, map(traced, given)), DType.F64)
    wanted = wanted if dtype is None else element_type(dtype)
    x = snp.concatenate([_rows(one, rowvar, wanted) for one in given], 0)
    less = ddof if ddof is not None else 0 if bias else 1
    parts = [convert(traced(w), wanted) for w in (fweights, aweights) if w is not None]
    weights = parts[0] * parts[1] if len(parts) == 2 else parts[0] if parts else None
    total = x.shape[1] if weights is None else snp.sum(weights)
    if aweights is not None and less:
        less = less * snp.sum(weights * parts[-1]) / total
    x = x - snp.average(x, 1, weights)[:, None]
    right = x if weights is None else x * weights
    found = snp.matmul(x, snp.conj(right.T)) / convert(traced(total - less), wanted)
    return found[0, 0] if x.shape[0] == 1 else found


@numpy_like(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """The covariances of variables over the products of their standard deviations."""
    c = cov(traced(x), y, rowvar, dtype=dtype)
    if not c.ndim:
        return c / c
    size = snp.sqrt(snp.real(snp.diagonal(c)))
    found = c / size[:, None] / size
    if not common_dtype(found).is_complex:
        return snp.clip(found, -1, 1)
    return call("complex", *(snp.clip(part(found), -1, 1) for part in (snp.real, snp.imag)))


def _eager_bincount(
    x: Any, /, weights: Any = None, minlength: int = 0, *, length: int | None = None
) -> Any:
    found = np.bincount(x, weights, minlength if length is None else length)
    return found if length is None else found[:length]


@numpy_like(np.bincount, eager=_eager_bincount)
def bincount(
    x: Any, /, weights: Any = None, minlength: int = 0, *, length: int | None = None
) -> Any:
    """How often 0, 1, 2, … occur in x, or the sums of the weights of each.

    Traced, it needs `length`, how many to count; greater elements are left out then.

    >>> import symfuse as sf
    >>> sf.numpy.bincount([0, 2, 2, 5], length=3)
    array([1, 0, 2])
    """
    if length is None:
        raise UnsupportedError(
            "bincount: how many numbers occur is known only when the graph runs",
            fix="give how many to count: symfuse.numpy.bincount(x, length=n)",
            loc=user_location(),
        )
    expect(minlength <= length, f"minlength={minlength} of length={length}", "leave out minlength")
    places = convert(traced(x), DType.I64)
    counted = snp.ones_like(places) if weights is None else convert(traced(weights), DType.F64)
    return _summed(places, counted, length)


def _summed(places: Any, values: Any, length: Any) -> Any:
    """The sums of values by their places, those outside left out."""
    there = (places >= 0) & (places < length)
    values = snp.where(there, values, 0)
    zeros = snp.zeros(length, values.dtype)
    return call("scatter_add", traced(zeros), snp.where(there, places, 0), values, axis=0)


@numpy_like(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """The number of the bin of each element, where bins are in rising or falling order."""
    edges = bins if isinstance(bins, Tracer) else np.asarray(bins)
    side = "left" if right else "right"
    size = edges.shape[0]

    def rising() -> Any:
        return snp.searchsorted(edges, traced(x), side=side)

    def falling() -> Any:
        return size - snp.searchsorted(edges[::-1], traced(x), side=side)

    if isinstance(edges, Tracer):
        return snp.where(edges[0] > edges[-1], falling(), rising())
    steps = np.diff(edges)
    if not ((steps >= 0).all() or (steps <= 0).all()):
        raise ArgumentError(
            "digitize: bins neither rise nor fall", fix="sort them", loc=user_location()
        )
    return rising() if (steps >= 0).all() else falling()


# histograms


def _edges(a: Any, bins: Any, limits: Any) -> Any:
    """The edges of bins: those given, or of a number of equal bins between limits."""
    if isinstance(bins, str):
        raise UnsupportedError(
            f"histogram with bins={bins!r}: their number is known only when the graph runs",
            fix="give the number of bins",
            loc=user_location(),
        )
    if isinstance(bins, Tracer):
        return bins
    if not isinstance(bins, int):
        known = np.asarray(bins)
        rises = known.ndim == 1 and bool((np.diff(known) >= 0).all())
        expect(rises, "histogram: the edges of the bins do not rise", "sort them")
        return traced(known)
    expect(bins > 0, f"histogram: there are {bins} bins", "use one or more")
    if limits is not None:
        low, high = limits
        ordered = has_tracer((low, high)) or low <= high
        expect(ordered, f"histogram: range is {limits}", "give the least number first")
    elif product(a.shape) == 0:
        low, high = 0.0, 1.0
    else:
        low, high = snp.min(a), snp.max(a)
    own = common_dtype(a)
    target = own if own.is_float else DType.F64
    low, high = (convert(traced(one), target) for one in (low, high))
    flat = convert(low == high, target) / 2
    return snp.linspace(low - flat, high + flat, bins + 1)


@numpy_like(np.histogram_bin_edges, idle={"weights": None})
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """The edges of the bins of `histogram`."""
    return _edges(snp.ravel(traced(a)), bins, range)


def _bin(x: Any, edges: Any) -> Any:
    """The bin of each element; -1 or the number of bins outside. The last bin has both ends."""
    place = snp.searchsorted(edges, x, side="right") - 1
    last = edges.shape[0] - 2
    return snp.where(x == edges[-1], last, snp.where(snp.isnan(x), -1, place))


@numpy_like(np.histogram)
def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, Any]:
    """How many elements lie in each bin, or the sums of their weights; and the edges of the bins.

    With `density`, over the sum of all and the width of the bin. `bins` is a number of equal bins
    within `range`, by default from the least to the greatest element, or the edges.
    """
    x = snp.ravel(traced(a))
    edges = _edges(x, bins, range)
    place = _bin(x, edges)
    if weights is None:
        counts = _summed(place, snp.ones_like(place), edges.shape[0] - 1)
    else:
        own = traced(weights)
        counts = _summed(place, snp.ravel(own), edges.shape[0] - 1)
    if not density:
        return counts, edges
    return counts / snp.diff(edges) / snp.sum(counts), edges


@numpy_like(np.histogramdd)
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, tuple[Any, ...]]:
    """The histogram of points, which are the rows of `sample`; and the edges along each axis."""
    points = snp.stack(list(sample), -1) if isinstance(sample, list | tuple) else traced(sample)
    points = points if points.ndim == 2 else points[:, None]
    axes = [points[:, at] for at in np.arange(points.shape[1]).tolist()]
    kinds = bins if isinstance(bins, Sequence) else [bins] * len(axes)
    limits = [None] * len(axes) if range is None else range
    edges = [_edges(*each) for each in zip(axes, kinds, limits, strict=True)]
    sizes = tuple(one.shape[0] - 1 for one in edges)
    places = [_bin(x, one) for x, one in zip(axes, edges, strict=True)]
    flat: Any = 0
    inside: Any = True
    for place, size in zip(places, sizes, strict=True):
        flat, inside = flat * size + place, inside & (place >= 0) & (place < size)
    given = snp.ones_like(axes[0]) if weights is None else traced(weights)
    counts = _summed(snp.where(inside, flat, -1), convert(given, DType.F64), product(sizes))
    found = snp.reshape(counts, sizes)
    if density:
        for at, one in enumerate(edges):
            shape = tuple(-1 if at == axis else 1 for axis in np.arange(len(edges)).tolist())
            found = found / snp.reshape(snp.diff(one), shape)
        found = found / snp.sum(counts)
    return found, tuple(edges)


@numpy_like(np.histogram2d)
def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, Any, Any]:
    """The histogram of points with coordinates x and y; and the edges along both axes."""
    count = 1 if isinstance(bins, int) else len(bins)
    both = list(bins) if count == 2 else [bins] * 2
    found, edges = histogramdd([traced(x), traced(y)], both, range, density, weights)
    return found, edges[0], edges[1]
