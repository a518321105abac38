"""An ordinary Python function with loops and branches runs once on tracers and leaves a graph."""

import numpy as np

import symfuse as sf
from symfuse.examples.record import Record, Subject, equal, main

calls = []


def polynomial(x, coefficients, *, derivative=False):
    """Horner's rule: the loop runs while tracing; what remains are products and sums."""
    calls.append(type(x).__name__)
    total = 0 * x
    for coefficient in coefficients:
        total = total * x + coefficient
    if derivative:
        return total
    return np.tanh(total)


def run(quick=False):
    x, coefficients = np.linspace(-1, 1, 7), list(np.array([2.0, -1.0, 0.5, 3.0]))
    calls.clear()
    fast = sf.jit(polynomial)
    results = [fast(x + shift, coefficients) for shift in range(5)]
    ran = len(calls)
    plain = [polynomial(x + shift, coefficients) for shift in range(5)]
    different = np.max(np.abs(np.array(results) - np.array(plain)))
    return Record(
        (
            equal("runs of the Python function in 5 calls", ran, 1),
            equal("digits lost, of 12", different > 1e-12, 0),
        ),
        Subject(polynomial, (x, coefficients), wrt=(0, 1)),
    )


if __name__ == "__main__":
    main(run)
