"""Norms of vectors and matrices, and powers of matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError, UnsupportedError

from .. import numpy as snp
from ..tracing.dispatch import numpy_like
from ..tracing.sizes import whole
from .shared import (
    broadcast_shape_to,
    common_dtype,
    convert,
    normal_axes,
    normal_axis,
    rounded_once,
    traced,
)

__all__ = ["matrix_norm", "matrix_power", "norm", "vector_norm"]


def _inexact(x: Any) -> Any:
    x = traced(x)
    return x if common_dtype(x).is_inexact else snp.divide(x, 1)


def _root(total: Any, order: float) -> Any:
    """The root of a sum of powers. A norm has a corner at 0, where its subderivative is 0."""
    if order < 0:
        return snp.power(total, 1 / order)
    is_zero = snp.equal(total, 0)
    inside = snp.where(is_zero, 1, total)
    root = snp.sqrt(inside) if order == 2 else snp.power(inside, 1 / order)
    return snp.where(is_zero, 0, root)


def _of_vectors(x: Any, order: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    """(Σ |x|^order)^(1/order) over axes; 0 counts what is not zero, ±inf is max and min."""
    size = snp.abs(x)
    if order == 2:  # without |x|, whose corners the squares do not have
        size = size if common_dtype(x).is_complex else x
        return _root(snp.sum(snp.square(size), axes, keepdims=keepdims), 2)
    if order in (math.inf, -math.inf):
        return getattr(snp, "max" if order > 0 else "min")(size, axes, keepdims=keepdims)
    if order == 0:
        counted = convert(snp.not_equal(x, 0), common_dtype(size))
        return snp.sum(counted, axes, keepdims=keepdims)
    powers = size if order == 1 else snp.power(size, order)
    total = snp.sum(powers, axes, keepdims=keepdims)
    return total if order == 1 else _root(total, order)


@numpy_like(np.linalg.vector_norm)
@rounded_once
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """The norm of vectors along axes, over all elements where no axis is given."""
    x = _inexact(x)
    return _of_vectors(x, 2 if ord is None else ord, normal_axes(axis, x.ndim), keepdims)


@numpy_like(np.linalg.norm)
@rounded_once
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The Euclidean norm along axes; for one axis also other orders, for two those of
    `matrix_norm`."""
    x = _inexact(x)
    axes = normal_axes(axis, x.ndim)
    if ord is None or (len(axes) == 1 and isinstance(ord, int | float)):
        return _of_vectors(x, 2 if ord is None else ord, axes, keepdims)
    if len(axes) != 2:
        raise UnsupportedError(
            f"norm of order {ord!r} over {len(axes)} axes", fix="use ord=None", loc=user_location()
        )
    order = axes if axis is None else tuple(normal_axis(at, x.ndim) for at in axis)
    found = matrix_norm(snp.moveaxis(x, order, (-2, -1)), ord=ord)
    return snp.expand_dims(found, axes) if keepdims else found


@numpy_like(np.linalg.matrix_norm)
@rounded_once
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """A norm of the matrices in the last two axes: "fro", sums of rows (inf, -inf) or columns
    (1, -1), or of singular values: the greatest (2), the least (-2), their sum ("nuc")."""
    x = _inexact(x)
    if ord in ("fro", None):
        return _of_vectors(x, 2, normal_axes((-2, -1), x.ndim), keepdims)
    if ord in (2, -2, "nuc"):
        values = snp.linalg.svdvals(x)
        kind = "sum" if ord == "nuc" else "max" if ord == 2 else "min"
        found = getattr(snp, kind)(values, -1)
        return snp.expand_dims(found, (-2, -1)) if keepdims else found
    if ord not in (1, -1, math.inf, -math.inf):
        raise UnsupportedError(
            f"matrix_norm: ord={ord!r} cannot be traced into a graph",
            fix='use "fro", "nuc", 1, -1, 2, -2, inf or -inf',
            loc=user_location(),
        )
    across = -2 if abs(ord) == 1 else -1
    sums = snp.sum(snp.abs(x), across, keepdims=True)
    return getattr(snp, "max" if ord > 0 else "min")(sums, (-2, -1), keepdims=keepdims)


@numpy_like(np.linalg.matrix_power)
def matrix_power(x: Any, n: int, /) -> Any:
    """A square matrix multiplied by itself, or its inverse where n is negative."""
    x, n = traced(x), whole(n)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(
            f"matrix_power of {tuple(x.shape)}", fix="pass square matrices", loc=user_location()
        )
    if n < 0:
        return matrix_power(snp.linalg.inv(x), -n)
    power: Any = None
    while n:
        if n % 2:
            power = x if power is None else snp.matmul(power, x)
        n //= 2
        x = snp.matmul(x, x) if n else x
    if power is None:
        one = snp.eye(x.shape[-1])
        return broadcast_shape_to(convert(one, common_dtype(x)), x.shape)
    return power
