"""Graphs of every kind and of sizes that take every turn of the schedules for devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from handmade import make_graph
from rows import layernorm, logsumexp, softmax, spread

from symfuse.compiler.autodiff.reverse import value_and_grad_graph
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.op import operations as op

__all__ = ["EVERY_GRAPH", "device_graph"]

Function = Callable[..., Any]


def total(axes: tuple[int, ...]) -> Function:
    return lambda x: op["reduce_sum"](x, axes=axes)


def product(left: int = 1, right: int = 0) -> Function:
    return lambda x, y: op["contract"](x, y, batch=((), ()), contracting=((left,), (right,)))


def batched(x: Any, y: Any) -> Any:
    return op["contract"](x, y, batch=((0,), (0,)), contracting=((2,), (1,)))


def turned(x: Any, *axes: int) -> Any:
    return op["transpose"](x, axes=axes)


def over_heads(x: Any, y: Any) -> Any:
    batch, heads, places, size = y.shape
    rows = op["reshape"](turned(y, 0, 2, 1, 3), shape=(batch, places, heads * size))
    return op["contract"](x, rows, batch=((), ()), contracting=((0, 1), (0, 1)))


def dense(x: Any, w: Any, c: Any) -> Any:
    sums = product()(op["exp"](x), w)
    return op["relu"](sums + spread(c, sums, 0)), op["tanh"](sums)


def attention(q: Any, k: Any, v: Any) -> Any:
    scores = op["contract"](q, k, batch=((0,), (0,)), contracting=((2,), (2,)))
    return batched(softmax(scores * 0.25, 2), v)


def adam(w: Any, g: Any, m: Any, v: Any) -> Any:
    m = m * 0.9 + g * 0.1
    v = v * 0.99 + op["square"](g) * 0.01
    return w - m / (op["sqrt"](v) + 1e-6) * 0.01, m, v


def added(axis: int) -> Function:
    return lambda x, i, u: op["scatter_add"](x, i, u, axis=axis)


# name: function, types of its parameters, and values of the symbols in them
GRAPHS: dict[str, tuple[Function, tuple[str, ...], dict[str, int]]] = {
    "map": (lambda x, y: op["exp"](x) * y, ("f32[300,70]", "f32[300,70]"), {}),
    "map of any size": (lambda x: op["tanh"](x), ("f32[N,M]",), {"N": 37, "M": 41}),
    "map of one": (lambda x: op["exp"](x) + 1.0, ("f64[]",), {}),
    "map of none": (lambda x: op["exp"](x), ("f32[0,4]",), {}),
    "map of bytes": (lambda x, y: op["logical_and"](x, y), ("bool[9,1000]", "bool[9,1000]"), {}),
    "row beside a matrix": (lambda x, c: x + spread(c, x, 0), ("f32[300,100]", "f32[100]"), {}),
    "odd row": (lambda x, c: x * spread(c, x, 0), ("f64[55,33]", "f64[33]"), {}),
    "column beside a matrix": (
        lambda x, c: x + spread(c, x, 1),
        ("f32[30,N]", "f32[30]"),
        {"N": 9},
    ),
    "Adam": (adam, ("f32[70,50]",) * 4, {}),
    "transposed": (lambda x: turned(x, 1, 0) + 1.0, ("f32[133,217]",), {}),
    "transposed and added": (lambda x, y: turned(x, 1, 0) + y, ("f32[64,64]", "f32[64,64]"), {}),
    "transposed doubles": (lambda x: op["sqrt"](turned(x, 1, 0)), ("f64[40,N]",), {"N": 53}),
    "inner axes turned": (lambda x: turned(x, 0, 2, 1), ("f32[3,70,20]",), {}),
    "outer axes turned": (lambda x: turned(x, 1, 0, 2), ("f32[30,20,7]",), {}),
    "all axes turned": (lambda x: turned(x, 2, 1, 0) * 2.0, ("i32[17,5,40]",), {}),
    "strided": (
        lambda x: op["slice"](x, starts=(1, 3), stops=(60, 70), steps=(2, 1)),
        ("f32[64,80]",),
        {},
    ),
    "sum of rows": (total((1,)), ("f32[40,1000]",), {}),
    "sum of short rows": (total((1,)), ("f32[3000,6]",), {}),
    "sum of columns": (total((0,)), ("f32[1000,60]",), {}),
    "sum of few columns": (total((0,)), ("f64[900,2]",), {}),
    "sum of columns of any length": (total((0,)), ("f32[N,60]",), {"N": 700}),
    "sum of all": (total((0, 1)), ("f32[300,333]",), {}),
    "sum of all of any size": (total((0, 1)), ("f32[N,M]",), {"N": 300, "M": 99}),
    "sum of outer and inner": (total((0, 2)), ("f32[30,20,50]",), {}),
    "sum in between": (total((1,)), ("f32[10,200,30]",), {}),
    "sum of nothing": (total((1,)), ("f32[4,0]",), {}),
    "sum of an open number of nothing": (total((0,)), ("f32[N,3]",), {"N": 0}),
    "greatest place in rows": (lambda x: op["argmax"](x, axis=1), ("f32[20,700]",), {}),
    "greatest place in columns": (lambda x: op["argmax"](x, axis=0), ("f32[300,70]",), {}),
    "softmax": (lambda x: softmax(x, 1), ("f32[64,100]",), {}),
    "softmax of odd rows": (lambda x: softmax(x, 1), ("f32[9,1025]",), {}),
    "softmax of long rows": (lambda x: softmax(x, 1), ("f32[9,9000]",), {}),
    "softmax of rows too long to keep": (lambda x: softmax(x, 1), ("f64[9,12000]",), {}),
    "softmax of open rows": (lambda x: softmax(x, 1), ("f32[N,M]",), {"N": 5, "M": 301}),
    "softmax of columns": (lambda x: softmax(x, 0), ("f32[100,64]",), {}),
    "softmax of long columns": (lambda x: softmax(x, 0), ("f32[3000,20]",), {}),
    "logarithm of sums": (lambda x: logsumexp(x, 1), ("f64[33,77]",), {}),
    "layer norm": (lambda x: layernorm(x, 1), ("f32[33,768]",), {}),
    "layer norm of short rows": (lambda x: layernorm(x, 1), ("f32[500,12]",), {}),
    "product": (product(), ("f32[70,50]", "f32[50,90]"), {}),
    "product of doubles": (product(), ("f64[70,50]", "f64[50,90]"), {}),
    "product with a large tile": (product(), ("f32[1500,20]", "f32[20,1500]"), {}),
    "product of the left one turned": (product(0, 0), ("f32[50,70]", "f32[50,90]"), {}),
    "product of the right one turned": (product(1, 1), ("f32[70,50]", "f32[90,50]"), {}),
    "product of any size": (
        product(),
        ("f32[N,K]", "f32[K,M]"),
        {"N": 133, "K": 21, "M": 70},
    ),
    "product over nothing": (product(), ("f32[N,K]", "f32[K,M]"), {"N": 9, "K": 0, "M": 12}),
    "product of whole numbers": (product(), ("i32[40,30]", "i32[30,20]"), {}),
    "product of long sums": (product(0, 0), ("i64[700,20]", "i64[700,9]"), {}),
    "products of a batch": (batched, ("f32[3,70,50]", "f32[3,50,90]"), {}),
    "product over two axes": (
        lambda x, y: op["contract"](x, y, batch=((), ()), contracting=((1, 2), (0, 2))),
        ("f32[20,5,6]", "f32[5,30,6]"),
        {},
    ),
    "product over batch and places": (
        over_heads,
        ("f32[3,20,30]", "f32[3,4,20,6]"),
        {},
    ),
    "product over batch and any places": (
        over_heads,
        ("f32[3,N,30]", "f32[3,4,N,6]"),
        {"N": 21},
    ),
    "matrix and vector": (product(), ("f32[300,400]", "f32[400,1]"), {}),
    "vector and matrix": (product(), ("f32[1,300]", "f32[300,400]"), {}),
    "inner product": (product(), ("f32[1,30000]", "f32[30000,1]"), {}),
    "outer product": (product(), ("f32[20,1]", "f32[1,30]"), {}),
    "dense layer": (dense, ("f32[64,32]", "f32[32,48]", "f32[48]"), {}),
    "attention": (attention, ("f32[4,33,16]", "f32[4,33,16]", "f32[4,33,16]"), {}),
    "attention of any length": (attention, ("f32[4,N,16]",) * 3, {"N": 19}),
    "running sum of rows": (lambda x: op["cumsum"](x, axis=1), ("f32[20,1300]",), {}),
    "running sum of short rows": (lambda x: op["cumsum"](x, axis=1), ("f32[20,9]",), {}),
    "running sum of columns": (lambda x: op["cumsum"](x, axis=0), ("f32[50,300]",), {}),
    "running sum backwards": (
        lambda x: op["cumsum"](x, axis=0, reverse=True),
        ("f64[N]",),
        {"N": 500},
    ),
    "running sum of a long row": (lambda x: op["cumsum"](x, axis=0), ("f64[70001]",), {}),
    "running sum of long rows backwards": (
        lambda x: op["cumsum"](x, axis=1, reverse=True),
        ("f64[3,66000]",),
        {},
    ),
    "running product of long columns": (lambda x: op["cumprod"](x, axis=0), ("f64[300,40]",), {}),
    "running product": (lambda x: op["cumprod"](x, axis=1), ("f64[3,20,5]",), {}),
    "rows added": (added(0), ("f32[500,30]", "i64[400]", "f32[400,30]"), {}),
    "columns added": (added(1), ("f32[20,50]", "i64[90]", "f32[20,90]"), {}),
    "elements added": (added(0), ("f32[N]", "i64[M]", "f32[M]"), {"N": 77, "M": 300}),
    "rows taken": (
        lambda x, i: op["take"](x, i, axis=0) + 1.0,
        ("f32[50,36]", "i64[70]"),
        {},
    ),
}


def mean_square(x: Any) -> Any:
    return op["reduce_sum"](op["square"](x), axes=tuple(range(x.rank)))


# those whose sum of squares is differentiated
SLOPES: dict[str, tuple[Function, tuple[str, ...], dict[str, int]]] = {
    "dense layer": (
        lambda *x: mean_square(dense(*x)[0]),
        ("f32[33,20]", "f32[20,30]", "f32[30]"),
        {},
    ),
    "layer norm": (
        lambda x, w: mean_square(layernorm(x, 1) * spread(w, x, 0)),
        ("f32[40,96]", "f32[96]"),
        {},
    ),
    "softmax": (
        lambda x, y: mean_square(softmax(x, 1) - y),
        ("f32[N,10]", "f32[N,10]"),
        {"N": 33},
    ),
    "attention": (lambda *x: mean_square(attention(*x)), ("f32[2,33,16]",) * 3, {}),
    "rows taken": (
        lambda x: mean_square(op["take"](x, np.arange(60) % 7, axis=0)),
        ("f32[12,36]",),
        {},
    ),
}


EVERY_GRAPH = (*GRAPHS, *(f"slopes of {name}" for name in SLOPES))


def device_graph(name: str) -> tuple[Graph, dict[str, int]]:
    """One of the graphs, and the values of its symbols."""
    if name in GRAPHS:
        function, types, sizes = GRAPHS[name]
        return make_graph(function, *types), sizes
    function, types, sizes = SLOPES[name.removeprefix("slopes of ")]
    graph = make_graph(function, *types)
    return value_and_grad_graph(graph, graph.parameters), sizes
