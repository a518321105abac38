"""Pieces of an array, and arrays put together from pieces."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, ShapeError

from ..ir.dims import Dim, ceil_div, is_at_most, is_equal, maximum
from ..ir.node import Node
from ..ir.op import Op
from ..ir.types import Guard, TensorType
from .alignment import as_one_dtype
from .kinds import linear, spread
from .pairs import Pair
from .sampling import arrays, several

__all__ = ["concatenate", "pad", "slice", "slice_guards"]

Dims = tuple[Dim, ...]


def _require_rank(x: TensorType, **attrs: tuple[Any, ...]) -> None:
    for name, values in attrs.items():
        if len(values) != x.rank:
            raise ShapeError(
                f"{name} {values} has {len(values)} entries for {x}",
                fix=f"give one for each of the {x.rank} axes",
            )


def _slice_type(x: TensorType, *, starts: Dims, stops: Dims, steps: tuple[int, ...]) -> TensorType:
    _require_rank(x, starts=starts, stops=stops, steps=steps)
    for size, start, stop, step in zip(x.shape, starts, stops, steps, strict=True):
        if step < 1 or False in map(is_at_most, (0, start, stop), (start, stop, size)):
            raise ShapeError(
                f"{start}:{stop}:{step} is no slice of an axis of size {size} of {x}",
                fix="0 ≤ start ≤ stop ≤ size and step ≥ 1 must hold",
            )
    ranges = zip(starts, stops, steps, strict=True)
    return x.with_shape(ceil_div(stop - start, step) for start, stop, step in ranges)


def slice_guards(
    x: TensorType, *, starts: Dims, stops: Dims, steps: tuple[int, ...]
) -> tuple[Guard, ...]:
    """What has to hold when the program runs and is not known before."""
    axes = zip(x.shape, starts, stops, strict=True)
    ordered = (pair for n, start, stop in axes for pair in pairwise((0, start, stop, n)))
    return tuple((low, "≤", high) for low, high in ordered if not is_at_most(low, high))


def _slice_moves(index: Any, x: TensorType, attrs: Any) -> tuple[Any, ...]:
    places = zip(index, attrs["starts"], attrs["steps"], strict=True)
    return tuple(start + i * step for i, start, step in places)


def _slice_reference(x: Any, *, starts: Any, stops: Any, steps: Any) -> Any:
    return np.asarray(x)[tuple(map(_range, starts, stops, steps))]


def _range(start: int, stop: int, step: int) -> Any:
    return np.s_[start:stop:step]


def _slice_batch(inputs: Any, batched: Any, attrs: Any) -> Any:
    (x,) = inputs
    starts, stops, steps = attrs["starts"], attrs["stops"], attrs["steps"]
    return slice(x, starts=(0, *starts), stops=(x.shape[0], *stops), steps=(1, *steps))


def _put_back(ct: Node, which: int, inputs: Any, attrs: Any) -> Any:
    """The adjoint of slice: zeros around and between the elements."""
    (x,) = inputs
    starts, steps = attrs["starts"], attrs["steps"]
    axes = zip(x.shape, ct.shape, starts, steps, strict=True)
    return pad(
        ct,
        low=starts,
        high=tuple(n - start - _spaced(m, step - 1) for n, m, start, step in axes),
        interior=tuple(step - 1 for step in steps),
        value=0,
    )


slice: Op = linear(
    "slice",
    doc="the elements start, start + step, … before stop of every axis",
    result_type=_slice_type,
    guards=slice_guards,
    moves=_slice_moves,
    transpose=_put_back,
    batch=_slice_batch,
    reference=_slice_reference,
    samples=several(
        arrays((5, 6), starts=(1, 0), stops=(5, 6), steps=(2, 4)),
        arrays((4,), starts=(2,), stops=(2,), steps=(3,)),
        arrays((4, 3), starts=(0, 1), stops=(4, 3), steps=(1, 1)),
    ),
    errors=(
        (
            (TensorType((4,), DType.F32),),
            {"starts": (2,), "stops": (5,), "steps": (1,)},
            ShapeError,
        ),
        (
            (TensorType((4,), DType.F32),),
            {"starts": (0,), "stops": (4,), "steps": (0,)},
            ShapeError,
        ),
        ((TensorType((4,), DType.F32),), {"starts": (), "stops": (4,), "steps": (1,)}, ShapeError),
    ),
)


def _spaced(size: Dim, interior: int) -> Dim:
    """The extent of `size` elements with `interior` others between each two."""
    if interior == 0 or size == 0:
        return size
    return size + maximum(size - 1, 0) * interior


def _pad_type(
    x: TensorType,
    *,
    low: Dims,
    high: Dims,
    interior: tuple[int, ...],
    value: complex | float | int | bool,
) -> TensorType:
    _require_rank(x, low=low, high=high, interior=interior)
    if any(is_at_most(0, n) is False for n in (*low, *high, *interior)):
        raise ShapeError(
            f"a negative number of elements cannot be added to {x}", fix="use slice to cut"
        )
    axes = zip(x.shape, low, high, interior, strict=True)
    return x.with_shape(a + _spaced(n, between) + b for n, a, b, between in axes)


def _pad_guards(x: TensorType, *, low: Dims, high: Dims, **_: Any) -> tuple[Guard, ...]:
    return tuple((0, "≤", n) for n in (*low, *high) if not is_at_most(0, n))


def _pad_element(s: Any, index: Any, readers: Any, out: TensorType, attrs: Any) -> Any:
    """Reads only where the index falls on an element of the input."""
    (read,) = readers
    source, inside = [], None
    axes = zip(index, read.type.shape, attrs["low"], attrs["high"], attrs["interior"], strict=True)
    for at, size, low, high, between in axes:
        conditions = [] if low == 0 else [s.bitnot(s.below(at, low))]
        conditions += [] if high == 0 else [s.below(at, low + _spaced(size, between))]
        conditions += [s.below((at - low) % (between + 1), 1)] if between else []
        for condition in conditions:
            inside = condition if inside is None else s.bitand(inside, condition)
        source.append((at - low) // (between + 1) if between else at - low)
    if inside is None:
        return read(tuple(source))
    return read(tuple(source), where=inside, otherwise=attrs["value"])


def _pad_reference(x: Any, *, low: Any, high: Any, interior: Any, value: Any) -> Any:
    values = np.asarray(x)
    axes = list(zip(values.shape, low, high, interior, strict=True))
    out = np.full([a + _spaced(n, k) + b for n, a, b, k in axes], value, values.dtype)
    out[tuple(_range(a, a + _spaced(n, k), k + 1) for n, a, _, k in axes)] = values
    return out


def _pad_jvp(tangents: Any, inputs: Any, out: Node, attrs: Any) -> Any:
    return None if tangents[0] is None else pad(tangents[0], **{**attrs, "value": 0})


def _cut_out(ct: Node, which: int, inputs: Any, attrs: Any) -> Any:
    """The adjoint of pad: only the input's elements."""
    low, interior = attrs["low"], attrs["interior"]
    axes = zip(inputs[0].shape, low, interior, strict=True)
    stops = tuple(a + _spaced(n, between) for n, a, between in axes)
    return slice(ct, starts=low, stops=stops, steps=tuple(k + 1 for k in interior))


