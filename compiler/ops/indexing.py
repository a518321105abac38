"""Elements read from, and added at, places that are known only when the program runs.

Indices below 0 stand for the first place and those beyond the end for the last one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, ShapeError

from ..ir.builder import Builder
from ..ir.dims import Dim, is_equal, product
from ..ir.node import Node
from ..ir.op import Op, Sample, operations
from ..ir.types import TensorType
from .alignment import as_is, as_one_dtype
from .kinds import spread, zeros
from .pairs import partwise
from .sampling import MOVED, NUMBERS, draw
from .shape import broadcast, checked_axes, moved_to_front, reshape

__all__ = ["scatter_add", "scatter_add_along_axis", "take", "take_along_axis"]

_I64 = DType.I64


def _require_indices(x: TensorType, indices: TensorType, axis: int) -> None:
    checked_axes(x, (axis,))
    if not indices.dtype.is_integer:
        raise DTypeError(f"{indices} are no indices", fix="convert them to i64")
    if x.shape[axis] == 0 and indices.size != 0:
        raise ShapeError(f"axis {axis} of {x} has no elements", fix="treat the empty case apart")


def _require_equal(what: str, found: TensorType, wanted: TensorType) -> None:
    same = found.rank == wanted.rank and found.dtype is wanted.dtype
    if not same or not all(map(is_equal, found.shape, wanted.shape)):
        raise ShapeError(
            f"the {what} are {found}, expected {wanted}", fix="reshape or convert them"
        )


def _place(s: Any, index: Any, size: Dim) -> Any:
    """An index operand's value, kept between the first and the last place."""
    at = s.convert(index, _I64)
    return s.max(s.min(at, s.index(size - 1)), s.const(0, _I64))


def _clipped(indices: Any, size: int) -> Any:
    return np.minimum(np.maximum(np.asarray(indices), 0), size - 1).astype(np.int64)


def _aligned_updates(builder: Builder, args: tuple[Any, ...], attrs: Any) -> tuple[Node, ...]:
    x, indices, updates = args
    x, updates = as_one_dtype(builder, (x, updates), attrs)
    return (x, *builder.nodes((indices,)), updates)


def _along_axis(x: Node, indices: Node, axis: int) -> Node:
    """Batches of indices of any rank as indices into `axis` beside all other axes of x."""
    count, places = indices.shape[0], product(indices.shape[1:])
    flat = reshape(indices, shape=(count, places))
    shape = (*x.shape[:axis], places, *x.shape[axis + 1 :])
    full: Node = broadcast(flat, shape=shape, axes=(0, axis))
    return full


