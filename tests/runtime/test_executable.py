"""Executables: calls, results in the caller's arrays, bound calls, verified runs."""

from __future__ import annotations

import gc
import sys
import threading
from typing import Any

import numpy as np
import pytest
from handwritten import (
    F32,
    addition,
    argument,
    result,
    scratch_user,
    sleeping,
    symbolic_sums,
    update,
    vectors,
    with_constants,
)

from symfuse.runtime.errors import (
    ArgumentError,
    DeviceError,
    DTypeError,
    GuardError,
    SymfuseError,
    VerifyError,
)
from symfuse.runtime.executable import Executable
from symfuse.runtime.program import Program, Spec


@pytest.fixture
def add() -> Executable:
    return Executable(addition(4))


def test_an_executable_says_what_it_is() -> None:
    executable = Executable(symbolic_sums(), threads=3)
    assert repr(executable) == "<executable program(x: f32[N], y: f32[N]) -> (f32[N], f32[N])>"
    assert (executable.symbols, executable.threads) == (("N",), 3)
    assert executable.entry.__doc__ == "program(x: f32[N], y: f32[N]) -> (f32[N], f32[N])"


def test_out_receives_the_result_and_is_returned(add: Executable) -> None:
    x, y = vectors(2)
    out = np.zeros(4, np.float32)
    assert add(x, y, out=out) is out
    assert add.entry(x, y, out=out) is out
    assert out.tolist() == [3.0] * 4


def test_several_results_go_to_a_tuple_of_arrays() -> None:
    x, y = vectors(2, 6)
    out = (np.zeros(6, np.float32), np.zeros(6, np.float32))
    returned = Executable(symbolic_sums())(x, y, out=out)
    assert all(a is b for a, b in zip(returned, out, strict=True))
    assert (out[0].tolist(), out[1].tolist()) == ([2.0] * 6, [3.0] * 6)


def test_out_may_be_an_argument(add: Executable) -> None:
    memory = np.arange(6, dtype=np.float32)
    add(memory[1:5], memory[0:4], out=memory[2:6])
    assert memory.tolist() == [0.0, 1.0, 1.0, 3.0, 5.0, 7.0]


def test_a_donated_result_is_copied_to_out() -> None:
    state, step = vectors(2)
    out = np.zeros(4, np.float32)
    assert Executable(update())(state, step, out=out) is out
    assert out.tolist() == [3.0] * 4


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (np.zeros(4), DTypeError, r"has to be an array f32\[4\], not float64"),
        ([1, 2, 3, 4], ArgumentError, "4 arrays for 1 results"),
        ("here", DTypeError, "not str"),
        (np.ma.zeros(4, np.float32), DTypeError, "not MaskedArray"),
        (np.zeros(5, np.float32), GuardError, r"shape \(5,\), but the result is f32\[4\]"),
        (np.zeros(8, np.float32)[::2], GuardError, "not contiguous"),
        (np.broadcast_to(np.float32(0), 4), GuardError, "writeable"),
    ],
)
def test_an_unfit_out_is_refused(
    add: Executable, out: Any, error: type[SymfuseError], message: str
) -> None:
    with pytest.raises(error, match=message):
        add(*vectors(2), out=out)


def test_arrays_of_out_may_not_overlap() -> None:
    x, y = vectors(2)
    memory = np.zeros(6, np.float32)
    with pytest.raises(GuardError, match="share memory"):
        Executable(symbolic_sums())(x, y, out=(memory[:4], memory[2:]))


@pytest.mark.parametrize("verify", [False, True])
def test_a_bound_call_reads_its_arguments_anew(verify: bool) -> None:
    x, y = vectors(2)
    bound = Executable(addition(4), verify=verify).bind(x, y)
    first = bound()
    assert first.tolist() == [3.0] * 4
    x[:] = 10
    assert bound() is first
    assert first.tolist() == [12.0] * 4


def test_a_bound_call_keeps_everything_alive() -> None:
    bound = Executable(symbolic_sums()).bind(*vectors(2, 1000), out=tuple(vectors(2, 1000)))
    gc.collect()
    scratch = [np.zeros(1000, np.float32) for _ in range(20)]
    twice, total = bound()
    assert (twice[999], total[0], len(scratch)) == (2.0, 3.0, 20)


def test_a_bound_call_lets_everything_go(add: Executable) -> None:
    x, y = vectors(2)
    before = sys.getrefcount(x)
    bound = add.bind(x, y)
    for _ in range(1000):
        bound()
    del bound
    gc.collect()
    assert sys.getrefcount(x) == before


