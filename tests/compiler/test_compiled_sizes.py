"""One compilation serves every size that its guards admit, and its memory formula is exact."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from handmade import make_graph
from rows import arrays_of, layernorm, softmax, spread
from running import Compiled

from symfuse.compiler.ir.dims import evaluate
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.op import operations as op
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import GuardError

SIZES = (0, 1, 2, 16, 17, 65, 300)
COLUMNS = 7  # what M is


def _product(x: Any, y: Any, left: int, right: int) -> Any:
    return op["contract"](x, y, batch=((), ()), contracting=((left,), (right,)))


def _batched(x: Any, y: Any) -> Any:
    return op["contract"](x, y, batch=((0,), (0,)), contracting=((2,), (1,)))


def _sums(x: Any) -> Any:
    return tuple(op["reduce_sum"](x, axes=axes) for axes in ((0,), (1,), (0, 1)))


def _perceptron(x: Any, w: Any, c: Any, v: Any) -> Any:
    return _product(op["relu"](_product(x, w, 1, 0) + c), v, 1, 0)


def _padded(x: Any) -> Any:
    return op["pad"](x, low=(1, 2), high=(2, 0), interior=(1, 2), value=3)


def _cut(x: Any, y: Any) -> Any:
    return op["slice"](x, starts=(0,), stops=(y.shape[0],), steps=(1,)) + y


def _counted(x: Any) -> Any:
    return op["iota"](shape=x.shape, axis=0, dtype=DType.F32) + x


def _chained(x: Any) -> Any:
    total = op["reduce_sum"](x, axes=(0,)) * 0.1
    return op["reduce_sum"](op["square"](x - spread(total, x, 0)), axes=(0,))


def _running(x: Any) -> Any:
    return op["cumsum"](x, axis=0), op["cumsum"](x, axis=1, reverse=True)


def _scattered(x: Any, index: Any, updates: Any) -> Any:
    return op["scatter_add"](x, index, updates, axis=0)


GRAPHS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "map": (lambda x, y: op["exp"](x) * 2.0 + y, ("f32[N,64]", "f32[64]")),
    "columns": (lambda x, y: x + spread(y, x, 1), ("f32[N,64]", "f32[N]")),
    "sums": (_sums, ("f32[N,64]",)),
    "long sum": (lambda x: op["reduce_sum"](op["square"](x), axes=(0,)), ("f32[N]",)),
    "product": (lambda x, y: _product(x, y, 1, 0), ("f32[N,64]", "f32[64,10]")),
    "turned product": (lambda x, y: _product(x, y, 0, 1), ("f32[64,N]", "f32[10,64]")),
    "symbolic depth": (lambda x, y: _product(x, y, 1, 1), ("f32[8,N]", "f32[9,N]")),
    "outer depth": (lambda x, y: _product(x, y, 0, 0), ("f32[N,64]", "f32[N,10]")),
    "symbolic columns": (lambda x, y: _product(x, y, 1, 0), ("f32[8,64]", "f32[64,N]")),
    "squared": (lambda x, y: _product(x, y, 1, 1), ("f32[N,8]", "f32[N,8]")),
    "vector": (lambda x, y: _product(x, y, 1, 0), ("f32[6,N]", "f32[N]")),
    "batch": (_batched, ("f32[N,5,6]", "f32[N,6,7]")),
    "perceptron": (_perceptron, ("f32[N,64]", "f32[64,32]", "f32[32]", "f32[32,10]")),
    "turned": (lambda x: op["transpose"](op["exp"](x), axes=(1, 0)) * 2.0, ("f32[N,9]",)),
    "padded": (_padded, ("f32[N,5]",)),
    "joined": (lambda x, y: op["concatenate"](x, y, x, axis=0), ("f32[N,5]", "f32[M,5]")),
    "joined rows": (lambda x, y: op["concatenate"](x, y, axis=1), ("f32[3,N]", "f32[3,M]")),
    "backwards": (lambda x: op["reverse"](x, axes=(0,)), ("f32[N,5]",)),
    "flat": (lambda x: op["reshape"](op["exp"](x), shape=(x.shape[0] * 5,)), ("f32[N,5]",)),
    "running": (_running, ("f32[N,50]",)),
    "scattered": (_scattered, ("f32[9,50]", "i64[N]", "f32[N,50]")),
    "scattered beside": (_scattered, ("f32[9,N]", "i64[M]", "f32[M,N]")),
    "counted": (_counted, ("f32[N,5]",)),
    "derived": (_cut, ("f32[N + 3]", "f32[N]")),
    "chained": (_chained, ("f32[N,5]",)),
}

NOT_EMPTY: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "softmax": (lambda x: softmax(x, 1), ("f32[N,64]",)),
    "softmax down": (lambda x: softmax(x, 0), ("f32[N,64]",)),
    "softmax along": (lambda x: softmax(x, 1), ("f32[7,N]",)),
    "softmax amid": (lambda x: softmax(x, 1), ("f32[3,N,5]",)),
    "layernorm": (lambda x: layernorm(x, 1), ("f32[N,64]",)),
    "argmax": (lambda x: op["argmax"](x, axis=0), ("f32[N,5]",)),
    "taken": (lambda x, i: op["take"](x, i, axis=0), ("f32[N,50]", "i64[M]")),
}


@pytest.mark.parametrize("name", [*GRAPHS, *NOT_EMPTY])
def test_one_program_serves_all_sizes(name: str, rng: np.random.Generator) -> None:
    function, types = (GRAPHS | NOT_EMPTY)[name]
    graph = make_graph(function, *types)
    compiled = Compiled(graph)
    for n in SIZES[name in NOT_EMPTY :]:
        sizes = {"N": n, "M": COLUMNS}
        compiled.check(*arrays_of(graph, rng, sizes), sizes=sizes, tolerance=1e-4)
        planned = compiled.compilation.memory.arena
        bytes_ = planned if isinstance(planned, int) else evaluate(planned, sizes)
        assert compiled.alone.last_high_water == bytes_


def test_a_long_sum_has_the_same_bits_on_one_thread_and_two(rng: np.random.Generator) -> None:
    function, types = GRAPHS["long sum"]
    graph = make_graph(function, *types)
    compiled = Compiled(graph)
    for n in (8191, 8192, 8193, 100_000, 1_000_003):
        compiled.check(*arrays_of(graph, rng, {"N": n}), tolerance=1e-4)


def test_sizes_that_break_a_guard_are_refused_before_anything_runs() -> None:
    compiled = Compiled(make_graph(_cut, "f32[N + 3]", "f32[N]"))
    for executable in (compiled.alone, compiled.shared):
        for shape in ((4, 2), (2, 2), (5, 5)):
            with pytest.raises(GuardError):
                executable(*(np.zeros(n, np.float32) for n in shape))
        assert executable(np.ones(5, np.float32), np.ones(2, np.float32)).tolist() == [2.0, 2.0]


def test_equal_symbols_must_be_equal_sizes() -> None:
    compiled = Compiled(make_graph(lambda x, y: x + y, "f32[N]", "f32[N]"))
    with pytest.raises(GuardError):
        compiled.alone(np.zeros(3, np.float32), np.zeros(4, np.float32))


@pytest.mark.parametrize(
    ("text", "size", "condition"),
    [
        ("slice(%x, starts=(2,), stops=(3,), steps=(1,))", 2, "3 ≤ N"),
        ("slice(%x, starts=(N - 3,), stops=(N,), steps=(1,))", 2, "0 ≤ N - 3"),
        ("negative(%x)", 8, "N ≤ 7"),
        ("reshape(%x, shape=(2, N//2))", 3, "N = 2*(N//2)"),
    ],
)
def test_the_interpreter_refuses_what_a_program_refuses(
    text: str, size: int, condition: str
) -> None:
    graph = Graph.parse(f"graph f(%x: f64[N]) {{\n sizes N in [0, 7]\n %y = {text}\n return %y }}")
    for run in (graph, Compiled(graph).alone):
        with pytest.raises(GuardError, match=re.escape(f"valid for {condition}; it got")):
            run(np.zeros(size))
    assert graph(np.zeros(6)).size > 0
