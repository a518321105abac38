"""Brings the operands of an operation to the element type and the shape that they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType, promoted
from symfuse.runtime.errors import DTypeError, ShapeError

from ..ir.builder import Builder
from ..ir.dims import Dim, is_equal
from ..ir.node import Node
from ..ir.op import operations
from ..ir.types import Shape, TensorType

__all__ = [
    "Alignment",
    "as_choice",
    "as_comparison",
    "as_floats",
    "as_is",
    "as_one_dtype",
    "as_one_type",
    "as_quotient",
    "as_truths",
    "broadcast_to",
    "common_dtype",
    "common_shape",
    "float_dtype",
]

Args = tuple[Any, ...]
Attrs = dict[str, Any]
Alignment = Callable[[Builder, Args, Attrs], tuple[Node, ...]]


def as_one_type(builder: Builder, args: Args, attrs: Attrs) -> tuple[Node, ...]:
    """Promoted as NumPy 2 does, and broadcast."""
    return _broadcast(builder, _converted(builder, args, common_dtype(args)))


def as_floats(builder: Builder, args: Args, attrs: Attrs) -> tuple[Node, ...]:
    """Promoted and broadcast; integers become the floats that NumPy computes them in."""
    return _broadcast(builder, _converted(builder, args, float_dtype(common_dtype(args))))


def as_quotient(builder: Builder, args: Args, attrs: Attrs) -> tuple[Node, ...]:
    """Promoted and broadcast; integers of any width divide in f64."""
    common = common_dtype(args)
    return _broadcast(
        builder, _converted(builder, args, common if common.is_inexact else DType.F64)
    )


def as_truths(builder: Builder, args: Args, attrs: Attrs) -> tuple[Node, ...]:
    """Broadcast, and true where not zero."""
    return _broadcast(builder, tuple(_as_truth(builder, arg) for arg in args))


def as_choice(builder: Builder, args: Args, attrs: Attrs) -> tuple[Node, ...]:
    """A condition, and the alternatives promoted among themselves; all broadcast."""
    condition, *alternatives = args
    nodes = _converted(builder, alternatives, common_dtype(alternatives))
    return _broadcast(builder, (_as_truth(builder, condition), *nodes))


def as_comparison(builder: Builder, args: Args, attrs: Attrs) -> tuple[Node, ...]:
    """Promoted and broadcast, but no order is lost: i64 beside u64 stay integers, and so does a
    Python number that the other operand's type cannot hold."""
    dtypes = {_dtype(arg) for arg in args if not _is_weak(arg)}
    is_mixed = any(d.is_signed for d in dtypes) and DType.U64 in dtypes and len(dtypes) == 2
    common = common_dtype(args)
    if is_mixed or not all(_fits(arg, common) for arg in args if _is_weak(arg)):
        wide = (_as_wide(builder, arg) for arg in args)
        return _broadcast(builder, tuple(wide))
    return _broadcast(builder, _converted(builder, args, common))


def as_one_dtype(builder: Builder, args: Args, attrs: Attrs) -> tuple[Node, ...]:
    """Promoted; the shapes are left as they are."""
    return _converted(builder, args, common_dtype(args))


def as_is(builder: Builder, args: Args, attrs: Attrs) -> tuple[Node, ...]:
    """Constants become nodes; nothing else changes."""
    return builder.nodes(args)


def common_dtype(args: Iterable[Any]) -> DType:
    """NumPy 2's promotion: Python numbers take the element type of the other operands."""
    operands = tuple(args)
    dtypes = {_dtype(arg) for arg in operands if not _is_weak(arg)}
    only = next(iter(dtypes)) if len(dtypes) == 1 else DType.BOOL
    if only.is_complex or (only.is_float and not any(type(arg) is complex for arg in operands)):
        return only
    return promoted(*(arg if _is_weak(arg) else _dtype(arg) for arg in operands))


