"""Derivatives and batches of loops and branches, against differences and unrolled Python."""

from __future__ import annotations

import numpy as np
import pytest

import symfuse as sf

snp = sf.numpy


def drawn(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape)


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


def rnn(scan):
    def loss(xs, h, w):
        def cell(h, x):
            h = snp.tanh(h @ w + x)
            return h, h.sum()

        last, sums = scan(cell, h, xs)
        return (last * last).sum() + (sums * snp.arange(1, 6)).sum()

    return loss


def unrolled(cell, carry, xs):
    rows = []
    for k in range(xs.shape[0]):
        carry, row = cell(carry, xs[k])
        rows.append(row)
    return carry, snp.stack(rows)


RNN = (drawn(5, 2, 3), drawn(2, 3), drawn(3, 3))


def counted(x, y):
    return sf.fori_loop(0, 5, lambda i, c: snp.sin(c * x) + y * i, x).sum()


def reversed_rows(x, y):
    last, rows = sf.scan(lambda c, v: (c * v + y, c * c), y, x, reverse=True)
    return last + (rows * x).sum()


def nested(x, y):
    def outer(c, row):
        inner, rows = sf.scan(lambda d, u: (snp.sin(d * u) + y, d * u), c, row)
        return inner, rows.sum()

    last, sums = sf.scan(outer, y, x.reshape((1, 4)) * snp.ones((3, 1)))
    return last * sums.sum()


def chosen(x, y):
    def turn(c, v):
        return sf.cond(v > 0, lambda: (c * v + y, c), lambda: (snp.sin(c) * y, v * c))

    last, rows = sf.scan(turn, y, x)
    return last + (rows * rows).sum()


def bounded(x, y):
    def turn(c):
        return c[0] * 1.5 + y * y, c[1] + c[0] * snp.sin(c[0])

    return sf.while_loop(lambda c: c[0].sum() < 20, turn, (x * x, x), bound=12)[1].sum()


def switched(x, y):
    branches = [lambda v: (v * v).sum() * y, lambda v: snp.sin(v).sum(), lambda v: v[0]]
    return sum(sf.switch(k, branches, x) for k in range(3))


def swapped(x, y):
    return sf.fori_loop(0, 4, lambda i, c: (c[1] * y, c[0] + i), (x, x * x))[0].sum()


FUNCTIONS = (counted, reversed_rows, nested, chosen, bounded, switched, swapped)
EVERY = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
X, Y = drawn(4), np.float64(0.7)


@EVERY
def test_derivatives_are_those_of_differences(function):
    sf.check_grads(function, (X, Y))


@EVERY
def test_forward_and_reverse_mode_agree(function):
    for at in (0, 1):
        close(sf.jacfwd(function, at)(X, Y), sf.grad(function, at)(X, Y))


@EVERY
def test_second_derivatives_agree(function):
    forward_of_reverse = sf.jacfwd(sf.grad(function))(X, Y)
    close(forward_of_reverse, sf.jacfwd(sf.jacfwd(function))(X, Y))
    close(sf.jacrev(sf.grad(function))(X, Y), forward_of_reverse)


@EVERY
def test_compiled_derivatives_are_those_of_the_interpreter(function):
    wanted = sf.grad(function, (0, 1))(X, Y)
    found = sf.compile(sf.grad(function, (0, 1)), X, Y)(X, Y)
    for one, other in zip(found, wanted, strict=True):
        close(one, other)


@EVERY
def test_a_batch_is_what_its_members_are(function):
    xs, ys = drawn(3, 4), np.array([0.7, -0.2, 1.1])
    wanted = [function(x, y) for x, y in zip(xs, ys, strict=True)]
    close(sf.vmap(function)(xs, ys), wanted)
    close(sf.vmap(function, in_axes=(0, None))(xs, Y), [function(x, Y) for x in xs])
    gradients = [sf.grad(function)(x, y) for x, y in zip(xs, ys, strict=True)]
    close(sf.vmap(sf.grad(function))(xs, ys), gradients)


def test_the_gradient_of_a_scan_is_that_of_the_unrolled_loop():
    wanted = sf.grad(rnn(unrolled), (0, 1, 2))(*RNN)
    found = sf.grad(rnn(sf.scan), (0, 1, 2))(*RNN)
    exe = sf.compile(sf.grad(rnn(sf.scan), (0, 1, 2)), "f64[5,2,3]", "f64[2,3]", "f64[3,3]")
    for one, two, other in zip(found, exe(*RNN), wanted, strict=True):
        close(one, other)
        close(two, other)


def test_a_symbolic_number_of_turns_is_differentiated():
    def power(x):
        return sf.fori_loop(0, x.shape[0], lambda i, c: c * x * snp.cos(c), x).sum()

    exe = sf.compile(sf.grad(power), "f64[N]")
    for size in (1, 4, 7):
        close(exe(drawn(size)), sf.grad(power)(drawn(size)))


