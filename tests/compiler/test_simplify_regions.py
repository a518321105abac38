"""What becomes of loops and branches before they are compiled."""

from __future__ import annotations

import numpy as np
import pytest

import symfuse as sf
from symfuse.compiler.ir.regions import bundles
from symfuse.compiler.ir.verify import verify
from symfuse.compiler.passes.pipeline import run_pipeline

snp = sf.numpy


def simplified(function, *specs):
    """The graph after all passes, which keeps values and every promise."""
    graph = sf.trace(function, *specs).ir
    found, _ = run_pipeline(graph)
    rng = np.random.default_rng(0)
    args = [rng.normal(size=p.shape).astype(p.dtype.numpy) for p in graph.parameters]
    for one, other in zip(outputs(graph, args), outputs(found, args), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    return verify(found)


def outputs(graph, args):
    result = graph(*args)
    return result if isinstance(result, tuple) else (result,)


def loop_of(graph, name="loop"):
    return next(node for node in graph.nodes if node.op.name == name)


def test_results_that_nothing_reads_are_not_computed():
    def f(x):
        return sf.scan(lambda c, v: ((c[0] + v, c[1] * v), (v, snp.exp(v))), (x[0], x[0]), x)[0][0]

    loop = loop_of(simplified(f, "f32[5]"))
    assert (loop.attr("carries"), len(loop.attr("body").outputs)) == (1, 1)
    assert "exp" not in loop.attr("body").stats()


def test_a_carry_that_another_one_needs_stays():
    def f(x):
        return sf.fori_loop(0, 4, lambda i, c: (c[1], c[1] + c[0]), (x, 2 * x))[0]

    assert loop_of(simplified(f, "f32[5]")).attr("carries") == 2


def test_a_carry_that_never_changes_is_handed_to_every_turn():
    def f(x):
        return sf.fori_loop(0, 4, lambda i, c: (c[0] * c[1], c[1]), (x, 2 * x))

    graph = simplified(f, "f32[5]")
    assert loop_of(graph).attr("carries") == 1
    assert graph.outputs[1].op.name == "multiply"


def test_what_is_the_same_in_every_turn_is_computed_once():
    def f(x, w):
        return sf.fori_loop(0, 4, lambda i, c: c * snp.exp(w @ w).sum(), x)

    loop = loop_of(simplified(f, "f32[5]", "f32[3,3]"))
    assert set(loop.attr("body").stats()) <= {"parameter", "multiply", "broadcast"}


def test_numbers_go_inside_and_the_same_value_is_given_once():
    def f(x):
        zeros, again = snp.zeros(5, "float32"), snp.negative(-x)
        return sf.fori_loop(0, 4, lambda i, c: c * x + again + zeros, x)

    assert len(loop_of(simplified(f, "f32[5]")).inputs) == 2


def test_loops_of_no_and_of_one_turn_disappear():
    for turns in (0, 1):
        graph = simplified(
            lambda x, n=turns: sf.scan(lambda c, _: (c * x + 1, c), x, length=n), "f32[5]"
        )
        assert "loop" not in graph.stats()


def test_a_choice_by_a_number_is_made():
    graph = simplified(lambda x: sf.switch(1, [snp.sin, snp.cos], x), "f32[5]")
    assert set(graph.stats()) == {"parameter", "cos"}


def test_branches_lose_what_nothing_reads():
    def f(x, y):
        return sf.cond(x[0] > 0, lambda: (x + 1, y), lambda: (x - 1, y * y))[0]

    branch = loop_of(simplified(f, "f32[5]", "f32[7]"), "branch")
    assert [node.shape for node in branch.inputs] == [(), (5,)]
    assert len(branch.attr("branches")[0].outputs) == 1


def test_a_while_loop_keeps_what_its_condition_reads():
    def f(x):
        return sf.while_loop(
            lambda c: c[0] < 5, lambda c: (c[0] + 1, c[1] * x, c[2] * 2), (0, x, x)
        )[1]

    assert loop_of(simplified(f, "f32[5]"), "while_loop").attr("carries") == 2


def test_the_way_forward_of_a_gradient_runs_once():
    def loss(x):
        last, rows = sf.scan(lambda c, v: (snp.sin(c * v), c), x, snp.ones((6, 1), "float32"))
        return last.sum() + rows.sum()

    graph = simplified(sf.value_and_grad(loss), "f32[5]")
    bodies = {id(node.attr("body")) for node in graph.nodes if node.op.name == "loop"}
    assert len(bodies) == 2
    assert sum("sin" in node.attr("body").stats() for node in graph.nodes if node.op.regional) <= 3


def test_loops_inside_loops_are_simplified_too():
    def f(x):
        def outer(c, v):
            return sf.fori_loop(0, 3, lambda i, d: (d[0] * v, d[1] + 1), (c, 0))[0], None

        return sf.scan(outer, x[0], x)[0]

    inner = loop_of(loop_of(simplified(f, "f32[4]")).attr("body"))
    assert inner.attr("carries") == 1


def test_carries_that_begin_alike_are_told_apart():
    def loss(x):
        def turn(state, v):
            h, c = state
            c = snp.sin(c + v * h)
            return (snp.tanh(c), c), None

        zeros = snp.zeros(5, "float32")
        (h, _), _ = sf.scan(turn, (zeros, zeros), x)
        return h.sum()

    graph = simplified(sf.value_and_grad(loss), "f32[6,5]")
    assert len(bundles(graph.nodes)) == 2


def weight_slopes(w, x):
    def loss(w):
        def turn(h, v):
            return snp.tanh(v + h @ w), None

        last, _ = sf.scan(turn, snp.zeros((3, w.shape[0]), w.dtype), x)
        return (last * last).sum()

    return sf.grad(loss)(w)


def test_the_slope_of_a_weight_is_one_product_over_all_turns():
    graph = simplified(weight_slopes, "f32[40,40]", "f32[7,3,40]")
    (product,) = [node for node in graph.nodes if node.op.contraction]
    assert product.attr("contracting") == ((0, 1), (0, 1))
    back = next(n for n in graph.nodes if n.op.name == "loop" and n.attr("reverse"))
    assert back.attr("carries") == 1


@pytest.mark.parametrize("turns", [0, 1, 7])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_after_the_loop_are_those_of_the_turns(turns, dtype):
    rng = np.random.default_rng(turns)
    w, x = rng.normal(size=(9, 9)).astype(dtype), rng.normal(size=(turns, 3, 9)).astype(dtype)
    found = sf.jit(weight_slopes)(w, x)
    wanted = weight_slopes(w.astype("float64"), x.astype("float64"))
    near = 1e-4 if dtype == "float32" else 1e-11
    np.testing.assert_allclose(found, wanted, rtol=near, atol=near)


def test_a_sum_that_turns_read_stays():
    def f(w, x):
        def turn(total, v):
            total = total + v @ w
            return total, total * 2

        return sf.scan(turn, snp.zeros((3, 4), "float32"), x)

    graph = simplified(f, "f32[4,4]", "f32[7,3,4]")
    loop = next(n for n in graph.nodes if n.op.name == "loop")
    assert loop.attr("carries") == 1


def test_panels_of_what_every_turn_reads_are_made_before_it():
    exe = sf.compile(weight_slopes_of_wide, "f32[128,512]", "f32[512,128]", "f32[7,32,128]")
    loops = [kernel for kernel in exe.compilation.tree if kernel.region is not None]
    inside = [one for loop in loops for body in loop.region.bodies for one in body]
    panels = {buffer for one in inside for buffer in one.reads if "panel" in buffer.name}
    assert len(loops) == 2
    assert panels
    assert not any(buffer in one.writes for one in inside for buffer in panels)


def weight_slopes_of_wide(w, v, x):
    def loss(w):
        def turn(h, row):
            return snp.tanh(row + snp.tanh(h @ w) @ v), None

        last, _ = sf.scan(turn, snp.zeros((32, 128), "float32"), x)
        return (last * last).sum()

    return sf.grad(loss)(w)
