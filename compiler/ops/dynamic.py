"""A piece of an array that begins where values say: read, and replaced.

A piece that does not fit in the array is not there: reading it gives zeros, replacing it changes
nothing. So each of the two is the derivative of the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, ShapeError

from ..ir.dims import Dim, is_at_most
from ..ir.node import Node
from ..ir.op import Op, Sample, operations
from ..ir.types import TensorType
from .alignment import as_is, as_one_dtype
from .kinds import spread, zeros
from .sampling import MOVED, draw

__all__ = ["dynamic_slice", "dynamic_update_slice", "fitting"]

_I64 = DType.I64


def _require_starts(x: TensorType, starts: tuple[TensorType, ...], sizes: tuple[Dim, ...]) -> None:
    if len(starts) != x.rank or len(sizes) != x.rank:
        raise ShapeError(
            f"{len(starts)} starts and {len(sizes)} sizes for {x}",
            fix=f"give one for each of the {x.rank} axes",
        )
    for start in starts:
        if start.shape or not start.dtype.is_integer:
            raise DTypeError(f"{start} is no place", fix="begin at integers of rank 0")
    for size, n in zip(sizes, x.shape, strict=True):
        if is_at_most(size, n) is False:
            raise ShapeError(f"a piece of {size} of an axis of size {n} of {x}", fix="cut less")


def fitting(s: Any, start: Any, room: Dim) -> tuple[Any, Any]:
    """The place of a start kept between 0 and `room`, and whether it was there."""
    at = s.convert(start, _I64)
    place = s.max(s.min(at, s.index(room)), s.const(0, _I64))
    return place, s.eq(place, at)


def _fits(start: Any, room: int) -> Any:
    return (np.asarray(start) >= 0) & (np.asarray(start) <= room)


# reading


def _slice_type(x: TensorType, *starts: TensorType, sizes: tuple[Dim, ...]) -> TensorType:
    _require_starts(x, starts, sizes)
    return x.with_shape(sizes)


def _slice_element(s: Any, index: Any, readers: Any, out: TensorType, attrs: Any) -> Any:
    read, *starts = readers
    places, inside = [], None
    for at, start, n, size in zip(index, starts, read.type.shape, out.shape, strict=True):
        place, fits = fitting(s, start(()), n - size)
        places.append(s.add(place, s.index(at)))
        inside = fits if inside is None else s.bitand(inside, fits)
    return read(()) if inside is None else read(tuple(places), where=inside, otherwise=0)


def _slice_reference(x: Any, *starts: Any, sizes: Any) -> Any:
    values = np.asarray(x)
    rooms = [n - size for n, size in zip(values.shape, sizes, strict=True)]
    if not all(map(_fits, starts, rooms)):
        return np.zeros(sizes, values.dtype)
    return values[tuple(np.s_[int(a) : int(a) + n] for a, n in zip(starts, sizes, strict=True))]


def _slice_batch(inputs: Any, batched: Any, attrs: Any) -> Any:
    x, *starts = inputs
    sizes = attrs["sizes"]
    if not any(batched[1:]):
        zero = operations["subtract"](starts[0], starts[0]) if starts else 0
        return dynamic_slice(x, zero, *starts, sizes=(x.shape[0], *sizes))
    x, *starts = spread(inputs, batched)
    return _each(x, starts, sizes)


def _each(x: Node, starts: list[Node], sizes: tuple[Dim, ...]) -> Node:
    """A piece of every member, at a place of its own: axis by axis."""
    found, inside = x, None
    for axis, (start, size) in enumerate(zip(starts, sizes, strict=True), 1):
        room = x.shape[axis] - size
        place = operations["convert"](start, dtype=_I64)
        fits = operations["logical_and"](
            operations["greater_equal"](place, 0), operations["less_equal"](place, _number(room))
        )
        inside = fits if inside is None else operations["logical_and"](inside, fits)
        shape = (*found.shape[:axis], size, *found.shape[axis + 1 :])
        counted = operations["iota"](shape=shape, axis=axis, dtype=_I64)
        places = operations["add"](_wide(place, shape), counted)
        found = operations["take_along_axis"](found, places, axis=axis)
    return operations["select"](_wide(inside, found.shape), found, zeros(found.type))  # type: ignore[no-any-return]


def _number(size: Dim) -> Any:
    """A size as a value of the graph."""
    if isinstance(size, int):
        return size
    counted = operations["iota"](shape=(size + 1,), axis=0, dtype=_I64)
    return operations["reduce_max"](counted, axes=(0,))


def _wide(x: Any, shape: tuple[Dim, ...]) -> Any:
    return operations["broadcast"](x, shape=shape, axes=(0,))


def _slices(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    x = draw(rng, dtype, (5, 6))
    at = [(np.array(a), np.array(b, np.int32)) for a, b in ((1, 2), (3, 0), (4, 1), (-1, 0))]
    return [
        *(Sample((x, *starts), {"sizes": (2, 4)}) for starts in at),
        Sample((x, np.array(2), np.array(0)), {"sizes": (1, 6)}),
        Sample((draw(rng, dtype, ()),), {"sizes": ()}),
    ]


_WRONG: tuple[tuple[Any, ...], ...] = (
    ((TensorType((4,), DType.F32), TensorType((), DType.I64)), {"sizes": (5,)}, ShapeError),
    ((TensorType((4,), DType.F32), TensorType((), DType.F32)), {"sizes": (2,)}, DTypeError),
    ((TensorType((4,), DType.F32),), {"sizes": (2,)}, ShapeError),
)

dynamic_slice: Op = Op(
    name="dynamic_slice",
    doc="a piece of x of some sizes, beginning at computed places; zeros where it does not fit",
    align=as_is,
    result_type=_slice_type,
    element=_slice_element,
    jvp=lambda tangents, inputs, out, attrs: (
        None if tangents[0] is None else dynamic_slice(tangents[0], *inputs[1:], **attrs)
    ),
    transpose=lambda ct, which, inputs, attrs: dynamic_update_slice(
        zeros(inputs[0].type), ct, *inputs[1:]
    ),
    batch=_slice_batch,
    reference=_slice_reference,
    dtypes=MOVED,
    samples=_slices,
    errors=_WRONG,
)


# replacing


def _update_type(x: TensorType, update: TensorType, *starts: TensorType) -> TensorType:
    _require_starts(x, starts, update.shape)
    if x.dtype is not update.dtype:
        raise DTypeError(f"{update} in place of a piece of {x}", fix="convert it")
    return x


def _aligned(builder: Any, args: tuple[Any, ...], attrs: Any) -> tuple[Node, ...]:
    x, update, *starts = args
    x, update = as_one_dtype(builder, (x, update), attrs)
    return (x, update, *builder.nodes(tuple(starts)))


def _update_reference(x: Any, update: Any, *starts: Any) -> Any:
    out, piece = np.array(x), np.asarray(update)
    rooms = [n - size for n, size in zip(out.shape, piece.shape, strict=True)]
    if all(map(_fits, starts, rooms)):
        ends = zip(starts, piece.shape, strict=True)
        out[tuple(np.s_[int(a) : int(a) + n] for a, n in ends)] = piece
    return out


def _update_jvp(tangents: Any, inputs: Any, out: Node, attrs: Any) -> Any:
    (t, tu, *_), (x, update, *starts) = tangents, inputs
    if t is None and tu is None:
        return None
    base = zeros(x.type) if t is None else t
    return dynamic_update_slice(base, zeros(update.type) if tu is None else tu, *starts)


def _update_transpose(ct: Node, which: int, inputs: Any, attrs: Any) -> Any:
    _, update, *starts = inputs
    if which == 1:
        return dynamic_slice(ct, *starts, sizes=update.shape)
    return dynamic_update_slice(ct, zeros(update.type), *starts)


def _update_batch(inputs: Any, batched: Any, attrs: Any) -> Any:
    (x, update, *starts), is_batched = inputs, batched
    if not any(is_batched[2:]):
        x, update = spread((x, update), is_batched[:2])
        zero = operations["subtract"](starts[0], starts[0]) if starts else 0
        return dynamic_update_slice(x, update, zero, *starts)
    x, update, *starts = spread(inputs, batched)
    return _replaced(x, update, starts)


def _replaced(x: Node, update: Node, starts: list[Node]) -> Node:
    """The update of every member, at a place of its own: chosen element by element."""
    found, inside = update, None
    for axis, start in enumerate(starts, 1):
        n, size = x.shape[axis], update.shape[axis]
        place = operations["convert"](start, dtype=_I64)
        shape = (*found.shape[:axis], n, *found.shape[axis + 1 :])
        at = operations["iota"](shape=(x.shape[0], n), axis=1, dtype=_I64)
        first = _wide(place, (x.shape[0], n))
        conditions = (
            operations["greater_equal"](at, first),
            operations["less"](at, operations["add"](first, _number(size))),
            operations["greater_equal"](first, 0),
            operations["less_equal"](first, _number(n - size)),
        )
        here = conditions[0]
        for condition in conditions[1:]:
            here = operations["logical_and"](here, condition)
        along = operations["broadcast"](here, shape=x.shape, axes=(0, axis))
        inside = along if inside is None else operations["logical_and"](inside, along)
        places = operations["subtract"](at, first)
        wide = operations["broadcast"](places, shape=shape, axes=(0, axis))
        found = operations["take_along_axis"](found, wide, axis=axis)
    return operations["select"](inside, found, x)  # type: ignore[no-any-return]


def _updates(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample((sample.inputs[0], draw(rng, dtype, sample.attrs["sizes"]), *sample.inputs[1:]))
        for sample in _slices(rng, dtype)
    ]


dynamic_update_slice: Op = Op(
    name="dynamic_update_slice",
    doc="x with a piece replaced that begins at computed places; x itself where it does not fit",
    align=_aligned,
    result_type=_update_type,
    overwrites=True,
    jvp=_update_jvp,
    transpose=_update_transpose,
    batch=_update_batch,
    reference=_update_reference,
    dtypes=MOVED,
    samples=_updates,
    errors=(
        (
            (TensorType((4,), DType.F32), TensorType((5,), DType.F32), TensorType((), DType.I64)),
            {},
            ShapeError,
        ),
        ((TensorType((4,), DType.F32), TensorType((2,), DType.F32)), {}, ShapeError),
    ),
)
