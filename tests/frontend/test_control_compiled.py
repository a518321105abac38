"""Loops and branches compiled: the values of the interpreter, in the memory that was planned."""

from __future__ import annotations

import numpy as np
import pytest

import symfuse as sf
from symfuse.runtime.executable import Executable
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
EVERY = pytest.mark.parametrize("name", PROGRAMS)


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


@EVERY
def test_compiled_gives_what_the_interpreter_gives(name):
    function, specs, _ = PROGRAMS[name]
    args = arguments(name)
    same(sf.compile(function, *specs)(*args), sf.trace(function, *specs)(*args))


@pytest.mark.parametrize("name", [name for name, row in PROGRAMS.items() if row[2]])
def test_symbolic_sizes_give_what_numbers_give(name):
    function, specs = symbolic(name)
    exe = sf.compile(function, *specs)
    for size in (1, 2, 9):
        args = arguments(name, size)
        same(exe(*args), sf.trace(function, *args)(*args))


@EVERY
def test_the_planned_peak_is_the_measured_one(name):
    function, specs, _ = PROGRAMS[name]
    exe = sf.compile(function, *specs)
    measured = Executable(exe.program, threads=1, verify=True)
    measured(*arguments(name))
    depends_on_values = name in ("chosen", "halving", "bounded")
    planned = exe.memory.peak_bytes()
    assert measured.last_high_water <= planned
    assert measured.last_high_water == planned or depends_on_values


@EVERY
def test_donated_arguments_keep_the_results(name):
    function, specs, _ = PROGRAMS[name]
    args = arguments(name)
    wanted = sf.compile(function, *specs)(*args)
    exe = sf.compile(function, *specs, donate_argnums=tuple(range(len(specs))))
    same(exe(*map(np.copy, args)), wanted)


@EVERY
def test_one_thread_and_two_give_the_same_bits(name):
    exe = sf.compile(*PROGRAMS[name][:1], *PROGRAMS[name][1])
    args = arguments(name)
    alone, shared = (Executable(exe.program, threads=n)(*args) for n in (1, 2))
    for x, y in zip(flatten(alone)[0], flatten(shared)[0], strict=True):
        assert x.tobytes() == y.tobytes()


def test_a_loop_without_turns_gives_its_start():
    exe = sf.compile(lambda x, c: sf.scan(lambda c, v: (c * v, c + v), c, x), "f32[N,3]", "f32[3]")
    last, rows = exe(np.ones((0, 3), "f"), np.arange(3, dtype="f"))
    assert last.tolist() == [0, 1, 2]
    assert rows.shape == (0, 3)


def test_a_carry_is_overwritten_where_each_element_is_read_once():
    exe = sf.compile(lambda x: sf.fori_loop(0, 9, lambda i, c: c * x + 1, x), "f32[1000]")
    assert exe.memory.peak_bytes() == 0


def test_a_carry_that_is_a_row_needs_no_memory_of_its_own():
    def sums(x):
        return sf.scan(lambda c, v: (c + v, c + v), snp.zeros(1000, "float32"), x)[1]

    exe = sf.compile(sums, "f32[8,1000]")
    assert exe.memory.peak_bytes() == 4000  # of the zeros


def test_a_donated_start_is_overwritten():
    def program(x):
        return sf.fori_loop(0, 9, lambda i, c: c * c + 1, x)

    exe = sf.compile(program, "f32[1000]", donate_argnums=0)
    assert exe.program.outputs[0].alias_of == 0


def test_a_saved_program_runs_its_loops(tmp_path):
    function, specs = symbolic("nested")
    path = tmp_path / "loops.sfz"
    sf.export(function, *specs, path=path)
    args = arguments("nested", 3)
    same(sf.load(path)(*args), sf.trace(function, *args)(*args))


def test_jit_compiles_once_for_all_lengths():
    fast = sf.jit(lambda x: sf.scan(lambda c, v: (c + v, c * v), x[0], x))
    for length in (2, 5, 3, 9):
        x = drawn(length)
        same(fast(x), sf.trace(fast, x)(x))
    assert fast.cache_info().compiles == 2


def test_explanations_show_the_tree_of_launches():
    function, specs, _ = PROGRAMS["choosing"]
    exe = sf.compile(function, *specs)
    tree = [line.split("#")[0].strip() for line in exe.explain().tree]
    assert tree[0] == "repeat 5 times"
    assert "one of 2" in tree
    assert "branch 1" in tree
    assert exe.as_text("kernels").startswith("launches\n  repeat 5 times")
    assert len(exe.kernels) == len(exe.program.launches)
    symbolic_exe = sf.compile(*symbolic("rnn")[:1], *symbolic("rnn")[1])
    assert "N" in str(symbolic_exe.cost_analysis().flops)


def test_the_kernels_of_loops_are_not_timed_one_by_one():
    exe = sf.compile(swap, "f32[4]")
    with pytest.raises(sf.UnsupportedError, match="cannot be timed"):
        exe.profile(drawn(4))
