"""Graphs made by hand, and the numbers that tests hold them against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symfuse.compiler.ir.builder import Builder
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.types import parse_type

Arrays = Sequence[Any]


def make_graph(function: Callable[..., Any], *types: str, name: str = "f") -> Graph:
    """The graph of a function of nodes, for parameters of the given types."""
    builder = Builder()
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    parameters = tuple(
        builder.parameter(names[at] if at < len(names) else f"x{at}", parse_type(text))
        for at, text in enumerate(types)
    )
    with builder.active():
        found = function(*parameters)
    outputs = found if isinstance(found, tuple) else (found,)
    return Graph(name, parameters, builder.nodes(outputs), builder)


def results(graph: Graph, *arrays: Any) -> tuple[np.ndarray[Any, Any], ...]:
    """All outputs by the reference interpreter, as a tuple even if it is one."""
    found = graph(*arrays)
    return found if isinstance(found, tuple) else (found,)


def differences(
    function: Callable[..., Any], arrays: Arrays, at: int, step: float = 1e-5
) -> np.ndarray[Any, Any]:
    """Central differences of an array-valued function in argument `at`: output + input axes."""
    x = np.asarray(arrays[at], np.float64)
    columns = []
    for index in np.ndindex(x.shape):
        shift = np.zeros_like(x)
        shift[index] = step * max(1.0, abs(x[index]))
        ahead, behind = (
            np.asarray(function(*(a if i != at else a + s for i, a in enumerate(arrays))))
            for s in (shift, -shift)
        )
        columns.append((ahead - behind) / (2 * shift[index]))
    if not columns:
        return np.zeros((*np.shape(function(*arrays)), *x.shape))
    return np.stack(columns, -1).reshape(*columns[0].shape, *x.shape)
