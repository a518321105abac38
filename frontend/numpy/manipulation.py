"""Functions that rearrange elements: reshape, transpose, concatenate, stack, roll, tile."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import Expr, is_equal
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError, SymfuseError

from ..tracing.dispatch import FUNCTIONS, numpy_like
from . import shared
from .shared import (
    broadcast_shape_to,
    call,
    common_dtype,
    convert,
    normal_axes,
    normal_axis,
    product,
    traced,
)

__all__ = [
    "append", "array_split", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays",
    "broadcast_shapes", "broadcast_to", "column_stack", "concat", "concatenate", "dstack",
    "expand_dims", "flip", "fliplr", "flipud", "hsplit", "hstack", "matrix_transpose", "moveaxis",
    "ndim", "pad", "permute_dims", "ravel", "repeat", "reshape", "roll", "rollaxis", "rot90",
    "shape", "size", "split", "squeeze", "stack", "swapaxes", "tile", "transpose", "unstack",
    "vsplit", "vstack",
]  # fmt: skip


@numpy_like(np.reshape, view=True)
def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: Any = None) -> Any:
    """The same elements in another shape; one size may be -1."""
    x = traced(a)
    if order not in ("C", "A"):
        raise ShapeError(
            f"order={order!r} is not supported", fix='use order="C"', loc=user_location()
        )
    sizes = tuple(shape) if isinstance(shape, tuple | list | np.ndarray) else (shape,)
    known = [s if isinstance(s, Expr) else s.__index__() for s in sizes]
    if -1 in [s for s in known if isinstance(s, int)]:
        at = next(i for i, s in enumerate(known) if isinstance(s, int) and s == -1)
        known[at] = _missing_size(x.shape, [s for i, s in enumerate(known) if i != at], sizes)
    if tuple(known) == tuple(x.shape):
        return call("reshape", x, shape=tuple(known)) if x.ndim else x
    return call("reshape", x, shape=tuple(known))


def _missing_size(shape: Sequence[Any], rest: list[Any], wanted: Any) -> Any:
    """The size that -1 stands for: what is left after cancelling equal sizes."""
    remaining, divisors = list(shape), []
    for size in rest:
        if isinstance(size, Expr) and size in remaining:
            remaining.remove(size)
        else:
            divisors.append(size)
    total, divisor = product(remaining), product(divisors)
    problem = isinstance(divisor, int) and divisor == 0
    if isinstance(total, int) and isinstance(divisor, int) and not problem:
        problem = total % divisor != 0
    if problem:
        raise ShapeError(
            f"{tuple(shape)} cannot take the shape {tuple(wanted)}",
            fix="the sizes must multiply to the number of elements",
            loc=user_location(),
        )
    return total if isinstance(divisor, int) and divisor == 1 else total // divisor


@numpy_like(np.ravel, view=True)
def ravel(a: Any, order: str = "C") -> Any:
    """All elements along one axis."""
    x = traced(a)
    return x if x.ndim == 1 else call("reshape", x, shape=(product(x.shape),))


@numpy_like()
def flatten(a: Any, order: str = "C") -> Any:
    """All elements along one axis, as a copy."""
    return FUNCTIONS["copy"](ravel(a))


@numpy_like(np.transpose, view=True)
def transpose(a: Any, axes: Any = None) -> Any:
    """The axes in another order, reversed where none is given."""
    x = traced(a)
    order = (
        tuple(range(x.ndim))[::-1] if axes is None else tuple(normal_axis(i, x.ndim) for i in axes)
    )
    return call("transpose", x, axes=order)


def permute_dims(x: Any, /, axes: Any) -> Any:
    """The axes in another order."""
    return transpose(x, axes)


@numpy_like(np.matrix_transpose, view=True)
def matrix_transpose(x: Any, /) -> Any:
    """The last two axes exchanged."""
    return swapaxes(x, -1, -2)


@numpy_like(np.swapaxes, view=True)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    x = traced(a)
    order = list(range(x.ndim))
    i, j = normal_axis(axis1, x.ndim), normal_axis(axis2, x.ndim)
    order[i], order[j] = j, i
    return call("transpose", x, axes=tuple(order))


@numpy_like(np.moveaxis, view=True)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Some axes at other places, the rest in order."""
    x = traced(a)
    pairs = [(source,), (destination,)] if isinstance(source, int) else [source, destination]
    old, new = ([normal_axis(i, x.ndim) for i in part] for part in pairs)
    order = [i for i in range(x.ndim) if i not in old]
    for target, axis in sorted(zip(new, old, strict=True)):
        order.insert(target, axis)
    return call("transpose", x, axes=tuple(order))


