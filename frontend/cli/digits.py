"""The model of the demo: a multilayer perceptron for handwritten digits, in plain NumPy."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ..transforms import value_and_grad

__all__ = [
    "LAYERS",
    "accuracy",
    "loss",
    "new_parameters",
    "new_state",
    "train_step",
    "train_step_by_hand",
]

LAYERS = (64, 128, 128, 10)
RATE, MEAN_DECAY, SQUARE_DECAY, SMALL = 2e-3, 0.9, 0.999, 1e-8

Array = Any
Parameters = list[tuple[Array, Array]]


def logits(params: Parameters, x: Array) -> Array:
    """Two hidden layers with ReLU, then one score a class."""
    for weights, bias in params[:-1]:
        x = np.maximum(x @ weights + bias, 0)
    weights, bias = params[-1]
    return x @ weights + bias


def loss(params: Parameters, x: Array, y: Array) -> Array:
    """The mean cross-entropy of softmax."""
    scores = logits(params, x)
    scores = scores - scores.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(scores).sum(axis=1))
    chosen = np.take_along_axis(scores, y[:, None], axis=1)[:, 0]
    return np.mean(log_sum - chosen)


def train_step(params: Parameters, state: Any, x: Array, y: Array) -> tuple[Array, Any, Any]:
    """One step of Adam: the loss, the new parameters and the new state of the optimiser."""
    value, gradients = value_and_grad(loss)(params, x, y)
    updated, state = _update(params, gradients, state)
    return value, updated, state


def _update(params: Parameters, gradients: Any, state: Any) -> tuple[Parameters, Any]:
    """Adam as Kingma and Ba give it."""
    step, moments = state[0] + 1, []
    rate = RATE * np.sqrt(1 - SQUARE_DECAY**step) / (1 - MEAN_DECAY**step)
    updated = []
    for layer, gradient, moment in zip(params, gradients, state[1], strict=True):
        pairs = [_adam(*each, rate) for each in zip(layer, gradient, moment, strict=True)]
        updated.append(tuple(weights for weights, _ in pairs))
        moments.append(tuple(moment for _, moment in pairs))
    return updated, (step, moments)


def _adam(weights: Array, gradient: Array, moment: Any, rate: Array) -> tuple[Array, Any]:
    mean, square = moment
    mean = MEAN_DECAY * mean + (1 - MEAN_DECAY) * gradient
    square = SQUARE_DECAY * square + (1 - SQUARE_DECAY) * gradient * gradient
    return weights - rate * mean / (np.sqrt(square) + SMALL), (mean, square)


def train_step_by_hand(params: Parameters, state: Any, x: Array, y: Array) -> tuple[Any, ...]:
    """The same step with the derivative worked out on paper, for NumPy alone."""
    inputs = [x]
    for weights, bias in params[:-1]:
        inputs.append(np.maximum(inputs[-1] @ weights + bias, 0))
    scores = inputs[-1] @ params[-1][0] + params[-1][1]
    scores = scores - scores.max(axis=1, keepdims=True)
    exponentials = np.exp(scores)
    sums = exponentials.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    value = np.mean(np.log(sums[:, 0]) - scores[rows, y])
    cotangent = exponentials / sums
    cotangent[rows, y] -= 1
    cotangent /= len(y)
    gradients: list[Any] = []
    for at in reversed(range(len(params))):
        gradients.insert(0, (inputs[at].T @ cotangent, cotangent.sum(axis=0)))
        if at:
            cotangent = (cotangent @ params[at][0].T) * (inputs[at] > 0)
    updated, state = _update(params, gradients, state)
    return value, updated, state


def new_parameters(seed: int = 0) -> Parameters:
    """Weights as He et al. choose them for ReLU, biases zero."""
    rng = np.random.default_rng(seed)
    pairs = pairwise(LAYERS)
    return [
        (
            (rng.standard_normal((m, n)) * np.sqrt(2 / m)).astype(np.float32),
            np.zeros(n, np.float32),
        )
        for m, n in pairs
    ]


def new_state(params: Parameters) -> Any:
    """No step taken, both moments of every parameter zero."""
    zeros = [
        tuple((np.zeros_like(array), np.zeros_like(array)) for array in layer) for layer in params
    ]
    return np.float32(0), zeros


def accuracy(params: Parameters, x: Array, y: Array) -> float:
    """The part of the digits that the largest score names."""
    return float(np.mean(logits(params, x).argmax(axis=1) == y))
