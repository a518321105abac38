"""Summaries with the share of time of each layer: measured when asked, and by the right layer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse import nn
from symfuse.training import timing


def nested() -> Any:
    head = nn.Sequential([nn.Dense(8, activation="relu"), nn.Dense(4)], name="head")
    return nn.Sequential([nn.Input(6), nn.Dense(5, activation="tanh"), head, nn.Softmax()])


class Measured:
    """A program that says how long its kernels took, instead of measuring them."""

    def __init__(self, program: Any) -> None:
        self.program = program

    @property
    def compilation(self) -> Any:
        return self.program.compilation

    def profile(self, *arrays: Any) -> Any:
        count = len(self.compilation.launches)
        rows = [SimpleNamespace(seconds=2.0**at + 0.5, turns=1) for at in range(count)]
        return SimpleNamespace(rows=rows, overhead=0.5)


@pytest.fixture
def measured(monkeypatch: Any) -> None:
    compile = timing.compile
    monkeypatch.setattr(timing, "compile", lambda *a, **k: Measured(compile(*a, **k)))


def test_nothing_is_run_unless_it_is_asked_for(monkeypatch: Any) -> None:
    monkeypatch.setattr(timing, "compile", lambda *a, **k: pytest.fail("something is compiled"))
    model = nested()
    found = model.summary()
    assert found.timed is None and "time" not in str(found)
    assert all(row.seconds is None for row in found.rows) and model.held is None


def test_kernels_count_for_the_layers_that_are_in_them(measured: None) -> None:
    found = nested().summary(profile=True, depth=2)
    seconds = {row.name: row.seconds for row in found.rows}
    kernels = len(found.timed.by_scope)
    assert kernels >= 3
    inside = seconds["head/dense"] + seconds["head/dense_1"]
    assert seconds["head"] == pytest.approx(inside) and inside > seconds["dense"] > 0
    top = sum(seconds[name] for name in ("dense", "head", "softmax"))
    assert top + found.timed.by_scope.get("", 0.0) == pytest.approx(found.timed.total)
    assert "time" in str(found).splitlines()[1] and " %" in str(found)


def test_a_kernel_of_several_layers_is_shared_by_their_operations(measured: None) -> None:
    layers = [nn.Rescaling(2.0, name="one"), nn.Activation(np.exp, name="two")]
    found = nn.Sequential([nn.Input(64), *layers]).summary(profile=True)
    assert found.timed.total == 1.0  # one kernel of 2⁰ seconds, the overhead taken off
    one, two = (row.seconds for row in found.rows)
    assert one + two == pytest.approx(1.0) and one > 0 and two > 0


def test_a_layer_that_is_called_again_counts_once(measured: None) -> None:
    x, again = nn.Input(4), nn.Dense(4, name="again")
    found = nn.Model(x, again(again(x))).summary(profile=True)
    assert [row.seconds for row in found.rows] == [found.timed.total, 0.0]


def test_times_are_measured() -> None:
    model = nested()
    model.compile("sgd", "mse", threads=1)
    found = model.summary("f32[N,6]", profile=True, batch_size=3)
    assert found.timed.examples == 3 and found.timed.total > 0
    assert {row.name for row in found.rows} == {"dense", "head", "softmax"}
    assert "for 3 examples" in str(found)


def test_what_cannot_be_measured_says_so() -> None:
    with pytest.raises(sf.ArgumentError, match="the size S1 of an input is open"):
        nn.Sequential([nn.Input((None, 4)), nn.Dense(2)]).summary(profile=True)


def test_recurrent_layers_are_measured_in_their_loops() -> None:
    layers = [nn.Input((5, 4)), nn.LSTM(8, return_sequences=True), nn.GRU(6), nn.Dense(2)]
    found = nn.Sequential(layers).summary(profile=True, batch_size=3)
    seconds = {row.name: row.seconds for row in found.rows}
    assert seconds.keys() == {"lstm", "gru", "dense"}
    assert seconds["lstm"] > 0 and seconds["gru"] > 0
    assert sum(seconds.values()) + found.timed.by_scope.get("", 0.0) == pytest.approx(
        found.timed.total
    )