def _pad_batch(inputs: Any, batched: Any, attrs: Any) -> Any:
    widened = {name: (0, *attrs[name]) for name in ("low", "high", "interior")}
    return pad(inputs[0], **widened, value=attrs["value"])


def _pad_parts(node: Node, operands: tuple[Any, ...]) -> Pair:
    value, (x,) = node.attr("value"), operands
    return Pair(
        pad(x.re, **{**node.attrs, "value": value.real}),
        pad(x.im, **{**node.attrs, "value": value.imag}),
    )


pad: Op = linear(
    "pad",
    doc="`low` elements before, `high` behind and `interior` between those of every axis",
    result_type=_pad_type,
    guards=_pad_guards,
    element=_pad_element,
    jvp=_pad_jvp,
    transpose=_cut_out,
    batch=_pad_batch,
    parts=_pad_parts,
    reference=_pad_reference,
    samples=several(
        arrays((2, 3), low=(1, 0), high=(2, 1), interior=(0, 2), value=1),
        arrays((3,), low=(0,), high=(0,), interior=(0,), value=0),
        arrays((0,), low=(1,), high=(2,), interior=(1,), value=1),
    ),
    errors=(
        (
            (TensorType((4,), DType.F32),),
            {"low": (-1,), "high": (0,), "interior": (0,), "value": 0},
            ShapeError,
        ),
    ),
)


