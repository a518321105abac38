"""Compositions that keep a row on chip, and arrays for graphs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import symfuse.compiler.ops  # noqa: F401  (completes the registry)
from symfuse.compiler.ir.dims import evaluate
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.op import operations as op

__all__ = ["arrays_of", "layernorm", "logsumexp", "softmax", "spread"]

Array = np.ndarray[Any, Any]


def arrays_of(
    graph: Graph, rng: np.random.Generator, sizes: Mapping[str, int] | None = None
) -> list[Array]:
    """A random array for every parameter, symbols having the given sizes."""
    found = []
    for parameter in graph.parameters:
        shape = [n if isinstance(n, int) else evaluate(n, sizes or {}) for n in parameter.shape]
        dtype = parameter.dtype
        if dtype.is_float:
            found.append(rng.normal(size=shape).astype(dtype.numpy))
        else:
            high = 2 if dtype.is_bool else 5
            found.append(rng.integers(0, high, shape).astype(dtype.numpy))
    return found


def spread(value: Any, x: Any, axis: int) -> Any:
    """A value of each row beside every element of the row."""
    rest = tuple(a for a in range(x.rank) if a != axis)
    return op["broadcast"](value, shape=x.shape, axes=rest)


def softmax(x: Any, axis: int) -> Any:
    shifted = op["exp"](x - spread(op["reduce_max"](x, axes=(axis,)), x, axis))
    return shifted / spread(op["reduce_sum"](shifted, axes=(axis,)), x, axis)


def layernorm(x: Any, axis: int) -> Any:
    each = 1.0 / max(int(x.shape[axis]), 1)
    centred = x - spread(op["reduce_sum"](x, axes=(axis,)) * each, x, axis)
    variance = op["reduce_sum"](op["square"](centred), axes=(axis,)) * each
    return centred * spread(op["rsqrt"](variance + 1e-5), x, axis)


def logsumexp(x: Any, axis: int) -> Any:
    most = op["reduce_max"](x, axes=(axis,))
    terms = op["exp"](x - spread(most, x, axis))
    return op["log"](op["reduce_sum"](terms, axes=(axis,))) + most