def float_dtype(dtype: DType) -> DType:
    """The floats that NumPy computes functions of this type in; f32 stands in for its f16."""
    if dtype.is_inexact:
        return dtype
    return DType.F64 if dtype.is_integer and dtype.bits >= 32 else DType.F32


def common_shape(types: Iterable[TensorType]) -> Shape:
    """The shape that operands broadcast to: sizes compared from the last axis, 1 stretches."""
    operands = tuple(types)
    rank = max(t.rank for t in operands)
    shape: list[Dim] = [1] * rank
    for operand in operands:
        for axis, size in enumerate(operand.shape, rank - operand.rank):
            shape[axis] = _joined(shape[axis], size, operands)
    return tuple(shape)


def broadcast_to(builder: Builder, x: Node, shape: Shape) -> Node:
    """x with axes of size 1 dropped and then copied along all that it lacks."""
    lead = len(shape) - x.rank
    if lead == 0 and all(is_equal(n, m) for n, m in zip(x.shape, shape, strict=True)):
        return x
    kept = [a for a in range(x.rank) if is_equal(x.shape[a], shape[lead + a])]
    if len(kept) < x.rank:
        squeezed = {"shape": tuple(x.shape[a] for a in kept)}
        x = builder.apply(operations["reshape"], (x,), squeezed)
    attrs = {"shape": shape, "axes": tuple(lead + a for a in kept)}
    return builder.apply(operations["broadcast"], (x,), attrs)


def _broadcast(builder: Builder, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    if all(node.shape == nodes[0].shape for node in nodes):
        return nodes
    shape = common_shape(node.type for node in nodes)
    return tuple(broadcast_to(builder, node, shape) for node in nodes)


def _joined(left: Dim, right: Dim, operands: tuple[TensorType, ...]) -> Dim:
    if left == 1:
        return right
    if right == 1:
        return left
    same = is_equal(left, right)
    if same:
        return right if isinstance(right, int) else left
    shown = " and ".join(str(t) for t in operands)
    if same is None:
        raise ShapeError(
            f"shapes do not provably broadcast: {shown}, where {left} may differ from {right}",
            fix="give sizes that are always equal one name, or reshape one operand",
        )
    raise ShapeError(
        f"shapes do not broadcast: {shown}",
        fix="sizes must be equal or 1, compared from the last axis",
    )


def _converted(builder: Builder, args: Iterable[Any], dtype: DType) -> tuple[Node, ...]:
    return tuple(_as_node(builder, arg, dtype) for arg in args)


def _as_node(builder: Builder, value: Any, dtype: DType) -> Node:
    if isinstance(value, Node):
        if value.dtype is dtype:
            return value
        return builder.apply(operations["convert"], (value,), {"dtype": dtype})
    if _is_weak(value) and not _fits(value, dtype):
        raise DTypeError(
            f"the number {value} is out of the range of {dtype}",
            fix="convert the other operand to a wider type first",
        )
    return builder.constant(value, dtype)


def _as_truth(builder: Builder, value: Any) -> Node:
    return _as_node(builder, bool(value) if _is_weak(value) else value, DType.BOOL)


def _as_wide(builder: Builder, value: Any) -> Node:
    """A signed operand as i64, u64 or a number too great for i64 as u64."""
    if _is_weak(value):
        return _as_node(builder, value, DType.I64 if _fits(value, DType.I64) else DType.U64)
    return _as_node(builder, value, DType.U64 if _dtype(value) is DType.U64 else DType.I64)


def _is_weak(value: Any) -> bool:
    """Whether a value is a Python number; NumPy's f64 derives from float and is none."""
    return type(value) in (bool, int, float, complex)


def _fits(value: complex, dtype: DType) -> bool:
    if not dtype.is_integer or not isinstance(value, int):
        return True
    limits = np.iinfo(dtype.numpy)
    return int(limits.min) <= value <= int(limits.max)


def _dtype(value: Any) -> DType:
    try:
        return value.dtype if isinstance(value, Node) else DType.of(np.asarray(value).dtype)
    except TypeError as error:
        raise DTypeError(str(error)) from None