def _taken(x: TensorType | Node, indices: TensorType | Node, axis: int) -> tuple[Dim, ...]:
    return (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def _take_type(x: TensorType, indices: TensorType, *, axis: int) -> TensorType:
    _require_indices(x, indices, axis)
    return x.with_shape(_taken(x, indices, axis))


def _take_element(s: Any, index: Any, readers: Any, out: TensorType, attrs: Any) -> Any:
    read, places = readers
    axis = attrs["axis"]
    end = axis + places.type.rank
    place = _place(s, places(index[axis:end]), read.type.shape[axis])
    return read((*index[:axis], place, *index[end:]))


def _take_batch(inputs: Any, batched: Any, attrs: Any) -> Any:
    (x, indices), axis = inputs, attrs["axis"]
    if not batched[1]:
        return take(x, indices, axis=axis + 1)
    if not batched[0]:
        return moved_to_front(take(x, indices, axis=axis), axis)
    found = take_along_axis(x, _along_axis(x, indices, axis + 1), axis=axis + 1)
    return reshape(found, shape=(x.shape[0], *_taken_batch(x, indices, axis)))


def _taken_batch(x: Node, indices: Node, axis: int) -> tuple[Dim, ...]:
    """The shape of one result, given operands with a batch axis."""
    return (*x.shape[1 : axis + 1], *indices.shape[1:], *x.shape[axis + 2 :])


def _take_jvp(tangents: Any, inputs: Any, out: Node, attrs: Any) -> Any:
    return None if tangents[0] is None else take(tangents[0], inputs[1], **attrs)


def _takes(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    x = draw(rng, dtype, (3, 4, 2))
    one, two = np.array([2, 0, 2]), np.array([[1, 3], [-7, 9]], np.int32)
    return [
        Sample((x, one), {"axis": 0}),
        Sample((x, two), {"axis": 1}),
        Sample((x, np.array(1)), {"axis": 2}),
        Sample((x, np.zeros((0,), np.int64)), {"axis": 1}),
    ]


_F32_34 = TensorType((3, 4), DType.F32)
_WRONG: tuple[tuple[Any, ...], ...] = (
    ((_F32_34, TensorType((2, 4), DType.F32)), {"axis": 0}, DTypeError),
    ((_F32_34, TensorType((2, 4), DType.I64)), {"axis": 2}, ShapeError),
    ((TensorType((0, 4), DType.F32), TensorType((2, 4), DType.I64)), {"axis": 0}, ShapeError),
)

take: Op = Op(
    name="take",
    doc="the slices of x at some places of an axis, which the axes of the indices replace",
    align=as_is,
    result_type=_take_type,
    element=_take_element,
    jvp=_take_jvp,
    transpose=lambda ct, which, inputs, attrs: scatter_add(
        zeros(inputs[0].type), inputs[1], ct, **attrs
    ),
    batch=_take_batch,
    parts=partwise,
    reference=lambda x, indices, *, axis: np.take(x, indices, axis, mode="clip"),
    dtypes=MOVED,
    samples=_takes,
    errors=_WRONG,
)


def _scatter_type(
    x: TensorType, indices: TensorType, updates: TensorType, *, axis: int
) -> TensorType:
    _require_indices(x, indices, axis)
    _require_numbers(x)
    _require_equal("updates", updates, x.with_shape(_taken(x, indices, axis)))
    return x


def _require_numbers(x: TensorType) -> None:
    if x.dtype.is_bool:
        raise DTypeError(f"{x} cannot be added to", fix="convert it to a number type")


def _scatter_reference(x: Any, indices: Any, updates: Any, *, axis: int) -> Any:
    out = np.array(x)
    places = _clipped(indices, out.shape[axis])
    np.add.at(out, (*[np.s_[:]] * axis, places), updates)
    return out


def _adding_jvp(op_name: str) -> Any:
    """Adding is linear in the array and the updates."""

    def jvp(tangents: Any, inputs: Any, out: Node, attrs: Any) -> Any:
        (t, _, tu), (x, indices, updates) = tangents, inputs
        if t is None and tu is None:
            return None
        base = zeros(x.type) if t is None else t
        added = zeros(updates.type) if tu is None else tu
        return operations[op_name](base, indices, added, **attrs)

    return jvp


def _scatter_batch(inputs: Any, batched: Any, attrs: Any) -> Any:
    axis = attrs["axis"] + 1
    (x, indices, updates), (_, has_indices, _) = inputs, batched
    if not has_indices:
        x, updates = spread((x, updates), (batched[0], batched[2]))
        return scatter_add(x, indices, updates, axis=axis)
    x, indices, updates = spread(inputs, batched)
    along = _along_axis(x, indices, axis)
    return scatter_add_along_axis(x, along, reshape(updates, shape=along.shape), axis=axis)


def _scatters(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    x = draw(rng, dtype, (3, 4, 2))
    one, two = np.array([2, 0, 2]), np.array([[1, 3], [-7, 9]], np.int32)
    return [
        Sample((x, one, draw(rng, dtype, (3, 4, 2))), {"axis": 0}),
        Sample((x, two, draw(rng, dtype, (3, 2, 2, 2))), {"axis": 1}),
    ]


scatter_add: Op = Op(
    name="scatter_add",
    doc="x with slices of the updates added at some places of an axis, as often as they occur",
    align=_aligned_updates,
    result_type=_scatter_type,
    scatter=True,
    jvp=_adding_jvp("scatter_add"),
    transpose=lambda ct, which, inputs, attrs: ct if which == 0 else take(ct, inputs[1], **attrs),
    batch=_scatter_batch,
    parts=partwise,
    reference=_scatter_reference,
    dtypes=NUMBERS,
    samples=_scatters,
    errors=(
        (
            (_F32_34, TensorType((2,), DType.I64), TensorType((3, 4), DType.F32)),
            {"axis": 0},
            ShapeError,
        ),
    ),
    ulp=16,
)


def _require_aligned(x: TensorType, indices: TensorType, axis: int) -> None:
    _require_indices(x, indices, axis)
    pairs = zip(x.shape, indices.shape, strict=False)
    same = x.rank == indices.rank
    if not same or not all(is_equal(n, m) for a, (n, m) in enumerate(pairs) if a != axis):
        raise ShapeError(
            f"indices {indices} do not lie along axis {axis} of {x}",
            fix="all sizes but the one of that axis must be equal",
        )


def _take_along_type(x: TensorType, indices: TensorType, *, axis: int) -> TensorType:
    _require_aligned(x, indices, axis)
    return x.with_shape(indices.shape)


def _take_along_element(s: Any, index: Any, readers: Any, out: TensorType, attrs: Any) -> Any:
    read, places = readers
    axis = attrs["axis"]
    place = _place(s, places(index), read.type.shape[axis])
    return read((*index[:axis], place, *index[axis + 1 :]))


def _take_along_jvp(tangents: Any, inputs: Any, out: Node, attrs: Any) -> Any:
    return None if tangents[0] is None else take_along_axis(tangents[0], inputs[1], **attrs)


def _take_along_reference(x: Any, indices: Any, *, axis: int) -> Any:
    values = np.asarray(x)
    return np.take_along_axis(values, _clipped(indices, values.shape[axis]), axis)


def _batched_along(op_name: str) -> Any:
    def batch(inputs: Any, batched: Any, attrs: Any) -> Any:
        return operations[op_name](*spread(inputs, batched), axis=attrs["axis"] + 1)

    return batch


def _alongs(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    x, places = draw(rng, dtype, (3, 4)), rng.integers(-2, 6, (3, 5))
    return [
        Sample((x, places), {"axis": 1}),
        Sample((x, rng.integers(0, 3, (1, 4)).astype(np.int32)), {"axis": 0}),
    ]


take_along_axis: Op = Op(
    name="take_along_axis",
    doc="at each place the element of x whose index along one axis stands there",
    align=as_is,
    result_type=_take_along_type,
    element=_take_along_element,
    jvp=_take_along_jvp,
    transpose=lambda ct, which, inputs, attrs: scatter_add_along_axis(
        zeros(inputs[0].type), inputs[1], ct, **attrs
    ),
    batch=_batched_along("take_along_axis"),
    parts=partwise,
    reference=_take_along_reference,
    dtypes=MOVED,
    samples=_alongs,
    errors=(*_WRONG, ((_F32_34, TensorType((2, 1), DType.I64)), {"axis": 1}, ShapeError)),
)


def _scatter_along_type(
    x: TensorType, indices: TensorType, updates: TensorType, *, axis: int
) -> TensorType:
    _require_aligned(x, indices, axis)
    _require_numbers(x)
    _require_equal("updates", updates, x.with_shape(indices.shape))
    return x


def _scatter_along_reference(x: Any, indices: Any, updates: Any, *, axis: int) -> Any:
    out = np.array(x)
    places = list(np.indices(np.shape(indices), sparse=True))
    places[axis] = _clipped(indices, out.shape[axis])
    np.add.at(out, tuple(places), updates)
    return out


def _scatter_alongs(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample((*taken.inputs, draw(rng, dtype, taken.inputs[1].shape)), taken.attrs)
        for taken in _alongs(rng, dtype)
    ]


scatter_add_along_axis: Op = Op(
    name="scatter_add_along_axis",
    doc="x with each update added where its index along one axis says",
    align=_aligned_updates,
    result_type=_scatter_along_type,
    scatter=True,
    jvp=_adding_jvp("scatter_add_along_axis"),
    transpose=lambda ct, which, inputs, attrs: (
        ct if which == 0 else take_along_axis(ct, inputs[1], **attrs)
    ),
    batch=_batched_along("scatter_add_along_axis"),
    parts=partwise,
    reference=_scatter_along_reference,
    dtypes=NUMBERS,
    samples=_scatter_alongs,
    errors=(
        (
            (_F32_34, TensorType((3, 1), DType.I64), TensorType((3, 2), DType.F32)),
            {"axis": 1},
            ShapeError,
        ),
    ),
    ulp=16,
)
