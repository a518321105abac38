"""The workloads of the standing suite: each a function over an array namespace, and its inputs.

A function takes `xp` (NumPy, symfuse.numpy or jax.numpy) first; PyTorch, whose names differ, has
versions of its own in `torch_workloads`. A gradient is asked for by `derive`, which each peer has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from msgspec import Struct

__all__ = ["WORKLOADS", "Workload"]

Rng = np.random.Generator
Derive = Callable[[Callable[..., Any]], Callable[..., Any]]  # value and gradient, of argument 0


class Workload(Struct, frozen=True):
    """`function(xp, derive, *args)` on what `inputs(rng)` gives; `by_hand`: without `derive`."""

    name: str
    function: Callable[..., Any]
    inputs: Callable[[Rng], tuple[Any, ...]]
    by_hand: Callable[..., Any] | None = None
    tolerance: float = 1e-4

    @property
    def numpy(self) -> Callable[..., Any]:
        """The function for NumPy, which has no derivatives."""
        return self.by_hand or self.function


def _normal(*shape: int) -> Callable[[Rng], np.ndarray[Any, Any]]:
    return lambda rng: rng.standard_normal(shape).astype(np.float32)


def _inputs(*makers: Callable[[Rng], Any]) -> Callable[[Rng], tuple[Any, ...]]:
    return lambda rng: tuple(make(rng) for make in makers)


# calls


def add(xp: Any, derive: Derive, x: Any, y: Any) -> Any:
    return x + y


def add_ten(xp: Any, derive: Derive, *arrays: Any) -> Any:
    total = arrays[0]
    for array in arrays[1:]:
        total = total + array
    return total


# elementwise


def gelu(xp: Any, derive: Derive, x: Any, b: Any) -> Any:
    x = x + b
    return 0.5 * x * (1 + xp.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))


def chain(xp: Any, derive: Derive, x: Any, y: Any) -> Any:
    z = x * y + x
    z = xp.maximum(z, 0.1) * 0.5 + y
    return xp.sqrt(z * z + 1) - x / (1 + y * y)


def black_scholes(xp: Any, derive: Derive, s: Any, k: Any, t: Any) -> Any:
    """Calls; the normal distribution by Abramowitz and Stegun 26.2.17."""
    rate, sigma = 0.03, 0.2
    root = sigma * xp.sqrt(t)
    d1 = (xp.log(s / k) + (rate + sigma * sigma / 2) * t) / root
    return s * _normal_cdf(xp, d1) - k * xp.exp(-rate * t) * _normal_cdf(xp, d1 - root)


def _normal_cdf(xp: Any, d: Any) -> Any:
    u = 1 / (1 + 0.2316419 * xp.abs(d))
    poly = 1.330274429
    for coefficient in (-1.821255978, 1.781477937, -0.356563782, 0.31938153):
        poly = coefficient + u * poly
    tail = 0.3989422804 * xp.exp(-0.5 * d * d) * u * poly
    return xp.where(d < 0, tail, 1 - tail)


# reductions and rows


def total(xp: Any, derive: Derive, x: Any) -> Any:
    return xp.sum(x)


def sum_of_squares(xp: Any, derive: Derive, x: Any) -> Any:
    return xp.sum(x * x)


def softmax(xp: Any, derive: Derive, x: Any) -> Any:
    e = xp.exp(x - xp.max(x, axis=1, keepdims=True))
    return e / xp.sum(e, axis=1, keepdims=True)


def layer_norm(xp: Any, derive: Derive, x: Any, scale: Any, shift: Any) -> Any:
    centred = x - xp.mean(x, axis=1, keepdims=True)
    variance = xp.mean(centred * centred, axis=1, keepdims=True)
    return centred / xp.sqrt(variance + 1e-5) * scale + shift


def column_statistics(xp: Any, derive: Derive, x: Any) -> Any:
    mean = xp.mean(x, axis=0)
    return mean, xp.mean((x - mean) * (x - mean), axis=0)


def _cross_entropy(xp: Any, x: Any, y: Any) -> Any:
    x = x - xp.max(x, axis=1, keepdims=True)
    chosen = xp.take_along_axis(x, y[:, None], axis=1)[:, 0]
    return xp.mean(xp.log(xp.sum(xp.exp(x), axis=1)) - chosen)


def cross_entropy(xp: Any, derive: Derive, x: Any, y: Any) -> Any:
    return derive(lambda x: _cross_entropy(xp, x, y))(x)


def cross_entropy_by_hand(xp: Any, derive: Derive, x: Any, y: Any) -> Any:
    e = xp.exp(x - xp.max(x, axis=1, keepdims=True))
    gradient = e / xp.sum(e, axis=1, keepdims=True)
    gradient[xp.arange(len(y)), y] -= 1
    return _cross_entropy(xp, x, y), gradient / len(y)


# products and training


def dense(xp: Any, derive: Derive, x: Any, w: Any, b: Any) -> Any:
    return xp.maximum(x @ w + b, 0)


def _mlp_loss(xp: Any, params: Any, x: Any, y: Any) -> Any:
    for w, b in params[:-1]:
        x = xp.maximum(x @ w + b, 0)
    w, b = params[-1]
    return _cross_entropy(xp, x @ w + b, y)


def sgd(xp: Any, derive: Derive, params: Any, x: Any, y: Any) -> Any:
    value, gradients = derive(lambda params: _mlp_loss(xp, params, x, y))(params)
    return value, _descended(params, gradients)


def sgd_by_hand(xp: Any, derive: Derive, params: Any, x: Any, y: Any) -> Any:
    value, gradients = _mlp_by_hand(xp, params, x, y)
    return value, _descended(params, gradients)


def _descended(params: Any, gradients: Any) -> Any:
    pairs = zip(params, gradients, strict=True)
    return [tuple(p - 0.1 * g for p, g in zip(*pair, strict=True)) for pair in pairs]


def adam(xp: Any, derive: Derive, params: Any, means: Any, squares: Any, x: Any, y: Any) -> Any:
    value, gradients = derive(lambda params: _mlp_loss(xp, params, x, y))(params)
    return value, _adam_updated(xp, params, gradients, means, squares)


def adam_by_hand(
    xp: Any, derive: Derive, params: Any, means: Any, squares: Any, x: Any, y: Any
) -> Any:
    value, gradients = _mlp_by_hand(xp, params, x, y)
    return value, _adam_updated(xp, params, gradients, means, squares)


def _adam_updated(xp: Any, params: Any, gradients: Any, means: Any, squares: Any) -> Any:
    updated = []
    for layer in zip(params, gradients, means, squares, strict=True):
        for p, g, m, v in zip(*layer, strict=True):
            m = 0.9 * m + 0.1 * g
            v = 0.999 * v + 0.001 * g * g
            updated.append((p - 0.001 * m / (xp.sqrt(v) + 1e-8), m, v))
    return updated


def _mlp_by_hand(xp: Any, params: Any, x: Any, y: Any) -> Any:
    inputs = [x]
    for w, b in params[:-1]:
        inputs.append(xp.maximum(inputs[-1] @ w + b, 0))
    scores = inputs[-1] @ params[-1][0] + params[-1][1]
    value, cotangent = cross_entropy_by_hand(xp, None, scores, y)  # type: ignore[arg-type]
    gradients: list[Any] = []
    for at in reversed(range(len(params))):
        gradients.insert(0, (inputs[at].T @ cotangent, cotangent.sum(axis=0)))
        if at:
            cotangent = (cotangent @ params[at][0].T) * (inputs[at] > 0)
    return value, gradients


def _mlp(*sizes: int) -> Callable[[Rng], Any]:
    def make(rng: Rng) -> Any:
        pairs = list(pairwise(sizes))
        return [
            (
                (rng.standard_normal((m, n)) * np.sqrt(2 / m)).astype(np.float32),
                np.zeros(n, np.float32),
            )
            for m, n in pairs
        ]

    return make


def _moments(*sizes: int, value: float) -> Callable[[Rng], Any]:
    def make(rng: Rng) -> Any:
        pairs = list(pairwise(sizes))
        return [
            (np.full((m, n), value, np.float32), np.full(n, value, np.float32)) for m, n in pairs
        ]

    return make


def _labels(count: int, classes: int) -> Callable[[Rng], np.ndarray[Any, Any]]:
    return lambda rng: rng.integers(0, classes, count)


def _uniform(low: float, high: float, count: int) -> Callable[[Rng], np.ndarray[Any, Any]]:
    return lambda rng: rng.uniform(low, high, count).astype(np.float32)


def _training(batch: int, *sizes: int, name: str) -> tuple[Workload, Workload]:
    data = (_normal(batch, sizes[0]), _labels(batch, sizes[-1]))
    state = (_moments(*sizes, value=0.0), _moments(*sizes, value=1e-4))
    return (
        Workload(f"train {name}, SGD", sgd, _inputs(_mlp(*sizes), *data), sgd_by_hand),
        Workload(f"train {name}, Adam", adam, _inputs(_mlp(*sizes), *state, *data), adam_by_hand),
    )


def _dense(m: int, k: int, n: int) -> Workload:
    return Workload(
        f"relu(xW+b) {m}×{k}×{n}", dense, _inputs(_normal(m, k), _normal(k, n), _normal(n))
    )


def _rows(name: str, function: Callable[..., Any], m: int, n: int) -> Workload:
    extra = (_normal(n), _normal(n)) if function is layer_norm else ()
    return Workload(f"{name} {m}×{n}", function, _inputs(_normal(m, n), *extra))


_LIST = (
    Workload("call: add of two 4-vectors", add, _inputs(_normal(4), _normal(4))),
    Workload("call: add of ten 4-vectors", add_ten, _inputs(*[_normal(4)] * 10)),
    Workload("GELU of x+b, 1e3", gelu, _inputs(_normal(1000), _normal(1000))),
    Workload("GELU of x+b, 1e5", gelu, _inputs(_normal(100_000), _normal(100_000))),
    Workload("GELU of x+b, 1e7", gelu, _inputs(_normal(10_000, 1000), _normal(1000))),
    Workload("10-operation chain, 1e6", chain, _inputs(_normal(10**6), _normal(10**6))),
    Workload(
        "Black–Scholes, 1e6",
        black_scholes,
        _inputs(_uniform(10, 100, 10**6), _uniform(10, 100, 10**6), _uniform(0.1, 3, 10**6)),
    ),
    Workload("sum, 1e7", total, _inputs(_uniform(0, 1, 10**7))),
    Workload("sum of squares, 1e7", sum_of_squares, _inputs(_normal(10**7))),
    _rows("softmax", softmax, 1024, 1024),
    _rows("softmax", softmax, 64, 50257),
    _rows("layer norm", layer_norm, 1024, 1024),
    _rows("layer norm", layer_norm, 4096, 768),
    Workload(
        "cross-entropy value+grad 512×10000",
        cross_entropy,
        _inputs(_normal(512, 10_000), _labels(512, 10_000)),
        cross_entropy_by_hand,
    ),
    Workload("column mean/variance 8192×512", column_statistics, _inputs(_normal(8192, 512))),
    _dense(1, 784, 512),
    _dense(64, 784, 512),
    _dense(512, 512, 512),
    _dense(1024, 1024, 1024),
    *_training(100, 784, 500, 500, 10, name="MLP 784-500-500-10, batch 100"),
    *_training(64, 64, 128, 128, 10, name="digits MLP 64-128-128-10, batch 64"),
)

WORKLOADS: Mapping[str, Workload] = {workload.name: workload for workload in _LIST}
"""All workloads by name, in the order of the table."""
