"""Sorting as a loop: the same positions by the interpreter, whatever the size."""

import numpy as np
import pytest

import symfuse as sf
import symfuse.numpy as snp
from symfuse.compiler.ir.regions import every_node
from symfuse.compiler.ir.verify import verify
from symfuse.compiler.passes.expand_sorts import expand_sorts

RNG = np.random.default_rng(3)


def expanded(function, *specs):
    graph = sf.trace(function, *specs).ir
    found = expand_sorts(graph)
    verify(found)
    assert not any(node.op.sorts for node in every_node(found))
    return graph, found


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("size", range(18))
def test_known_sizes(size, descending):
    before, after = expanded(
        lambda x: snp.argsort(x, descending=descending), sf.spec((2, size), "float32")
    )
    x = RNG.integers(0, 4, (2, size)).astype("float32")
    x[:, ::5] = np.nan
    np.testing.assert_array_equal(after(x), before(x))


def test_symbolic_sizes():
    before, after = expanded(lambda x: snp.argsort(x), "i32[N]")
    for size in range(18):
        x = RNG.integers(0, 4, size).astype("int32")
        np.testing.assert_array_equal(after(x), before(x))


def test_sorts_inside_loops():
    def rounds(x):
        return sf.fori_loop(0, 3, lambda i, s: snp.sort(s)[::-1] + i, x)

    before, after = expanded(rounds, "f32[9]")
    x = RNG.normal(size=9).astype("float32")
    np.testing.assert_array_equal(after(x), before(x))


def test_a_graph_without_sorts_stays_itself():
    graph = sf.trace(lambda x: x + 1, "f32[3]").ir
    assert expand_sorts(graph) is graph
