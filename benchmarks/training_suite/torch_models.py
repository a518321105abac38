"""The same models as PyTorch's users write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from .models import RATE

__all__ = ["LOSSES", "step"]


def dense(p: Any, x: Any, number: int) -> Any:
    return F.linear(x, p[f"w{number}"].T, p[f"b{number}"])


def mlp(p: Any, x: Any, y: Any) -> Any:
    hidden = F.relu(dense(p, F.relu(dense(p, x, 0)), 1))
    return F.cross_entropy(dense(p, hidden, 2), y)


def lenet(p: Any, x: Any, y: Any) -> Any:
    x = x.permute(0, 3, 1, 2)
    for number in range(2):
        kernel = p[f"k{number}"].permute(3, 2, 0, 1)
        x = F.max_pool2d(F.relu(F.conv2d(x, kernel, p[f"c{number}"])), 2)
    x = x.permute(0, 2, 3, 1).reshape(len(x), -1)
    for number in range(2):
        x = F.relu(dense(p, x, number))
    return F.cross_entropy(dense(p, x, 2), y)


def lstm(p: Any, x: Any, y: Any) -> Any:
    zeros = x.new_zeros(1, x.shape[1], 128)
    weights = [p["wx"].T, p["wh"].T, p["b"], torch.zeros_like(p["b"])]
    _, h, _ = torch.lstm(x, (zeros, zeros), weights, True, 1, 0.0, True, False, False)
    return F.cross_entropy(dense(p, h[0], 0), y)


def vae(p: Any, x: Any, noise: Any) -> Any:
    hidden = F.relu(dense(p, x, 0))
    mean, spread = dense(p, hidden, 1), dense(p, hidden, 2)
    z = mean + torch.exp(0.5 * spread) * noise
    scores = dense(p, F.relu(dense(p, z, 3)), 4)
    divergence = -0.5 * torch.sum(1 + spread - mean * mean - torch.exp(spread))
    likelihood = F.binary_cross_entropy_with_logits(scores, x, reduction="sum")
    return (likelihood + divergence) / len(x)


def gcn(p: Any, near: Any, x: Any, y: Any) -> Any:
    hidden = F.relu(near @ (x @ p["w0"]) + p["b0"])
    return F.cross_entropy(near @ (hidden @ p["w1"]) + p["b1"], y)


def block(p: Any, x: Any, wanted: Any) -> Any:
    batch, length, width = x.shape
    heads = (_normal(x) @ p["qkv"]).reshape(batch, length, 3, 4, width // 4)
    q, k, v = heads.permute(2, 0, 3, 1, 4)
    mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
    x = x + mixed @ p["out"]
    inner = F.gelu(dense(p, _normal(x), 0), approximate="tanh")
    return torch.mean((x + dense(p, inner, 1) - wanted) ** 2)


def _normal(x: Any) -> Any:
    return F.layer_norm(x, x.shape[-1:])


LOSSES: dict[str, Callable[..., Any]] = {
    function.__name__: function for function in (mlp, lenet, lstm, vae, gcn, block)
}


def step(loss: Callable[..., Any], params: Any) -> Callable[..., Any]:
    """One step of gradient descent in place, on parameters that are made leaves for it."""
    leaves = {name: torch.from_numpy(v.copy()).requires_grad_() for name, v in params.items()}

    def descend(*data: Any) -> Any:
        value = loss(leaves, *data)
        slopes = torch.autograd.grad(value, list(leaves.values()))
        with torch.no_grad():
            torch._foreach_add_(list(leaves.values()), slopes, alpha=-RATE)
        return value

    return descend
