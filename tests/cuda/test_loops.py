"""Loops and branches on the simulated device give what they give on the processor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from cuda.on_device import needs_compiler, simulated
from loops import PROGRAMS, arguments, drawn, same, symbolic

import symfuse as sf
from symfuse.compiler.passes import unroll_regions
from symfuse.runtime import options
from symfuse.runtime.cuda import replay
from symfuse.runtime.cuda.code import DeviceCode
from symfuse.runtime.cuda.steps import Choice, Repeat, While, regions
from symfuse.tracing.tree import map_leaves

snp = sf.numpy
pytestmark = needs_compiler
EVERY = pytest.mark.parametrize("name", [name for name in PROGRAMS if name != "large"])
OF_ANY_SIZE = [name for name, row in PROGRAMS.items() if row[2]]


@pytest.fixture(autouse=True)
def on_the_device(tmp_path, monkeypatch) -> Iterator[None]:
    """A simulated device for which nothing is written out, and nothing compiled before."""
    monkeypatch.setattr(unroll_regions, "MOST_WRITTEN", 0)
    monkeypatch.setattr(unroll_regions, "MOST_CHOSEN", 0)
    with options.using(cache_dir=tmp_path), simulated():
        yield


def compiled(function: Any, *specs: Any, **more: Any) -> Any:
    """The function compiled for the device, with results on the host."""
    exe = sf.compile(function, *specs, target="cuda", **more)

    def run(*args: Any) -> Any:
        return map_leaves(np.asarray, exe(*args))

    run.exe = exe
    return run


def code_of(run: Any) -> DeviceCode:
    return run.exe.program.device


def kinds(run: Any) -> list[type]:
    return [type(step) for step in regions(code_of(run).steps)]


@EVERY
def test_programs_give_what_the_interpreter_gives_at_any_address(name):
    function, specs, _ = PROGRAMS[name]
    run = compiled(function, *specs)
    assert kinds(run)
    wanted = sf.trace(function, *specs)
    args = arguments(name)
    kept = []  # so that every call has results elsewhere
    for scale in (1, 0.5, -1):
        scaled = [(scale * x).astype(x.dtype) for x in args]
        kept.append(run.exe(*scaled))
        same(map_leaves(np.asarray, kept[-1]), wanted(*scaled))


@pytest.mark.parametrize("name", OF_ANY_SIZE)
def test_symbolic_sizes_are_settled_by_each_call(name):
    function, specs = symbolic(name)
    run = compiled(function, *specs)
    for size in (1, 2, 9):
        args = arguments(name, size)
        same(run(*args), sf.trace(function, *args)(*args))


@EVERY
def test_turns_that_are_too_many_for_a_graph_are_launched_one_by_one(name, monkeypatch):
    function, specs, _ = PROGRAMS[name]
    args = arguments(name)
    wanted = compiled(function, *specs)(*args)
    monkeypatch.setattr(replay, "MOST_CAPTURED", 1)
    same(compiled(function, *specs)(*args), wanted)


@pytest.mark.parametrize("name", ["swap", "nested", "halving", "chosen"])
def test_donated_arguments_and_verified_runs_give_the_same(name):
    function, specs, _ = PROGRAMS[name]
    args = arguments(name)
    wanted = sf.trace(function, *specs)(*args)
    donating = compiled(function, *specs, donate_argnums=tuple(range(len(specs))))
    same(donating(*map(np.copy, args)), wanted)
    same(compiled(function, *specs, verify=True)(*args), wanted)


def test_the_body_of_a_loop_is_compiled_once_for_all_turns():
    def program(x, turns):
        return sf.fori_loop(0, turns, lambda i, c: snp.tanh(c * x) + i, x)

    few, many = (compiled(lambda x, n=n: program(x, n), "f32[5]") for n in (3, 1000))
    assert code_of(few).modules == code_of(many).modules
    assert [step.length for step in regions(code_of(many).steps)] == [1000]
    x = drawn(5)
    same(many(x), program(x, 1000))


def test_a_loop_without_turns_gives_its_start():
    run = compiled(lambda x, c: sf.scan(lambda c, v: (c * v, c + v), c, x), "f32[N,3]", "f32[3]")
    last, rows = run(np.ones((0, 3), "f"), np.arange(3, dtype="f"))
    assert last.tolist() == [0, 1, 2]
    assert rows.shape == (0, 3)


def test_a_while_loop_ends_when_its_values_say_so():
    def collatz(n):
        def turn(c):
            n, steps = c
            return snp.where(n % 2 == 0, n // 2, 3 * n + 1), steps + 1

        return sf.while_loop(lambda c: c[0] != 1, turn, (n, 0))[1]

    run = compiled(collatz, "i64[]")
    assert kinds(run) == [While]
    assert [int(run(n)) for n in (1, 6, 27)] == [0, 8, 111]


def test_one_branch_is_run_where_it_has_a_loop():
    def program(x, which):
        longer = [
            lambda v, n=n: sf.fori_loop(0, 10**n, lambda i, c: c * 0.5 + 1, v) for n in (1, 2, 3)
        ]
        return sf.switch(which, longer, x)

    run = compiled(program, "f32[3]", "i32[]")
    assert kinds(run) == [Choice, Repeat, Repeat, Repeat]
    x = drawn(3)
    for which in (-1, 0, 1, 2, 7):
        same(run(x, np.int32(which)), program(x, np.int32(which)))


def rnn_loss(xs, h, w):
    def cell(h, x):
        h = snp.tanh(h @ w + x)
        return h, h.sum()

    last, sums = sf.scan(cell, h, xs)
    return (last * last).sum() + (sums * sums).sum()


@pytest.mark.parametrize("length", ["7", "N"])
@pytest.mark.parametrize("saving", [False, True])
def test_gradients_through_scans(length, saving):
    def loss(xs, h, w):
        return rnn_loss(xs, h, w) if not saving else sf.checkpoint(rnn_loss)(xs, h, w)

    specs = (f"f32[{length},2,3]", "f32[2,3]", "f32[3,3]")
    args = drawn(7, 2, 3), drawn(2, 3), drawn(3, 3)
    run = compiled(sf.value_and_grad(loss, (0, 1, 2)), *specs)
    assert Repeat in kinds(run)
    same(run(*args), sf.value_and_grad(loss, (0, 1, 2))(*args))


@pytest.mark.parametrize("spec", ["f32[4,37]", "f32[4,N]", "i32[4,37]", "f16[4,37]"])
def test_sorting(spec):
    x = (10 * drawn(4, 37)).astype({"f": "f4", "i": "i4"}[spec[0]] if "16" not in spec else "f2")
    run = compiled(lambda x: (snp.sort(x), snp.argsort(x, axis=-1)), spec)
    values, places = run(x)
    np.testing.assert_array_equal(values, np.sort(x))
    np.testing.assert_array_equal(places, np.argsort(x, axis=-1, stable=True))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("width", [64, 10])
def test_products_of_a_library_work_on_rows_wherever_they_begin(width, dtype):
    def program(x, weights, biases):
        def layer(c, w):
            return snp.maximum(c @ w[0] + w[1], 0), c

        return sf.scan(layer, x, (weights, biases))

    rng = np.random.default_rng(0)
    shapes = (128, width), (3, width, width), (3, width)
    args = [rng.normal(size=shape).astype(dtype) / 4 for shape in shapes]
    found = compiled(program, *args)(*args)
    wanted = sf.compile(program, *args)(*args)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-2 if dtype == "float16" else 1e-4, atol=1e-2)


def test_a_saved_program_runs_its_loops(tmp_path):
    function, specs = symbolic("nested")
    path = tmp_path / "loops.sfz"
    sf.export(function, *specs, path=path, target="cuda")
    args = arguments("nested", 3)
    same(map_leaves(np.asarray, sf.load(path)(*args)), sf.trace(function, *args)(*args))


def test_the_kernels_of_loops_are_timed_turn_by_turn():
    def program(x):
        y = sf.fori_loop(0, 90, lambda i, c: np.tanh(c @ x) + i, x)
        z = sf.while_loop(lambda c: c.max() > 0.5, lambda c: c / 2, 100 * x)
        far = lambda: sf.fori_loop(0, 30, lambda i, c: np.sin(c @ x) + i, x)  # noqa: E731
        return y, z, sf.cond(x[0, 0] > 9, far, lambda: x)

    x = np.eye(8, dtype="f4")
    exe = sf.compile(program, "f32[8,8]", target="cuda")
    found = exe.profile(x)
    often = {row.name: row.turns for row in found.rows}
    halved = 8  # times until 100 is no more than a half
    assert 90 in often.values()
    assert {halved, halved + 1} <= set(often.values())
    assert all((row.seconds > 0) is (row.turns > 0) for row in found.rows)
    assert 0 in often.values() and 30 not in often.values()
    assert "turns" in found.table()
    assert all("test_loops.py" in row.lines[0] for row in found.rows if row.turns == 90)


@pytest.mark.parametrize(("width", "aligned"), [(8, 16), (6, 8), (5, 4), ("N", 4), ("4*N", 16)])
def test_slots_of_rows_know_how_far_they_are_aligned(width, aligned):
    specs = f"f32[9,{width}]", f"f32[{width}]"
    run = compiled(lambda x, c: sf.scan(lambda c, v: (c + v, 2 * v), c, x), *specs)
    (kernel,) = run.exe.compilation.tree
    assert [rows.slot.alignment for rows in kernel.region.rows] == [aligned] * 2
    assert [carry.read.alignment for carry in kernel.region.carries] == [16]


def test_explanations_tell_where_the_host_decides():
    def program(x):
        def turn(c, v):
            return sf.fori_loop(0, 5000, lambda i, d: d * v + i, c), c

        rows = sf.scan(turn, x[0], x)[1]
        halved = sf.while_loop(lambda c: c.sum() > 1, lambda c: c / 2, x[0])
        short = sf.fori_loop(0, 100, lambda i, d: d * x[1] + i, x[0])
        return rows, sf.cond(halved[0] > 0, lambda: halved, lambda: x[1]), short

    exe = sf.compile(program, "f32[N,3]", target="cuda")
    tree = str(exe.explain())
    assert "repeat N times (captured, if it has no more than 4096 launches)" in tree
    assert "repeat 5000 times (the host launches turn by turn)" in tree
    assert "repeat 100 times (captured)" in tree
    assert "while (the host reads the condition before each turn)" in tree
    assert "one of 2 (the host reads the number and launches one branch)" in tree
    assert "host" not in str(sf.compile(program, "f32[N,3]").explain())
