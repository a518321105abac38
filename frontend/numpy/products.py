"""Products of arrays: matmul, dot, tensordot, outer, cross, trace."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import is_equal, maximum, minimum
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError

from ..tracing.dispatch import FUNCTIONS, numpy_like
from ..tracing.sizes import whole
from .elementwise import as_bool
from .shared import (
    broadcast_shape_to,
    broadcast_shapes,
    call,
    common_dtype,
    convert,
    expect,
    expect_rank,
    normal_axis,
    traced,
)

__all__ = [
    "cross", "diagonal", "dot", "inner", "kron", "matmul", "matvec", "outer",
    "tensordot", "trace", "vdot", "vecdot", "vecmat",
]  # fmt: skip


def contract(x: Any, y: Any, batch: Any = ((), ()), contracting: Any = ((), ())) -> Any:
    """The sum over paired axes, of truth values whether some product is true; axes of the result:
    batch, then x's, then y's."""
    dtype = common_dtype(x, y)
    if dtype.is_bool:  # in the type whose products are fastest; a sum of ones is never zero
        return as_bool(contract(convert(traced(x), DType.F32), y, batch, contracting))
    x, y = convert(traced(x), dtype), convert(traced(y), dtype)
    return call("contract", x, y, batch=_fixed(batch), contracting=_fixed(contracting))


def _fixed(pair: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple(pair[0]), tuple(pair[1])


@numpy_like(np.matmul, np.linalg.matmul)
def matmul(x1: Any, x2: Any, /) -> Any:
    """The matrix product over the last two axes, the axes before them broadcast."""
    x, y = traced(x1), traced(x2)
    if not x.ndim or not y.ndim:
        raise ShapeError("matmul of a scalar", fix="use *", loc=user_location())
    inner = y.ndim - 2 if y.ndim > 1 else 0
    if is_equal(x.shape[-1], y.shape[inner]) is False:
        raise ShapeError(
            f"matmul: {shown(x)} and {shown(y)}: the last size of the first array must be the "
            f"{'second to last ' if y.ndim > 1 else ''}size of the second",
            fix=_matmul_fix(x, y),
            loc=user_location(),
        )
    if x.ndim <= 2 and y.ndim <= 2:
        return contract(x, y, contracting=((x.ndim - 1,), (inner,)))
    if y.ndim <= 2:
        return contract(x, y, contracting=((x.ndim - 1,), (inner,)))
    if x.ndim == 1:
        return _batched(FUNCTIONS["expand_dims"](x, 0), y)[..., 0, :]
    return _batched(x, y)


def shown(x: Any) -> str:
    """An array in an error."""
    return f"{common_dtype(x)}[{','.join(map(str, x.shape))}]"


def _matmul_fix(x: Any, y: Any) -> str:
    if y.ndim == 2 and is_equal(x.shape[-1], y.shape[1]) is True:
        return "transpose the second array: x @ w.T"
    if x.ndim == 2 and is_equal(x.shape[0], y.shape[0]) is True:
        return "transpose the first array: x.T @ w"
    return "reshape one of them so that the two sizes agree"


def _batched(x: Any, y: Any) -> Any:
    lead = broadcast_shapes(x.shape[:-2], y.shape[:-2])
    x = broadcast_shape_to(x, (*lead, *x.shape[-2:]))
    y = broadcast_shape_to(y, (*lead, *y.shape[-2:]))
    rank = len(lead)
    axes = tuple(range(rank))
    return contract(x, y, (axes, axes), ((rank + 1,), (rank,)))


@numpy_like(np.dot)
def dot(a: Any, b: Any, out: None = None) -> Any:
    """The product over the last axis of a and the second to last of b."""
    x, y = traced(a), traced(b)
    if not x.ndim or not y.ndim:
        return FUNCTIONS["multiply"](x, y)
    if x.ndim <= 2 and y.ndim <= 2:
        return matmul(x, y)
    return tensordot(x, y, ((x.ndim - 1,), (max(y.ndim - 2, 0),)))


@numpy_like(np.tensordot, np.linalg.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """The sum of products over pairs of axes."""
    x, y = traced(a), traced(b)
    first, second = _paired(axes, x.ndim, y.ndim)
    for i, j in zip(first, second, strict=True):
        if is_equal(x.shape[i], y.shape[j]) is False:
            raise ShapeError(
                f"tensordot: {shown(x)} and {shown(y)}: axes {i} and {j} differ",
                fix="pair axes of equal size",
                loc=user_location(),
            )
    return contract(x, y, contracting=(first, second))


def _paired(axes: Any, first: int, second: int) -> list[tuple[int, ...]]:
    """The axes that `tensordot` sums over, of arrays of these ranks: so many, or those named."""
    if hasattr(axes, "__index__"):
        count = whole(axes)
        named: Any = (range(-count, 0), range(count))
    else:
        named = [part if isinstance(part, tuple | list) else (part,) for part in axes]
    pairs = [
        tuple(normal_axis(at, rank) for at in part)
        for part, rank in zip(named, (first, second), strict=True)
    ]
    expect(len(pairs[0]) == len(pairs[1]), f"axes={axes}", "name as many axes of each array")
    return pairs


@numpy_like(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    """The sum of products over the last axes."""
    x, y = traced(a), traced(b)
    if not x.ndim or not y.ndim:
        return FUNCTIONS["multiply"](x, y)
    return tensordot(x, y, ((x.ndim - 1,), (y.ndim - 1,)))


@numpy_like(np.outer)
def outer(a: Any, b: Any, out: None = None) -> Any:
    """Every element of a times every element of b."""
    x, y = FUNCTIONS["ravel"](a), FUNCTIONS["ravel"](b)
    return FUNCTIONS["multiply"](FUNCTIONS["reshape"](x, (-1, 1)), y)


def _conjugate(x: Any) -> Any:
    return FUNCTIONS["conj"](x) if common_dtype(x).is_complex else x


@numpy_like(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    """The sum of products of all elements, those of a conjugated."""
    x, y = _conjugate(FUNCTIONS["ravel"](a)), FUNCTIONS["ravel"](b)
    return contract(x, y, contracting=((0,), (0,)))


@numpy_like(np.vecdot, np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The sum of products along an axis, those of x1 conjugated, the other axes broadcast."""
    x, y = (FUNCTIONS["moveaxis"](traced(one), axis, -1) for one in (x1, x2))
    if is_equal(x.shape[-1], y.shape[-1]) is False:
        raise ShapeError(
            f"vecdot: {shown(x)} and {shown(y)}: the sizes along the axis differ",
            fix="pass vectors of equal length",
            loc=user_location(),
        )
    products = FUNCTIONS["multiply"](_conjugate(x), y)
    total = "reduce_any" if common_dtype(products).is_bool else "reduce_sum"
    return call(total, products, axes=(products.ndim - 1,))


