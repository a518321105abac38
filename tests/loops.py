"""Programs with loops and branches, and arguments for them: shared by the tests of each target."""

from __future__ import annotations

import numpy as np

import symfuse as sf
from symfuse.tracing.tree import flatten

snp = sf.numpy


def drawn(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype("f")


def rnn(xs, h, w):
    def cell(h, x):
        h = snp.tanh(h @ w + x)
        return h, {"twice": 2 * h, "same": h}

    return sf.scan(cell, h, xs)


def swap(x):
    return sf.fori_loop(0, 7, lambda i, c: (c[1], c[0] + c[1] * i), (x, 2 * x))


def nested(x):
    def outer(c, row):
        return sf.scan(lambda d, u: (snp.sin(d * u), d + u), c, row)

    return sf.scan(outer, snp.ones(3, "float32"), x)


def turned(x):
    return sf.scan(lambda c, v: (c + v.sum(), c * v), x[0, 0], x.T, reverse=True)


def swapped_sizes(x):
    return sf.scan(lambda c, i: (c @ c.T / 9, i * c[0, 0]), snp.ones((3, 3), x.dtype), x)


def halving(x):
    def go_on(c):
        return (c[0] > 1).any()

    return sf.while_loop(go_on, lambda c: (c[0] / 2, c[1] + 1, c[1]), (x, 0, 0))


def bounded(x):
    return sf.while_loop(lambda c: c.sum() < 1e6, lambda c: c * 2 + 1, snp.abs(x), bound=3)


def chosen(x):
    def wave(v):
        return sf.fori_loop(0, 3, lambda i, u: snp.sin(u) + i, v), v.sum()

    return sf.switch(x.sum().astype("int32"), [wave, lambda v: (v + 1, v[0]), lambda v: (-v, 0)], x)


def choosing_in_a_loop(x):
    def turn(c, v):
        return sf.cond(v > 0, lambda: (c + v, c), lambda: (c * v, v * x))

    return sf.scan(turn, x, x)


def large(x):
    return sf.fori_loop(0, 4, lambda i, c: snp.tanh(c @ x / 20), x)


def rows_written(x):
    def turn(i, c):
        c = c.at[i].set(snp.sin(c[i]) + c.at[i - 1].get(mode="clip"))
        return c.at[i, 1:3].add(c[i, 0]).at[-i].multiply(0.5)

    return sf.fori_loop(1, x.shape[0], turn, x), sf.grad(
        lambda y: (sf.fori_loop(0, y.shape[0], turn, y) ** 2).sum()
    )(x)


PROGRAMS = {
    "rnn": (rnn, ("f32[5,2,3]", "f32[2,3]", "f32[3,3]"), (5,)),
    "swap": (swap, ("f32[4]",), ()),
    "nested": (nested, ("f32[4,5,3]",), (5,)),
    "turned": (turned, ("f32[4,5]",), (4,)),
    "swapped sizes": (swapped_sizes, ("f32[6]",), (6,)),
    "halving": (halving, ("f32[4]",), (4,)),
    "bounded": (bounded, ("f32[4]",), (4,)),
    "chosen": (chosen, ("f32[4]",), (4,)),
    "choosing": (choosing_in_a_loop, ("f32[5]",), (5,)),
    "large": (large, ("f32[300,300]",), ()),
    "rows": (rows_written, ("f32[5,4]",), (5,)),
}


def arguments(name, size=None):
    _, specs, sizes = PROGRAMS[name]
    shapes = [tuple(map(int, spec[4:-1].split(","))) for spec in specs]
    if size is not None:
        shapes = [tuple(size if n in sizes[:1] else n for n in shape) for shape in shapes]
    return [drawn(*shape) for shape in shapes]


def symbolic(name):
    function, specs, sizes = PROGRAMS[name]
    return function, [spec.replace(str(sizes[0]), "N") for spec in specs]


def same(found, wanted):
    one, other = flatten(found)[0], flatten(wanted)[0]
    for x, y in zip(one, other, strict=True):
        assert (x.shape, x.dtype) == (np.shape(y), np.asarray(y).dtype)
        np.testing.assert_allclose(x, y, rtol=2e-5, atol=2e-5)