@numpy_like(np.rollaxis, view=True)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """One axis moved before another."""
    at = normal_axis(axis, traced(a).ndim)
    return moveaxis(a, at, start - 1 if start > at else start)


@numpy_like(np.squeeze, view=True)
def squeeze(a: Any, axis: Any = None) -> Any:
    """The array without axes of size 1."""
    x = traced(a)
    if axis is None:
        dropped = tuple(at for at, n in enumerate(x.shape) if is_equal(n, 1) is True)
    else:
        dropped = normal_axes(axis, x.ndim)
    wrong = [at for at in dropped if is_equal(x.shape[at], 1) is False]
    if wrong:
        raise ShapeError(
            f"axis {wrong[0]} of {tuple(x.shape)} has size {x.shape[wrong[0]]}, not 1",
            fix="squeeze only axes of size 1",
            loc=user_location(),
        )
    return call("reshape", x, shape=tuple(n for at, n in enumerate(x.shape) if at not in dropped))


@numpy_like(np.expand_dims, view=True)
def expand_dims(a: Any, axis: Any) -> Any:
    """The array with new axes of size 1."""
    x = traced(a)
    count = len(axis) if isinstance(axis, tuple | list) else 1
    axes = normal_axes(axis, x.ndim + count)
    old = iter(x.shape)
    return call(
        "reshape", x, shape=tuple(1 if at in axes else next(old) for at in range(x.ndim + count))
    )


@numpy_like(np.broadcast_to, view=True)
def broadcast_to(array: Any, shape: Any) -> Any:
    """Copies along new axes and axes of size 1."""
    sizes = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    return broadcast_shape_to(traced(array), sizes)


@numpy_like(np.broadcast_arrays, view=True)
def broadcast_arrays(*args: Any) -> Any:
    """The arrays in their common shape."""
    arrays = [traced(a) for a in args]
    target = shared.broadcast_shapes(*(a.shape for a in arrays))
    return tuple(broadcast_shape_to(a, target) for a in arrays)


def broadcast_shapes(*args: Any) -> tuple[Any, ...]:
    """The shape that arrays of these shapes meet in; sizes may be symbolic."""
    return shared.broadcast_shapes(*((s,) if isinstance(s, int) else s for s in args))


@numpy_like(np.concatenate)
def concatenate(arrays: Any, /, axis: Any = 0, out: None = None, *, dtype: Any = None) -> Any:
    """Arrays joined along an axis they have."""
    parts = [traced(a) for a in arrays]
    if axis is None:
        parts, axis = [ravel(a) for a in parts], 0
    target = common_dtype(*parts) if dtype is None else shared.element_type(dtype)
    parts = [convert(part, target) for part in parts]
    if not parts[0].ndim:
        raise ShapeError(
            "arrays of rank 0 cannot be concatenated", fix="use stack", loc=user_location()
        )
    at = normal_axis(axis, parts[0].ndim)
    return call("concatenate", *parts, axis=at) if len(parts) > 1 else parts[0]


concat = concatenate


