"""Linear algebra under the names of `numpy.linalg`; traced, LAPACK computes decompositions.

Where a decomposition or an inverse does not exist, NumPy raises LinAlgError, which is what happens
on arrays; compiled code gives NaN or infinities.
"""

from .decompositions import cholesky, eig, eigh, eigvals, eigvalsh, qr, svd, svdvals
from .manipulation import matrix_transpose
from .matrices import matrix_norm, matrix_power, norm, vector_norm
from .products import matmul, tensordot, vecdot
from .stacks import cross, diagonal, multi_dot, outer, tensorinv, tensorsolve, trace
from .systems import cond, det, inv, lstsq, matrix_rank, pinv, slogdet, solve

__all__ = [
    "cholesky", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "inv",
    "lstsq", "matmul", "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose",
    "multi_dot", "norm", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensordot",
    "tensorinv", "tensorsolve", "trace", "vecdot", "vector_norm",
]  # fmt: skip