@numpy_like(*([np.matvec] if hasattr(np, "matvec") else []))
def matvec(x1: Any, x2: Any, /) -> Any:
    """Matrices times vectors."""
    matrices = traced(x1)
    expect_rank(matrices, 2)
    return matmul(matrices, FUNCTIONS["expand_dims"](x2, -1))[..., 0]


@numpy_like(*([np.vecmat] if hasattr(np, "vecmat") else []))
def vecmat(x1: Any, x2: Any, /) -> Any:
    """Vectors times matrices, the vectors conjugated."""
    matrices = traced(x2)
    expect_rank(matrices, 2)
    rows = FUNCTIONS["expand_dims"](_conjugate(traced(x1)), -2)
    return matmul(rows, matrices)[..., 0, :]


@numpy_like(np.kron)
def kron(a: Any, b: Any) -> Any:
    """Every element of a times the whole of b, as blocks."""
    x, y = traced(a), traced(b)
    rank = max(x.ndim, y.ndim)
    xs, ys = ((1,) * (rank - one.ndim) + tuple(one.shape) for one in (x, y))
    wide = FUNCTIONS["reshape"](x, tuple(n for s in xs for n in (s, 1)))
    blocks = FUNCTIONS["multiply"](
        wide, FUNCTIONS["reshape"](y, tuple(n for s in ys for n in (1, s)))
    )
    return FUNCTIONS["reshape"](blocks, tuple(p * q for p, q in zip(xs, ys, strict=True)))


@numpy_like(np.cross)
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """The vector product along an axis of size 3, or along one in each array and the result."""
    ends = (axisa, axisb, axisc) if axis is None else (axis,) * 3
    x, y = (FUNCTIONS["moveaxis"](traced(v), at, -1) for v, at in zip((a, b), ends, strict=False))
    if is_equal(x.shape[-1], 3) is not True or is_equal(y.shape[-1], 3) is not True:
        raise ShapeError(
            f"cross: {shown(x)} and {shown(y)} need size 3",
            fix="give the axis along which the vectors lie: axis=0",
            loc=user_location(),
        )
    turned = [(1, 2), (2, 0), (0, 1)]
    parts = [x[..., i] * y[..., j] - x[..., j] * y[..., i] for i, j in turned]
    return FUNCTIONS["stack"](parts, ends[2])


@numpy_like(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The elements whose two indices differ by `offset`, along the last axis."""
    x, offset = FUNCTIONS["moveaxis"](traced(a), (axis1, axis2), (-2, -1)), whole(offset)
    rows, columns = x.shape[-2] + min(offset, 0), x.shape[-1] - max(offset, 0)
    count = maximum(minimum(rows, columns), 0)
    row = FUNCTIONS["arange"](count) - min(offset, 0)
    column = FUNCTIONS["arange"](count) + max(offset, 0)
    return x[..., row, column]


@numpy_like(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    """The sum of a diagonal."""
    return FUNCTIONS["sum"](diagonal(a, offset, axis1, axis2), -1, dtype)
