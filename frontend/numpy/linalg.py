"""Linear algebra under the names of `numpy.linalg`; decompositions on arrays only."""

from typing import Any as _Any

from . import matrices as _matrices
from .manipulation import matrix_transpose
from .matrices import DECOMPOSITIONS as _DECOMPOSITIONS
from .matrices import matrix_norm, matrix_power
from .products import (
    cross,
    diagonal,
    matmul,
    norm,
    outer,
    tensordot,
    trace,
    vecdot,
    vector_norm,
)

__all__ = [
    "cross", "diagonal", "matmul", "matrix_norm", "matrix_power", "matrix_transpose", "norm",
    "outer", "tensordot", "trace", "vecdot", "vector_norm", *_DECOMPOSITIONS,
]  # fmt: skip


def __getattr__(name: str) -> _Any:
    if name in _DECOMPOSITIONS:
        return getattr(_matrices, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