def test_a_batched_index_chooses_for_each_member():
    branches = [lambda v: v * v, snp.sin, lambda v: v[0] + 0 * v]
    xs, numbers = drawn(3, 4), np.array([0, 1, 2])
    found = sf.vmap(lambda n, x: sf.switch(n, branches, x))(numbers, xs)
    close(found, [xs[0] ** 2, np.sin(xs[1]), xs[2][:1] + 0 * xs[2]])


def test_a_batched_condition_goes_on_for_each_member():
    def steps(x):
        return sf.while_loop(lambda c: c[0] < 10, lambda c: (2 * c[0], c[1] + 1), (x, 0))[1]

    assert sf.vmap(steps)(np.array([1.0, 5.0, 20.0])).tolist() == [4, 1, 0]
    exe = sf.compile(sf.vmap(steps), "f64[N]")
    assert exe(np.array([1.0, 5.0, 20.0])).tolist() == [4, 1, 0]


def chosen(x, w):
    return sf.cond(x > 0, lambda: w * snp.sqrt(x), lambda: x * w * w)


def numbered(x, w):
    number = snp.where(x > 0, 7, -3)
    return sf.switch(number, [lambda: x * w, lambda: x, lambda: w * snp.sqrt(x)])


def repeated(x, w):
    return sf.while_loop(lambda c: c > 0, lambda c: w * snp.log(c), x, bound=6)


@pytest.mark.parametrize("function", [chosen, numbered, repeated])
def test_members_have_no_derivative_of_what_they_compute_in_vain(function):
    xs = np.array([2.0, -0.5, 3.0])
    both = (0, 1)
    found = sf.grad(lambda xs, w: sf.vmap(function, (0, None))(xs, w).sum(), both)(xs, 1.5)
    members = [sf.grad(function, both)(x, 1.5) for x in xs]
    close(found[0], [slope for slope, _ in members])
    close(found[1], sum(slope for _, slope in members))


def test_results_of_several_axes_come_batch_first():
    found = sf.vmap(lambda c, x: sf.scan(lambda c, v: (c + v, (c, 2 * v)), c, x), (None, 0))(
        1.0, drawn(3, 4)
    )
    assert found[0].shape == (3,)
    assert [rows.shape for rows in found[1]] == [(3, 4), (3, 4)]


@pytest.mark.parametrize(
    "differentiate",
    [
        lambda: sf.grad(lambda x: sf.while_loop(lambda c: c < 3, lambda c: c * 2, x))(1.0),
        lambda: sf.grad(lambda x, n: sf.fori_loop(0, n, lambda i, c: c * x, x))(1.0, 3),
    ],
)
def test_an_unbounded_loop_has_no_reverse_mode(differentiate):
    with pytest.raises(sf.UnsupportedError, match="without a bound") as caught:
        differentiate()
    assert caught.value.user_frame == (__file__, differentiate.__code__.co_firstlineno)
    assert "bound=" in caught.value.fix


# an LSTM that learns to remember


def lstm_loss(walk):
    def cell(params, state, x):
        h, c = state
        gates = x @ params["in"] + h @ params["state"] + params["bias"]
        i, f, g, o = (gates[:, k * 8 : (k + 1) * 8] for k in range(4))
        c = c / (1 + snp.exp(-f - 1)) + snp.tanh(g) / (1 + snp.exp(-i))
        h = snp.tanh(c) / (1 + snp.exp(-o))
        return (h, c), h

    def loss(params, xs, wanted):
        zeros = snp.zeros((xs.shape[1], 8), xs.dtype)
        state, _ = walk(lambda s, x: cell(params, s, x), (zeros, zeros), xs)
        return ((state[0] @ params["out"] - wanted) ** 2).mean()

    return loss


def lstm_arguments(dtype):
    rng = np.random.default_rng(0)
    shapes = {"in": (1, 32), "state": (8, 32), "bias": (32,), "out": (8, 1)}
    params = {name: rng.normal(size=s).astype(dtype) * 0.3 for name, s in shapes.items()}
    xs = rng.choice([-1, 1], size=(10, 16, 1)).astype(dtype)
    return params, xs, xs[0]


def test_an_lstm_has_the_gradient_of_the_unrolled_loop():
    args = lstm_arguments("float64")
    found, wanted = (sf.grad(lstm_loss(walk))(*args) for walk in (sf.scan, unrolled))
    for name in found:
        close(found[name], wanted[name])


def test_an_lstm_by_scan_learns():
    params, xs, wanted = lstm_arguments("float32")
    step = sf.jit(sf.value_and_grad(lstm_loss(sf.scan)))
    losses = []
    for _ in range(300):
        value, slope = step(params, xs, wanted)
        params = {name: p - 0.2 * slope[name] for name, p in params.items()}
        losses.append(float(value))
    assert losses[-1] < 0.1 * losses[0]
