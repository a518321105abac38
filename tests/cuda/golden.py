"""The kernels whose machine code is watched: what each computes, and what it may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import symfuse as sf
from symfuse.nn import functional as nn

__all__ = ["GOLDEN", "Budget", "traced"]


@dataclass(frozen=True)
class Budget:
    """A function, and the most registers and least accesses of 16 bytes of its kernels together."""

    name: str
    function: Callable[..., Any]
    specs: tuple[str, ...]
    registers: int
    loads: int = 0
    stores: int = 0


def adam(x, mean, square, slope):
    mean = np.float32(0.9) * mean + np.float32(0.1) * slope
    square = np.float32(0.99) * square + np.float32(0.01) * slope * slope
    return x - np.float32(0.01) * mean / (np.sqrt(square) + np.float32(1e-6)), mean, square


def layer_norm(x, scale, shift):
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    return centred / np.sqrt(variance + np.float32(1e-5)) * scale + shift


def softmax(x):
    return nn.softmax(x, axis=-1)


def rows_added(x, places, rows):
    return x.at[places].add(rows)


GOLDEN = (
    Budget("map, gelu", nn.gelu, ("f32[1048576]",), 40, 2, 2),
    Budget("softmax of short rows", softmax, ("f32[4096,512]",), 40, 4, 4),
    Budget("softmax of long rows", softmax, ("f32[512,8192]",), 72, 8, 8),
    Budget("layer norm", layer_norm, ("f32[4096,1024]", "f32[1024]", "f32[1024]"), 64, 8, 8),
    Budget("column sum", lambda x: x.sum(axis=0), ("f32[4096,1024]",), 40, 8, 2),
    Budget("full sum", lambda x: x.sum(), ("f32[4194304]",), 56, 4),
    Budget("transpose", lambda x: np.transpose(x), ("f32[2048,1024]",), 40, 4, 4),
    Budget(
        "product with an epilogue",
        lambda x, w, b: nn.gelu(x @ w + b),
        ("f32[1024,512]", "f32[512,1024]", "f32[1024]"),
        64,
        2,
        4,
    ),
    Budget("Adam", adam, ("f32[1048576]",) * 4, 56, 8, 6),
    Budget(
        "gather of rows",
        lambda x, i: np.take(x, i, axis=0),
        ("f32[5000,256]", "i64[3000]"),
        32,
        1,
        1,
    ),
    Budget("scatter of rows", rows_added, ("f32[5000,256]", "i64[3000]", "f32[3000,256]"), 48),
    Budget("cumulative sum", lambda x: np.cumsum(x, axis=-1), ("f32[512,4096]",), 48, 1, 1),
    Budget("argmax", lambda x: np.argmax(x, axis=-1), ("f32[4096,1000]",), 64, 4),
)


def traced(budget: Budget) -> Any:
    """The graph of the function."""
    return sf.make_graph(budget.function)(*budget.specs).ir
