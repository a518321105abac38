"""Functions that rearrange elements: reshape, transpose, concatenate, stack, roll, tile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import Expr, is_equal
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError

from ..tracing.dispatch import FUNCTIONS, numpy_like
from ..tracing.sizes import shown_to_users
from . import shared
from .shared import (
    broadcast_shape_to,
    call,
    expect,
    folded_axes,
    normal_axes,
    normal_axis,
    product,
    sizes_of,
    traced,
)

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "expand_dims",
    "flip",
    "fliplr",
    "flipud",
    "matrix_transpose",
    "moveaxis",
    "ndim",
    "permute_dims",
    "ravel",
    "reshape",
    "rollaxis",
    "rot90",
    "shape",
    "size",
    "squeeze",
    "swapaxes",
    "transpose",
]


@numpy_like(np.reshape, view=True, idle={"copy": (None, True, False)})
def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: Any = None) -> Any:
    """The same elements in another shape; one size may be -1."""
    x = traced(a)
    expect(order in ("C", "F", "A"), f"order={order!r}", "use 'C', 'F' or 'A'")
    if order == "F":
        turned = tuple(shape)[::-1] if isinstance(shape, tuple | list) else shape
        return transpose(reshape(transpose(x), turned))
    known = list(sizes := sizes_of(shape))
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
    expect(order in ("C", "F", "A", "K"), f"order={order!r}", "use 'C', 'F', 'A' or 'K'")
    x = transpose(a) if order == "F" else traced(a)
    return x if x.ndim == 1 else call("reshape", x, shape=(product(x.shape),))


@numpy_like()
def flatten(a: Any, order: str = "C") -> Any:
    """All elements along one axis, as a copy."""
    return FUNCTIONS["copy"](ravel(a, order))


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


@numpy_like(np.matrix_transpose, np.linalg.matrix_transpose, view=True)
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
    rank = traced(a).ndim
    at, place = normal_axis(axis, rank), normal_axis(start, rank + (start >= 0))
    return moveaxis(a, at, place - 1 if place > at else place)


@numpy_like(np.squeeze, view=True)
def squeeze(a: Any, axis: Any = None) -> Any:
    """The array without axes of size 1."""
    x = traced(a)
    if axis is None:
        unknown = [n for n in x.shape if is_equal(n, 1) is None]
        if unknown:
            raise ShapeError(
                f"squeeze of {tuple(x.shape)}: {unknown[0]} may be 1 or not",
                fix="name the axes that go: squeeze(x, axis=0)",
                loc=user_location(),
            )
        dropped = tuple(at for at, n in enumerate(x.shape) if is_equal(n, 1) is True)
    else:
        dropped = folded_axes(axis, x.ndim)
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
    return broadcast_shape_to(traced(array), sizes_of(shape))


@numpy_like(np.broadcast_arrays, view=True)
def broadcast_arrays(*args: Any) -> Any:
    """The arrays in their common shape."""
    arrays = [traced(a) for a in args]
    target = shared.broadcast_shapes(*(a.shape for a in arrays))
    return tuple(broadcast_shape_to(a, target) for a in arrays)


def broadcast_shapes(*args: Any) -> tuple[Any, ...]:
    """The shape that arrays of these shapes meet in; sizes may be symbolic."""
    return shared.broadcast_shapes(*((s,) if isinstance(s, int) else s for s in args))


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
    first, second = (normal_axis(at, x.ndim) for at in axes)
    expect(first != second, f"rot90: axes are {axes}", "give two different axes")
    turns = k % 4
    if turns == 0:
        return x
    if turns == 2:
        return flip(x, axes)
    return swapaxes(flip(x, axes[1]), *axes) if turns == 1 else flip(swapaxes(x, *axes), axes[1])


@numpy_like(np.shape, view=True)
def shape(a: Any) -> tuple[Any, ...]:
    """The sizes of the axes."""
    return shown_to_users(tuple(traced(a).shape))


@numpy_like(np.ndim)
def ndim(a: Any) -> int:
    """The number of axes."""
    return int(traced(a).ndim)


@numpy_like(np.size)
def size(a: Any, axis: Any = None) -> Any:
    """The number of elements, or the size of an axis."""
    x = traced(a)
    count = product(x.shape) if axis is None else x.shape[normal_axis(axis, x.ndim)]
    return shown_to_users((count,))[0]
