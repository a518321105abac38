"""Callbacks: when they stop, what they save and write, and which rates they set."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse import callbacks, nn

QUIET = {"verbose": 0}


class Script(callbacks.Callback):
    """Puts given values into the logs, before the callbacks that follow read them."""

    def __init__(self, **values: Any) -> None:
        self.values = values

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        logs.update({name: float(values[epoch]) for name, values in self.values.items()})


@pytest.fixture(scope="module")
def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(16, 3)).astype("f"), rng.normal(size=(16, 1)).astype("f")


@pytest.fixture(scope="module")
def compiled() -> Any:
    model = nn.Sequential([nn.Input(3), nn.Dense(1)])
    model.compile(sf.optim.SGD(0.1), "mse")
    return model


@pytest.fixture
def model(compiled: Any) -> Any:
    """One model for all tests, as it was before the first."""
    compiled.optimizer_state = None
    compiled.epoch = 0
    compiled.hold(nn.Variables(*compiled.init(sf.random.key(0), "f32[N,3]")))
    return compiled


@pytest.mark.parametrize(
    ("settings", "values", "stopped", "best"),
    [
        ({"patience": 2}, [3, 2, 2.5, 2.4, 1, 0], 4, 1),
        ({"patience": 0}, [3, 2, 2.5, 1], 3, 1),
        ({"patience": 1, "min_delta": 0.5}, [3, 2.8, 1, 1], 2, 0),
        ({"patience": 1, "mode": "max"}, [1, 2, 3, 2, 5], 4, 2),
        ({"patience": 1, "baseline": 1.0}, [3, 2, 1], 1, 0),
        ({"patience": 1, "start_from_epoch": 2}, [1, 2, 3, 4], 4, 2),
    ],
)
def test_early_stopping(
    model: Any, data: Any, settings: Any, values: Any, stopped: int, best: int
) -> None:
    stop = callbacks.EarlyStopping("metric", **settings)
    history = model.fit(*data, epochs=len(values), callbacks=[Script(metric=values), stop], **QUIET)
    assert len(history.epoch) == stopped
    assert stop.best_epoch == best


def test_the_best_weights_come_back(model: Any, data: Any) -> None:
    seen: list[Any] = []
    keep = callbacks.LambdaCallback(on_epoch_end=lambda e, logs: seen.append(model.get_weights()))
    stop = callbacks.EarlyStopping("metric", patience=2, restore_best_weights=True)
    script = Script(metric=[2, 1, 3, 3])
    model.fit(*data, epochs=4, callbacks=[keep, script, stop], **QUIET)
    assert all(map(np.array_equal, model.get_weights(), seen[1]))
    assert not np.array_equal(seen[1][1], seen[3][1])


def test_rates_change_and_nothing_is_compiled_again(model: Any, data: Any) -> None:
    model.fit(*data, **QUIET)
    known = len(model.programs.known)
    rates: list[float] = []
    see = callbacks.LambdaCallback(on_epoch_end=lambda e, logs: rates.append(model.learning_rate))
    halved = callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    model.fit(*data, epochs=3, callbacks=[halved, see], **QUIET)
    assert rates == pytest.approx([0.05, 0.025, 0.0125])
    rates.clear()
    plateau = callbacks.ReduceLROnPlateau("metric", factor=0.1, patience=2, cooldown=1, min_lr=0.02)
    model.learning_rate = 1.0
    script = Script(metric=[3, 3, 3, 3, 3, 3, 3, 3])
    model.fit(*data, epochs=8, callbacks=[script, plateau, see], **QUIET)
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.02, 0.02, 0.02, 0.02])
    assert len(model.programs.known) == known


def test_checkpoints_of_every_epoch_and_of_the_best(model: Any, data: Any, tmp_path: Path) -> None:
    every = callbacks.ModelCheckpoint(tmp_path / "every-{epoch:02d}.sfz")
    best = callbacks.ModelCheckpoint(tmp_path / "best.sfz", "metric", save_best_only=True)
    only = callbacks.ModelCheckpoint(
        tmp_path / "new" / "{metric:.1f}.safetensors", save_weights_only=True
    )
    script = Script(metric=[2, 1, 3])
    model.fit(*data, epochs=3, callbacks=[script, every, best, only], **QUIET)
    names = sorted(path.name for path in tmp_path.rglob("*.*"))
    assert names == [
        "1.0.safetensors", "2.0.safetensors", "3.0.safetensors", "best.sfz",
        "every-01.sfz", "every-02.sfz", "every-03.sfz",
    ]  # fmt: skip
    assert nn.load_model(tmp_path / "best.sfz").epoch == 2
    assert (tmp_path / "best.sfz").read_bytes() == (tmp_path / "every-02.sfz").read_bytes()


def test_a_table_of_epochs(model: Any, data: Any, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    for append in (False, True):
        log = callbacks.CSVLogger(path, append=append)
        model.fit(*data, epochs=2, validation_data=data, callbacks=[log], **QUIET)
    rows = list(csv.reader(path.read_text().splitlines()))
    assert rows[0] == ["epoch", "loss", "val_loss"] and len(rows) == 5
    assert float(rows[-1][2]) == model.history.history["val_loss"][-1]


def test_metrics_that_come_later_are_in_the_table(model: Any, data: Any, tmp_path: Path) -> None:
    log = callbacks.CSVLogger(tmp_path / "log.csv")
    model.fit(*data, epochs=3, validation_data=data, validation_freq=2, callbacks=[log], **QUIET)
    rows = list(csv.reader(log.path.read_text().splitlines()))
    assert rows[0] == ["epoch", "loss", "val_loss"]
    assert [row[2] != "" for row in rows[1:]] == [False, True, False]


@pytest.mark.parametrize(
    ("settings", "values", "epochs", "best"),
    [
        ({"patience": 2, "baseline": 1.0}, [2, 3, 3], 2, 0),
        ({"patience": 2, "baseline": 1.0}, [2, 0.5, 3, 3], 4, 1),
        ({"patience": 2}, [float("nan"), 2, 1, 3, 3], 5, 2),
        ({"patience": 2}, [float("nan")] * 5, 2, None),
    ],
)
def test_the_best_weights_come_back_from_any_epoch(
    model: Any, data: Any, settings: Any, values: Any, epochs: int, best: int | None
) -> None:
    kept: list[Any] = []
    keep = callbacks.LambdaCallback(on_epoch_end=lambda *_: kept.append(model.get_weights()))
    stop = callbacks.EarlyStopping("metric", restore_best_weights=True, **settings)
    model.fit(*data, epochs=len(values), callbacks=[Script(metric=values), keep, stop], **QUIET)
    assert len(kept) == epochs
    expected = kept[-1 if best is None else best]
    assert all(map(np.array_equal, model.get_weights(), expected))
    assert not any(map(np.array_equal, kept[0], kept[1]))


@pytest.mark.peer("tensorboard")
@pytest.mark.filterwarnings("ignore")
def test_event_files_are_those_that_tensorboard_reads(
    model: Any, data: Any, tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    board = callbacks.TensorBoard(tmp_path)
    history = model.fit(*data, epochs=3, validation_data=data, callbacks=[board], **QUIET).history
    for part, name in (("train", "loss"), ("validation", "val_loss")):
        events = EventAccumulator(str(tmp_path / part))
        events.Reload()
        found = [make_ndarray(event.tensor_proto) for event in events.Tensors("epoch_loss")]
        np.testing.assert_allclose(found, history[name], rtol=1e-6)


def test_the_history_draws_its_curves(model: Any, data: Any, tmp_path: Path) -> None:
    history = model.fit(*data, epochs=3, validation_data=data, **QUIET)
    svg = history.plot(tmp_path / "curves.svg")
    assert (tmp_path / "curves.svg").read_text() == svg == history._repr_svg_()
    assert svg.count("<polyline") == 2 and ">val_loss<" in svg
    assert nn.History().plot().startswith("<svg")


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_what_a_fit_prints(model: Any, data: Any, verbose: int, capsys: Any) -> None:
    model.fit(*data, epochs=2, batch_size=4, verbose=verbose)
    text = capsys.readouterr().out
    assert bool(text) is bool(verbose)
    if verbose:
        assert "epoch 2/2" in text and "loss: " in text and "samples/s" in text
    assert "4/4" in text or verbose != 1


def test_methods_are_called_in_order(model: Any, data: Any) -> None:
    seen: list[str] = []
    names = [name for name in dir(callbacks.Callback) if name.startswith("on_")]
    watch = {name: lambda *_, name=name: seen.append(name) for name in names}
    model.fit(*data, batch_size=8, callbacks=[callbacks.LambdaCallback(**watch)], **QUIET)
    batch = ["on_train_batch_begin", "on_train_batch_end"]
    begin, end = ["on_train_begin", "on_epoch_begin"], ["on_epoch_end", "on_train_end"]
    assert seen == [*begin, *batch, *batch, *end]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: callbacks.EarlyStopping("metric"), "no metric 'metric'"),
        (lambda: callbacks.EarlyStopping(mode="best"), "mode='best'"),
    ],
)
def test_errors_say_what_and_where(model: Any, data: Any, make: Any, words: str) -> None:
    with pytest.raises(sf.ArgumentError) as caught:
        model.fit(*data, callbacks=[make()], **QUIET)
    assert words in str(caught.value) and "test_callbacks.py" in str(caught.value)
