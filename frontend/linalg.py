"""Linear algebra: all of `symfuse.numpy.linalg`, and triangles under the names of SciPy."""

from .numpy.linalg import *  # noqa: F403
from .numpy.linalg import __all__ as _names
from .numpy.systems import cho_solve, lu, solve_triangular

__all__ = [*_names, "cho_solve", "lu", "solve_triangular"]