def test_a_bound_update_goes_on_from_its_own_result() -> None:
    state, step = vectors(2)
    bound = Executable(update()).bind(state, step)
    for _ in range(10):
        assert bound() is state
    assert state.tolist() == [21.0] * 4


def test_constants_reach_bound_calls() -> None:
    p, q = Executable(with_constants()).bind(*vectors(1))()
    assert (p[0], q[0]) == (11.0, 21.0)


@pytest.mark.parametrize(
    "values", [([1, 2, 3, 4], np.ones(4, np.float32)), (np.ones(8, np.float32)[::2],) * 2]
)
def test_bind_refuses_what_it_would_have_to_copy(add: Executable, values: Any) -> None:
    with pytest.raises(GuardError, match="bind keeps the memory"):
        add.bind(*values)


def test_bind_refuses_results_over_arguments(add: Executable) -> None:
    memory = np.zeros(6, np.float32)
    with pytest.raises(GuardError, match="also reads"):
        add.bind(memory[:4], memory[1:5], out=memory[2:])


def test_bind_refuses_one_array_as_a_donated_and_as_another_argument() -> None:
    (state,) = vectors(1)
    with pytest.raises(GuardError, match="also reads"):
        Executable(update()).bind(state, state)


def test_bind_takes_one_array_for_two_arguments_that_are_only_read(add: Executable) -> None:
    (x,) = vectors(1)
    assert add.bind(x, x)().tolist() == [2.0] * 4


@pytest.mark.parametrize("verify", [False, True])
def test_a_bound_call_is_for_one_thread_at_a_time(verify: bool) -> None:
    bound = Executable(sleeping(), verify=verify).bind(*vectors(1))
    thread = threading.Thread(target=bound)
    thread.start()
    with pytest.raises(DeviceError, match="running in another thread"):
        while thread.is_alive():
            bound()
    thread.join()
    bound()


def test_a_verified_run_measures_the_arena() -> None:
    executable = Executable(scratch_user(1000, 300), verify=True)
    (x,) = vectors(1)
    assert not executable.is_native
    assert executable(x).tolist() == [2.0] * 4
    assert executable.last_high_water == 300


def test_a_write_beyond_the_arena_is_found() -> None:
    with pytest.raises(VerifyError, match="wrote 1001 bytes of an arena of 1000"):
        Executable(scratch_user(1000, 1001), verify=True)(*vectors(1))


def test_the_verify_option_is_obeyed(environment: Any) -> None:
    environment(SYMFUSE_VERIFY="1")
    assert not Executable(addition(4)).is_native


def test_the_number_of_threads_can_be_changed(add: Executable) -> None:
    add.threads = 5
    assert add.threads == 5
    assert add(*vectors(2)).tolist() == [3.0] * 4


def test_a_specification_prints_as_in_graphs() -> None:
    assert str(Spec(F32, (3, "N + 1"))) == "f32[3,N + 1]"


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"inputs": (argument("w", 4, hidden=True),)}, "0 values for 1 hidden"),
        ({"inputs": (argument("x", "N"),)}, "symbolic sizes but no symbols"),
        ({"outputs": (result("y", 4, alias_of=0),)}, "in the memory of x"),
    ],
)
def test_a_program_that_contradicts_itself_is_refused(facts: Any, message: str) -> None:
    base = addition(4)
    parts = {"inputs": base.inputs, "outputs": base.outputs, **facts}
    with pytest.raises(ValueError, match=message):
        Program(base.target, base.image, **parts)


def test_the_arrays_of_a_program_cannot_change() -> None:
    (value,) = vectors(1)
    inputs = (argument("w", 4, hidden=True), argument("x", 4))
    base = addition(4)
    program = Program(base.target, base.image, inputs, base.outputs, hidden=(value,))
    value[:] = 0
    assert program.hidden[0].tolist() == [1.0] * 4
    with pytest.raises(ValueError, match="read-only"):
        program.hidden[0][0] = 5
    assert (
        Program(base.target, base.image, inputs, base.outputs, hidden=program.hidden).hidden[0]
        is program.hidden[0]
    )


def test_all_works_without_native_access_to_python_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    sums, state_of = symbolic_sums(), update()
    monkeypatch.setattr("symfuse.runtime.host.entry.native", lambda: None)
    monkeypatch.setattr("symfuse.runtime.host.support.native", lambda: None)
    x, y = vectors(2, 100_000)
    executable = Executable(sums, threads=1)
    assert not executable.is_native
    for twice, total in (executable(x, y), executable.bind(x, y)()):
        assert (twice[-1], total[-1]) == (2.0, 3.0)
    state, step = vectors(2)
    assert Executable(state_of)(state, step) is state
    with pytest.raises(GuardError):
        executable(x, y[1:])
