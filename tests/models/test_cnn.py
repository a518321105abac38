"""A small convolutional network learns to read digits."""

from __future__ import annotations

import numpy as np
import pytest

import symfuse as sf
from symfuse.nn import functional as nn

STEPS, BATCH, RATE = 600, 64, 5e-3


def scores(params, x):
    """Two convolutions with pooling, then one score a class."""
    for kernel, bias in params[:2]:
        x = nn.max_pool(nn.relu(nn.conv(x, kernel, 1, "same") + bias), 2)
    weights, bias = params[2]
    return x.reshape(x.shape[0], -1) @ weights + bias


def loss(params, x, y):
    logs = nn.log_softmax(scores(params, x), axis=1)
    return -np.mean(np.take_along_axis(logs, y[:, None], axis=1))


def train_step(params, moments, x, y, step):
    """One step of Adam."""
    value, gradients = sf.value_and_grad(loss)(params, x, y)
    rate = RATE * (1 - step / STEPS) * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
    updated, kept = [], []
    for layer, slopes, states in zip(params, gradients, moments, strict=True):
        means = [
            (0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g)
            for g, (m, v) in zip(slopes, states, strict=True)
        ]
        pairs = zip(layer, means, strict=True)
        updated.append(tuple(w - rate * m / (np.sqrt(v) + 1e-8) for w, (m, v) in pairs))
        kept.append(tuple(means))
    return value, updated, kept


def new_parameters(rng):
    shapes = ((3, 3, 1, 16), (3, 3, 16, 32), (128, 10))
    return [
        (
            (rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[:-1]))).astype(np.float32),
            np.zeros(shape[-1], np.float32),
        )
        for shape in shapes
    ]


def test_a_small_network_reads_98_of_100_digits():
    datasets = pytest.importorskip("sklearn.datasets")
    rng = np.random.default_rng(0)
    images, labels = datasets.load_digits(return_X_y=True)
    order = rng.permutation(len(images))
    x = (images[order] / 16).astype(np.float32).reshape(-1, 8, 8, 1)
    y = labels[order].astype(np.int64)
    params = new_parameters(rng)
    moments = [tuple((np.zeros_like(w), np.zeros_like(w)) for w in layer) for layer in params]
    step = sf.jit(train_step, donate_argnums=(0, 1))
    for at in range(STEPS):
        chosen = rng.integers(0, 1400, BATCH)
        _, params, moments = step(params, moments, x[chosen], y[chosen], np.float32(at + 1))
    found = sf.jit(scores)(params, x[1400:]).argmax(axis=1)
    assert np.mean(found == y[1400:]) >= 0.98
