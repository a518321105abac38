"""Printing, checks, the origin of NaN, and breakpoints, in functions of every kind."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import symfuse as sf
import symfuse.numpy as snp
from symfuse.runtime import options
from symfuse.runtime.errors import (
    ArgumentError,
    CheckError,
    DTypeError,
    TraceError,
    UnsupportedError,
)

X = np.arange(3.0)


def told(x, factor):
    sf.debug.print("x={} by {f:.1f} and {}", x, "text", f=factor)
    y = x * factor
    sf.debug.print("y={y:.2f} of shape {y.shape}", y=y)
    return y.sum()


TOLD = "x=[0. 1. 2.] by 2.0 and text\ny=[0.00 2.00 4.00] of shape (3,)\n"


@pytest.mark.parametrize(
    "made",
    [
        told,
        sf.jit(told),
        sf.jit(told, target="interpret"),
        sf.grad(told),
        sf.jit(sf.grad(told)),
        sf.jit(sf.value_and_grad(told)),
        sf.jit(lambda x, f: sf.jvp(lambda x: told(x, f), (x,), (x,))),
        sf.jit(lambda x, f: sf.vjp(lambda x: told(x, f), x)[1](1.0)),
        sf.jit(sf.jacrev(told)),
        sf.jit(sf.hessian(told)),
        sf.hessian(told),
        sf.jit(sf.checkpoint(told)),
    ],
    ids=[
        *("eager", "jit", "interpret", "grad", "jit-grad", "value-and-grad", "jvp", "vjp"),
        *("jacobian", "hessian", "hessian-eager", "checkpoint"),
    ],
)
def test_messages_are_those_of_the_function_itself(made, capsys):
    made(X, 2.0)
    assert capsys.readouterr().out == TOLD


def test_they_come_each_time_that_the_program_runs(capsys):
    fast = sf.jit(told)
    for _ in range(3):
        fast(X, 2.0)
    assert capsys.readouterr().out == 3 * TOLD
    assert fast.cache_info().compiles == 1


def test_they_come_for_every_size(capsys):
    fast = sf.jit(lambda x: (sf.debug.print("{}", x.sum()), x + 1)[1])
    for n in (2, 3, 5, 0):
        fast(np.ones(n))
    assert capsys.readouterr().out.split() == ["2.0", "3.0", "5.0", "0.0"]
    assert fast.cache_info().compiles == 2


def test_a_batch_is_told_of_at_once(capsys):
    sf.jit(sf.vmap(told, (0, None)))(np.ones((2, 3)), 2.0)
    assert capsys.readouterr().out.splitlines()[-1] == " [2.00 2.00 2.00]] of shape (2, 3)"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.array([True, False]), "[ True False]"),
        (np.int8(-3), "-3"),
        (np.array([1.5], np.float16), "[1.5]"),
        (np.float32(0.1), "0.1"),
        (np.zeros((0, 2)), "[]"),
    ],
)
def test_values_of_every_type_are_shown(value, shown, capsys):
    sf.jit(lambda x: (sf.debug.print("{}", x), x)[1])(value)
    assert capsys.readouterr().out == f"{shown}\n"


def test_braces_quotes_and_letters_of_any_script_are_kept(capsys):
    sf.jit(lambda x: (sf.debug.print("{{}} 'a' \"b\" é {x:>5.1f}|", x=x), x)[1])(1.0)
    assert capsys.readouterr().out == "{} 'a' \"b\" é   1.0|\n"


def test_of_complex_numbers_the_parts_are_told(capsys):
    def turned(z):
        sf.debug.print("{} {}", z.real, z.imag)
        return sf.fori_loop(0, 2, lambda i, c: (sf.debug.print("{}", i), c * 1j)[1], z)

    assert sf.jit(turned)(np.complex128(2 + 1j)) == -2 - 1j
    assert capsys.readouterr().out.split() == ["2.0", "1.0", "0", "1"]
    with pytest.raises(DTypeError, match="c128") as raised:
        sf.jit(lambda z: (sf.debug.print("{}", z), z)[1])(np.complex128(2))
    assert raised.value.loc.filename == __file__


def winding(x):
    sf.debug.print("start {}", x)

    def turn(i, carry):
        sf.debug.print("turn {}", i)
        return carry * 2

    y = sf.fori_loop(0, 2, turn, x)
    sf.debug.print("middle {}", y)

    def big(y):
        sf.debug.print("big")
        return y

    z = sf.cond(y > 3, big, lambda y: -y, y)
    sf.debug.print("end {}", z)
    return z


WINDING = ["start 1.0", "turn 0", "turn 1", "middle 4.0", "big", "end 4.0"]


@pytest.mark.parametrize(
    "made", [winding, sf.jit(winding), sf.grad(winding), sf.jit(sf.grad(winding))]
)
def test_loops_and_branches_tell_in_their_turn(made, capsys):
    made(1.0)
    assert capsys.readouterr().out.splitlines() == WINDING


def test_scans_and_while_loops_tell_of_every_turn(capsys):
    def step(carry, x):
        sf.debug.print("{}", carry + x)
        return carry + x, x

    sf.jit(lambda xs: sf.scan(step, 0.0, xs))(X)
    assert capsys.readouterr().out.split() == ["0.0", "1.0", "3.0"]

    def body(x):
        sf.debug.print("{}", x)
        return 2 * x

    sf.jit(lambda x: sf.while_loop(lambda x: x < 8, body, x))(1.0)
    assert capsys.readouterr().out.split() == ["1.0", "2.0", "4.0"]


def test_a_message_that_does_not_fit_its_values_is_refused_at_the_users_line():
    for call in (lambda: sf.debug.print("{} {}", 1), lambda: sf.debug.print("{a}", 1)):
        with pytest.raises(ArgumentError, match="does not fit the 1 values") as raised:
            call()
        assert raised.value.loc.filename == __file__


@pytest.mark.parametrize("target", ["cpu", "interpret"])
def test_a_format_that_does_not_fit_the_type_raises_when_the_program_runs(target):
    fast = sf.jit(lambda x: (sf.debug.print("{:d}", x), x)[1], target=target)
    with pytest.raises(ValueError, match="format code 'd'"):
        fast(1.5)
    assert fast(1) == 1


def test_placeholders_have_no_order_to_tell_in():
    with pytest.raises(TraceError, match="placeholders"):
        sf.debug.print("{}", sf.placeholder("x", "f64[]"))


def test_a_device_is_refused():
    with pytest.raises(UnsupportedError, match="debug_print is done by Python") as raised:
        sf.compile(told, "f64[3]", "f64[]", target="cuda")
    assert "sf.debug.print" in raised.value.loc.source()


# --- checks


def logarithm(x):
    sf.debug.check(x > 0, "the argument is {}", x)
    return snp.log(x)


@pytest.mark.parametrize(
    "made", [logarithm, sf.jit(logarithm), sf.jit(logarithm, target="interpret")]
)
def test_a_condition_that_does_not_hold_names_the_line_and_the_values(made):
    np.testing.assert_array_equal(made(np.array([1.0, 1.0])), [0.0, 0.0])
    with pytest.raises(CheckError) as raised, np.errstate(all="ignore"):
        made(np.array([1.0, -2.0, -3.0]))
    wanted = "check failed at 2 of 3 elements, first at [1]: the argument is [ 1. -2. -3.]"
    assert wanted in raised.value.what
    assert raised.value.loc.filename == __file__
    assert "sf.debug.check" in raised.value.loc.source()
    np.testing.assert_array_equal(made(np.array([1.0])), [0.0])


def test_checks_hold_in_gradients_batches_and_loops():
    def loss(x):
        return snp.sum(logarithm(x))

    with pytest.raises(CheckError):
        sf.jit(sf.grad(loss))(np.array([-1.0]))
    with pytest.raises(CheckError, match="1 of 4"):
        sf.jit(sf.vmap(loss))(np.array([[1.0, 2.0], [3.0, -1.0]]))
    with pytest.raises(CheckError, match="1 of 2"):
        sf.jit(lambda rows: sf.map(loss, rows))(np.array([[1.0, 2.0], [3.0, -1.0]]))


def test_the_first_of_several_failures_is_raised():
    def both(x):
        sf.debug.check(x < 0, "first")
        sf.debug.check(x < 0, "second")
        return x

    with pytest.raises(CheckError, match="first"):
        sf.jit(both)(1.0)
    assert sf.jit(both)(-1.0) == -1.0


def test_conditions_may_be_numbers_and_known_at_once():
    sf.jit(lambda x: (sf.debug.check(x.ndim == 1), x)[1])(X)
    with pytest.raises(CheckError):
        sf.jit(lambda x: (sf.debug.check(x), x)[1])(X)


def test_programs_report_when_they_are_loaded_elsewhere(tmp_path):
    path = sf.export(logarithm, "f64[N]", path=tmp_path / "log.sfz")
    code = (
        "import numpy as np, symfuse as sf\n"
        f"f = sf.load({str(path)!r})\n"
        "try: f(np.array([-1.0]))\n"
        "except sf.CheckError as error: print(error)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "the argument is [-1.]" in found.stdout
    assert os.path.basename(__file__) in found.stdout


def test_failures_belong_to_the_thread_of_the_caller():
    fast = sf.jit(logarithm)
    with ThreadPoolExecutor(2) as pool:
        rows = [np.array([1.0 if k % 2 else -1.0]) for k in range(20)]
        found = [one.exception() for one in [pool.submit(fast, row) for row in rows]]
    assert [isinstance(error, CheckError) for error in found] == [k % 2 == 0 for k in range(20)]


def test_pictures_leave_out_what_is_told():
    graph = sf.trace(lambda x: (sf.debug.print("{}", x), 2 * x)[1], "f64[]")
    assert str(graph.to_sympy()) == "2*x"
    assert "debug" not in graph.to_latex()
    text = graph.ir.text(locations=False)
    assert sf.Graph.parse(text).ir.text(locations=False) == text


# --- NaN


def ratio(x, y):
    z = x / y
    return snp.sum(snp.sqrt(z))


def norm(x):
    return snp.sqrt(snp.sum(x * x))


def difference(x):
    big = snp.exp(x)
    return snp.sum(big - big)


def turns(xs):
    def step(carry, x):
        lower = carry - x
        return snp.log(lower), lower

    return sf.scan(step, 1.0, xs)[0]


ZEROS = np.zeros(2)
NANS = [
    (ratio, (ZEROS, ZEROS), "divide gives NaN at 2 of 2", "z = x / y"),
    (sf.grad(ratio), (ZEROS, ZEROS), "divide gives NaN", "z = x / y"),
    (sf.grad(norm), (ZEROS,), "of the derivative", "snp.sum(x * x)"),
    (difference, (np.array([1e3]),), "the first infinity comes from exp", "big - big"),
    (turns, (np.array([0.5, 0.1, 1.0]),), "log gives NaN", "snp.log(lower)"),
]


@pytest.mark.parametrize(("function", "args", "words", "line"), NANS)
@pytest.mark.parametrize("target", ["cpu", "interpret"])
def test_the_first_nan_names_its_line(function, args, words, line, target):
    fast = sf.jit(function, target=target)
    before = fast(*args)
    with sf.debug.nans(), pytest.raises(CheckError) as raised:
        fast(*args)
    assert words in raised.value.what
    assert line in raised.value.loc.source()
    assert raised.value.loc.filename == __file__
    np.testing.assert_array_equal(fast(*args), before)


def test_gradients_that_are_not_compiled_are_inspected_too():
    with sf.debug.nans(), pytest.raises(CheckError, match="of the derivative") as raised:
        sf.grad(norm)(ZEROS)
    assert "snp.sum(x * x)" in raised.value.loc.source()


def test_functions_that_are_compiled_ahead_take_part():
    exe = sf.compile(ratio, "f64[2]", "f64[2]")
    with sf.debug.nans(), pytest.raises(CheckError):
        exe(ZEROS, ZEROS)
    with options.using(debug_nans=True):
        watched = sf.compile(ratio, "f64[2]", "f64[2]")
    with pytest.raises(CheckError):
        watched(ZEROS, ZEROS)


def test_nan_among_the_arguments_is_said():
    with sf.debug.nans(), pytest.raises(CheckError, match="the argument x has NaN"):
        sf.jit(ratio)(np.array([np.nan, 1.0]), np.ones(2))


def test_donated_arguments_are_known_afterwards():
    fast = sf.jit(lambda x: x / x, donate_argnums=0)
    with sf.debug.nans(), pytest.raises(CheckError, match="divide gives NaN at 1 of 2"):
        fast(np.array([0.0, 2.0]))


def test_results_without_nan_pass_and_calls_are_native_again():
    fast = sf.jit(lambda x: x + 1)
    fast(X)
    with sf.debug.nans():
        np.testing.assert_array_equal(fast(X), X + 1)
    fast(X)
    assert type(fast).__call__ is not type(sf.jit(lambda x: x)).__call__


def test_the_environment_turns_it_on():
    code = "import symfuse as sf; sf.jit(lambda x: x / x)(0.0)"
    environment = {**os.environ, "SYMFUSE_DEBUG_NANS": "1"}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert "CheckError: debug_nans: divide gives NaN" in found.stderr


# --- breakpoints


def test_a_breakpoint_stops_in_the_callers_frame(monkeypatch):
    frames = []
    monkeypatch.delenv("PYTHONBREAKPOINT", raising=False)
    monkeypatch.setattr("pdb.Pdb.set_trace", lambda self, frame=None: frames.append(frame))
    sf.debug.breakpoint()
    assert [frame.f_code.co_name for frame in frames] == [
        "test_a_breakpoint_stops_in_the_callers_frame"
    ]
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    sf.debug.breakpoint()
    assert len(frames) == 1


def test_a_breakpoint_in_a_traced_function_is_refused():
    with pytest.raises(TraceError, match="no values yet") as raised:
        sf.jit(lambda x: (sf.debug.breakpoint(), x)[1])(1.0)
    assert raised.value.loc.filename == __file__
