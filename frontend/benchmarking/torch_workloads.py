"""The workloads that PyTorch spells differently, as its users would write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from . import workloads

__all__ = ["torch_function"]


def torch_function(name: str) -> Callable[..., Any]:
    """The workload of this name on tensors."""
    workload = workloads.WORKLOADS[name]
    torch = import_module("torch")
    own = _OWN.get(workload.function)
    if own is not None:
        return lambda *args: own(torch, *args)
    return lambda *args: workload.function(torch, None, *args)


def _gelu(torch: Any, x: Any, b: Any) -> Any:
    return torch.nn.functional.gelu(x + b, approximate="tanh")


def _chain(torch: Any, x: Any, y: Any) -> Any:
    z = x * y + x
    z = torch.clamp_min(z, 0.1) * 0.5 + y
    return torch.sqrt(z * z + 1) - x / (1 + y * y)


def _softmax(torch: Any, x: Any) -> Any:
    return torch.softmax(x, 1)


def _layer_norm(torch: Any, x: Any, scale: Any, shift: Any) -> Any:
    return torch.nn.functional.layer_norm(x, x.shape[1:], scale, shift)


def _column_statistics(torch: Any, x: Any) -> Any:
    variance, mean = torch.var_mean(x, 0, correction=0)
    return mean, variance


def _cross_entropy(torch: Any, x: Any, y: Any) -> Any:
    x = x.detach().requires_grad_()
    value = torch.nn.functional.cross_entropy(x, y)
    return value.detach(), torch.autograd.grad(value, x)[0]


def _dense(torch: Any, x: Any, w: Any, b: Any) -> Any:
    return torch.relu(torch.addmm(b, x, w))


def _gradients(torch: Any, params: Any, x: Any, y: Any) -> tuple[Any, list[Any]]:
    leaves = [p.detach().requires_grad_() for layer in params for p in layer]
    pairs = list(zip(leaves[::2], leaves[1::2], strict=True))
    for w, b in pairs[:-1]:
        x = torch.relu(torch.addmm(b, x, w))
    scores = torch.addmm(pairs[-1][1], x, pairs[-1][0])
    value = torch.nn.functional.cross_entropy(scores, y)
    return value.detach(), list(torch.autograd.grad(value, leaves))


def _sgd(torch: Any, params: Any, x: Any, y: Any) -> Any:
    value, gradients = _gradients(torch, params, x, y)
    leaves = [p for layer in params for p in layer]
    return value, torch._foreach_add(leaves, gradients, alpha=-0.1)


def _adam(torch: Any, params: Any, means: Any, squares: Any, x: Any, y: Any) -> Any:
    value, gradients = _gradients(torch, params, x, y)
    p, m, v = ([t for layer in tree for t in layer] for tree in (params, means, squares))
    m = torch._foreach_add(torch._foreach_mul(m, 0.9), gradients, alpha=0.1)
    v = torch._foreach_addcmul(torch._foreach_mul(v, 0.999), gradients, gradients, value=0.001)
    below = torch._foreach_add(torch._foreach_sqrt(v), 1e-8)
    p = torch._foreach_addcdiv(p, m, below, value=-0.001)
    return value, list(zip(p, m, v, strict=True))


_OWN: Mapping[Callable[..., Any], Callable[..., Any]] = {
    workloads.gelu: _gelu,
    workloads.chain: _chain,
    workloads.softmax: _softmax,
    workloads.layer_norm: _layer_norm,
    workloads.column_statistics: _column_statistics,
    workloads.cross_entropy: _cross_entropy,
    workloads.dense: _dense,
    workloads.sgd: _sgd,
    workloads.adam: _adam,
}
