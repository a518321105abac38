"""The models and their data; what symfuse and JAX run is one text over a `Namespace`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

__all__ = ["MODELS", "Model", "Namespace"]

Array = np.ndarray[Any, Any]
RATE = 0.01


@dataclass(frozen=True, slots=True)
class Namespace:
    """What the models are written in: NumPy's functions, loops, convolutions."""

    np: Any
    scan: Callable[..., Any]
    conv: Callable[[Any, Any], Any]
    max_pool: Callable[[Any], Any]
    value_and_grad: Callable[..., Any]

    def step(self, loss: Callable[..., Any]) -> Callable[..., Any]:
        """One step of gradient descent: new parameters, and the loss before."""

        def descend(params: Any, *data: Any) -> Any:
            value, slopes = self.value_and_grad(lambda p: loss(self, p, *data))(params)
            return {name: params[name] - RATE * slopes[name] for name in params}, value

        return descend


@dataclass(frozen=True, slots=True)
class Model:
    """`loss(namespace, params, *data)`; `params(rng)` and `data(rng)` draw what it runs on."""

    name: str
    loss: Callable[..., Any]
    params: Callable[[np.random.Generator], dict[str, Array]]
    data: Callable[[np.random.Generator], tuple[Array, ...]]


def drawn(rng: np.random.Generator, *shape: int) -> Array:
    """Weights of a layer, or the data of a batch, for which the scale does not matter."""
    scale = np.sqrt(1 / max(1, np.prod(shape[:-1]))) if len(shape) > 1 else 0.0
    return (scale * rng.normal(size=shape)).astype(np.float32)


def values(rng: np.random.Generator, *shape: int) -> Array:
    return rng.normal(size=shape).astype(np.float32)


def labels(rng: np.random.Generator, rows: int, classes: int) -> Array:
    return np.eye(classes, dtype=np.float32)[rng.integers(0, classes, rows)]


def layers(rng: np.random.Generator, *sizes: int) -> dict[str, Array]:
    """`w0`, `b0`, … of a perceptron."""
    found = {}
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        found[f"w{number}"] = drawn(rng, inputs, outputs)
        found[f"b{number}"] = np.zeros(outputs, np.float32)
    return found


def cross_entropy(m: Namespace, scores: Any, y: Any) -> Any:
    shifted = scores - m.np.max(scores, axis=-1, keepdims=True)
    log_sum = m.np.log(m.np.sum(m.np.exp(shifted), axis=-1, keepdims=True))
    return -m.np.mean(m.np.sum((shifted - log_sum) * y, axis=-1))


def dense(m: Namespace, p: Any, x: Any, number: int) -> Any:
    return m.np.matmul(x, p[f"w{number}"]) + p[f"b{number}"]


def relu(m: Namespace, x: Any) -> Any:
    return m.np.maximum(x, 0)


def sigmoid(m: Namespace, x: Any) -> Any:
    return 0.5 * m.np.tanh(0.5 * x) + 0.5


# the models


def mlp(m: Namespace, p: Any, x: Any, y: Any) -> Any:
    hidden = relu(m, dense(m, p, relu(m, dense(m, p, x, 0)), 1))
    return cross_entropy(m, dense(m, p, hidden, 2), y)


def lenet(m: Namespace, p: Any, x: Any, y: Any) -> Any:
    """LeCun et al., 1998, with ReLU and max pooling."""
    x = m.max_pool(relu(m, m.conv(x, p["k0"]) + p["c0"]))
    x = m.max_pool(relu(m, m.conv(x, p["k1"]) + p["c1"]))
    x = m.np.reshape(x, (x.shape[0], 4 * 4 * 16))
    for number in range(2):
        x = relu(m, dense(m, p, x, number))
    return cross_entropy(m, dense(m, p, x, 2), y)


def lenet_params(rng: np.random.Generator) -> dict[str, Array]:
    kernels = {"k0": drawn(rng, 5, 5, 1, 6), "k1": drawn(rng, 5, 5, 6, 16)}
    biases = {"c0": np.zeros(6, np.float32), "c1": np.zeros(16, np.float32)}
    return kernels | biases | layers(rng, 256, 120, 84, 10)


def lstm(m: Namespace, p: Any, x: Any, y: Any) -> Any:
    """Hochreiter and Schmidhuber, 1997; `x` is [time, batch, features], the last state is read."""
    inside = m.np.matmul(x, p["wx"]) + p["b"]

    def turn(state: Any, given: Any) -> Any:
        h, c = state
        gates = given + m.np.matmul(h, p["wh"])
        i, f, g, o = (gates[:, n * 128 : (n + 1) * 128] for n in range(4))
        c = sigmoid(m, f) * c + sigmoid(m, i) * m.np.tanh(g)
        return (sigmoid(m, o) * m.np.tanh(c), c), None

    zeros = m.np.zeros((x.shape[1], 128), np.float32)
    (h, _), _ = m.scan(turn, (zeros, zeros), inside)
    return cross_entropy(m, dense(m, p, h, 0), y)


