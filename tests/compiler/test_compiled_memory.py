"""The arena is used to its last byte, and results take the memory of donated inputs only safely."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import pytest
from handmade import make_graph
from msgspec.structs import replace
from rows import arrays_of, layernorm, softmax, spread
from running import Compiled, as_tuple, assert_near

import symfuse as sf
from symfuse.compiler.ir.interpret import interpret
from symfuse.compiler.ir.op import operations as op
from symfuse.runtime.executable import Executable

Function = Callable[..., Any]


def _product(x: Any, y: Any) -> Any:
    return op["contract"](x, y, batch=((), ()), contracting=((1,), (0,)))


def _attention(q: Any, k: Any, v: Any) -> Any:
    scores = op["contract"](q, k, batch=((0,), (0,)), contracting=((2,), (2,)))
    return op["contract"](softmax(scores, 2), v, batch=((0,), (0,)), contracting=((2,), (1,)))


def _layers(x: Any, *weights: Any) -> Any:
    for w in weights:
        x = layernorm(op["tanh"](_product(x, w)), 1)
    return x


MODELS: dict[str, tuple[Function, tuple[str, ...]]] = {
    "attention": (_attention, ("f32[2,32,16]",) * 3),
    "layers": (_layers, ("f32[40,64]", *["f32[64,64]"] * 4)),
    "turned": (lambda x: op["transpose"](op["exp"](x), axes=(1, 0)) * 2.0, ("f32[37,61]",)),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_planned_peak_is_what_a_run_touches(name: str, rng: np.random.Generator) -> None:
    function, types = MODELS[name]
    graph = make_graph(function, *types)
    compiled = Compiled(graph)
    compiled.check(*arrays_of(graph, rng), tolerance=1e-4)
    plan = compiled.compilation.memory
    assert compiled.alone.last_high_water == plan.arena
    assert plan.lower_bound <= min(plan.arena, plan.unshared)


def test_what_only_explains_a_plan_waits_until_it_is_asked_for() -> None:
    function, types = MODELS["layers"]
    plan = Compiled(make_graph(function, *types)).compilation.memory
    assert not plan.__dict__
    matrix = 40 * 64 * 4
    assert plan.lower_bound == 2 * matrix < plan.unshared
    assert set(plan.__dict__) == {"lower_bound", "unshared"}


def test_dead_buffers_are_used_again() -> None:
    function, types = MODELS["layers"]
    plan = Compiled(make_graph(function, *types)).compilation.memory
    assert plan.arena < plan.unshared / 2


def test_buffers_that_are_alive_together_do_not_overlap() -> None:
    for function, types in MODELS.values():
        compilation = Compiled(make_graph(function, *types)).compilation
        for one, other in permutations(compilation.memory.lifetimes, 2):
            apart = one.offset + one.nbytes <= other.offset
            behind = other.offset + other.nbytes <= one.offset
            if apart or behind or one.last < other.first or other.last < one.first:
                continue
            early, late = sorted((one, other), key=lambda life: life.first)
            launch = compilation.launches[late.first]
            assert early.last == late.first
            assert launch.reads_in_place(early.buffer, late.buffer)


def _shifted_twice(x: Any) -> Any:
    shifted = x - spread(op["reduce_max"](x, axes=(1,)), x, 1)
    raised = op["exp"](shifted)
    return shifted, raised / spread(op["reduce_sum"](raised, axes=(1,)), x, 1) * x


def _adam(w: Any, m: Any, v: Any, g: Any) -> Any:
    return w - m * 0.1 / (op["sqrt"](op["abs"](v)) + 1e-3), m * 0.9 + g, v * 0.9 + g * g


def _read_before(x: Any, y: Any) -> Any:
    rest = op["exp"](op["reduce_sum"](y, axes=(0,)) * 0.1) * op["reduce_sum"](x, axes=(0,))
    return x + 1.0, op["reduce_sum"](rest, axes=(0,))


def _normed(x: Any) -> Any:
    length = op["sqrt"](op["reduce_sum"](op["square"](x), axes=(0,)))
    return x / op["broadcast"](length, shape=x.shape, axes=())


SQUARE = "f32[33,33]"


def _stored_last(g: Any, m: Any, v: Any, w: Any) -> Any:
    m = m * 0.9 + g
    v = v * 0.9 + g * g
    return w - m * 0.1 / (op["sqrt"](v) + 1e-3), m, v


def _counted(x: Any, step: Any) -> Any:
    return x * op["broadcast"](step, shape=x.shape, axes=()), step + 1.0


# Function, types, donated inputs, and the input whose memory each result takes.
DONATIONS: dict[str, tuple[Function, tuple[str, ...], tuple[int, ...], tuple[int | None, ...]]] = {
    "map": (lambda x: op["exp"](x), (SQUARE,), (0,), (0,)),
    "row": (lambda x: softmax(x, 1), (SQUARE,), (0,), (0,)),
    "column": (lambda x: softmax(x, 0), (SQUARE,), (0,), (0,)),
    "optimiser": (_adam, (SQUARE,) * 4, (0, 1, 2), (0, 1, 2)),
    "optimiser, moments first": (_stored_last, (SQUARE,) * 4, (1, 2, 3), (3, 1, 2)),
    "number read elsewhere": (_counted, (SQUARE, "f32[]"), (0, 1), (0, None)),
    "read by another kernel": (_read_before, (SQUARE, SQUARE), (0,), (0, None)),
    "read again after the store": (_shifted_twice, (SQUARE,), (0,), (None, 0)),
    "read turned": (lambda x: op["transpose"](x, axes=(1, 0)) + x, (SQUARE,), (0,), (None,)),
    "read backwards": (lambda x: op["reverse"](x, axes=(1,)) * 2.0, (SQUARE,), (0,), (None,)),
    "product": (_product, (SQUARE, SQUARE), (0,), (None,)),
    "product and sum": (lambda x, y: _product(x, y) + x, (SQUARE, SQUARE), (0,), (None,)),
    "crossed": (lambda x, y: (y * 2.0, x * 3.0), (SQUARE, SQUARE), (0, 1), (1, 0)),
    "passed on": (lambda x, y: (x, y), (SQUARE, SQUARE), (0, 1), (0, 1)),
    "split fold": (_normed, ("f32[100000]",), (0,), (0,)),
    "running": (lambda x: op["cumsum"](x, axis=0), (SQUARE,), (0,), (0,)),
}


@pytest.mark.parametrize("name", DONATIONS)
def test_donated_memory_is_taken_where_nothing_else_reads_it(
    name: str, rng: np.random.Generator
) -> None:
    function, types, donated, takers = DONATIONS[name]
    graph = make_graph(function, *types)
    given = frozenset(graph.parameters[at] for at in donated)
    graph = replace(graph, donated=given)
    program = Compiled(graph).compilation.program
    assert tuple(result.alias_of for result in program.outputs) == takers
    arrays = arrays_of(graph, rng)
    wanted = interpret(graph, [x.copy() for x in arrays])
    for threads in (1, 2):
        copies = [x.copy() for x in arrays]
        found = as_tuple(Executable(program, threads=threads)(*copies))
        assert_near(found, wanted, 1e-4)
        for result, taken in zip(found, takers, strict=True):
            assert taken is None or result is copies[taken]


def test_memory_of_a_checkpointed_gradient_grows_as_the_root_of_the_turns():
    def peak(length, checkpoint):
        def loss(w, x):
            def turn(h, _):
                return np.tanh(h @ w), None

            return (sf.scan(turn, x, length=length, checkpoint=checkpoint)[0] ** 2).sum()

        return sf.compile(sf.grad(loss), "f32[8,8]", "f32[4,8]").memory.peak_bytes()

    plain, kept = ([peak(n, checkpoint) for n in (256, 1024, 4096)] for checkpoint in (False, True))
    assert all(3.5 < b / a < 4.5 for a, b in pairwise(plain))
    assert all(1.5 < b / a < 2.5 for a, b in pairwise(kept))
