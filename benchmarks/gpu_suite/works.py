"""The functions that are measured, on any namespace with NumPy's names."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["WORKS", "Namespace", "adam", "mlp_loss", "sgd", "transformer_loss"]


@dataclass(frozen=True, slots=True)
class Namespace:
    """NumPy's functions, what stops derivatives; a loop over axis 0, GELU, and a convolution that
    keeps the size of images, channels last, where there are."""

    np: Any
    still: Callable[[Any], Any] = lambda x: x
    scan: Callable[..., Any] | None = None
    gelu: Callable[[Any], Any] | None = None
    conv: Callable[[Any, Any], Any] | None = None


def gelu(n: Namespace, x: Any) -> Any:
    if n.gelu is not None:
        return n.gelu(x)
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
    return 0.5 * x * (1 + n.np.tanh(inner))


def gelu_of_line(n: Namespace, x: Any, scale: Any, shift: Any) -> Any:
    return gelu(n, x * scale + shift)


def softmax(n: Namespace, x: Any) -> Any:
    e = n.np.exp(x - n.still(n.np.max(x, axis=-1, keepdims=True)))
    return e / n.np.sum(e, axis=-1, keepdims=True)


def layer_norm(n: Namespace, x: Any, scale: Any, shift: Any) -> Any:
    centred = x - n.np.mean(x, axis=-1, keepdims=True)
    variance = n.np.mean(centred * centred, axis=-1, keepdims=True)
    return centred / n.np.sqrt(variance + 1e-5) * scale + shift


def attention(n: Namespace, q: Any, k: Any, v: Any, causal: bool = False) -> Any:
    scores = q @ n.np.swapaxes(k, -1, -2) * q.shape[-1] ** -0.5
    if causal:
        seen = n.np.tri(q.shape[-2], dtype=bool)
        scores = n.np.where(seen, scores, -1e9)
    return softmax(n, scores) @ v


def recurrence(n: Namespace, decay: Any, x: Any) -> Any:
    """h = sigmoid(decay)·h + x along the rows."""
    assert n.scan is not None

    def step(h: Any, now: Any) -> Any:
        h = h / (1 + n.np.exp(-now[0])) + now[1]
        return h, h

    columns = (n.np.transpose(decay), n.np.transpose(x))
    return n.np.transpose(n.scan(step, n.np.zeros_like(x[:, 0]), columns)[1])


def lstm(n: Namespace, x: Any, inward: Any, onward: Any, bias: Any) -> Any:
    """The last state of an LSTM over axis 0."""
    assert n.scan is not None
    width = x.shape[-1]

    def sigmoid(z: Any) -> Any:
        return 1 / (1 + n.np.exp(-z))

    def step(state: Any, now: Any) -> Any:
        h, c = state
        gates = now @ (0.02 * inward) + h @ (0.02 * onward) + bias
        i, f, g, o = (gates[:, k * width : (k + 1) * width] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * n.np.tanh(g)
        return (sigmoid(o) * n.np.tanh(c), c), None

    start = n.np.zeros_like(x[0])
    return n.scan(step, (start, start), x)[0][0]


def convolution(n: Namespace, x: Any, kernel: Any) -> Any:
    """Images by kernels with the axes of space, input and output channels."""
    if n.conv is not None:
        return n.conv(x, kernel)
    (batch, rows, columns, _), (high, wide, _, channels) = x.shape, kernel.shape
    around = ((0, 0), (high // 2, high // 2), (wide // 2, wide // 2), (0, 0))
    padded, total = n.np.pad(x, around), n.np.zeros((batch, rows, columns, channels), x.dtype)
    for r in range(high):
        for s in range(wide):
            total = total + padded[:, r : r + rows, s : s + columns] @ kernel[r, s]
    return total


WORKS: dict[str, Callable[..., Any]] = {
    "gelu(x·s+b)": gelu_of_line,
    "softmax": softmax,
    "layer norm": layer_norm,
    "sum": lambda n, x: n.np.sum(x),
    "row sum": lambda n, x: n.np.sum(x, axis=-1),
    "column sum": lambda n, x: n.np.sum(x, axis=0),
    "transpose": lambda n, x: n.np.transpose(x),
    "product": lambda n, x, y: x @ y,
    "product nt": lambda n, x, y: x @ n.np.transpose(y),
    "product tn": lambda n, x, y: n.np.transpose(x) @ y,
    "batched product": lambda n, x, y: x @ y,
    "x·w+b": lambda n, x, w, b: x @ w + b,
    "relu(x·w+b)": lambda n, x, w, b: n.np.maximum(x @ w + b, 0),
    "gelu(x·w+b)": lambda n, x, w, b: gelu(n, x @ w + b),
    "residual": lambda n, x, w, y: y + x @ w,
    "attention": attention,
    "causal attention": lambda n, q, k, v: attention(n, q, k, v, causal=True),
    "convolution": convolution,
    "relu(x*k+b)": lambda n, x, k, b: n.np.maximum(convolution(n, x, k) + b, 0),
    "cumsum": lambda n, x: n.np.cumsum(x, axis=-1),
    "recurrence": recurrence,
    "LSTM": lstm,
}


# training


def mlp_loss(n: Namespace, params: Any, x: Any, y: Any) -> Any:
    """Cross entropy of a perceptron with ReLU, for labels as one-hot rows."""
    *hidden, (weights, bias) = params
    for w, b in hidden:
        x = n.np.maximum(x @ w + b, 0)
    logits = x @ weights + bias
    return -n.np.mean(n.np.sum(log_softmax(n, logits) * y, axis=1))


def log_softmax(n: Namespace, x: Any) -> Any:
    shifted = x - n.still(n.np.max(x, axis=-1, keepdims=True))
    return shifted - n.np.log(n.np.sum(n.np.exp(shifted), axis=-1, keepdims=True))


def transformer_loss(n: Namespace, p: Any, words: Any, following: Any, heads: int) -> Any:
    """Cross entropy of a causal transformer; `p` has a dictionary for each layer."""
    x = n.np.take(p["words"], words, axis=0) + p["places"]
    for layer in p["layers"]:
        x = x + _mixed(n, layer, layer_norm(n, x, layer["scale1"], layer["shift1"]), heads)
        y = layer_norm(n, x, layer["scale2"], layer["shift2"])
        x = x + gelu(n, y @ layer["w1"] + layer["b1"]) @ layer["w2"] + layer["b2"]
    scores = log_softmax(n, x @ n.np.transpose(p["words"]))
    return -n.np.mean(n.np.take_along_axis(scores, following[..., None], axis=-1))


def _mixed(n: Namespace, layer: Any, x: Any, heads: int) -> Any:
    batch, tokens, width = x.shape
    split = (batch, tokens, heads, width // heads)
    q, k, v = (n.np.transpose((x @ layer[w]).reshape(split), (0, 2, 1, 3)) for w in "qkv")
    found = n.np.transpose(attention(n, q, k, v, causal=True), (0, 2, 1, 3))
    return found.reshape((batch, tokens, width)) @ layer["o"]


def sgd(p: Any, slope: Any) -> Any:
    """The new value of one parameter."""
    return p - 0.01 * slope


def adam(n: Namespace, p: Any, mean: Any, square: Any, slope: Any) -> tuple[Any, Any, Any]:
    """The new value, mean and mean square of one parameter; without correction of the bias."""
    mean = 0.9 * mean + 0.1 * slope
    square = 0.999 * square + 0.001 * slope * slope
    return p - 0.001 * mean / (n.np.sqrt(square) + 1e-8), mean, square
