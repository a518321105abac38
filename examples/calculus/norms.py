"""Norms L2, Frobenius, L₂,₁; symmetric, positive definite, orthogonal, permutation matrices."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.record import Record, Subject, at_least, at_most, equal, main, near


def norms(a):
    """‖first row‖₂, ‖A‖_F, and ‖A‖₂,₁, the sum of the norms of the columns."""
    columns = snp.linalg.norm(a, axis=0)
    return snp.linalg.norm(a[0]), snp.linalg.norm(a), snp.sum(columns)


def special(a):
    """A symmetric, a positive definite and an orthogonal matrix made from a square one."""
    return (a + a.T) / 2, a @ a.T + snp.eye(len(a)), snp.linalg.qr(a)[0]


def run(quick=False):
    a = np.array([[3.0, 0.0], [4.0, 2.0]])
    square = np.random.default_rng(0).normal(size=(5, 5))
    symmetric, positive, orthogonal = sf.jit(special)(square)
    permutation = np.eye(5)[[3, 0, 4, 1, 2]]
    moved = sf.jit(lambda p, x: p @ x)(permutation, square)
    return Record(
        (
            near("L2, Frobenius, L₂,₁", sf.jit(norms)(a), [3, np.sqrt(29), 7], 1e-12),
            equal("A = Aᵀ", np.all(symmetric == symmetric.T), 1),
            at_least("least eigenvalue", snp.linalg.eigvalsh(positive).min(), 1 - 1e-9),
            at_most("‖QᵀQ − I‖", np.linalg.norm(orthogonal.T @ orthogonal - np.eye(5)), 1e-12),
            near("rows moved by P", moved, square[[3, 0, 4, 1, 2]], 0),
        ),
        Subject(norms, (a + 1.0,)),
    )


if __name__ == "__main__":
    main(run)
