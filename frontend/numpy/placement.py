"""Functions that write into an array: put, put_along_axis, putmask, place, copyto, fill_diagonal.

What they write into is an array of the traced function, as it is with `x[i] = v`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, ShapeError, TraceError

from .. import numpy as snp
from ..tracing.dispatch import numpy_like
from ..tracing.tracer import Tracer
from .shared import convert, normal_axis, product, size_number, traced

__all__ = ["copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"]


def _written(name: str, a: Any) -> Tracer:
    """The array that is written into, which must be traced."""
    if isinstance(a, Tracer):
        return a
    raise TraceError(
        f"{name} of traced values into an array that is not traced",
        fix="make the array in the traced function, by symfuse.numpy.array(x)",
        loc=user_location(),
    )


def _cycled(values: Any, places: Any) -> Any:
    """The values at places, counted from the beginning again after the last."""
    row = snp.ravel(traced(values))
    return snp.take(row, snp.remainder(places, size_number(row.shape[0])))


@numpy_like(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """Write values, again from the first where they are too few, to places of the flat array."""
    target = _written("put", a)
    size = product(target.shape)
    places = snp.ravel(ind if isinstance(ind, Tracer) else np.asarray(ind, np.int64))
    if mode == "wrap":
        places = snp.remainder(places, size_number(size))
    if mode == "clip":
        places = snp.clip(places, 0, size_number(size) - 1)
    flat = snp.copy(snp.ravel(target))
    flat[places] = _cycled(v, snp.arange(places.shape[0]))
    target[...] = snp.reshape(flat, target.shape)


@numpy_like(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    """Write values to places of their own in each line along an axis."""
    target = _written("put_along_axis", arr)
    index = indices if isinstance(indices, Tracer) else np.asarray(indices)
    if axis is None:
        return put(target, index, values)
    at = normal_axis(axis, target.ndim)
    key = [
        index if one == at else snp.reshape(snp.arange(size), (-1, *(1,) * (target.ndim - one - 1)))
        for one, size in enumerate(target.shape)
    ]
    target[tuple(key)] = values
    return None


@numpy_like(np.putmask)
def putmask(a: Any, /, mask: Any, values: Any) -> None:
    """Write values, each at its own place, where a mask holds."""
    target = _written("putmask", a)
    places = snp.arange(product(target.shape))
    given = snp.reshape(_cycled(values, places), target.shape)
    target[...] = snp.where(mask, given, target)


@numpy_like(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    """Write the first values, in their order, where a mask holds."""
    target = _written("place", arr)
    holds = snp.ravel(snp.not_equal(traced(mask), 0))
    number = snp.cumsum(convert(holds, DType.I64)) - 1
    given = snp.reshape(_cycled(vals, number), target.shape)
    target[...] = snp.where(snp.reshape(holds, target.shape), given, target)


@numpy_like(np.copyto)
def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    """Write an array into another, where a condition holds."""
    target, values = _written("copyto", dst), traced(src)
    if not isinstance(src, int | float) and not np.can_cast(values.dtype, target.dtype, casting):
        raise DTypeError(
            f"copyto: {values.dtype} cannot be written into {target.dtype} by {casting!r}",
            fix='convert it first, or give casting="unsafe"',
            loc=user_location(),
        )
    given = snp.astype(values, target.dtype)
    target[...] = given if where is True else snp.where(where, given, target)


@numpy_like(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """Write values along the main diagonal; with `wrap` again below a tall matrix's square."""
    target = _written("fill_diagonal", a)
    sizes = target.shape
    if len(sizes) < 2 or (len(sizes) > 2 and len(set(sizes)) > 1):
        raise ShapeError(
            f"fill_diagonal of {tuple(sizes)}", fix="all sizes must be equal", loc=user_location()
        )
    columns = size_number(sizes[1])
    step = columns + 1 if len(sizes) == 2 else sum(columns**at for at in range(len(sizes)))
    places = snp.arange(product(sizes))
    on = snp.remainder(places, step) == 0
    if len(sizes) == 2 and not wrap:
        on = on & (places < columns * columns)
    given = snp.reshape(_cycled(val, snp.floor_divide(places, step)), sizes)
    target[...] = snp.where(snp.reshape(on, sizes), snp.astype(given, target.dtype), target)
