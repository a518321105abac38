"""z = ‖Xw − y‖² has ∂z/∂w = 2(Xw − y)ᵀX."""

import numpy as np

import symfuse as sf
from symfuse.examples.record import Record, Subject, main, near


def z(w, x, y):
    residual = x @ w - y
    return residual @ residual


def run(quick=False):
    rng = np.random.default_rng(0)
    x, w, y = rng.normal(size=(20, 4)), rng.normal(size=4), rng.normal(size=20)
    gradient, curvature = sf.jit(sf.grad(z)), sf.jit(sf.hessian(z))
    return Record(
        (
            near("gradient and 2(Xw − y)ᵀX", gradient(w, x, y), 2 * (x @ w - y) @ x, 1e-10),
            near("Hessian and 2XᵀX", curvature(w, x, y), 2 * x.T @ x, 1e-10),
        ),
        Subject(z, (w, x, y), wrt=(0, 1, 2)),
    )


if __name__ == "__main__":
    main(run)