def _concatenate_type(*xs: TensorType, axis: int) -> TensorType:
    if not xs:
        raise ShapeError("no operands", fix="give at least one array")
    first = xs[0]
    for x in xs:
        same = x.rank == first.rank and 0 <= axis < x.rank
        pairs = zip(first.shape, x.shape, strict=False)
        if not same or not all(is_equal(n, m) for a, (n, m) in enumerate(pairs) if a != axis):
            raise ShapeError(
                f"{first} and {x} do not join along axis {axis}",
                fix="all sizes but the one of that axis must be equal",
            )
        if x.dtype is not first.dtype:
            raise DTypeError(f"{first} and {x} have different element types", fix="convert one")
    total = sum((x.shape[axis] for x in xs[1:]), xs[0].shape[axis])
    return first.with_shape((*first.shape[:axis], total, *first.shape[axis + 1 :]))


def _offsets(xs: Any, axis: int) -> list[Dim]:
    """Where each operand begins, and where the last one ends."""
    found: list[Dim] = [0]
    for x in xs:
        found.append(found[-1] + x.shape[axis])
    return found


def _concatenate_element(s: Any, index: Any, readers: Any, out: TensorType, attrs: Any) -> Any:
    """Each operand is read in its own range; the last one first, as what else there is."""
    axis = attrs["axis"]
    at = index[axis]
    edges = _offsets([read.type for read in readers], axis)
    value = None
    for k in reversed(range(len(readers))):
        source = (*index[:axis], at - edges[k], *index[axis + 1 :])
        before = None if k == len(readers) - 1 else s.below(at, edges[k + 1])
        after = None if k == 0 else s.bitnot(s.below(at, edges[k]))
        both = [c for c in (before, after) if c is not None]
        where = s.bitand(*both) if len(both) == 2 else (both[0] if both else None)
        part = readers[k](source) if where is None else readers[k](source, where, 0)
        value = part if value is None else s.select(before, part, value)
    return value


def _concatenate_transpose(ct: Node, which: int, inputs: Any, attrs: Any) -> Any:
    axis, rank = attrs["axis"], ct.rank
    edges = _offsets(inputs, axis)
    starts = tuple(edges[which] if a == axis else 0 for a in range(rank))
    stops = tuple(edges[which + 1] if a == axis else n for a, n in enumerate(ct.shape))
    return slice(ct, starts=starts, stops=stops, steps=(1,) * rank)


concatenate: Op = linear(
    "concatenate",
    doc="the operands one behind the other along an axis",
    align=as_one_dtype,
    result_type=_concatenate_type,
    element=_concatenate_element,
    transpose=_concatenate_transpose,
    batch=lambda inputs, batched, attrs: concatenate(
        *spread(inputs, batched), axis=attrs["axis"] + 1
    ),
    reference=lambda *xs, axis: np.concatenate(xs, axis),
    samples=several(
        arrays((2, 3), (2, 1), (2, 4), axis=1),
        arrays((0,), (3,), axis=0),
        arrays((2,), axis=0),
    ),
    errors=(
        ((TensorType((2, 3), DType.F32), TensorType((3, 3), DType.F32)), {"axis": 1}, ShapeError),
        ((TensorType((), DType.F32),), {"axis": 0}, ShapeError),
    ),
)
