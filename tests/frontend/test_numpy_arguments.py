"""Arguments of the functions of symfuse.numpy: each has its effect, or is refused."""

from __future__ import annotations

import ast
import inspect
import textwrap
from importlib import import_module

import numpy as np
import pytest

import symfuse as sf
import symfuse.numpy as snp
from symfuse.tracing.dispatch import FUNCTIONS, HOMES

SPACES = (snp, snp.linalg, snp.fft, sf.special)
for _home in set(HOMES.values()):
    import_module(_home)


def named():
    """Every function by the name that users know."""
    for space in SPACES:
        for name in space.__all__:
            found = getattr(space, name)
            if inspect.isfunction(found):
                yield f"{space.__name__}.{name}", found
    for name, function in FUNCTIONS.items():  # such as add.reduce
        if "." in name and not name.endswith(".outer"):
            yield name, function


def unread(function):
    """The parameters that a function never looks at."""
    plain = inspect.unwrap(function)
    node = ast.parse(textwrap.dedent(inspect.getsource(plain))).body[0]
    args = node.args
    every = [*args.posonlyargs, *args.args, args.vararg, *args.kwonlyargs, args.kwarg]
    names = [arg.arg for arg in every if arg is not None]
    read = {one.id for part in node.body for one in ast.walk(part) if isinstance(one, ast.Name)}
    return [name for name in names if name not in read]


def declared(function):
    """The parameters that are said to change nothing, and those that the decorator reads."""
    built = next((one for one in FUNCTIONS.values() if same(one, function)), None)
    return {"out", *built.idle} if hasattr(built, "idle") else set()


def same(one, other):
    return inspect.unwrap(one) is inspect.unwrap(other)


ALL = sorted(named())


@pytest.mark.parametrize(("name", "function"), ALL, ids=[name for name, _ in ALL])
def test_every_parameter_is_read_or_said_to_change_nothing(name, function):
    ignored = set(unread(function)) - declared(function)
    assert not ignored, f"{name} ignores {sorted(ignored)}"


IDLE = [
    (name, function, parameter)
    for name, function in sorted(FUNCTIONS.items())
    for parameter, values in getattr(function, "idle", {}).items()
    if values is not None
]


@pytest.mark.parametrize(
    ("name", "function", "parameter"), IDLE, ids=[f"{name}-{what}" for name, _, what in IDLE]
)
def test_a_value_that_a_graph_cannot_heed_is_refused_at_the_users_line(name, function, parameter):
    with pytest.raises(sf.UnsupportedError, match=f"{parameter}='wrong'") as caught:
        sf.trace(lambda x: function(x, **{parameter: "wrong"}), "f64[3,3]")
    assert caught.value.user_frame[0] == __file__
    assert caught.value.what.startswith(f"{name}: ")


OUT = {
    "sum": lambda x, y: np.sum(x, 0, None, y),
    "max": lambda x, y: np.max(x, 0, y),
    "cumsum": lambda x, y: np.cumsum(x[0], 0, None, y),
    "mean": lambda x, y: snp.mean(x, 0, None, y),
    "argmax": lambda x, y: snp.argmax(x, 0, y),
    "take": lambda x, y: np.take(x[0], [0, 1, 2], 0, y),
    "clip": lambda x, y: np.clip(x[0], 0, 1, y),
    "dot": lambda x, y: np.dot(x, x[0], y),
    "round": lambda x, y: np.round(x[0], 1, y),
    "var": lambda x, y: snp.var(x, 0, None, y),
}


@pytest.mark.parametrize("call", OUT.values(), ids=OUT.keys())
def test_out_is_written_by_position_too(call):
    def f(x, y):
        y = y.copy()
        result = call(x, y)
        assert result is y
        return y * 1.0

    x = np.sin(np.arange(9.0)).reshape(3, 3)
    kind = np.int64 if call is OUT["argmax"] else np.float64
    y = np.full(3, 7, kind)
    traced = sf.jit(f)(x, y)
    np.testing.assert_allclose(traced, f(x, y), rtol=1e-15)


def test_a_device_is_that_of_the_program_or_refused():
    x = sf.jit(lambda x: x + snp.zeros(3, device="cpu"))(np.ones(3))
    np.testing.assert_array_equal(x, np.ones(3))
    for make in (snp.zeros, snp.ones, snp.arange, snp.eye):
        with pytest.raises(sf.SymfuseError):
            make(3, device="nowhere")


def test_errors_begin_with_the_name_that_was_called():
    wrong = {
        "where": lambda x: np.where(x > 0, x, x.T),
        "cholesky": lambda x: np.linalg.cholesky(x),
        "std": lambda x: np.std(x, axis=5),
        "nanmean": lambda x: np.nanmean(x, axis=5),
        "vstack": lambda x: np.vstack([x, x.T]),
        "matmul": lambda x: x @ x,
        "add": lambda x: x + x.T,
        "percentile": lambda x: np.percentile(x, 101),
        "trapezoid": lambda x: np.trapezoid(x, axis=4),
        "fft2": lambda x: np.fft.fft2(x, axes=(0, 7)),
    }
    for name, call in wrong.items():
        with pytest.raises(sf.SymfuseError) as caught:
            sf.trace(call, "f64[3,4]")
        first = caught.value.what.partition(":")[0]
        assert first == name or first.startswith(f"{name} "), caught.value.what
        assert str(caught.value).startswith(caught.value.what)
