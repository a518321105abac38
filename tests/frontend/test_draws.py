"""Numbers that shared generators give while a function is traced are told of, once, at its line."""

from __future__ import annotations

import random
import subprocess
import sys
import warnings

import numpy as np
import pytest

import symfuse as sf
from symfuse.staging import draws

X = np.arange(3.0)


def of_numpy(x):
    return x + np.random.rand()


def of_python(x):
    return x * random.random()


def shuffled(x):
    order = list(range(3))
    random.shuffle(order)
    return x[np.array(order)] if x.sum() > 0 else x  # is traced twice


@pytest.mark.parametrize(
    ("function", "whose"), [(of_numpy, "np.random"), (of_python, "random"), (shuffled, "random")]
)
@pytest.mark.parametrize("run", [lambda f: sf.jit(f)(X), lambda f: sf.compile(f, "f64[3]")])
def test_a_function_that_draws_while_it_is_traced_is_named_with_its_line(function, whose, run):
    with pytest.warns(UserWarning) as caught:
        run(function)
    (one,) = caught
    message = str(one.message)
    assert message.startswith(f"{function.__name__} draws random numbers of {whose} while it is")
    assert "symfuse.random" in message
    assert (one.filename, one.lineno) == (__file__, function.__code__.co_firstlineno)


def test_it_is_told_once_however_often_a_function_is_compiled():
    fast = sf.jit(lambda x: x + np.random.rand())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for shape in ((2,), (2, 2), (2, 2, 2)):
            fast(np.ones(shape))
    assert len(caught) == 1


def test_nothing_is_said_of_other_generators_and_of_draws_outside():
    own, key = np.random.default_rng(0), sf.random.key(0)
    fast = sf.jit(lambda x, key: x + own.random() + sf.random.normal(key, x.shape))
    for _ in range(2):
        fast(np.random.rand(3) + random.random(), key)


def test_a_generator_that_is_no_mersenne_twister_is_seen_as_well():
    before = np.random.get_bit_generator()
    np.random.set_bit_generator(np.random.PCG64(1))
    try:
        with pytest.warns(UserWarning, match="np.random"):
            sf.jit(lambda x: x * np.random.normal())(X)
    finally:
        np.random.set_bit_generator(before)


def test_modules_that_are_loaded_while_tracing_are_looked_at():
    code = (
        "import numpy as np, symfuse as sf\n"
        "sf.compile(lambda x: x + np.random.default_rng().random(), 'f64[]')\n"
        "sf.compile(lambda x: x + np.random.rand(), 'f64[]')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr.count("UserWarning")) == (0, 1)
    assert "<string>:3: UserWarning: f draws random numbers of np.random" in done.stderr


def test_states_of_numpy_are_copied_without_being_converted(monkeypatch):
    monkeypatch.setattr(np.random, "get_state", None)
    assert len(draws._states()["np.random"]) >= 4 * 624