def lstm_params(rng: np.random.Generator) -> dict[str, Array]:
    weights = {"wx": drawn(rng, 64, 512), "wh": drawn(rng, 128, 512), "b": np.zeros(512, "f4")}
    return weights | layers(rng, 128, 10)


def vae(m: Namespace, p: Any, x: Any, noise: Any) -> Any:
    """Kingma and Welling, 2014: Bernoulli pixels, 20 normal variables."""
    hidden = relu(m, dense(m, p, x, 0))
    mean, spread = dense(m, p, hidden, 1), dense(m, p, hidden, 2)
    z = mean + m.np.exp(0.5 * spread) * noise
    scores = dense(m, p, relu(m, dense(m, p, z, 3)), 4)
    softplus = m.np.maximum(scores, 0) + m.np.log1p(m.np.exp(-m.np.abs(scores)))
    divergence = -0.5 * m.np.sum(1 + spread - mean * mean - m.np.exp(spread))
    return (m.np.sum(softplus - x * scores) + divergence) / x.shape[0]


def vae_params(rng: np.random.Generator) -> dict[str, Array]:
    found = {}
    for number, (inputs, outputs) in enumerate(
        ((784, 400), (400, 20), (400, 20), (20, 400), (400, 784))
    ):
        found[f"w{number}"] = drawn(rng, inputs, outputs)
        found[f"b{number}"] = np.zeros(outputs, np.float32)
    return found


def gcn(m: Namespace, p: Any, near: Any, x: Any, y: Any) -> Any:
    """Kipf and Welling, 2017, over a dense matrix of neighbours."""
    hidden = relu(m, m.np.matmul(near, m.np.matmul(x, p["w0"])) + p["b0"])
    scores = m.np.matmul(near, m.np.matmul(hidden, p["w1"])) + p["b1"]
    return cross_entropy(m, scores, y)


def gcn_data(rng: np.random.Generator) -> tuple[Array, ...]:
    nodes = 512
    linked = np.triu(rng.random((nodes, nodes)) < 0.01, 1)
    near = (linked | linked.T) + np.eye(nodes)
    root = 1 / np.sqrt(near.sum(1))
    normal = (root[:, None] * near * root).astype(np.float32)
    return normal, values(rng, nodes, 256), labels(rng, nodes, 7)


def block(m: Namespace, p: Any, x: Any, wanted: Any) -> Any:
    """A transformer block (Vaswani et al., 2017), normalised before, 4 heads, GELU by tanh."""
    batch, length, width = x.shape
    heads = m.np.reshape(m.np.matmul(_normal(m, x), p["qkv"]), (batch, length, 3, 4, width // 4))
    q, k, v = (m.np.transpose(heads[:, :, n], (0, 2, 1, 3)) for n in range(3))
    scores = m.np.matmul(q, m.np.transpose(k, (0, 1, 3, 2))) * np.float32((width // 4) ** -0.5)
    powers = m.np.exp(scores - m.np.max(scores, axis=-1, keepdims=True))
    mixed = m.np.matmul(powers / m.np.sum(powers, axis=-1, keepdims=True), v)
    mixed = m.np.reshape(m.np.transpose(mixed, (0, 2, 1, 3)), (batch, length, width))
    x = x + m.np.matmul(mixed, p["out"])
    inner = dense(m, p, _normal(m, x), 0)
    inner = 0.5 * inner * (1 + m.np.tanh(0.7978845608 * (inner + 0.044715 * inner**3)))
    return m.np.mean((x + dense(m, p, inner, 1) - wanted) ** 2)


def _normal(m: Namespace, x: Any) -> Any:
    centred = x - m.np.mean(x, axis=-1, keepdims=True)
    return centred / m.np.sqrt(m.np.mean(centred * centred, axis=-1, keepdims=True) + 1e-5)


def block_params(rng: np.random.Generator) -> dict[str, Array]:
    own = {"qkv": drawn(rng, 256, 768), "out": drawn(rng, 256, 256)}
    return own | layers(rng, 256, 1024, 256)


MODELS = (
    Model(
        "MLP 784-500-500-10, batch 100",
        mlp,
        lambda rng: layers(rng, 784, 500, 500, 10),
        lambda rng: (values(rng, 100, 784), labels(rng, 100, 10)),
    ),
    Model(
        "LeNet 28×28, batch 64",
        lenet,
        lenet_params,
        lambda rng: (values(rng, 64, 28, 28, 1), labels(rng, 64, 10)),
    ),
    Model(
        "LSTM 64-128, 64 turns, batch 32",
        lstm,
        lstm_params,
        lambda rng: (values(rng, 64, 32, 64), labels(rng, 32, 10)),
    ),
    Model(
        "VAE 784-400-20, batch 128",
        vae,
        vae_params,
        lambda rng: (rng.random((128, 784), np.float32), values(rng, 128, 20)),
    ),
    Model("GCN 512 nodes, 256-16-7", gcn, lambda rng: layers(rng, 256, 16, 7), gcn_data),
    Model(
        "transformer block 256, 4 heads, 8×64",
        block,
        block_params,
        lambda rng: (values(rng, 8, 64, 256), values(rng, 8, 64, 256)),
    ),
)
