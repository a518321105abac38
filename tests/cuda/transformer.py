"""A small transformer and one step of its training."""

from __future__ import annotations

import numpy as np

import symfuse as sf
from symfuse.nn import functional as nn

__all__ = ["arguments", "step"]

TOKENS, WORDS, WIDTH, HIDDEN, HEADS = 6, 11, 8, 16, 2


def layer_norm(x, scale, shift):
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    return centred / np.sqrt(variance + 1e-5) * scale + shift


def attention(p, x):
    batch, tokens, width = x.shape
    heads = (batch, tokens, HEADS, width // HEADS)
    q, k, v = (np.transpose((x @ p[n]).reshape(heads), (0, 2, 1, 3)) for n in "qkv")
    weights = q @ np.swapaxes(k, 2, 3) * np.float32((WIDTH // HEADS) ** -0.5)
    seen = np.tri(tokens, dtype=bool)
    found = nn.softmax(np.where(seen, weights, -1e9), axis=-1) @ v
    return np.transpose(found, (0, 2, 1, 3)).reshape((batch, tokens, width)) @ p["o"]


def scores(p, words):
    x = np.take(p["words"], words, axis=0) + p["places"]
    x = x + attention(p, layer_norm(x, p["scale1"], p["shift1"]))
    y = layer_norm(x, p["scale2"], p["shift2"])
    x = x + nn.gelu(y @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]
    return x @ np.transpose(p["words"])


def loss(p, words, following):
    found = scores(p, words)
    shifted = found - sf.stop_gradient(np.max(found, axis=-1, keepdims=True))
    total = np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
    return -np.mean(np.take_along_axis(shifted - total, following[..., None], axis=-1))


def step(p, means, squares, words, following):
    value, slopes = sf.value_and_grad(loss)(p, words, following)
    means = {n: 0.9 * means[n] + 0.1 * slopes[n] for n in p}
    squares = {n: 0.99 * squares[n] + 0.01 * slopes[n] ** 2 for n in p}
    new = {n: p[n] - 0.01 * means[n] / (np.sqrt(squares[n]) + 1e-6) for n in p}
    return value, new, means, squares


def arguments(batch):
    rng = np.random.default_rng(5)
    shapes = {
        "words": (WORDS, WIDTH),
        "places": (TOKENS, WIDTH),
        **dict.fromkeys("qkvo", (WIDTH, WIDTH)),
        "scale1": (WIDTH,),
        "shift1": (WIDTH,),
        "scale2": (WIDTH,),
        "shift2": (WIDTH,),
        "w1": (WIDTH, HIDDEN),
        "b1": (HIDDEN,),
        "w2": (HIDDEN, WIDTH),
        "b2": (WIDTH,),
    }
    params = {n: (0.4 * rng.normal(size=shape)).astype(np.float32) for n, shape in shapes.items()}
    means = {n: np.zeros_like(x) for n, x in params.items()}
    squares = {n: np.ones_like(x) for n, x in params.items()}
    words, following = rng.integers(0, WORDS, (2, batch, TOKENS))
    return params, means, squares, words, following
