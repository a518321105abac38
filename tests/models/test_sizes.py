"""One compilation serves every size: a thousand random ones, none and one among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse import numpy as snp
from symfuse.nn import functional as nn

Array = np.ndarray[Any, Any]
SIZES = 1000
LARGEST = 40


def weights(rng: np.random.Generator, *shape: int) -> Array:
    return (rng.normal(size=shape) / np.sqrt(shape[0])).astype("float32")


def mlp(w: Any, v: Any, x: Any) -> Any:
    return nn.softmax(np.maximum(x @ w, 0) @ v, axis=-1)


def cnn(k: Any, w: Any, x: Any) -> Any:
    x = nn.max_pool(np.maximum(nn.conv(x, k, 1, "valid"), 0), 2)
    return snp.reshape(x, (x.shape[0], 3 * 3 * 4)) @ w


def attention(w: Any, x: Any) -> Any:
    """Over one sequence, whose length is what varies."""
    q, k, v = (x @ w[n] for n in range(3))
    scores = q @ k.T * np.float32(0.5)
    return x + nn.softmax(scores, axis=-1) @ v


def lstm(w: Any, u: Any, x: Any) -> Any:
    """Over [time, batch, features]; the batch varies."""

    def turn(state: Any, row: Any) -> Any:
        h, c = state
        gates = row @ w + h @ u
        i, f, g, o = (gates[:, n * 4 : (n + 1) * 4] for n in range(4))
        c = nn.sigmoid(f) * c + nn.sigmoid(i) * np.tanh(g)
        h = nn.sigmoid(o) * np.tanh(c)
        return (h, c), h

    zeros = snp.zeros((x.shape[1], 4), "float32")
    return sf.scan(turn, (zeros, zeros), x)[1]


def cholesky_solve(a: Any, b: Any) -> Any:
    """As many right-hand sides as there are."""
    factor = sf.linalg.cholesky(a)
    half = sf.linalg.solve_triangular(factor, b, lower=True)
    return sf.linalg.solve_triangular(factor, half, lower=True, trans=1)


Inputs = Callable[[np.random.Generator], tuple[Array, ...]]
Case = tuple[Callable[..., Any], Inputs, tuple[int | None, ...]]


def positive(rng: np.random.Generator) -> tuple[Array, ...]:
    root = rng.normal(size=(6, 6))
    return ((root @ root.T + 6 * np.eye(6)).astype("float32"),)


CASES: dict[str, Case] = {  # the function, its fixed arguments, the shape of the last; None varies
    "MLP": (mlp, lambda rng: (weights(rng, 6, 9), weights(rng, 9, 3)), (None, 6)),
    "CNN": (cnn, lambda rng: (weights(rng, 3, 3, 1, 4), weights(rng, 36, 5)), (None, 8, 8, 1)),
    "attention": (attention, lambda rng: (weights(rng, 3, 8, 8),), (None, 8)),
    "LSTM": (lstm, lambda rng: (weights(rng, 3, 16), weights(rng, 4, 16)), (5, None, 3)),
    "Cholesky": (cholesky_solve, positive, (6, None)),
}


@pytest.mark.parametrize("name", CASES)
def test_one_compilation_serves_a_thousand_sizes(name: str) -> None:
    function, fixed, shape = CASES[name]
    rng = np.random.default_rng(len(name))
    given = fixed(rng)
    fast = sf.jit(function)
    sizes = [3, 5, 0, 1, *rng.integers(0, LARGEST, SIZES - 4).tolist()]
    whole = rng.normal(size=[LARGEST if n is None else n for n in shape]).astype("float32")
    at = shape.index(None)
    for size in sizes:
        x = np.take(whole, range(size), axis=at)
        found = fast(*given, x)
        if size < 4 or size == LARGEST - 1:
            wanted = sf.trace(function, *given, x).ir(*given, x)
            np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-5)
        elif name != "attention":  # there every row depends on the size
            known = fast(*given, whole)
            axis = 1 if name in ("LSTM", "Cholesky") else 0
            part = np.take(known, range(size), axis=axis)
            np.testing.assert_allclose(found, part, rtol=2e-4, atol=2e-5)
    assert fast.cache_info().compiles <= 2
