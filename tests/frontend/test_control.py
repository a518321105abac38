"""Loops and branches as users write them: on arrays, traced, and wrong."""

from __future__ import annotations

import numpy as np
import pytest

import symfuse as sf

snp = sf.numpy
XS = np.array([1.0, 2.0, 3.0], "f")


def rnn(xs, h, w):
    def cell(h, x):
        h = snp.tanh(h @ w + x)
        return h, {"twice": 2 * h}

    return sf.scan(cell, h, xs)


def unrolled_rnn(xs, h, w):
    rows = []
    for x in xs:
        h = np.tanh(h @ w + x)
        rows.append(2 * h)
    return h, {"twice": np.stack(rows)}


def rnn_arguments(length=5, batch=2, size=3, dtype="float32"):
    rng = np.random.default_rng(1)
    shapes = ((length, batch, size), (batch, size), (size, size))
    return tuple(rng.normal(size=shape).astype(dtype) for shape in shapes)


def test_scan_carries_and_stacks():
    total, sums = sf.scan(lambda s, x: (s + x, s + x), 0.0, XS)
    assert (total, total.dtype) == (6, np.float32)
    assert sums.tolist() == [1, 3, 6]


def test_scan_walks_backwards():
    _, sums = sf.scan(lambda s, x: (s + x, s + x), 0.0, XS, reverse=True)
    assert sums.tolist() == [6, 5, 3]


def test_scan_without_xs_takes_a_length():
    last, rows = sf.scan(lambda n, _: (2 * n, None), 1, length=5)
    assert (last, rows) == (32, None)


def test_scan_takes_and_gives_trees():
    def f(carry, x):
        return {"a": carry["a"] + x["p"]}, (carry["a"], [x["q"][0]])

    xs = {"p": np.arange(3.0), "q": (np.arange(3),)}
    last, (before, (q,)) = sf.scan(f, {"a": 0.0}, xs)
    assert last["a"] == 3
    assert before.tolist() == [0, 0, 1]
    assert q.tolist() == [0, 1, 2]


def test_a_traced_scan_is_one_loop_and_gives_what_python_gives():
    graph = sf.trace(rnn, "f32[N,2,3]", "f32[2,3]", "f32[3,3]")
    assert graph.stats()["loop"] == 2
    assert sf.Graph.parse(str(graph)).ir.text(locations=False) == graph.ir.text(locations=False)
    args = rnn_arguments()
    found, wanted = graph(*args), unrolled_rnn(*args)
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-6)
    np.testing.assert_allclose(found[1]["twice"], wanted[1]["twice"], rtol=1e-6)


def test_what_a_body_closes_over_is_handed_in():
    weights = np.ones(3, "f")

    def f(x):
        scale = x.sum()
        return sf.scan(lambda c, _: (c * scale + weights, None), x, length=2)[0]

    found = sf.trace(f, "f32[3]")(XS)
    assert found.tolist() == [43, 79, 115]


def test_fori_loop_counts_from_lower_to_upper():
    assert sf.fori_loop(2, 6, lambda i, total: total + i, 0) == 14
    assert sf.fori_loop(3, 1, lambda i, total: total + i, 7) == 7
    graph = sf.trace(lambda x: sf.fori_loop(0, x.shape[0], lambda i, s: s + i * x, 0 * x), "f32[N]")
    assert graph(XS).tolist() == [3, 6, 9]


def test_fori_loop_with_a_traced_bound_is_a_while_loop():
    graph = sf.trace(lambda n: sf.fori_loop(0, n, lambda i, s: s + i, 0), "i32[]")
    assert graph.stats()["while_loop"] == 1
    assert graph(np.int32(5)) == 10


def test_while_loop_goes_on_while_the_condition_holds():
    assert sf.while_loop(lambda n: n < 100, lambda n: 2 * n, 3) == 192
    assert sf.while_loop(lambda n: n < 100, lambda n: 2 * n, 3, bound=2) == 12


def test_cond_and_switch_choose():
    assert sf.cond(True, lambda x: x + 1, lambda x: x - 1, 1.0) == 2
    chosen = [sf.switch(n, [lambda x: x, lambda x: -x, lambda x: 0], XS[1]) for n in (-1, 1, 9)]
    assert chosen == [2, -2, 0]


def test_cond_takes_traced_closures_of_either_branch():
    def f(p, x, y):
        return sf.cond(p > 0, lambda: x * y, lambda: x - 1)

    graph = sf.trace(f, "f32[]", "f32[3]", "f32[3]")
    assert graph(np.float32(1), XS, XS).tolist() == [1, 4, 9]
    assert graph(np.float32(-1), XS, XS).tolist() == [0, 1, 2]


