"""Random functions of complex numbers: compiled and differentiated, they are what they were."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import symfuse as sf
import symfuse.numpy as snp

Z = np.array([[0.5 + 0.2j, -0.3 + 0.9j, 1.1 - 0.4j], [-0.7 - 0.6j, 0.1 + 1.2j, 0.8 + 0.1j]])
W = np.array([[1 - 0.5j, 0.4j, -0.9 + 0.3j], [0.2 + 0.2j, 1.5 + 0j, -0.6 - 1j]])

UNARY = {
    "conj": snp.conj,
    "exp": lambda x: snp.exp(0.2 * x),
    "sin": lambda x: snp.sin(0.2 * x),
    "tanh": lambda x: snp.tanh(0.2 * x),
    "square": lambda x: 0.3 * x * x,
    "turned": lambda x: 1j * x,
    "parts": lambda x: x.real - 2j * x.imag,
    "rows": lambda x: x - x.mean(axis=1, keepdims=True),
    "transform": lambda x: snp.fft.fft(x) / 3,
    "products": lambda x: x @ (x.T @ x) / 9,
    "reversed": lambda x: x[::-1],
    "size": lambda x: x * snp.abs(x),
}
BINARY = {
    "sum": lambda x, y: x + y,
    "difference": lambda x, y: x - 0.5j * y,
    "product": lambda x, y: x * y / 2,
    "quotient": lambda x, y: x / (2 + snp.abs(y)),
    "choice": lambda x, y: snp.where(x.real > y.imag, x, y),
}
STEPS = st.lists(
    st.tuples(st.sampled_from(sorted({*UNARY, *BINARY})), st.integers(0, 3), st.integers(0, 3)),
    min_size=1,
    max_size=5,
)


def composed(steps: Any) -> Any:
    """A function of two arrays: each step takes earlier values."""

    def function(z: Any, w: Any) -> Any:
        values = [z, w]
        for name, i, j in steps:
            x, y = values[-1 - i % len(values)], values[-1 - j % len(values)]
            values.append(UNARY[name](x) if name in UNARY else BINARY[name](x, y))
        return values[-1]

    return function


@settings(max_examples=12, deadline=None)
@given(STEPS)
def test_compiled_functions_give_what_numpy_gives(steps: Any) -> None:
    function = composed(steps)
    wanted = function(Z, W)
    np.testing.assert_allclose(sf.jit(function)(Z, W), wanted, rtol=1e-11, atol=1e-11)


@settings(max_examples=25, deadline=None)
@given(STEPS.filter(lambda steps: all(name != "choice" for name, _, _ in steps)))
def test_gradients_equal_differences(steps: Any) -> None:
    function = composed(steps)

    def energy(z: Any) -> Any:
        return snp.sum(snp.abs(function(z, W)) ** 2)

    found = sf.grad(energy)(Z)
    for direction in (W, 1j * W):
        step = 1e-6 * direction
        slope = (energy(Z + step) - energy(Z - step)) / 2e-6
        np.testing.assert_allclose(np.sum(found * direction).real, slope, rtol=1e-5, atol=1e-5)
