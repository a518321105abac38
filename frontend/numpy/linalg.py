"""Linear algebra under the names of `numpy.linalg`: what products of arrays can express."""

from .manipulation import matrix_transpose
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
    "cross", "diagonal", "matmul", "matrix_transpose", "norm", "outer", "tensordot", "trace",
    "vecdot", "vector_norm",
]  # fmt: skip
