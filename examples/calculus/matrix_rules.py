"""Shapes and values of vector and matrix derivatives in numerator layout."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.record import Record, Subject, equal, main, near

rng = np.random.default_rng(0)
M, N, K, L = 3, 4, 2, 5
A, X = rng.normal(size=(M, N)), rng.normal(size=N)
B, C = rng.normal(size=(M, N)), rng.normal(size=(M, N))

# what depends on x: its value for x of some shape, and the shape of its derivative
SHAPES = {
    "∂scalar/∂scalar": (lambda x: x * 2, (), ()),
    "∂scalar/∂vector": (lambda x: snp.sum(x * 2), (N,), (N,)),
    "∂vector/∂scalar": (lambda x: x * snp.ones(M), (), (M,)),
    "∂vector/∂vector": (lambda x: A @ x, (N,), (M, N)),
    "∂matrix/∂scalar": (lambda x: x * A, (), (M, N)),
    "∂matrix/∂vector": (lambda x: A * x, (N,), (M, N, N)),
    "∂scalar/∂matrix": (snp.sum, (K, N), (K, N)),
    "∂vector/∂matrix": (lambda x: x @ X, (K, N), (K, K, N)),
    "∂matrix/∂matrix": (lambda x: x @ snp.ones((N, L)), (K, N), (K, L, K, N)),
}

# the derivative with respect to the vector x, in closed form
RULES = {
    "Ax → A": (lambda x: A @ x, A),
    "xᵀA → Aᵀ": (lambda x: x @ A.T, A),
    "au → a ∂u": (lambda x: 3.0 * (A @ x), 3.0 * A),
    "Au → A ∂u": (lambda x: A.T @ (B @ x), A.T @ B),
    "u + v → ∂u + ∂v": (lambda x: B @ x + C @ x, B + C),
    "⟨u, v⟩ → uᵀ∂v + vᵀ∂u": (lambda x: (B @ x) @ (C @ x), (B @ X) @ C + (C @ X) @ B),
    "‖x‖² → 2xᵀ": (lambda x: x @ x, 2 * X),
    "sum(x) → 1ᵀ": (snp.sum, np.ones(N)),
}


def all_rules(x):
    return [f(x) for f, _ in RULES.values()]


def run(quick=False):
    found = sf.jit(sf.jacrev(all_rules))(X)
    measures = [
        near(name, value, wanted, 1e-12)
        for value, (name, (_, wanted)) in zip(found, RULES.items(), strict=True)
    ]
    right = sum(sf.jacobian(f)(np.ones(shape)).shape == out for f, shape, out in SHAPES.values())
    return Record(
        (equal("shapes that are right, of 9", right, len(SHAPES)), *measures),
        Subject(all_rules, (X,)),
    )


if __name__ == "__main__":
    main(run)
