"""The time of each kernel: of every launch, on the user's arguments, which stay as they are."""

from __future__ import annotations

import json

import numpy as np
import pytest
from loops import PROGRAMS, arguments

import symfuse as sf
from symfuse.runtime import options


def normalised(params, x):
    hidden = np.tanh(x @ params["w"])
    return {"y": hidden / hidden.sum(axis=1, keepdims=True), "slope": hidden.T @ x}


@pytest.mark.parametrize("count", [3, 3000])
def test_every_launch_has_its_time(count):
    exe = sf.compile(normalised, {"w": "f32[32,32]"}, "f32[N,32]")
    rng = np.random.default_rng(0)
    params = {"w": rng.normal(size=(32, 32)).astype("f")}
    found = exe.profile(params, rng.normal(size=(count, 32)).astype("f"))
    assert [row.name for row in found.rows] == [launch.name for launch in exe.program.launches]
    assert all(row.seconds > 0 and row.nbytes > 0 for row in found.rows)
    assert all("test_profile.py" in row.lines[0] for row in found.rows)
    assert (max(row.chunks for row in found.rows) > 1) == (count == 3000)
    assert found.whole < 3 * found.total, "the launches are not all of the program"
    assert "whole program" in str(found)
    assert json.loads(json.dumps(found.as_dict()))["rounds"] >= 10


def test_kernels_that_only_move_are_shared_as_soon_as_they_leave_the_nearest_cache():
    def chunks(function, *args):
        return [row.chunks for row in sf.compile(function, *args).profile(*args).rows]

    small, large = (np.ones(n, "f") for n in (20_000, 80_000))
    assert chunks(np.add, small, small) == [1]
    assert chunks(np.add, large, large) == [2]
    x, weights = np.ones((64, 784), "f"), np.ones((784, 512), "f")  # read from panels
    assert min(chunks(np.matmul, x, weights)) > 1


def test_the_arithmetic_of_each_launch_is_counted():
    exe = sf.compile(lambda x, w: np.tanh(x @ w).sum(axis=0), "f32[8,32]", "f32[32,16]")
    x, w = np.ones((8, 32), "f"), np.ones((32, 16), "f")
    product, total = exe.profile(x, w).rows
    assert (product.flops, total.flops) == (2 * 8 * 32 * 16 + 8 * 16, 8 * 16)
    halves = sf.compile(lambda x: np.sum(x * x), "f32[N]").profile(np.ones(1_000_000, "f")).rows
    assert 2_000_000 <= sum(row.flops for row in halves) < 2_001_000


def test_copies_have_no_arithmetic():
    found = sf.compile(lambda x: np.flip(x), "f32[9]").profile(np.ones(9, "f"))
    (row,) = found.rows
    assert row.flops == 0 and row.flops_per_second == 0
    assert "GFLOP/s" in str(found) and "–" in str(found)


@pytest.mark.parametrize("stage", [sf.jit, lambda f: sf.compile(f, "f32[8]")])
def test_the_first_call_tells_the_times(stage, capsys):
    with options.using(debug=2):
        function = stage(lambda x: np.tanh(x) * 2)
        results = [function(np.ones(8, "f")) for _ in range(3)]
    told = capsys.readouterr().err
    assert told.count("GFLOP/s") == 1 and told.count("whole program") == 1
    for result in results:
        np.testing.assert_allclose(result, 2 * np.tanh(np.ones(8)), rtol=1e-6)


def test_donated_arguments_are_timed_before_they_are_given_up(capsys):
    x = np.zeros(8, "f")
    with options.using(debug=2):
        function = sf.jit(lambda x: x + 1, donate_argnums=0)
        np.testing.assert_array_equal(function(x), 1)
    assert "GFLOP/s" in capsys.readouterr().err


def test_prints_and_checks_happen_once_where_times_are_told(capsys):
    def told(x):
        sf.debug.print("one {}", x[0, 0])
        sf.debug.check(x[0, 0] < 2, "small")
        return sf.fori_loop(0, 10, lambda _, y: np.tanh(y @ y), x)

    with options.using(debug=2):
        function = sf.jit(told)
        function(np.ones((4, 4), "f"))
    shown = capsys.readouterr()
    assert "repeat 10 times" in shown.err
    assert shown.out.count("one 1.0") == 1
    exe = sf.compile(told, "f32[4,4]")
    exe.profile(np.full((4, 4), 3, "f"))
    assert capsys.readouterr().out == ""
    exe(np.ones((4, 4), "f"))  # nothing that a profile has checked is left over


