"""Norms and powers of whole matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError, UnsupportedError

from ..tracing.dispatch import FUNCTIONS, numpy_like
from .shared import broadcast_shape_to, common_dtype, convert, rounded_once, traced

__all__ = ["matrix_norm", "matrix_power"]


@numpy_like(np.linalg.matrix_norm)
@rounded_once
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """A norm of the matrices in the last two axes: "fro", sums of rows (inf, -inf) or columns
    (1, -1), or of singular values: the greatest (2), the least (-2), their sum ("nuc")."""
    size = FUNCTIONS["abs"](FUNCTIONS["divide"](traced(x), 1))
    if ord in ("fro", None):
        total = FUNCTIONS["sum"](FUNCTIONS["square"](size), (-2, -1), keepdims=keepdims)
        return FUNCTIONS["sqrt"](total)
    if ord in (2, -2, "nuc"):
        values = FUNCTIONS["svdvals"](traced(x))
        kind = "sum" if ord == "nuc" else "max" if ord == 2 else "min"
        found = FUNCTIONS[kind](values, -1)
        return FUNCTIONS["expand_dims"](found, (-2, -1)) if keepdims else found
    if ord not in (1, -1, math.inf, -math.inf):
        raise UnsupportedError(
            f"matrix_norm: ord={ord!r} cannot be traced into a graph",
            fix='use "fro", "nuc", 1, -1, 2, -2, inf or -inf',
            loc=user_location(),
        )
    across = -2 if abs(ord) == 1 else -1
    sums = FUNCTIONS["sum"](size, across, keepdims=True)
    return FUNCTIONS["max" if ord > 0 else "min"](sums, (-2, -1), keepdims=keepdims)


@numpy_like(np.linalg.matrix_power)
def matrix_power(x: Any, n: int, /) -> Any:
    """A square matrix multiplied by itself, or its inverse where n is negative."""
    x = traced(x)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"matrix_power of {tuple(x.shape)}", fix="pass square matrices")
    if n < 0:
        return matrix_power(FUNCTIONS["inv"](x), -n)
    power: Any = None
    while n:
        if n % 2:
            power = x if power is None else FUNCTIONS["matmul"](power, x)
        n //= 2
        x = FUNCTIONS["matmul"](x, x) if n else x
    if power is None:
        one = FUNCTIONS["eye"](x.shape[-1])
        return broadcast_shape_to(convert(one, common_dtype(x)), x.shape)
    return power
