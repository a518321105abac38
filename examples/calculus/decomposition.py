"""z = (⟨x, w⟩ − y)² falls into a = ⟨x, w⟩, b = a − y, z = b²; ∂z/∂w = 2(⟨x, w⟩ − y)xᵀ."""

import numpy as np

import symfuse as sf
from symfuse.examples.record import Record, Subject, equal, main, near


def z(x, w, y):
    a = x @ w
    b = a - y
    z = b**2
    return z  # noqa: RET504, so that the graph shows the name


def run(quick=False):
    x, w, y = np.array([1.0, 2.0, 3.0]), np.array([0.5, -1.0, 2.0]), np.array(1.0)
    forward, backward = sf.trace(z, x, w, y), sf.trace(sf.grad(z, argnums=1), x, w, y)
    operations = [node for node in forward.nodes if not node.is_parameter]
    assert "%a" in str(forward) and "%d_w" in str(backward)
    return Record(
        (
            equal("operations forward", len(operations), 3),
            near("∂z/∂w by hand", backward(x, w, y), 2 * (x @ w - y) * x, 1e-12),
        ),
        Subject(z, (x, w, y), wrt=(0, 1, 2)),
        picture=backward.to_svg(),
    )


if __name__ == "__main__":
    main(run)