@numpy_like(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """One array behind another."""
    return concatenate([arr, values], axis)


@numpy_like(np.stack)
def stack(arrays: Any, axis: int = 0, out: None = None, *, dtype: Any = None) -> Any:
    """Arrays joined along a new axis."""
    parts = [traced(a) for a in arrays]
    at = normal_axis(axis, parts[0].ndim + 1)
    for part in parts:
        if tuple(part.shape) != tuple(parts[0].shape):
            raise ShapeError(
                f"stack: shapes {tuple(parts[0].shape)} and {tuple(part.shape)} differ",
                fix="all arrays must have one shape",
                loc=user_location(),
            )
    return concatenate([expand_dims(part, at) for part in parts], at, dtype=dtype)


@numpy_like(np.vstack)
def vstack(tup: Any) -> Any:
    """Arrays below one another."""
    return concatenate([atleast_2d(a) for a in tup], 0)


@numpy_like(np.hstack)
def hstack(tup: Any) -> Any:
    """Arrays beside one another."""
    parts = [atleast_1d(a) for a in tup]
    return concatenate(parts, 0 if parts[0].ndim == 1 else 1)


@numpy_like(np.dstack)
def dstack(tup: Any) -> Any:
    """Arrays behind one another, along the third axis."""
    return concatenate([atleast_3d(a) for a in tup], 2)


@numpy_like(np.column_stack)
def column_stack(tup: Any) -> Any:
    """One-dimensional arrays as the columns of a matrix."""
    parts = [traced(a) for a in tup]
    return concatenate([a if a.ndim > 1 else reshape(a, (-1, 1)) for a in parts], 1)


@numpy_like(np.atleast_1d, view=True)
def atleast_1d(*arys: Any) -> Any:
    """The array, of rank 1 if it had rank 0."""
    found = tuple(a if (a := traced(one)).ndim else reshape(a, (1,)) for one in arys)
    return found[0] if len(found) == 1 else found


@numpy_like(np.atleast_2d, view=True)
def atleast_2d(*arys: Any) -> Any:
    """The array, as a row if it had a lower rank."""
    found = tuple(
        a if (a := traced(one)).ndim > 1 else reshape(a, (1, *(a.shape or (1,)))) for one in arys
    )
    return found[0] if len(found) == 1 else found


@numpy_like(np.atleast_3d, view=True)
def atleast_3d(*arys: Any) -> Any:
    """The array, with axes of size 1 up to rank 3."""
    found = []
    for one in arys:
        a = atleast_2d(one) if traced(one).ndim < 2 else traced(one)
        found.append(a if a.ndim > 2 else expand_dims(a, -1))
    return found[0] if len(found) == 1 else tuple(found)


def _pieces(x: Any, bounds: Sequence[Any], axis: int) -> list[Any]:
    lead = (slice(None),) * axis
    ends = [0, *bounds, x.shape[axis]]
    return [x[(*lead, slice(a, b))] for a, b in pairwise(ends)]


def _static_size(x: Any, axis: int, what: str) -> int:
    size = x.shape[axis]
    if not isinstance(size, int):
        raise ShapeError(
            f"{what} along the symbolic size {size}",
            fix="give the places to cut, or a spec with this size as a number",
            loc=user_location(),
        )
    return size


@numpy_like(np.split, view=True)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """The array cut at places, or into a number of equal parts."""
    x = traced(ary)
    at = normal_axis(axis, x.ndim)
    if not isinstance(indices_or_sections, int):
        return _pieces(x, list(indices_or_sections), at)
    size, count = _static_size(x, at, "split"), indices_or_sections
    if size % count:
        raise ShapeError(
            f"size {size} does not divide into {count} equal parts",
            fix="use array_split, or give the places to cut",
            loc=user_location(),
        )
    return _pieces(x, [size // count * i for i in range(1, count)], at)


@numpy_like(np.array_split, view=True)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """The array cut at places, or into parts that are as equal as possible."""
    x = traced(ary)
    at = normal_axis(axis, x.ndim)
    if not isinstance(indices_or_sections, int):
        return _pieces(x, list(indices_or_sections), at)
    each, more = divmod(_static_size(x, at, "array_split"), indices_or_sections)
    places = [each * i + min(i, more) for i in range(1, indices_or_sections)]
    return _pieces(x, places, at)


@numpy_like(np.hsplit, view=True)
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    """The array cut between columns."""
    return split(ary, indices_or_sections, 0 if traced(ary).ndim == 1 else 1)


@numpy_like(np.vsplit, view=True)
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    """The array cut between rows."""
    return split(ary, indices_or_sections, 0)


@numpy_like(getattr(np, "unstack", "unstack"), view=True)
def unstack(x: Any, /, *, axis: int = 0) -> Any:
    """The parts of the array along an axis, as a tuple."""
    x = traced(x)
    at = normal_axis(axis, x.ndim)
    lead = (slice(None),) * at
    return tuple(x[(*lead, i)] for i in range(_static_size(x, at, "unstack")))


@numpy_like(np.flip, view=True)
def flip(m: Any, axis: Any = None) -> Any:
    """The elements along axes in reverse order."""
    x = traced(m)
    return call("reverse", x, axes=normal_axes(axis, x.ndim))


@numpy_like(np.fliplr, view=True)
def fliplr(m: Any) -> Any:
    """The columns in reverse order."""
    return flip(m, 1)


@numpy_like(np.flipud, view=True)
def flipud(m: Any) -> Any:
    """The rows in reverse order."""
    return flip(m, 0)


@numpy_like(np.rot90, view=True)
def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """The array turned by k right angles."""
    x = traced(m)
    turns = k % 4
    if turns == 0:
        return x
    if turns == 2:
        return flip(x, axes)
    return swapaxes(flip(x, axes[1]), *axes) if turns == 1 else flip(swapaxes(x, *axes), axes[1])


@numpy_like(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """The elements moved along axes; what leaves at one end enters at the other."""
    x = traced(a)
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), x.shape)
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    shifts = shift if isinstance(shift, tuple | list) else (shift,) * len(axes)
    for by, one in zip(shifts, axes, strict=True):
        x = _rolled(x, by, normal_axis(one, x.ndim))
    return x


def _rolled(x: Any, by: int, axis: int) -> Any:
    size = x.shape[axis]
    if isinstance(size, int):
        by = by % size if size else 0
    if by == 0:
        return x
    lead, cut = (slice(None),) * axis, -by
    return concatenate([x[(*lead, slice(cut, None))], x[(*lead, slice(None, cut))]], axis)


@numpy_like(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """The array repeated as a whole along axes."""
    x = traced(A)
    counts = tuple(reps) if isinstance(reps, tuple | list) else (reps,)
    rank = max(x.ndim, len(counts))
    counts = (1,) * (rank - len(counts)) + counts
    shape = (1,) * (rank - x.ndim) + tuple(x.shape)
    wide = tuple(part for n, size in zip(counts, shape, strict=True) for part in (n, size))
    copies = call(
        "broadcast", x, shape=wide, axes=tuple(2 * (rank - x.ndim + i) + 1 for i in range(x.ndim))
    )
    return call(
        "reshape", copies, shape=tuple(n * size for n, size in zip(counts, shape, strict=True))
    )


@numpy_like(np.repeat)
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """Each element repeated along an axis."""
    x = traced(a)
    if axis is None:
        x, axis = ravel(x), 0
    at = normal_axis(axis, x.ndim)
    if not isinstance(repeats, int | Expr):
        counts = np.broadcast_to(np.asarray(repeats), (_static_size(x, at, "repeat"),))
        return FUNCTIONS["take"](x, np.repeat(np.arange(len(counts)), counts), at)
    shape = (*x.shape[: at + 1], repeats, *x.shape[at + 1 :])
    axes = tuple(i if i <= at else i + 1 for i in range(x.ndim))
    final = (*x.shape[:at], x.shape[at] * repeats, *x.shape[at + 1 :])
    return call("reshape", call("broadcast", x, shape=shape, axes=axes), shape=final)


@numpy_like(np.pad)
def pad(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Any:
    """The array with more elements at its ends: a constant, its edge, or itself again."""
    x = traced(array)
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    if mode == "constant" and isinstance(constant_values, bool | int | float):
        low, high = (tuple(w[i] for w in widths) for i in (0, 1))
        return call("pad", x, low=low, high=high, interior=(0,) * x.ndim, value=constant_values)
    if mode not in ("edge", "wrap", "reflect", "symmetric"):
        raise SymfuseError(
            f"pad: mode {mode!r} is not supported",
            fix='use "constant" with one number, "edge", "wrap", "reflect" or "symmetric"',
            loc=user_location(),
        )
    for at, (before, after) in enumerate(widths):
        if before or after:
            source = np.pad(np.arange(_static_size(x, at, "pad")), (before, after), mode=mode)  # type: ignore[call-overload]
            x = FUNCTIONS["take"](x, source, at)
    return x


@numpy_like(np.shape, view=True)
def shape(a: Any) -> tuple[Any, ...]:
    """The sizes of the axes."""
    return tuple(traced(a).shape)


@numpy_like(np.ndim)
def ndim(a: Any) -> int:
    """The number of axes."""
    return int(traced(a).ndim)


@numpy_like(np.size)
def size(a: Any, axis: Any = None) -> Any:
    """The number of elements, or the size of an axis."""
    x = traced(a)
    return product(x.shape) if axis is None else x.shape[normal_axis(axis, x.ndim)]
