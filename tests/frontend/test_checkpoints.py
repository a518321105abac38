"""Computing again instead of keeping, and scans of associative functions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import symfuse as sf

snp = sf.numpy


def drawn(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape)


def loss(x, xs, *, checkpoint, reverse=False):
    def cell(c, v):
        c = snp.sin(c * v) + c
        return c, c.sum()

    last, sums = sf.scan(cell, x, xs, checkpoint=checkpoint, reverse=reverse)
    return (last * last).sum() + (sums * snp.arange(xs.shape[0])).sum()


def gradient(**how):
    return sf.grad(lambda x, xs: loss(x, xs, **how), (0, 1))


@pytest.mark.parametrize("length", [1, 2, 7, 16, 18])
@pytest.mark.parametrize("reverse", [False, True])
def test_blocks_change_no_value_and_no_gradient(length, reverse):
    x, xs = drawn(3), drawn(length, 1)
    values = [loss(x, xs, checkpoint=one, reverse=reverse) for one in (False, True)]
    np.testing.assert_allclose(*values)
    slopes = [gradient(checkpoint=one, reverse=reverse)(x, xs) for one in (False, True)]
    for one, other in zip(*slopes, strict=True):
        np.testing.assert_allclose(one, other)


def test_memory_grows_as_the_root_of_the_length():
    def peak(length, **how):
        slope = sf.grad(lambda x, xs: loss(x, xs, **how))
        return sf.compile(slope, "f64[1000]", f"f64[{length},1]").memory.peak_bytes()

    kept = [peak(length, checkpoint=False) for length in (64, 256, 1024)]
    again = [peak(length, checkpoint=True) for length in (64, 256, 1024)]
    for before, after in itertools.pairwise(kept):
        assert 3.9 < after / before < 4.1
    for before, after in itertools.pairwise(again):
        assert 1.8 < after / before < 2.1
    assert again[-1] < kept[-1] / 12


def test_a_compiled_checkpoint_gives_the_same_gradient():
    x, xs = drawn(5), drawn(30, 1)
    wanted = gradient(checkpoint=False)(x, xs)
    found = sf.compile(gradient(checkpoint=True), x, xs)(x, xs)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other)


def test_a_checkpoint_changes_no_derivative():
    def f(x, *, scale):
        return snp.sin(snp.sin(x) * scale).sum()

    g, x = sf.checkpoint(f), drawn(3)
    assert g(x, scale=2) == f(x, scale=2)
    for derive in (sf.grad, sf.jacfwd, sf.hessian):
        one, other = (derive(lambda x, h=h: h(x, scale=x))(x) for h in (f, g))
        np.testing.assert_allclose(one, other)
    batch = sf.vmap(lambda x: g(x, scale=x))(drawn(2, 3))
    assert batch.shape == (2,)


def test_a_checkpoint_keeps_its_arguments_alone():
    def layers(x, wrap):
        for _ in range(4):
            x = wrap(lambda x: snp.sin(snp.exp(snp.cos(x).cumsum()).cumsum()))(x)
        return x.sum()

    peaks = [
        sf.compile(sf.grad(lambda x, w=w: layers(x, w)), "f64[1000]").memory.peak_bytes()
        for w in (lambda f: f, sf.checkpoint)
    ]
    assert peaks[1] < peaks[0]


def test_a_symbolic_length_has_no_blocks():
    with pytest.raises(sf.UnsupportedError, match="needs a number of turns"):
        sf.trace(lambda x, xs: loss(x, xs, checkpoint=True), "f64[3]", "f64[N,1]")


@pytest.mark.parametrize("length", [1, 2, 3, 8, 13])
def test_an_associative_scan_gives_running_results(length):
    x = drawn(2, length)
    found = sf.associative_scan(lambda a, b: a + b, x, axis=1)
    np.testing.assert_allclose(found, np.cumsum(x, 1))
    found = sf.associative_scan(lambda a, b: a + b, x, reverse=True, axis=-1)
    np.testing.assert_allclose(found, np.cumsum(x[:, ::-1], 1)[:, ::-1])


def test_an_associative_scan_takes_trees_and_compiles():
    def join(left, right):
        return left[0] * right[0], left[1] * right[0] + right[1]

    def recurrence(a, b):
        return sf.associative_scan(join, (a, b))[1]

    a, b = drawn(9), drawn(9)
    state, rows = 0.0, []
    for one, other in zip(a, b, strict=True):
        state = one * state + other
        rows.append(state)
    np.testing.assert_allclose(sf.compile(recurrence, a, b)(a, b), rows)
    sf.check_grads(recurrence, (a, b))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("reverse", [False, True])
def test_an_associative_scan_goes_along_a_symbolic_size_one_by_one(axis, reverse):
    def running(x):
        return sf.associative_scan(lambda a, b: a * 0.5 + b, x, reverse, axis)

    compiled = sf.compile(running, "f64[N,M]")
    for shape in ((0, 3), (3, 0), (1, 1), (5, 4)):
        x = drawn(*shape)
        found, wanted = compiled(x), np.moveaxis(np.array(x), axis, 0)
        places = range(len(wanted))[::-1] if reverse else range(len(wanted))
        for at, before in zip(places[1:], places, strict=False):
            wanted[at] += wanted[before] * 0.5
        np.testing.assert_allclose(found, np.moveaxis(wanted, 0, axis), rtol=1e-14)
    slope = sf.compile(sf.grad(lambda x: np.logaddexp.accumulate(x).sum()), "f64[N]")
    x = drawn(6)
    steps = np.eye(6) * 1e-6
    sums = [
        np.logaddexp.accumulate(x + e).sum() - np.logaddexp.accumulate(x - e).sum() for e in steps
    ]
    np.testing.assert_allclose(slope(x), np.array(sums) / 2e-6, rtol=1e-7)
