"""The network and one step of its training, in plain NumPy: the source that the page shows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from msgspec import Struct

from ..initializers import GlorotUniform
from ..losses import binary_crossentropy, squared_error
from ..nn.functional import gelu, relu, sigmoid
from ..optim import SGD, Adam, Optimizer, RMSprop
from ..random import key, split
from ..tracing.tree import map_leaves
from ..transforms import value_and_grad
from .data import DATA_SETS
from .settings import Activation, Feature, OptimizerName, Penalty, Problem, Settings

__all__ = [
    "FEATURES",
    "OPTIMIZERS",
    "Network",
    "accuracy",
    "initial",
    "objective",
    "pictures",
    "responses",
    "train_step",
]

Array = Any
Parameters = list[dict[str, Array]]

FEATURES: dict[Feature, Callable[[Array, Array], Array]] = {
    "x1": lambda x1, x2: x1,
    "x2": lambda x1, x2: x2,
    "x1²": lambda x1, x2: x1 * x1,
    "x2²": lambda x1, x2: x2 * x2,
    "x1·x2": lambda x1, x2: x1 * x2,
    "sin x1": lambda x1, x2: np.sin(x1),
    "sin x2": lambda x1, x2: np.sin(x2),
}
ACTIVATIONS: dict[Activation, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "relu": relu,
    "sigmoid": sigmoid,
    "gelu": gelu,
    "linear": lambda x: x,
}
PENALTIES: dict[Penalty, Callable[[Array], Array]] = {
    "none": lambda w: 0.0,
    "L1": lambda w: np.sum(np.abs(w)),
    "L2": lambda w: np.sum(w * w) / 2,
}
OPTIMIZERS: dict[OptimizerName, Callable[[float], Optimizer]] = {
    "SGD": SGD,
    "momentum": lambda rate: SGD(rate, momentum=0.9, nesterov=True),
    "RMSprop": RMSprop,
    "Adam": Adam,
}


class Network(Struct, frozen=True):
    """What the code depends on; every other setting is an argument of the compiled step."""

    problem: Problem
    features: tuple[Feature, ...]
    layers: tuple[int, ...]
    activation: Activation
    penalty: Penalty
    optimizer: OptimizerName

    @classmethod
    def of(cls, settings: Settings) -> Network:
        """The network of the settings, its features in their usual order."""
        return cls(
            DATA_SETS[settings.data].problem,
            tuple(name for name in FEATURES if name in settings.features),
            settings.layers,
            settings.activation,
            settings.penalty,
            settings.optimizer,
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Features, neurons of each layer, and the one output."""
        return (len(self.features), *self.layers, 1)

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum((inputs + 1) * outputs for inputs, outputs in pairwise(self.sizes))


def initial(network: Network, seed: int) -> Parameters:
    """Weights f32[inputs, neurons] after Glorot for each layer, and biases of zero."""
    keys = split(key(seed), len(network.sizes) - 1)
    return [
        {"weights": GlorotUniform()(one, ends), "bias": np.zeros(ends[1], np.float32)}
        for one, ends in zip(keys, pairwise(network.sizes), strict=True)
    ]


def responses(network: Network, params: Parameters, points: Array) -> list[Array]:
    """What every neuron answers to points [n, 2], layer by layer; the last are scores [n, 1]."""
    x1, x2 = points[:, 0], points[:, 1]
    x = np.stack([FEATURES[name](x1, x2) for name in network.features], axis=1)
    activation, answers = ACTIVATIONS[network.activation], []
    for layer in params[:-1]:
        x = activation(x @ layer["weights"] + layer["bias"])
        answers.append(x)
    return [*answers, x @ params[-1]["weights"] + params[-1]["bias"]]


def data_loss(network: Network, params: Parameters, x: Array, y: Array) -> Array:
    """The mean cross-entropy of a classification, the mean squared error of a regression."""
    scores = responses(network, params, x)[-1]
    if network.problem == "classification":
        return np.mean(binary_crossentropy(y[:, None], scores, from_logits=True))
    return np.mean(squared_error(y[:, None], scores))


def objective(network: Network, params: Parameters, x: Array, y: Array, rate: Array) -> Array:
    """The loss of the data, and `rate` times the penalty of the weights."""
    penalty = sum(PENALTIES[network.penalty](layer["weights"]) for layer in params)
    return data_loss(network, params, x, y) + rate * penalty


def train_step(
    network: Network, carry: Any, batch: Array, x: Array, y: Array, rate: Array
) -> tuple[Array, Any]:
    """The loss of the examples in `batch`, and (parameters, state of the optimiser) after a step.

    Where the loss is no number, both stay as they were.
    """

    def loss(params: Parameters) -> Array:
        return objective(network, params, np.take(x, batch, axis=0), np.take(y, batch), rate)

    params, state = carry
    value, slopes = value_and_grad(loss)(params)
    optimizer = OPTIMIZERS[network.optimizer](0.0)  # the rate is in the state
    moved = optimizer.update(slopes, state, params)
    is_number = np.isfinite(value)
    return value, map_leaves(lambda new, old: np.where(is_number, new, old), moved, carry)


def pictures(network: Network, params: Parameters, grid: Array, size: int) -> tuple[Array, Array]:
    """The answers to a grid of size² points as i8, from −127 to 127.

    The output [size, size] is bounded by ±1. Neurons [neurons, size/2, size/2] are divided by
    their largest answer, if that is above 1, and take every fourth level only: they are shown
    small, and recordings of them become half as long.
    """
    *hidden, scores = responses(network, params, grid)
    output = np.tanh(scores / 2) if network.problem == "classification" else scores
    picture = _levels(output).reshape(size, size)
    if not hidden:
        return picture, np.zeros((0, size // 2, size // 2), np.int8)
    neurons = np.concatenate(hidden, axis=1).T.reshape(-1, size, size)[:, ::2, ::2]
    largest = np.max(np.abs(neurons), axis=(1, 2), keepdims=True)
    return picture, 4 * _levels(neurons / np.maximum(1.0, largest), 31)


def _levels(values: Array, most: int = 127) -> Array:
    return np.round(np.clip(values, -1, 1) * most).astype(np.int8)


def accuracy(network: Network, params: Parameters, x: Array, y: Array) -> Array:
    """The share of points on the right side; of a regression, the share of variance explained."""
    scores = responses(network, params, x)[-1][:, 0]
    if network.problem == "classification":
        return np.mean((scores > 0) == (y > 0.5))
    return 1 - np.mean((scores - y) ** 2) / np.mean((y - np.mean(y)) ** 2)