def test_map_stacks_what_the_function_gives():
    found = sf.map(lambda x: {"s": x.sum(), "d": 2 * x}, np.ones((2, 3)))
    assert found["s"].tolist() == [3, 3]
    assert found["d"].shape == (2, 3)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 10])
def test_map_takes_batches(batch_size):
    xs = np.arange(21.0).reshape((7, 3))
    found = sf.map(lambda x: {"s": x.sum(), "d": 2 * x}, xs, batch_size=batch_size)
    assert found["s"].tolist() == xs.sum(1).tolist()
    assert found["d"].tolist() == (2 * xs).tolist()
    compiled = sf.compile(lambda x: sf.map(snp.sin, x, batch_size=batch_size), xs)
    np.testing.assert_allclose(compiled(xs), np.sin(xs))


def test_numbers_take_the_types_of_what_is_made_of_them():
    last, _ = sf.scan(lambda c, x: (c + x, None), 0, XS)
    assert last.dtype == np.float32
    assert sf.cond(False, lambda x: x, lambda x: 0, XS[0]).dtype == np.float32


WRONG = {
    "a carry of another shape": (
        lambda: sf.scan(lambda c, x: (np.zeros(3), x), 0.0, XS),
        sf.ShapeError,
        r"scan: result\[0\] is f64\[3\], but the carry began as f64\[\]",
    ),
    "a carry of another type": (
        lambda: sf.scan(lambda c, x: (c.astype("int32"), x), XS[0], XS),
        sf.DTypeError,
        r"is i32\[\] \(made at test_control.py:\d+\), but the carry began as f32\[\]",
    ),
    "a carry of other containers": (
        lambda: sf.scan(lambda c, x: ((c, c), x), XS[0], XS),
        sf.TraceError,
        r"returns the carry \(\*, \*\), but it began as \*",
    ),
    "no pair": (
        lambda: sf.scan(lambda c, x: c, XS[0], XS),
        sf.TraceError,
        "no pair of carry and output",
    ),
    "two lengths": (
        lambda: sf.scan(lambda c, x: (c, None), 0.0, (XS, XS[:2])),
        sf.ShapeError,
        r"xs\[0\] gives 3 turns, xs\[1\] gives 2",
    ),
    "no length": (
        lambda: sf.scan(lambda c, x: (c, None), 0.0),
        sf.ShapeError,
        "there are no xs, and no length",
    ),
    "a scalar to walk along": (
        lambda: sf.scan(lambda c, x: (c, None), 0.0, 1.0),
        sf.ShapeError,
        r"xs is f64\[\], which has no axis",
    ),
    "no function": (lambda: sf.scan(3, 0.0, XS), sf.TraceError, "f is 3, which is no function"),
    "no array": (
        lambda: sf.scan(lambda c, x: (c, None), "text", XS),
        sf.SymfuseError,
        "init",
    ),
    "a fractional bound": (
        lambda: sf.fori_loop(0, 2.5, lambda i, c: c, 0.0),
        sf.DTypeError,
        "upper is 2.5, which is no whole number",
    ),
    "a condition of many": (
        lambda: sf.while_loop(lambda x: x < 3, lambda x: x + 1, XS),
        sf.ShapeError,
        r"returns bool\[3\], not one bool",
    ),
    "a while carry of another type": (
        lambda: sf.while_loop(lambda x: x < 3, lambda x: x < 3, XS[0]),
        sf.DTypeError,
        r"is bool\[\]",
    ),
    "branches of other containers": (
        lambda: sf.cond(True, lambda x: x, lambda x: (x, x), XS),
        sf.TraceError,
        "one branch returns",
    ),
    "branches of other shapes": (
        lambda: sf.cond(True, lambda x: x, lambda x: x[:2], XS),
        sf.ShapeError,
        r"is f32\[3\], but another branch returns f32\[2\]",
    ),
    "a predicate of many": (
        lambda: sf.cond(XS > 1, lambda x: x, lambda x: x, XS),
        sf.TraceError,
        r"pred is bool\[3\], not one value",
    ),
    "no branches": (lambda: sf.switch(0, [], XS), sf.TraceError, "there are no branches"),
    "a fractional index": (
        lambda: sf.switch(0.5, [lambda: 1]),
        sf.DTypeError,
        "index is f64",
    ),
}


@pytest.mark.parametrize(("wrong", "kind", "text"), WRONG.values(), ids=WRONG)
def test_an_error_names_the_line_of_the_user(wrong, kind, text):
    with pytest.raises(kind, match=text) as caught:
        wrong()
    assert caught.value.user_frame is not None
    file, line = caught.value.user_frame
    assert file == __file__
    assert line == wrong.__code__.co_firstlineno
