"""Linear algebra of whole matrices: norms, powers; and, on arrays only, decompositions."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError, UnsupportedError

from ..tracing.dispatch import FUNCTIONS, numpy_like
from .shared import broadcast_shape_to, common_dtype, convert, rounded_once, traced

DECOMPOSITIONS = (
    "cholesky", "det", "eig", "eigh", "eigvals", "eigvalsh", "inv", "matrix_rank", "pinv", "qr",
    "slogdet", "solve", "svd", "svdvals",
)  # fmt: skip
"""What NumPy computes on arrays, and what cannot be traced."""

__all__ = ["DECOMPOSITIONS", "matrix_norm", "matrix_power", *DECOMPOSITIONS]


@numpy_like(np.linalg.matrix_norm)
@rounded_once
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """A norm of the matrices in the last two axes: "fro", or the largest row or column sum.

    Traced, those that need singular values (2, -2, "nuc") are refused.
    """
    size = FUNCTIONS["abs"](FUNCTIONS["divide"](traced(x), 1))
    if ord in ("fro", None):
        total = FUNCTIONS["sum"](FUNCTIONS["square"](size), (-2, -1), keepdims=keepdims)
        return FUNCTIONS["sqrt"](total)
    if ord not in (1, -1, math.inf, -math.inf):
        raise UnsupportedError(
            f"matrix_norm: ord={ord!r} cannot be traced into a graph",
            fix='use "fro", 1, -1, inf or -inf',
            loc=user_location(),
        )
    across = -2 if abs(ord) == 1 else -1
    sums = FUNCTIONS["sum"](size, across, keepdims=True)
    return FUNCTIONS["max" if ord > 0 else "min"](sums, (-2, -1), keepdims=keepdims)


@numpy_like(np.linalg.matrix_power)
def matrix_power(x: Any, n: int, /) -> Any:
    """A square matrix multiplied by itself; traced, n must not be negative."""
    x = traced(x)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"matrix_power of {tuple(x.shape)}", fix="pass square matrices")
    if n < 0:
        raise UnsupportedError(
            f"matrix_power: n={n} needs an inverse, which cannot be traced into a graph",
            fix="use n >= 0",
            loc=user_location(),
        )
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


def _define(name: str) -> Any:
    """A function that is NumPy's on arrays, and refuses tracers."""
    plain: Callable[..., Any] = getattr(np.linalg, name)

    @wraps(plain)
    def build(*_: Any, **__: Any) -> Any:
        raise UnsupportedError(
            f"linalg.{name} cannot be traced into a graph",
            fix="compute it outside of the traced function and pass the result",
            loc=user_location(),
        )

    build.__doc__ = f"{(plain.__doc__ or '').strip().splitlines()[0]} On arrays only, by NumPy."
    build.__name__ = name
    return numpy_like(plain, eager=plain)(build)


for _name in DECOMPOSITIONS:
    globals()[_name] = _define(_name)
