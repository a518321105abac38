"""A session: what is compiled when, what it learns, and how it stops."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from symfuse.playground.network import Network
from symfuse.playground.programs import SIZE, Programs
from symfuse.playground.session import MOST_POINTS, Number, Session
from symfuse.playground.settings import Settings, SettingsError
from symfuse.training.diverged import DivergedError

ALL = ("x1", "x2", "x1²", "x2²", "x1·x2", "sin x1", "sin x2")


def train(session, epochs):
    session.advance(epochs * session.epoch_steps)
    return session.frame()


def test_what_is_an_argument_of_the_step_compiles_nothing():
    session = Session(Settings(), Programs())
    assert session.programs.compilations == 1
    for change in (
        {"learning_rate": 0.1},
        {"penalty_rate": 0.3},
        {"batch_size": 7},
        {"train_share": 0.8},
        {"noise": 0.4},
        {"seed": 9},
        {"data": "spiral"},
        {"speed": "full"},
    ):
        session.change(change)
        session.advance(session.epoch_steps)
        session.frame()
    assert session.programs.compilations == 1
    session.change({"layers": (3,)})
    assert session.programs.compilations == 2
    session.change({"layers": (4, 2)})
    assert session.programs.compilations == 2, "programs are kept"


def test_a_changed_learning_rate_acts_in_the_next_step(programs):
    session = Session(Settings(optimizer="SGD", batch_size=100), programs)
    first = session.params[0]["weights"].copy()
    session.change({"learning_rate": 1e-5})
    session.advance(1)
    small = np.abs(session.params[0]["weights"] - first).max()
    session.change({"learning_rate": 1.0})
    second = session.params[0]["weights"].copy()
    session.advance(1)
    large = np.abs(session.params[0]["weights"] - second).max()
    assert large > 1000 * small


def test_numbers_of_the_network_can_be_set_while_it_learns(programs):
    session = Session(Settings(learning_rate=1e-5), programs)
    session.advance(3)
    session.set(Number(layer=0, neuron=2, source=1, value=1.5))
    session.set(Number(layer=1, neuron=0, value=-0.25))
    frame = session.frame()
    assert (frame.weights[0][1][2], frame.biases[1][0]) == (1.5, -0.25)
    session.advance(1)
    frame = session.frame()
    assert frame.weights[0][1][2] == pytest.approx(1.5, abs=1e-3)
    assert session.steps == 4 and frame.biases[1][0] != 0


@pytest.mark.parametrize(
    ("layer", "neuron", "source"), [(9, 0, 0), (0, 99, 0), (0, 0, 99), (1, 99, None)]
)
def test_numbers_that_are_not_there_are_refused(session, layer, neuron, source):
    with pytest.raises(SettingsError, match="has no such weight"):
        session.set(Number(layer=layer, neuron=neuron, source=source, value=1.0))


def test_a_changed_penalty_rate_shrinks_weights(programs):
    session = Session(Settings(penalty="L2", penalty_rate=0.0), programs)
    train(session, 30)
    before = max(np.abs(layer["weights"]).max() for layer in session.params)
    session.change({"penalty_rate": 1.0})
    train(session, 60)
    assert max(np.abs(layer["weights"]).max() for layer in session.params) < before / 10


def test_rates_go_on_and_everything_else_starts_again(session):
    session.advance(5)
    session.change({"learning_rate": 0.1, "batch_size": 20})
    assert session.steps == 5
    session.change({"noise": 0.2})
    assert session.steps == 0
    assert session.frame().epoch == 0


def test_a_refused_change_keeps_everything(session):
    session.advance(3)
    with pytest.raises(SettingsError):
        session.change({"layers": [99]})
    assert (session.settings, session.steps) == (Settings(), 3)


def test_each_training_point_is_seen_once_an_epoch(programs):
    session = Session(Settings(batch_size=30), programs)  # 200 points: the last batch has 20
    seen = np.concatenate([session._next_batch()])
    for _ in range(session.epoch_steps - 1):
        session.advance(1)
    assert session.epoch == pytest.approx(180 / 200)
    session.advance(1)
    assert (session.epoch, session.steps) == (1, 7)
    assert len(np.unique(seen)) == 30


def test_the_circle_is_learnt(programs):
    frame = train(Session(Settings(), programs), 40)
    assert frame.test_accuracy >= 0.95
    assert frame.test_loss < 0.1


def test_the_spiral_is_learnt_with_the_right_features(programs):
    settings = Settings(data="spiral", features=ALL, layers=(8, 4), train_share=0.7, noise=0.06)
    session = Session(settings.changed({"learning_rate": 0.01}), programs)
    assert train(session, 200).test_accuracy >= 0.95


def test_a_line_does_not_learn_xor_and_the_product_does(programs):
    settings = Settings(data="xor", layers=(), noise=0.0)
    assert train(Session(settings, programs), 20).test_accuracy < 0.75
    product = Session(settings.changed({"features": ["x1·x2"]}), programs)
    assert train(product, 20).test_accuracy >= 0.95


def test_a_regression_is_learnt(programs):
    settings = Settings(data="hills", layers=(8, 8), activation="gelu", train_share=0.8)
    frame = train(Session(settings.changed({"learning_rate": 0.01}), programs), 200)
    assert frame.test_accuracy > 0.9, "the share of variance explained"


def test_a_diverged_loss_stops_and_keeps_the_last_network(programs):
    settings = Settings(data="plane", layers=(4,), activation="linear", optimizer="SGD")
    session = Session(settings.changed({"learning_rate": 10.0}), programs)
    with pytest.raises(DivergedError, match=r"the loss is (inf|nan) in step") as raised:
        session.advance(1000)
    assert raised.value.fix
    assert all(np.isfinite(layer["weights"]).all() for layer in session.params)
    session.change({"learning_rate": 0.01})
    session.reset()
    assert train(session, 5).train_loss < 1


def test_reset_gives_the_same_run_again(session):
    first = train(session, 3)
    session.reset()
    assert session.frame().epoch == 0
    assert train(session, 3) == first


def test_a_frame_holds_pictures_of_output_and_neurons(session):
    frame = train(session, 40)
    output = np.frombuffer(base64.b64decode(frame.output), np.int8).reshape(SIZE, SIZE)
    neurons = np.frombuffer(base64.b64decode(frame.neurons), np.int8)
    assert neurons.size == 6 * (SIZE // 2) ** 2
    assert output[SIZE // 2, SIZE // 2] < -60, "the disc in the middle is the first class"
    assert output[2, 2] > 60
    assert [np.shape(layer) for layer in frame.weights] == [(2, 4), (4, 2), (2, 1)]


def test_a_network_without_hidden_layers_has_no_pictures_of_neurons(programs):
    frame = Session(Settings(layers=()), programs).frame()
    assert frame.neurons == ""


def test_the_summary_tells_the_kernels_and_their_lines(session):
    summary = session.state().program
    assert [kernel.number for kernel in summary.kernels] == list(range(len(summary.kernels)))
    assert len(summary.kernels) < summary.operations / 5
    assert any("contract" in kernel.operations for kernel in summary.kernels)
    lines = {line for kernel in summary.kernels for line in kernel.lines}
    assert lines and all(line.startswith("network.py:") for line in lines)
    assert {k for line in summary.source for k in line.kernels} == set(range(len(summary.kernels)))
    assert 0 < summary.peak_bytes <= summary.unshared_bytes
    assert summary.parameters == Network.of(session.settings).parameters


def test_the_summary_is_for_the_batch_of_now(session):
    small = session.state().program.peak_bytes
    session.change({"batch_size": 100})
    assert session.state().program.peak_bytes > small


def test_curves_are_thinned_and_keep_their_ends(programs):
    session = Session(Settings(layers=()), programs)
    for _ in range(MOST_POINTS + 50):
        session.advance(1)
        session.frame()
    epochs = [point[0] for point in session.history]
    assert len(epochs) <= MOST_POINTS
    assert epochs == sorted(epochs)
    assert epochs[-1] == pytest.approx(session.epoch, abs=1e-3)


@pytest.mark.parametrize(("speed", "steps"), [("1 step", 1), ("1 epoch", 20), ("10 epochs", 200)])
def test_the_speed_says_how_many_steps_a_picture_takes(programs, speed, steps):
    session = Session(Settings(speed=speed), programs)
    session.play()
    assert session.steps == steps


def test_full_speed_trains_whole_epochs(programs):
    session = Session(Settings(speed="full"), programs)
    session.play()
    assert session.steps >= 20
    assert session.steps % session.epoch_steps == 0