def test_turns_of_loops_and_branches_are_counted():
    def program(x):
        y = sf.fori_loop(0, 90, lambda i, c: np.tanh(c @ x) + i, x)
        z = sf.while_loop(lambda c: c.max() > 0.5, lambda c: c / 2, 100 * x)
        far = lambda: sf.fori_loop(0, 30, lambda i, c: np.sin(c @ x) + i, x)  # noqa: E731
        return y, z, sf.cond(x[0, 0] > 9, far, lambda: x)

    exe = sf.compile(program, "f32[8,8]")
    found = exe.profile(np.eye(8, dtype="f"))
    often = [row.turns for row in found.rows]
    assert [row.name for row in found.rows] == [launch.name for launch in exe.program.launches]
    assert 90 in often and 30 not in often and 0 in often
    assert {8, 9} <= set(often), "100 is halved 8 times until it is no more than a half"
    assert all((row.seconds > 0) is (row.turns > 0) for row in found.rows)
    assert all("test_profile.py" in row.lines[0] for row in found.rows if row.turns == 90)
    assert "turns" in found.table()


def test_a_profile_shows_the_tree_of_launches():
    def program(x):
        def turn(c, row):
            return sf.fori_loop(0, 3, lambda i, d: np.sin(d @ x) + row, c), c

        return sf.scan(turn, x[0], x)

    exe = sf.compile(program, "f32[N,N]")
    found = exe.profile(np.eye(4, dtype="f"))
    outer, inner = (s for s in found.tree if not s.is_kernel)
    assert (outer.words, inner.words) == ("repeat N times", "repeat 3 times")
    assert (outer.depth, inner.depth) == (0, 1)
    assert set(inner.rows) < set(range(len(found.rows))) and set(inner.rows) <= set(outer.rows)
    assert {found.rows[number].turns for number in inner.rows} == {4 * 3}
    assert [s.rows[0] for s in found.tree if s.is_kernel] == list(range(len(found.rows)))
    line = next(one for one in found.table().splitlines() if "repeat 3 times" in one)
    assert line.startswith("  repeat 3 times")
    events = json.loads(json.dumps(found.chrome_trace()))["traceEvents"]
    spans = {e["name"]: (e["ts"], e["ts"] + e["dur"]) for e in events}
    for name in (found.rows[number].name for number in inner.rows):
        start, stop = spans["repeat 3 times"]
        assert start <= spans[name][0] and spans[name][1] <= stop * (1 + 1e-9)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_timed_where_its_loops_are_and_changes_nothing(name):
    function, specs, _ = PROGRAMS[name]
    exe = sf.compile(function, *specs, donate_argnums=tuple(range(len(specs))))
    args = arguments(name)
    kept = [np.copy(x) for x in args]
    found = exe.profile(*args)
    assert all(row.seconds > 0 for row in found.rows if row.turns)
    assert any(row.turns for row in found.rows) and found.whole > 0
    for x, y in zip(args, kept, strict=True):
        np.testing.assert_array_equal(x, y)


def test_ordinary_programs_have_no_clocks():
    exe = sf.compile(lambda x: sf.fori_loop(0, 9, lambda i, c: np.sin(c), x), "f32[4]")
    exe.profile(np.ones(4, "f"))
    assert "clock_gettime" not in exe.program.code.externals
    assert "clock_gettime" not in exe.as_text("llvm")
    assert set(exe.program.code.symbols) == {"main"}


@pytest.mark.parametrize(
    ("level", "parts"),
    [
        (0, ()),
        (1, ("symfuse: f ",)),
        (3, ("symfuse: f ", "= tanh(%x)", "phase 0:")),
        (4, ("symfuse: f ", "= tanh(%x)", "phase 0:", "  writes %", "define hidden void")),
        (5, ("= tanh(%x)", "define hidden void", ".text")),
    ],
)
def test_each_level_tells_more_of_a_compilation(level, parts, capsys):
    def f(x):
        return np.tanh(x)

    with options.using(debug=level):
        sf.compile(f, "f32[8]")
    found = capsys.readouterr().err
    assert all(part in found for part in parts)
    assert ("define hidden void" in found, "phase 0:" in found) == (level >= 4, level >= 3)


def test_arguments_stay_as_they_are():
    exe = sf.compile(lambda x: x + 1, "f32[8]", donate_argnums=0)
    x = np.zeros(8, "float32")
    exe.profile(x)
    np.testing.assert_array_equal(x, 0)


def test_wrong_arguments_are_refused_at_the_users_line():
    exe = sf.compile(lambda x: x + 1, "f32[8]")
    with pytest.raises(sf.GuardError, match="shape") as caught:
        exe.profile(np.zeros(9, "float32"))
    assert caught.value.user_frame[0] == __file__
    with pytest.raises(sf.UnsupportedError, match="interpret"):
        sf.compile(lambda x: x + 1, "f32[8]", target="interpret").profile(np.zeros(8, "float32"))
