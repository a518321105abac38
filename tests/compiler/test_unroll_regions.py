"""Loops and branches written out for machines without them."""

from __future__ import annotations

import numpy as np
import pytest

import symfuse as sf
from symfuse.compiler.ir.verify import verify
from symfuse.compiler.passes.unroll_regions import unroll_regions

snp = sf.numpy


def program(x, w):
    def turn(c, v):
        c = sf.cond(v.sum() > 0, lambda: c * v, lambda: c @ w)
        return sf.fori_loop(0, 2, lambda i, d: d + i, c), c

    return sf.scan(turn, snp.ones(3, "float32"), x, reverse=True)


def test_no_value_changes():
    graph = sf.trace(program, "f32[4,3]", "f32[3,3]").ir
    found = verify(unroll_regions(graph, "a device"))
    assert not any(node.op.regional for node in found.nodes)
    rng = np.random.default_rng(0)
    args = [rng.normal(size=shape).astype("f") for shape in ((4, 3), (3, 3))]
    for one, other in zip(graph(*args), found(*args), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_graph_without_loops_is_left_alone():
    graph = sf.trace(lambda x: x + 1, "f32[3]").ir
    assert unroll_regions(graph, "a device") is graph


WRONG = {
    "a while_loop": lambda x: sf.while_loop(lambda c: c[0] < 3, lambda c: c + 1, x),
    "a loop of 1000 turns": lambda x: sf.fori_loop(0, 1000, lambda i, c: c * x, x),
    "a loop of N turns": lambda x: sf.fori_loop(0, x.shape[0], lambda i, c: c * x, x),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_written_out_is_refused_at_the_line(what):
    function = WRONG[what]
    with pytest.raises(sf.UnsupportedError, match=f"{what} cannot be compiled for") as caught:
        sf.compile(function, "f32[N]", target="cuda")
    assert caught.value.user_frame == (__file__, function.__code__.co_firstlineno)
