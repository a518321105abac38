"""Arrays with more elements at their ends: pad, in every mode of NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError, ShapeError

from .. import numpy as snp
from ..tracing.dispatch import numpy_like
from ..tracing.sizes import whole
from ..tracing.tracer import Tracer
from .shared import call, common_dtype, convert, size_number, traced

__all__ = ["pad"]

_STATISTICS = {"maximum": "max", "mean": "mean", "median": "median", "minimum": "min"}
_Ends = Callable[[Any, int, int, Any], Any]


@numpy_like(np.pad)
def pad(
    array: Any, pad_width: Any, mode: Any = "constant", *, constant_values: Any = 0,
    end_values: Any = 0, stat_length: Any = None, reflect_type: str = "even",
) -> Any:  # fmt: skip
    """The array with more elements at its ends: numbers, its edge, itself again, or a statistic."""
    x = traced(array)
    widths = _widths(pad_width, x.ndim)
    if mode in ("constant", "empty") and isinstance(constant_values, bool | int | float):
        low, high = (tuple(w[i] for w in widths) for i in (0, 1))
        return call("pad", x, low=low, high=high, interior=(0,) * x.ndim, value=constant_values)
    if mode in _PLACES:
        if reflect_type != "even":
            raise ArgumentError(
                f"pad: reflect_type={reflect_type!r} cannot be traced",
                fix='use reflect_type="even"',
                loc=user_location(),
            )
        return _repeated(x, widths, mode)
    given = {"constant": constant_values, "linear_ramp": end_values}.get(mode, stat_length)
    for at, (pair, values) in enumerate(zip(widths, _pairs(given, x.ndim), strict=True)):
        for side, width in enumerate(pair):
            if isinstance(width, int) and width == 0:
                continue
            more = _more(mode)(x, at, side, (width, values[side]))
            more = snp.astype(more, x.dtype)
            x = snp.concatenate([x, more] if side else [more, x], at)
    return x


def _widths(pad_width: Any, rank: int) -> Any:
    """A pair of widths for each axis."""
    if isinstance(pad_width, dict):
        named = {at % rank: width for at, width in pad_width.items()}
        given = [named.get(at, 0) for at in range(rank)]
        pad_width = [w if isinstance(w, tuple | list) else (w, w) for w in given]
    pairs = np.broadcast_to(np.asarray(pad_width), (rank, 2)).tolist()
    found = [tuple(map(whole, pair)) for pair in pairs]
    if any(isinstance(width, int) and width < 0 for pair in found for width in pair):
        what = f"a negative number of elements cannot be added: {pad_width}"
        raise ShapeError(what, fix="use slice to cut", loc=user_location())
    return found


def _pairs(given: Any, rank: int) -> Any:
    """A pair of values for each axis; traced numbers are for all."""
    if isinstance(given, Tracer) or given is None:
        return [(given, given)] * rank
    return np.broadcast_to(np.asarray(given), (rank, 2)).tolist()


def _repeated(x: Any, widths: list[Any], mode: str) -> Any:
    for at, (before, after) in enumerate(widths):
        if before or after:
            size = x.shape[at]
            places = snp.arange(-before, size + after)
            x = snp.take(x, _PLACES[mode](places, size_number(size)), at)
    return x


def _folded(places: Any, size: Any, last: int) -> Any:
    """Places that go up and down again, the last one once more where `last` is 1."""
    place = snp.remainder(places, snp.maximum(2 * (size - 1 + last), 1))
    return snp.where(place < size, place, 2 * (size - 1) + last - place)


_PLACES: dict[str, Callable[[Any, Any], Any]] = {
    "edge": lambda places, size: snp.clip(places, 0, size - 1),
    "wrap": snp.remainder,
    "reflect": lambda places, size: _folded(places, size, 0),
    "symmetric": lambda places, size: _folded(places, size, 1),
}


def _more(mode: Any) -> _Ends:
    """What makes the elements at one end, of an array, axis, side, width and value."""
    if mode in _STATISTICS:
        return lambda x, at, side, rest: _statistic(x, at, side, rest, _STATISTICS[mode])
    if mode not in ("constant", "linear_ramp"):
        raise ArgumentError(
            f"pad: mode {mode!r} cannot be traced",
            fix=f"use one of {', '.join(['constant', 'linear_ramp', *_PLACES, *_STATISTICS])}",
            loc=user_location(),
        )
    return _constant if mode == "constant" else _ramp


def _around(x: Any, at: int, width: Any) -> tuple[Any, ...]:
    return (*x.shape[:at], width, *x.shape[at + 1 :])


def _constant(x: Any, at: int, side: int, rest: Any) -> Any:
    width, value = rest
    return snp.broadcast_to(snp.astype(traced(value), x.dtype), _around(x, at, width))


def _ramp(x: Any, at: int, side: int, rest: Any) -> Any:
    """A line from a value at the outside to the edge; of integers the next lower ones."""
    width, value = rest
    edge = snp.expand_dims(x[(*(slice(None),) * at, -1 if side else 0)], at)
    row = snp.arange(width - 1, -1, -1) if side else snp.arange(width)
    step = (edge - value) / width
    found = snp.reshape(row, tuple(-1 if one == at else 1 for one in range(x.ndim))) * step + value
    return found if common_dtype(x).is_float else snp.floor(found)


def _statistic(x: Any, at: int, side: int, rest: Any, name: str) -> Any:
    width, length = rest
    part = x
    if length is not None:
        cut = slice(-length, None) if side else slice(None, length)
        part = x[(*(slice(None),) * at, cut)]
    found = getattr(snp, name)(part, axis=at, keepdims=True)
    if common_dtype(x).is_integer and common_dtype(found).is_float:
        found = convert(snp.round(found), common_dtype(x))
    return snp.broadcast_to(found, _around(x, at, width))
