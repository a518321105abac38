"""New arrays with some elements changed: what x[i] = v and x.at[i].add(v) mean in a graph."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError, TraceError

from ..tracing.dispatch import FUNCTIONS, has_tracer
from ..tracing.tracer import Tracer
from .bounds import beyond, fill_of, kept_inside, mode_of, padded
from .indexing import getitem, places_of
from .pieces import piece_of, written
from .shared import broadcast_shape_to, call, convert, product, size_number, traced
from .subscripts import Cut, Index, Subscript, admitted, is_mask, joined, subscript

__all__ = ["At", "updated"]


class At:
    """`x.at`: give it a subscript, then say what becomes of the elements there."""

    def __init__(self, x: Tracer) -> None:
        self._x = x

    def __getitem__(self, key: Any) -> AtIndex:
        return AtIndex(self._x, key)


class AtIndex:
    """`x.at[i]`: x with other elements at i, as a new array.

    `mode` says what becomes of traced indices outside of the array: "drop" (the default of writes)
    leaves them out, "clip" (the default of `get`) takes the nearest, "wrap" counts around, "fill"
    reads `fill_value`, "promise_in_bounds" says that there are none. Slices may begin at traced
    places: x.at[i:i + 3].
    """

    def __init__(self, x: Tracer, key: Any) -> None:
        self._x, self._key = x, key

    def get(self, *, mode: Any = None, fill_value: Any = None, **_: Any) -> Any:
        """The elements at i."""
        x, name = self._x, mode_of(mode, "clip")
        if name in ("fill", "drop"):
            key, axes = beyond(self._key, x.shape)
            return getitem(padded(x, axes, fill_of(x.dtype, fill_value)), key)
        return getitem(x, self._key if mode is None else kept_inside(self._key, x.shape, name))

    def set(self, values: Any, *, mode: Any = None, **_: Any) -> Any:
        """The values at i."""
        return updated(self._x, self._key, values, "set", mode)

    def add(self, values: Any, *, mode: Any = None, **_: Any) -> Any:
        """The values added at i, each as often as i names it."""
        return updated(self._x, self._key, values, "add", mode)

    def subtract(self, values: Any, *, mode: Any = None, **_: Any) -> Any:
        """The values subtracted at i."""
        return updated(self._x, self._key, -traced(values), "add", mode)

    def multiply(self, values: Any, *, mode: Any = None, **_: Any) -> Any:
        """The elements at i multiplied by the values."""
        return updated(self._x, self._key, values, "multiply", mode)

    mul = multiply

    def divide(self, values: Any, *, mode: Any = None, **_: Any) -> Any:
        """The elements at i divided by the values."""
        return self.multiply(FUNCTIONS["divide"](1, traced(values)), mode=mode)

    def power(self, values: Any, *, mode: Any = None, **_: Any) -> Any:
        """The elements at i to the power of the values."""
        return self.set(FUNCTIONS["power"](self.get(mode=mode and "clip"), values), mode=mode)

    def min(self, values: Any, *, mode: Any = None, **_: Any) -> Any:
        """The smaller of the elements at i and the values."""
        return updated(self._x, self._key, values, "minimum", mode)

    def max(self, values: Any, *, mode: Any = None, **_: Any) -> Any:
        """The larger of the elements at i and the values."""
        return updated(self._x, self._key, values, "maximum", mode)

    def apply(self, func: Callable[[Any], Any], *, mode: Any = None, **_: Any) -> Any:
        """A function of the elements at i."""
        return self.set(func(self.get(mode=mode and "clip")), mode=mode)


def updated(x: Tracer, key: Any, values: Any, how: str, mode: Any = None) -> Any:
    """x with the elements at `key` set, added to, multiplied, or held against the values."""
    v = traced(convert(_listed(values), DType.of(x.dtype)))
    key = joined(key)
    if is_mask(key):
        return _masked(x, key, v, how)
    name = mode_of(mode, "drop")
    if (piece := piece_of(key, x.shape)) is not None:
        return written(x, piece, _fitted(v, piece.shape), how, name)
    key = kept_inside(key, x.shape, name)
    found = subscript(key, x.shape)
    if found.indexed:
        return _scattered(x, key, found, v, how, mode is not None)
    cuts = [entry for entry in found.entries if isinstance(entry, Cut)]
    shape = tuple(1 if part is None else cuts[part].count for part in found.layout)
    region = tuple(cut.count for cut in cuts)
    if any(isinstance(n, int) and n == 0 for n in region):
        return x
    v = _fitted(v, shape)
    v = call("reshape", v, shape=region) if region != tuple(v.shape) else v
    flipped = tuple(at for at, cut in enumerate(cuts) if cut.flipped)
    v = call("reverse", v, axes=flipped) if flipped else v
    return admitted(_blended(x, cuts, v, how), found)


def _listed(values: Any) -> Any:
    return traced(values) if isinstance(values, list | tuple) else values


def _fitted(v: Any, shape: tuple[Any, ...]) -> Any:
    """The values in the shape of the elements they are for; leading ones may be left out."""
    while v.ndim > len(shape) and v.shape[0] == 1:
        v = call("reshape", v, shape=v.shape[1:])
    try:
        return broadcast_shape_to(v, shape)
    except ShapeError:
        raise ShapeError(
            f"x[...] = v: values of shape {tuple(v.shape)} do not fit into elements of shape "
            f"{tuple(shape)}",
            fix="give one value, or values of that shape",
            loc=user_location(),
        ) from None


def _blended(x: Any, cuts: list[Cut], v: Any, how: str) -> Any:
    """The values spread to the shape of x, and combined with it."""
    if tuple(v.shape) == tuple(x.shape) and all(cut.step == 1 for cut in cuts):
        return v if how == "set" else call(how, x, v)
    if how != "set":
        return call(how, x, _spread(v, cuts, x.shape, _neutral(how, x)))
    inside = broadcast_shape_to(convert(traced(True), DType.BOOL), v.shape)
    mask = _spread(inside, cuts, x.shape, False)
    return call("select", mask, _spread(v, cuts, x.shape, False if x.dtype == np.bool_ else 0), x)


def _spread(v: Any, cuts: list[Cut], shape: tuple[Any, ...], value: Any) -> Any:
    """The values where the cuts have their elements, with one value everywhere else."""
    placed = list(cuts)
    for at, cut in enumerate(cuts):
        if cut.step > 1 and not isinstance(cut.count, int):
            v, placed[at] = _apart(v, at, cut, value), Cut(cut.start, cut.stop, 1)
    return call(
        "pad",
        v,
        low=tuple(cut.start for cut in placed),
        high=tuple(
            n - (cut.start + (cut.count - 1) * cut.step + 1)
            for cut, n in zip(placed, shape, strict=True)
        ),
        interior=tuple(cut.step - 1 for cut in placed),
        value=value,
    )


def _apart(v: Any, axis: int, cut: Cut, value: Any) -> Any:
    """The values at the places of a cut of symbolic size, which may have none; what lies between
    is one value."""
    before, after = tuple(v.shape)[:axis], tuple(v.shape)[axis + 1 :]
    columns = call("reshape", v, shape=(*before, cut.count, 1, *after))
    zeros = (0,) * columns.ndim
    high = tuple(cut.step - 1 if at == axis + 1 else 0 for at in range(columns.ndim))
    filled = call("pad", columns, low=zeros, high=high, interior=zeros, value=value)
    row = call("reshape", filled, shape=(*before, cut.count * cut.step, *after))
    stops = (*before, cut.stop - cut.start, *after)
    return call("slice", row, starts=zeros[1:], stops=stops, steps=(1,) * row.ndim)


def _neutral(how: str, x: Any) -> Any:
    """The number that changes nothing."""
    if how in ("add", "multiply"):
        return 0 if how == "add" else 1
    if np.issubdtype(x.dtype, np.floating):
        return math.inf if how == "minimum" else -math.inf
    if x.dtype == np.bool_:
        return how == "minimum"
    limits = np.iinfo(x.dtype)
    return int(limits.max if how == "minimum" else limits.min)


def _masked(x: Any, mask: Any, v: Any, how: str) -> Any:
    if v.ndim and tuple(v.shape) != tuple(x.shape):
        raise TraceError(
            f"values of shape {tuple(v.shape)} for a traced mask",
            fix="give one number, or values in the shape of the array: snp.where(mask, values, x)",
            loc=user_location(),
        )
    wide = call("reshape", mask, shape=(*mask.shape, *(1,) * (x.ndim - mask.ndim)))
    wide = broadcast_shape_to(wide, x.shape)
    return call("select", wide, v if how == "set" else call(how, x, v), x)


def _scattered(x: Any, key: Any, found: Subscript, v: Any, how: str, lenient: bool) -> Any:
    """The update through index arrays: along one axis if it is one, else on the flat array.

    Places outside are left out; of known ones that is an error but for the `lenient`.
    """
    whole = [
        isinstance(e, Index) or (e.start == 0 and e.stop == n and e.step == 1 and not e.flipped)
        for e, n in zip(found.entries, x.shape, strict=True)
    ]
    if len(found.indexed) == 1 and all(whole) and None not in found.layout:
        axis = found.indexed[0]
        index = found.indices[0].places
        size = x.shape[axis]
        is_known = isinstance(size, int) and not isinstance(index, Tracer) and not lenient
        places = places_of(index if is_known or not lenient else traced(index), size)
        static = np.where(index < 0, index + size, index) if is_known else None
        target = (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])
        v = call("reshape", _fitted(v, target), shape=_flat_places(target, axis, places.ndim))
        flat = call("reshape", places, shape=(product(places.shape),))
        return _along_axis(x, flat, static, v, axis, how)
    count = product(x.shape)
    known = None
    traced_key = lenient or has_tracer(key if isinstance(key, tuple) else (key,))
    if not traced_key and isinstance(count, int):
        known = np.arange(count).reshape(x.shape)[key]
        places = traced(known)
    else:
        numbered = call("iota", shape=(count,), axis=0, dtype=DType.I64)
        beyond_it, axes = beyond(key, x.shape)
        places = getitem(padded(call("reshape", numbered, shape=x.shape), axes, -1), beyond_it)
    v = FUNCTIONS["reshape"](_fitted(v, places.shape), (product(places.shape),))
    flat = call("reshape", places, shape=(product(places.shape),))
    result = _along_axis(FUNCTIONS["ravel"](x), flat, known, v, 0, how)
    return call("reshape", result, shape=x.shape)


def _flat_places(shape: tuple[Any, ...], axis: int, rank: int) -> tuple[Any, ...]:
    return (*shape[:axis], product(shape[axis : axis + rank]), *shape[axis + rank :])


def _along_axis(x: Any, places: Any, known: Any, v: Any, axis: int, how: str) -> Any:
    """Update x at one-dimensional places along an axis; `known` are the places if static."""
    if 0 in v.shape:
        return x
    if how == "add":
        v = v if known is not None else _where_inside(x, places, v, axis)
        return call("scatter_add", x, places, v, axis=axis)
    if how != "set":
        return call(how, x, _gathered(x, places, v, axis, how))
    if known is not None and isinstance(x.shape[axis], int):
        last = np.full(x.shape[axis], -1)
        last[known.ravel()] = np.arange(known.size)
        source: Any = traced(last)
    else:
        hit, _ = _hits(x.shape[axis], places)
        order = call("iota", shape=hit.shape, axis=1, dtype=DType.I64)
        source = call("reduce_max", call("select", hit, order, -1), axes=(1,))
    present = call("greater_equal", source, 0)
    new = call("take", v, call("maximum", source, 0), axis=axis)
    shape = tuple(n if at == axis else 1 for at, n in enumerate(x.shape))
    wide = broadcast_shape_to(call("reshape", present, shape=shape), x.shape)
    return call("select", wide, new, x)


def _where_inside(x: Any, places: Any, v: Any, axis: int) -> Any:
    """The values for places inside of the array, zeros for others."""
    last = size_number(x.shape[axis])
    inside = call("logical_and", call("greater_equal", places, 0), call("less", places, last))
    wide = call("broadcast", inside, shape=tuple(v.shape), axes=(axis,))
    return call("select", wide, v, False if x.dtype == np.bool_ else 0)


def _hits(size: Any, places: Any) -> tuple[Any, Any]:
    """hit[n, k]: whether place k is n."""
    count = places.shape[0]
    rows = call("iota", shape=(size, count), axis=0, dtype=DType.I64)
    return call("equal", rows, call("broadcast", places, shape=(size, count), axes=(1,))), count


_REDUCTIONS: dict[str, str] = {
    "multiply": "reduce_prod", "minimum": "reduce_min", "maximum": "reduce_max"
}  # fmt: skip


def _gathered(x: Any, places: Any, v: Any, axis: int, how: str) -> Any:
    """For each element of x what all values for its place come to; the neutral number if none."""
    hit, count = _hits(x.shape[axis], places)
    lines = FUNCTIONS["moveaxis"](v, axis, 0)
    shape = (x.shape[axis], count, *lines.shape[1:])
    hits = call("broadcast", hit, shape=shape, axes=(0, 1))
    spread = call("broadcast", lines, shape=shape, axes=tuple(range(1, len(shape))))
    chosen = call("select", hits, spread, _neutral(how, x))
    return FUNCTIONS["moveaxis"](call(_REDUCTIONS[how], chosen, axes=(1,)), 0, axis)


def _setitem(x: Any, key: Any, values: Any) -> Any:
    return updated(x, key, values, "set")


_BUILDERS: dict[str, Callable[..., Any]] = {"at": At, "setitem": _setitem}
FUNCTIONS.update(_BUILDERS)
