"""Linear algebra: all of `symfuse.numpy.linalg`, and more functions under the names of SciPy."""

from .numpy.linalg import *  # noqa: F403
from .numpy.linalg import __all__ as _names
from .numpy.structured import block_diag, expm, toeplitz
from .numpy.systems import cho_solve, lu, solve_triangular

__all__ = [
    *_names, "block_diag", "cho_solve", "expm", "lu", "solve_triangular", "toeplitz",
]  # fmt: skip
