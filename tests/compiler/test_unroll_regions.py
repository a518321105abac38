"""Loops and branches written out for machines without them."""

from __future__ import annotations

import numpy as np
import pytest

import symfuse as sf
from symfuse.compiler.ir.regions import every_node
from symfuse.compiler.ir.verify import verify
from symfuse.compiler.passes import unroll_regions

snp = sf.numpy


def program(x, w):
    def turn(c, v):
        c = sf.cond(v.sum() > 0, lambda: c * v, lambda: c @ w)
        return sf.fori_loop(0, 2, lambda i, d: d + i, c), c

    return sf.scan(turn, snp.ones(3, "float32"), x, reverse=True)


@pytest.fixture
def everything(monkeypatch):
    """Nothing is too much to be written out."""
    monkeypatch.setattr(unroll_regions, "MOST_WRITTEN", 10_000)


def test_no_value_changes(everything):
    graph = sf.trace(program, "f32[4,3]", "f32[3,3]").ir
    found = verify(unroll_regions.unroll_regions(graph))
    assert not any(node.op.regional for node in found.nodes)
    rng = np.random.default_rng(0)
    args = [rng.normal(size=shape).astype("f") for shape in ((4, 3), (3, 3))]
    for one, other in zip(graph(*args), found(*args), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_graph_without_loops_is_left_alone():
    graph = sf.trace(lambda x: x + 1, "f32[3]").ir
    assert unroll_regions.unroll_regions(graph) is graph


def left(function, *specs):
    """The loops and choices that are left, and those inside them."""
    found = unroll_regions.unroll_regions(sf.trace(function, *specs).ir)
    return [node.op.name for node in every_node(found) if node.op.regional]


KEPT = {
    "while_loop": (lambda x: sf.while_loop(lambda c: c[0] < 3, lambda c: c + 1, x), ["while_loop"]),
    "many turns": (lambda x: sf.fori_loop(0, 1000, lambda i, c: c * x, x), ["loop"]),
    "any number": (lambda x: sf.fori_loop(0, x.shape[0], lambda i, c: c * x, x), ["loop"]),
    "few turns": (lambda x: sf.fori_loop(0, 3, lambda i, c: c * x, x), []),
    "a choice": (lambda x: sf.cond(x[0] > 0, lambda: x, lambda: -x), []),
    "a choice of a loop": (
        lambda x: sf.cond(x[0] > 0, lambda: sf.fori_loop(0, 99, lambda i, c: c * x, x), lambda: x),
        ["branch", "loop"],
    ),
    "a choice in a loop": (
        lambda x: sf.fori_loop(0, 99, lambda i, c: sf.cond(c[0] > 0, lambda: x, lambda: c), x),
        ["loop"],
    ),
}


@pytest.mark.parametrize("what", KEPT)
def test_what_is_much_or_unknown_is_left_to_the_machine(what):
    function, names = KEPT[what]
    assert left(function, "f32[N]") == names
