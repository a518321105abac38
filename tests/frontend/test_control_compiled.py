"""Loops and branches compiled: the values of the interpreter, in the memory that was planned."""

from __future__ import annotations

import numpy as np
import pytest
from loops import PROGRAMS, arguments, drawn, same, symbolic

import symfuse as sf
from symfuse.runtime.executable import Executable
from symfuse.tracing.tree import flatten

snp = sf.numpy
EVERY = pytest.mark.parametrize("name", PROGRAMS)


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
