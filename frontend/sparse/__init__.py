"""Sparse Jacobians and Hessians: where derivatives are zero is found from the graph, and columns or
rows that have no row or column in common are found by one product. Needs SciPy.
"""

from __future__ import annotations

from .coloring import Coloring, coloring
from .derivatives import Derivative, hessian, jacfwd, jacobian, jacrev
from .matrices import CSR
from .patterns import hessian_sparsity, jacobian_sparsity
from .report import Report

__all__ = [
    "CSR", "Coloring", "Derivative", "Report", "coloring", "hessian", "hessian_sparsity", "jacfwd",
    "jacobian", "jacobian_sparsity", "jacrev",
]  # fmt: skip
