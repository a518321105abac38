"""What examples that train share: parameters of dense layers, and one compiled step in a loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np

import symfuse as sf
from symfuse.tracing.tree import map_leaves

__all__ = ["accuracy", "dense", "layers", "train"]

Tree = Any


def dense(key: Any, inputs: int, outputs: int) -> dict[str, Any]:
    """Weights after Glorot, and a bias of zeros."""
    weights = sf.initializers.GlorotUniform()(key, (inputs, outputs))
    return {"w": weights, "b": np.zeros(outputs, np.float32)}


def layers(seed: int, *sizes: int) -> list[dict[str, Any]]:
    """The parameters of dense layers one behind the other."""
    keys = sf.random.split(sf.random.key(seed), len(sizes) - 1)
    return [dense(key, *ends) for key, ends in zip(keys, pairwise(sizes), strict=True)]


def train(
    loss: Callable[..., Any],
    params: Tree,
    optimizer: Any,
    batches: Iterable[tuple[Any, ...]],
    epochs: int = 1,
) -> tuple[Tree, list[float]]:
    """Parameters after the epochs, and the mean loss of each; a step is one compiled function."""

    def step(params: Tree, state: Tree, *batch: Any) -> tuple[Any, Tree, Tree]:
        value, gradients = sf.value_and_grad(loss)(params, *batch)
        return value, *optimizer.update(gradients, state, params)

    compiled = sf.jit(step, donate_argnums=(0, 1))
    params = map_leaves(np.array, params)  # a copy, since the step overwrites what it is given
    state, history = optimizer.init(params), []
    for _ in range(epochs):
        values = []
        for batch in batches:
            value, params, state = compiled(params, state, *batch)
            values.append(float(value))
        history.append(float(np.mean(values)))
    return params, history


def accuracy(scores: Any, labels: Any) -> float:
    """The share of examples whose highest score is that of their label."""
    return float(np.mean(np.argmax(scores, axis=-1) == labels))
