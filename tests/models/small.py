"""Ten small models, written as NumPy functions: they run on arrays as well as in a trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import symfuse as sf
from symfuse import numpy as snp
from symfuse.nn import functional as nn
from symfuse.special import log_softmax, logsumexp, ndtr

__all__ = ["MODELS", "Model"]

Array = np.ndarray[Any, Any]
Tree = Any


@dataclass(frozen=True, slots=True)
class Model:
    """`function(*inputs(rng, batch))`; `batched` are the arguments whose axis 0 is the batch."""

    name: str
    function: Callable[..., Any]
    inputs: Callable[[np.random.Generator, int], tuple[Any, ...]]
    batched: tuple[int, ...]


# regression


def linear_regression(params, x, y):
    def loss(params):
        return np.mean((x @ params["w"] + params["b"] - y) ** 2)

    value, slopes = sf.value_and_grad(loss)(params)
    return value, descended(params, slopes)


def logistic_regression(params, x, y):
    def loss(params):
        z = x @ params["w"] + params["b"]
        return np.mean(nn.softplus(z) - y * z) + 0.01 * np.sum(params["w"] ** 2)

    value, slopes = sf.value_and_grad(loss)(params)
    return value, descended(params, slopes)


def descended(params, slopes):
    return {name: params[name] - 0.1 * slopes[name] for name in params}


# perceptrons


def scores(params, x):
    hidden = np.tanh(x @ params["w1"] + params["b1"])
    return hidden @ params["w2"] + params["b2"]


def mlp(params, x):
    return nn.softmax(scores(params, x), axis=-1)


def cross_entropy(params, x, labels):
    chosen = np.take_along_axis(log_softmax(scores(params, x), axis=-1), labels[:, None], axis=1)
    return -np.mean(chosen)


def sgd(params, x, labels):
    value, slopes = sf.value_and_grad(cross_entropy)(params, x, labels)
    return value, descended(params, slopes)


def momentum(params, speed, x, labels):
    value, slopes = sf.value_and_grad(cross_entropy)(params, x, labels)
    speed = {name: 0.9 * speed[name] + slopes[name] for name in params}
    return value, descended(params, speed), speed


def adam(params, means, squares, x, labels):
    value, slopes = sf.value_and_grad(cross_entropy)(params, x, labels)
    means = {name: 0.9 * means[name] + 0.1 * slopes[name] for name in params}
    squares = {name: 0.99 * squares[name] + 0.01 * slopes[name] ** 2 for name in params}
    new = {n: params[n] - 0.01 * means[n] / (np.sqrt(squares[n]) + 1e-6) for n in params}
    return value, new, means, squares


def softmax_cross_entropy(x, labels):
    def loss(x):
        shifted = x - np.max(x, axis=-1, keepdims=True)
        total = np.log(np.sum(np.exp(shifted), axis=-1))
        return np.mean(total - np.sum(shifted * snp.one_hot(labels, 5, dtype=x.dtype), axis=-1))

    return sf.value_and_grad(loss)(x)


def autoencoder(params, x):
    def loss(params):
        code = np.tanh(x @ params["w"] + params["b"])
        return np.mean((code @ params["w"].T + params["c"] - x) ** 2)

    value, slopes = sf.value_and_grad(loss)(params)
    return value, descended(params, slopes)


# rows


def layer_norm(params, x):
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.mean(centred**2, axis=-1, keepdims=True)
    y = centred / np.sqrt(variance + 1e-5) * params["scale"] + params["shift"]
    return x + nn.gelu(y @ params["w"])


def attention(params, x, is_kept):
    """One head; a token sees itself and those before it, of which padding is left out."""
    q, k, v = (x @ params[name] for name in "qkv")
    weights = q @ np.swapaxes(k, 1, 2) / np.sqrt(q.shape[-1])
    is_past = np.tri(x.shape[1], dtype=bool)
    is_self = np.eye(x.shape[1], dtype=bool)
    seen = (is_past & is_kept[:, None, :]) | is_self
    return nn.softmax(np.where(seen, weights, -1e9), axis=-1) @ v @ params["o"]


# densities and prices


def mixture(params, x):
    """The mean log density of points under a mixture of Gaussian kernels."""
    distance = np.sum((x[:, None, :] - params["centres"]) ** 2, axis=-1)
    width = np.exp(params["log_width"])
    log_kernel = -0.5 * distance / width**2 - x.shape[1] * params["log_width"]
    return np.mean(logsumexp(log_kernel + log_softmax(params["logits"]), axis=1))


def black_scholes(price, strike, years):
    """Calls and their deltas, which are the derivatives by the price."""
    rate, volatility = 0.03, 0.2

    def call(price):
        root = volatility * np.sqrt(years)
        d = (np.log(price / strike) + (rate + volatility**2 / 2) * years) / root
        return price * ndtr(d) - strike * np.exp(-rate * years) * ndtr(d - root)

    return call(price), sf.grad(lambda price: call(price).sum())(price)


# inputs


def normal(*shapes, **named):
    """A maker of arrays of these shapes, in a dict where they are named; 0 stands for the batch."""

    def make(rng, batch):
        def one(shape):
            return rng.normal(size=[n or batch for n in shape])

        return {name: one(shape) for name, shape in named.items()} or one(shapes)

    return make


def inputs(*makers):
    return lambda rng, batch: tuple(make(rng, batch) for make in makers)


def labels(rng, batch):
    return rng.integers(0, 5, batch)


def kept(rng, batch):
    return rng.random((batch, 6)) < 0.8


def zeros(**named):
    return lambda rng, batch: {name: np.zeros(shape) for name, shape in named.items()}


def ones(**named):
    return lambda rng, batch: {name: np.ones(shape) for name, shape in named.items()}


def between(low, high):
    return lambda rng, batch: rng.uniform(low, high, batch)


LINEAR = {"w": (8, 3), "b": (3,)}
LOGISTIC = {"w": (8,), "b": ()}
LAYERS = {"w1": (8, 16), "b1": (16,), "w2": (16, 5), "b2": (5,)}
HEAD = {"q": (8, 4), "k": (8, 4), "v": (8, 4), "o": (4, 8)}
X = normal(0, 8)

MODELS = (
    Model("linear regression", linear_regression,
          inputs(normal(**LINEAR), X, normal(0, 3)), (1, 2)),
    Model("logistic regression", logistic_regression,
          inputs(normal(**LOGISTIC), X, between(0, 1)), (1, 2)),
    Model("MLP", mlp, inputs(normal(**LAYERS), X), (1,)),
    Model("MLP step, SGD", sgd, inputs(normal(**LAYERS), X, labels), (1, 2)),
    Model("MLP step, momentum", momentum,
          inputs(normal(**LAYERS), zeros(**LAYERS), X, labels), (2, 3)),
    Model("MLP step, Adam", adam,
          inputs(normal(**LAYERS), zeros(**LAYERS), ones(**LAYERS), X, labels), (3, 4)),
    Model("softmax cross-entropy", softmax_cross_entropy, inputs(normal(0, 5), labels), (0, 1)),
    Model("layer norm block", layer_norm,
          inputs(normal(scale=(8,), shift=(8,), w=(8, 8)), X), (1,)),
    Model("attention", attention, inputs(normal(**HEAD), normal(0, 6, 8), kept), (1, 2)),
    Model("autoencoder step", autoencoder,
          inputs(normal(w=(8, 3), b=(3,), c=(8,)), X), (1,)),
    Model("kernel mixture", mixture,
          inputs(normal(centres=(7, 3), logits=(7,), log_width=()), normal(0, 3)), (1,)),
    Model("Black–Scholes", black_scholes,
          inputs(between(50, 150), between(50, 150), between(0.1, 3)), (0, 1, 2)),
)  # fmt: skip
