"""Operations that only move elements: each is an index map, and linear."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError

from ..ir.dims import Dim, is_equal, product
from ..ir.node import Node
from ..ir.op import Op, Sample, operations
from ..ir.types import Guard, Shape, TensorType
from .kinds import linear
from .sampling import MOVED, arrays, several

__all__ = [
    "broadcast",
    "checked_axes",
    "inverse",
    "iota",
    "moved_from_front",
    "moved_to_front",
    "reshape",
    "reshape_guards",
    "reverse",
    "transpose",
]

Axes = tuple[int, ...]


def inverse(axes: Axes) -> Axes:
    """The permutation that undoes `axes`."""
    return tuple(axes.index(a) for a in range(len(axes)))


def moved_to_front(x: Node, axis: int) -> Node:
    """The axes in the same order, but for one that comes first."""
    if axis == 0:
        return x
    order = (axis, *(a for a in range(x.rank) if a != axis))
    moved: Node = transpose(x, axes=order)
    return moved


def moved_from_front(x: Node, axis: int) -> Node:
    """The axes in the same order, but for the first, which becomes `axis`."""
    if axis == 0:
        return x
    order = (*range(1, axis + 1), 0, *range(axis + 1, x.rank))
    moved: Node = transpose(x, axes=order)
    return moved


def checked_axes(x: TensorType, axes: Axes) -> None:
    """Raise unless `axes` are distinct axes of x."""
    if len(set(axes)) != len(axes) or not all(0 <= a < x.rank for a in axes):
        raise ShapeError(
            f"axes {axes} are not distinct axes of {x}",
            fix=f"give each axis once, from 0 to {x.rank - 1}" if x.rank else "give no axes",
        )


def _broadcast_type(x: TensorType, *, shape: Shape, axes: Axes) -> TensorType:
    out = x.with_shape(shape)
    fits = len(axes) == x.rank and len(set(axes)) == len(axes)
    fits = fits and all(0 <= a < out.rank for a in axes)
    if not fits or not all(is_equal(n, shape[a]) for n, a in zip(x.shape, axes, strict=True)):
        raise ShapeError(
            f"{x} does not broadcast to {out} along axes {axes}",
            fix="each axis of the input must have the size of the output axis it becomes",
        )
    return out


def _broadcast_reference(x: Any, *, shape: tuple[int, ...], axes: Axes) -> Any:
    values = np.asarray(x)
    aligned = [1] * len(shape)
    for size, axis in zip(values.shape, axes, strict=True):
        aligned[axis] = size
    return np.broadcast_to(np.transpose(values, np.argsort(axes)).reshape(aligned), shape)


def _broadcast_batch(inputs: Any, batched: Any, attrs: Any) -> Node:
    (x,) = inputs
    axes = (0, *(a + 1 for a in attrs["axes"]))
    out: Node = broadcast(x, shape=(x.shape[0], *attrs["shape"]), axes=axes)
    return out


def _summed(ct: Node, which: int, inputs: Any, attrs: Any) -> Node:
    """The adjoint of broadcast: add up along the axes that were made."""
    axes = attrs["axes"]
    made = tuple(a for a in range(len(attrs["shape"])) if a not in axes)
    total: Node = operations["reduce_sum"](ct, axes=made) if made else ct
    kept = sorted(axes)
    order = tuple(kept.index(a) for a in axes)
    return total if order == tuple(range(len(axes))) else transpose(total, axes=order)


broadcast: Op = linear(
    "broadcast",
    doc="copies along new axes: input axis i becomes output axis axes[i]",
    result_type=_broadcast_type,
    moves=lambda index, x, attrs: tuple(index[a] for a in attrs["axes"]),
    transpose=_summed,
    batch=_broadcast_batch,
    reference=_broadcast_reference,
    samples=several(
        arrays((3,), shape=(2, 3, 4), axes=(1,)),
        arrays((), shape=(2, 0), axes=()),
        arrays((2, 3), shape=(3, 4, 2), axes=(2, 0)),
    ),
    errors=(
        ((TensorType((3,), DType.F32),), {"shape": (2, 4), "axes": (1,)}, ShapeError),
        ((TensorType((3, 3), DType.F32),), {"shape": (3, 4), "axes": (0, 0)}, ShapeError),
    ),
)


def _transpose_type(x: TensorType, *, axes: Axes) -> TensorType:
    if sorted(axes) != list(range(x.rank)):
        raise ShapeError(
            f"axes {axes} are not an order of the {x.rank} axes of {x}",
            fix=f"give each of 0 to {x.rank - 1} once" if x.rank else "give no axes",
        )
    return x.with_shape(x.shape[a] for a in axes)


transpose: Op = linear(
    "transpose",
    doc="the axes in another order: output axis i is input axis axes[i]",
    result_type=_transpose_type,
    moves=lambda index, x, attrs: tuple(index[a] for a in inverse(attrs["axes"])),
    transpose=lambda ct, which, inputs, attrs: transpose(ct, axes=inverse(attrs["axes"])),
    batch=lambda inputs, batched, attrs: transpose(
        inputs[0], axes=(0, *(a + 1 for a in attrs["axes"]))
    ),
    reference=lambda x, *, axes: np.transpose(x, axes),
    samples=several(arrays((2, 3, 4), axes=(2, 0, 1)), arrays((), axes=())),
    errors=(((TensorType((2, 3), DType.F32),), {"axes": (0, 0)}, ShapeError),),
)


def _reshape_type(x: TensorType, *, shape: Shape) -> TensorType:
    out = x.with_shape(shape)
    if is_equal(x.size, out.size) is False:
        raise ShapeError(
            f"{x} does not reshape to {out}: {x.size} elements against {out.size}",
            fix="the products of the sizes must be equal",
        )
    return out


def reshape_guards(x: TensorType, *, shape: Shape) -> tuple[Guard, ...]:
    """What has to hold when the program runs and is not known before."""
    sizes = x.size, product(shape)
    return () if is_equal(*sizes) else ((sizes[0], "=", sizes[1]),)


def _reshape_moves(index: Any, x: TensorType, attrs: Any) -> tuple[Any, ...]:
    """Groups of axes that hold as many elements on both sides are renumbered apart."""
    found: list[Any] = []
    for old, new in _groups(x.shape, attrs["shape"]):
        flat = _flat([index[a] for a in new], [attrs["shape"][a] for a in new])
        found.extend(_unflat(flat, [x.shape[a] for a in old]))
    return tuple(found)


def _groups(old: Shape, new: Shape) -> Iterator[tuple[range, range]]:
    """The smallest runs of axes, old beside new, that provably have one number of elements."""
    i = j = 0
    for end in range(len(old) + 1):
        for stop in range(j, len(new) + 1):
            (a, b) = range(i, end), range(j, stop)
            nonempty = bool(a or b)
            if nonempty and is_equal(product(old[i:end]), product(new[j:stop])):
                yield a, b
                i, j = end, stop
                break
    if i < len(old) or j < len(new):
        yield range(i, len(old)), range(j, len(new))


def _flat(index: list[Any], sizes: list[Dim]) -> Any:
    total: Any = 0
    for at, size in zip(index, sizes, strict=True):
        total = total * size + at
    return total


def _unflat(flat: Any, sizes: list[Dim]) -> list[Any]:
    index: list[Any] = []
    for size in reversed(sizes[1:]):
        index.append(0 if size == 1 else flat % size)
        flat = flat if size == 1 else flat // size
    return [*([0 if sizes[0] == 1 else flat] if sizes else []), *reversed(index)]


reshape: Op = linear(
    "reshape",
    doc="the same elements in row-major order, in another shape",
    result_type=_reshape_type,
    guards=reshape_guards,
    moves=_reshape_moves,
    transpose=lambda ct, which, inputs, attrs: reshape(ct, shape=inputs[0].shape),
    batch=lambda inputs, batched, attrs: reshape(
        inputs[0], shape=(inputs[0].shape[0], *attrs["shape"])
    ),
    reference=lambda x, *, shape: np.reshape(x, shape),
    samples=several(
        arrays((2, 6), shape=(3, 4)),
        arrays((2, 3, 4), shape=(6, 2, 1, 2)),
        arrays((4, 1, 3), shape=(1, 4, 3, 1)),
        arrays((1, 1), shape=()),
        arrays((2, 0), shape=(0, 3)),
    ),
    errors=(((TensorType((2, 3), DType.F32),), {"shape": (4,)}, ShapeError),),
)


def _reverse_type(x: TensorType, *, axes: Axes) -> TensorType:
    checked_axes(x, axes)
    return x


def _reverse_moves(index: Any, x: TensorType, attrs: Any) -> tuple[Any, ...]:
    axes = attrs["axes"]
    return tuple(x.shape[a] - 1 - i if a in axes else i for a, i in enumerate(index))


reverse: Op = linear(
    "reverse",
    doc="the elements along some axes in the opposite order",
    result_type=_reverse_type,
    moves=_reverse_moves,
    transpose=lambda ct, which, inputs, attrs: reverse(ct, **attrs),
    batch=lambda inputs, batched, attrs: reverse(
        inputs[0], axes=tuple(a + 1 for a in attrs["axes"])
    ),
    reference=lambda x, *, axes: np.flip(x, axes),
    samples=several(arrays((2, 3), axes=(1,)), arrays((2, 3), axes=(0, 1))),
    errors=(((TensorType((2,), DType.F32),), {"axes": (1,)}, ShapeError),),
)


def _iota_type(*, shape: Shape, axis: int, dtype: DType) -> TensorType:
    out = TensorType(shape, dtype)
    checked_axes(out, (axis,))
    return out


def _iota_reference(*, shape: tuple[int, ...], axis: int, dtype: DType) -> Any:
    counted = np.arange(shape[axis]).astype(dtype.numpy)
    return _broadcast_reference(counted, shape=shape, axes=(axis,))


def _iota_element(s: Any, index: Any, readers: Any, out: TensorType, attrs: Any) -> Any:
    return s.convert(s.index(index[attrs["axis"]]), out.dtype)


iota: Op = Op(
    name="iota",
    doc="0, 1, 2, … along one axis",
    result_type=_iota_type,
    element=_iota_element,
    not_differentiable="it has no input",
    reference=_iota_reference,
    samples=lambda rng, dtype: [
        Sample((), {"shape": (2, 3), "axis": axis, "dtype": dtype}) for axis in (0, 1)
    ],
    dtypes=MOVED[:-1],
    errors=(((), {"shape": (), "axis": 0, "dtype": DType.I64}, ShapeError),),
)
