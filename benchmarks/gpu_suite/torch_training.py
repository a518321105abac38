"""Steps of training by PyTorch, with its own optimisers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F

from .cases import Case
from .parameters import sentences, transformer

__all__ = ["train"]


class Layer(torch.nn.Module):
    """One layer of the transformer, with PyTorch's fused attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.inward = torch.nn.Linear(width, 3 * width, bias=False)
        self.onward = torch.nn.Linear(width, width, bias=False)
        self.wide, self.narrow = (
            torch.nn.Linear(width, 4 * width),
            torch.nn.Linear(4 * width, width),
        )

    def forward(self, x: Any) -> Any:
        batch, tokens, width = x.shape
        split = (batch, tokens, self.heads, width // self.heads)
        parts = self.inward(self.first(x)).chunk(3, -1)
        q, k, v = (part.reshape(split).transpose(1, 2) for part in parts)
        found = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.onward(found.transpose(1, 2).reshape(x.shape))
        return x + self.narrow(F.gelu(self.wide(self.second(x)), approximate="tanh"))


class Transformer(torch.nn.Module):
    """The same model as `works.transformer_loss`."""

    def __init__(self, layers: int, width: int, heads: int, tokens: int, words: int) -> None:
        super().__init__()
        given = transformer(0, width, tokens, words)
        self.words = torch.nn.Parameter(torch.from_numpy(given["words"]))
        self.places = torch.nn.Parameter(torch.from_numpy(given["places"]))
        self.layers = torch.nn.ModuleList(Layer(width, heads) for _ in range(layers))

    def forward(self, words: Any, following: Any) -> Any:
        x = self.words[words] + self.places
        for layer in self.layers:
            x = layer(x)
        return F.cross_entropy((x @ self.words.t()).flatten(0, 1), following.flatten())


class Perceptron(torch.nn.Module):
    """The same model as `works.mlp_loss`."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.parts = torch.nn.ModuleList(torch.nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, x: Any, labels: Any) -> Any:
        *hidden, last = self.parts
        for part in hidden:
            x = torch.relu(part(x))
        return F.cross_entropy(last(x), labels)


def train(side: Any, case: Case) -> None:
    """Tell the time of a step: eager, compiled, and compiled with captured graphs."""
    ways: list[tuple[str, str | None]] = [("torch", None), ("torch.compile", "default")]
    if case.work.startswith("MLP"):
        ways.append(("torch.compile reduce-overhead", "reduce-overhead"))
    for name, mode in ways:
        side.teller.attempt(case.name, name, lambda n=name, m=mode: _tell(side, case, n, m))


def _tell(side: Any, case: Case, name: str, mode: str | None) -> None:
    model, data = _problem(side, case)
    fused = side.device == "cuda"
    if case.work.endswith("SGD"):
        optimiser: Any = torch.optim.SGD(model.parameters(), lr=0.01, fused=fused)
    else:
        optimiser = torch.optim.Adam(model.parameters(), lr=0.001, fused=fused)
    loss = model
    if mode is not None:
        torch._dynamo.reset()
        backend = {"backend": "aot_eager"} if side.device == "cpu" else {"mode": mode}
        loss = torch.compile(model, dynamic=False, **backend)

    def step() -> Any:
        optimiser.zero_grad(set_to_none=True)
        value = loss(*data)
        value.backward()
        optimiser.step()
        return value

    for _ in range(3):
        step()
    side.teller.time(case.name, name, side.sample(step))


def _problem(side: Any, case: Case) -> tuple[Any, list[Any]]:
    if case.work.startswith("MLP"):
        sizes, (batch,) = case.shapes
        x = torch.randn(batch, sizes[0], device=side.device)
        labels = torch.randint(sizes[-1], (batch,), device=side.device)
        return Perceptron(sizes).to(side.device), [x, labels]
    layers, width, heads, tokens, words, batch = case.shapes[0]
    model = Transformer(layers, width, heads, tokens, words).to(side.device)
    arrays = sentences(batch, tokens, words)
    return model, [torch.from_numpy(array).to(side.device) for array in arrays]
