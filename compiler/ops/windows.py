"""Windows that move along an axis, and their sum back to it: what convolutions are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError

from ..ir.dims import Dim, is_at_most, is_equal
from ..ir.node import Node
from ..ir.op import Op, operations
from ..ir.types import Guard, TensorType
from .kinds import linear
from .sampling import NUMBERS, arrays, several

__all__ = ["overlap_add", "reach", "windows"]


def reach(size: int, dilation: int) -> int:
    """How many neighbouring elements a window of `size` elements spans."""
    return (size - 1) * dilation + 1


def _require(x: TensorType, axis: int, rank: int, **numbers: Any) -> None:
    if not 0 <= axis <= x.rank - rank:
        raise ShapeError(f"{x} has no axis {axis} for windows", fix="name an axis of the array")
    for name, number in numbers.items():
        if not isinstance(number, int) or number < 1:
            raise ShapeError(
                f"windows with {name} {number}", fix=f"{name} must be a number, at least 1"
            )


def _windows_type(x: TensorType, *, axis: int, size: int, stride: int, dilation: int) -> TensorType:
    _require(x, axis, 1, size=size, stride=stride, dilation=dilation)
    length, span = x.shape[axis], reach(size, dilation)
    if is_at_most(span, length) is False:
        raise ShapeError(
            f"a window that spans {span} elements does not fit axis {axis} of {x}",
            fix="pad the axis, or use a smaller window",
        )
    count = (length - span) // stride + 1
    return x.with_shape((*x.shape[:axis], count, size, *x.shape[axis + 1 :]))


def _windows_guards(x: TensorType, *, axis: int, size: int, dilation: int, **_: Any) -> Any:
    return _at_most(reach(size, dilation), x.shape[axis])


def _at_most(low: Dim, high: Dim) -> tuple[Guard, ...]:
    return () if is_at_most(low, high) else ((low, "≤", high),)


def _windows_moves(index: Any, x: TensorType, attrs: Any) -> tuple[Any, ...]:
    axis, stride, dilation = attrs["axis"], attrs["stride"], attrs["dilation"]
    place = index[axis] * stride + index[axis + 1] * dilation
    return (*index[:axis], place, *index[axis + 2 :])


def _windows_reference(x: Any, *, axis: int, size: int, stride: int, dilation: int) -> Any:
    values = np.asarray(x)
    spans = np.lib.stride_tricks.sliding_window_view(values, reach(size, dilation), axis)
    return np.moveaxis(spans[..., ::dilation], -1, axis + 1)[(*_all(axis), np.s_[::stride])]


def _all(count: int) -> tuple[Any, ...]:
    return (np.s_[:],) * count


def _added(ct: Node, which: int, inputs: Any, attrs: Any) -> Any:
    """The adjoint of windows: what each element has given to several of them, together."""
    axis, stride, dilation = attrs["axis"], attrs["stride"], attrs["dilation"]
    length = inputs[0].shape[axis]
    return overlap_add(ct, axis=axis, stride=stride, dilation=dilation, length=length)


def _inside(attrs: Any) -> dict[str, Any]:
    """The attributes for a batch of operands."""
    return {**attrs, "axis": attrs["axis"] + 1}


windows: Op = linear(
    "windows",
    doc="axis → two: window o and place k in it; the element is that at o·stride + k·dilation",
    result_type=_windows_type,
    guards=_windows_guards,
    moves=_windows_moves,
    transpose=_added,
    batch=lambda inputs, batched, attrs: windows(inputs[0], **_inside(attrs)),
    reference=_windows_reference,
    samples=several(
        arrays((6, 3), axis=0, size=3, stride=1, dilation=1),
        arrays((2, 9), axis=1, size=3, stride=2, dilation=2),
        arrays((8,), axis=0, size=2, stride=3, dilation=1),
        arrays((2, 5), axis=1, size=1, stride=2, dilation=1),
    ),
    errors=(
        (
            (TensorType((4,), DType.F32),),
            {"axis": 0, "size": 3, "stride": 1, "dilation": 2},
            ShapeError,
        ),
        (
            (TensorType((4,), DType.F32),),
            {"axis": 0, "size": 0, "stride": 1, "dilation": 1},
            ShapeError,
        ),
        (
            (TensorType((4,), DType.F32),),
            {"axis": 1, "size": 1, "stride": 1, "dilation": 1},
            ShapeError,
        ),
    ),
)


def _overlap_type(
    x: TensorType, *, axis: int, stride: int, dilation: int, length: Dim
) -> TensorType:
    _require(x, axis, 2, stride=stride, dilation=dilation, size=_size(x, axis))
    if is_at_most(_span(x, axis, stride, dilation), length) is False:
        raise ShapeError(
            f"the windows of axis {axis} of {x} do not fit into {length} elements",
            fix=f"they span {_span(x, axis, stride, dilation)}",
        )
    return x.with_shape((*x.shape[:axis], length, *x.shape[axis + 2 :]))


def _size(x: TensorType, axis: int) -> Any:
    return x.shape[axis + 1] if 0 <= axis < x.rank - 1 else 1


def _span(x: TensorType, axis: int, stride: int, dilation: int) -> Dim:
    """How many elements all windows together span."""
    return (x.shape[axis] - 1) * stride + reach(_size(x, axis), dilation)


def _overlap_guards(x: TensorType, *, axis: int, stride: int, dilation: int, length: Dim) -> Any:
    return _at_most(_span(x, axis, stride, dilation), length)


def _overlap_element(s: Any, index: Any, readers: Any, out: TensorType, attrs: Any) -> Any:
    """The sum over the windows that hold the element, of what stands at its place in each."""
    (read,) = readers
    axis = attrs["axis"]
    count, size = read.type.shape[axis : axis + 2]
    total = None
    for window, place, conditions in _holders(s, index[axis], size, attrs):
        where = [*conditions, *_below(s, window, count, (out.shape[axis] - 1) // attrs["stride"])]
        source = (*index[:axis], window, place, *index[axis + 1 :])
        both = where[0] if where else None
        for condition in where[1:]:
            both = s.bitand(both, condition)
        value = read(source) if both is None else read(source, where=both, otherwise=0)
        total = value if total is None else s.add(total, value)
    return total


def _holders(s: Any, at: Dim, size: int, attrs: Any) -> Iterator[tuple[Dim, Dim, list[Any]]]:
    """Windows and places in them that may hold an element, and when they do.

    Windows begin `stride` apart, so that few places come into question for each remainder.
    """
    stride, dilation = attrs["stride"], attrs["dilation"]
    if dilation == 1:
        first, left = at // stride, at % stride
        for turn in range(-(-size // stride)):
            fits = [] if not turn else [s.bitnot(s.below(first, turn))]
            if (turn + 1) * stride > size:
                fits.append(s.below(left, size - turn * stride))
            yield first - turn, left + turn * stride, fits
        return
    for place in range(size):
        before = at - place * dilation
        fits = [] if not place else [s.bitnot(s.below(at, place * dilation))]
        if stride > 1:
            fits.append(s.below(before % stride, 1))
        yield before // stride, place, fits


def _below(s: Any, window: Dim, count: Dim, last: Dim) -> list[Any]:
    """The condition that there is such a window; none where that is known."""
    return [s.below(window, count)] if is_at_most(last + 1, count) is not True else []


def _overlap_reference(x: Any, *, axis: int, stride: int, dilation: int, length: int) -> Any:
    values = np.asarray(x)
    count, size = values.shape[axis : axis + 2]
    out = np.zeros((*values.shape[:axis], length, *values.shape[axis + 2 :]), values.dtype)
    for place in range(size):
        begin = place * dilation
        taken = np.s_[begin : begin + (count - 1) * stride + 1 : stride]
        out[(*_all(axis), taken)] += values[(*_all(axis), np.s_[:], place)]
    return out


def _taken(ct: Node, which: int, inputs: Any, attrs: Any) -> Any:
    """The adjoint of overlap_add: each window gets a copy of its elements."""
    (x,) = inputs
    axis, stride, dilation = attrs["axis"], attrs["stride"], attrs["dilation"]
    out = windows(ct, axis=axis, size=x.shape[axis + 1], stride=stride, dilation=dilation)
    if is_equal(out.shape[axis], x.shape[axis]):
        return out
    zeros, ones = (0,) * x.rank, (1,) * x.rank
    return operations["slice"](out, starts=zeros, stops=x.shape, steps=ones)


overlap_add: Op = linear(
    "overlap_add",
    doc="the sum of windows where they overlap: the transpose of `windows`",
    result_type=_overlap_type,
    guards=_overlap_guards,
    element=_overlap_element,
    transpose=_taken,
    batch=lambda inputs, batched, attrs: overlap_add(inputs[0], **_inside(attrs)),
    reference=_overlap_reference,
    dtypes=NUMBERS,
    ulp=16,
    samples=several(
        arrays((4, 3, 3), axis=0, stride=1, dilation=1, length=6),
        arrays((2, 3, 3), axis=1, stride=2, dilation=2, length=9),
        arrays((3, 2), axis=0, stride=3, dilation=1, length=8),
        arrays((3, 3), axis=0, stride=2, dilation=1, length=9),
        arrays((2, 3, 2), axis=1, stride=2, dilation=3, length=9),
        arrays((1, 2), axis=0, stride=2, dilation=1, length=9),
    ),
    errors=(
        (
            (TensorType((4, 3), DType.F32),),
            {"axis": 0, "stride": 1, "dilation": 1, "length": 5},
            ShapeError,
        ),
        (
            (TensorType((4,), DType.F32),),
            {"axis": 0, "stride": 1, "dilation": 1, "length": 5},
            ShapeError,
        ),
    ),
)
