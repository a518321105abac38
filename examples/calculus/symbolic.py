"""D[4x³ + x² + 3, x] = 2x + 12x² comes out as an expression, from a traced function."""

import numpy as np
import sympy

import symfuse as sf
from symfuse.examples.record import Record, Subject, equal, main, near


def polynomial(x):
    return 4 * x**3 + x**2 + 3


def run(quick=False):
    first, second = sf.derivative(polynomial), sf.derivative(polynomial, order=2)
    (x,) = first.free_symbols
    compiled = sf.jit(sf.grad(polynomial))(np.array(0.7))
    print(sympy.latex(first))
    return Record(
        (
            equal("is 2x + 12x²", first == 12 * x**2 + 2 * x, 1),
            equal("second derivative is 2 + 24x", second == 24 * x + 2, 1),
            near("at 0.7, and compiled", float(first.subs(x, 0.7)), compiled, 1e-12),
        ),
        Subject(polynomial, (np.array(0.7),)),
    )


if __name__ == "__main__":
    main(run)
