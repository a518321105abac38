"""Parameters and data of the models, as NumPy arrays."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

__all__ = ["perceptron", "sentences", "transformer"]


def perceptron(sizes: tuple[int, ...], batch: int) -> tuple[Any, Any, Any]:
    """A list of [weights, bias], and a batch with labels as one-hot rows."""
    rng = np.random.default_rng(3)
    params = [
        [rng.normal(size=(a, b)).astype("f4") / np.float32(a**0.5), np.zeros(b, "f4")]
        for a, b in pairwise(sizes)
    ]
    x = rng.normal(size=(batch, sizes[0])).astype("f4")
    return params, x, np.eye(sizes[-1], dtype="f4")[rng.integers(0, sizes[-1], batch)]


def transformer(layers: int, width: int, tokens: int, words: int) -> Any:
    """Dictionaries of arrays, one for each layer."""
    rng = np.random.default_rng(5)

    def drawn(*shape: int) -> Any:
        return (rng.normal(size=shape) * width**-0.5).astype("f4")

    def layer() -> Any:
        return {
            **{name: drawn(width, width) for name in "qkvo"},
            **{f"scale{k}": np.ones(width, "f4") for k in (1, 2)},
            **{f"shift{k}": np.zeros(width, "f4") for k in (1, 2)},
            "w1": drawn(width, 4 * width),
            "b1": np.zeros(4 * width, "f4"),
            "w2": drawn(4 * width, width),
            "b2": np.zeros(width, "f4"),
        }

    return {
        "words": drawn(words, width),
        "places": drawn(tokens, width),
        "layers": [layer() for _ in range(layers)],
    }


def sentences(batch: int, tokens: int, words: int) -> tuple[Any, Any]:
    """Words, and the words that follow them."""
    rng = np.random.default_rng(7)
    return tuple(rng.integers(0, words, (2, batch, tokens)))
