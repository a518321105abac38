"""Training that is cut off inside an epoch goes on with the same bits; what a step costs Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import optree
import pytest

import symfuse as sf
from symfuse import nn
from symfuse.tracing.tree import flatten

QUIET = {"verbose": 0, "batch_size": 8}
EPOCHS, BATCHES = 3, 7


def noisy() -> Any:
    """A model with all that has a state: dropout, averages, a schedule, slots."""
    layers = [nn.Dense(8, activation="gelu"), nn.BatchNormalization(momentum=0.5), nn.Dropout(0.3)]
    model = nn.Sequential([nn.Input(6), *layers, nn.Dense(1)])
    rate = sf.optim.WarmUp(sf.optim.CosineDecay(0.05, 40), 5)
    model.compile(sf.optim.AdamW(rate), "mse", metrics=["mae"], seed=3)
    return model


@pytest.fixture
def data(rng: np.random.Generator) -> tuple[Any, Any]:
    return rng.normal(size=(50, 6)).astype("f"), rng.normal(size=(50, 1)).astype("f")


@pytest.fixture
def whole(data: Any) -> Any:
    """A model that was trained without a break."""
    model = noisy()
    model.fit(*data, epochs=EPOCHS, **QUIET)
    return model


def expect_same(model: Any, whole: Any) -> None:
    for part in ("params", "state", "optimizer_state"):
        pairs = zip(*(flatten(getattr(one, part))[0] for one in (model, whole)), strict=True)
        for one, other in pairs:
            np.testing.assert_array_equal(one, other)
    assert model.epoch == whole.epoch == EPOCHS


class Cut(Exception):
    pass


class CutAt(sf.callbacks.Callback):
    """Ends a fit the hard way, after so many batches in all."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(self, batch: int, logs: Any) -> None:
        self.steps -= 1
        if not self.steps:
            raise Cut


@pytest.mark.parametrize("every", [1, 5, BATCHES])
def test_every_checkpoint_goes_on_with_the_same_bits(
    every: int, data: Any, whole: Any, tmp_path: Path
) -> None:
    model = noisy()
    keep = sf.callbacks.ModelCheckpoint(tmp_path / "{epoch}-{batch}.sfz", save_freq=every)
    model.fit(*data, epochs=EPOCHS, callbacks=[keep], **QUIET)
    expect_same(model, whole)  # saving changes nothing
    paths = sorted(tmp_path.iterdir())
    assert len(paths) == EPOCHS * BATCHES // every
    for path in paths if every > 1 else paths[2::7]:
        epoch, batch = map(int, path.stem.split("-"))
        loaded = nn.load_model(path)
        assert (loaded.epoch, loaded.progress.batch) == (epoch - 1, batch)
        left = EPOCHS - epoch + 1
        history = loaded.fit(*data, epochs=left, **QUIET).history
        expect_same(loaded, whole)
        assert history == {k: v[-left:] for k, v in whole.history.history.items()}


@pytest.mark.parametrize("save_freq", ["epoch", 1, 3])
@pytest.mark.parametrize("steps", [2, 7, 9, 20])
def test_a_fit_that_was_cut_off_is_restored(
    steps: int, save_freq: Any, data: Any, whole: Any, tmp_path: Path
) -> None:
    backup = sf.callbacks.BackupAndRestore(tmp_path / "backup", save_freq)
    with pytest.raises(Cut):
        noisy().fit(*data, epochs=EPOCHS, callbacks=[backup, CutAt(steps)], **QUIET)
    there = steps >= (BATCHES + 1 if save_freq == "epoch" else save_freq)
    assert (tmp_path / "backup/backup.sfz").exists() == there
    again = noisy()
    count = CutAt(0)
    history = again.fit(*data, epochs=EPOCHS, callbacks=[backup, count], **QUIET)
    expect_same(again, whole)
    every = BATCHES if save_freq == "epoch" else save_freq
    begun = steps - 1 if save_freq == "epoch" else steps
    assert -count.steps == EPOCHS * BATCHES - begun // every * every
    assert history.epoch[-1] == EPOCHS - 1
    assert not list((tmp_path / "backup").iterdir())  # it came to its end


def test_data_sets_and_iterables_go_on_in_the_middle(data: Any, tmp_path: Path) -> None:
    def augmented() -> Any:
        draw = sf.data.noise(0.1)
        return sf.data.Dataset(*data, batch_size=8, shuffle=True, seed=1, augment=draw, prefetch=2)

    def listed() -> Any:
        return [(data[0][at : at + 8], data[1][at : at + 8]) for at in range(0, 48, 8)]

    for make in (augmented, listed):
        model, path = noisy(), tmp_path / "model.sfz"
        keep = sf.callbacks.ModelCheckpoint(path, save_freq=4)
        with pytest.raises(Cut):
            model.fit(make(), epochs=2, callbacks=[keep, CutAt(5)], verbose=0)
        loaded, other = nn.load_model(path), noisy()
        loaded.fit(make(), epochs=2, verbose=0)
        other.fit(make(), epochs=2, verbose=0)
        assert flatten(other.params)[0][0].tolist() == flatten(loaded.params)[0][0].tolist()


def test_only_what_was_loaded_goes_on_inside_an_epoch(data: Any, tmp_path: Path) -> None:
    model = noisy()
    with pytest.raises(Cut):
        model.fit(*data, callbacks=[CutAt(4)], **QUIET)
    assert model.progress.batch == 4
    path = model.save(tmp_path / "model.sfz")
    count = CutAt(0)
    model.fit(*data, callbacks=[count], **QUIET)
    assert -count.steps == BATCHES  # the same model begins the epoch again
    count = CutAt(0)
    nn.load_model(path).fit(*data, callbacks=[count], **QUIET)
    assert -count.steps == BATCHES - 4
    with pytest.raises(sf.ArgumentError, match="epoch of 7 batches, and there are 4"):
        nn.load_model(path).fit(*data, batch_size=16, verbose=0)


def test_other_models_are_not_restored(data: Any, whole: Any, tmp_path: Path) -> None:
    path = whole.save(tmp_path / "model.sfz")
    other = nn.Sequential([nn.Input(6), nn.Dense(1)])
    other.compile("adam", "mse")
    with pytest.raises(sf.SymfuseError, match="its arrays are not those of this model"):
        other.restore(path)
    with pytest.raises(sf.ArgumentError, match="save_freq=0 is not known"):
        sf.callbacks.ModelCheckpoint(path, save_freq=0)


# what a step costs Python


def test_steps_take_no_containers_apart(data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"flatten": 0, "unflatten": 0}

    def counted(name: str) -> None:
        found = getattr(optree, f"tree_{name}")

        def count(*args: Any, **options: Any) -> Any:
            counts[name] += 1
            return found(*args, **options)

        monkeypatch.setattr(optree, f"tree_{name}", count)

    model = noisy()
    model.fit(*data, **QUIET)
    for name in counts:
        counted(name)

    def spent(examples: int) -> dict[str, int]:
        before = dict(counts)
        model.fit(*(part[:examples] for part in data), **QUIET)
        return {name: counts[name] - before[name] for name in counts}

    assert spent(16) == spent(48)  # two steps, and six


def test_callbacks_that_look_at_batches_see_the_model_as_it_is(data: Any) -> None:
    seen: list[Any] = []

    class Look(sf.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            seen.append(np.copy(self.model.params["dense"]["kernel"]))
            if batch == 3:
                self.model.get_layer("dense_1").set_weights(
                    [0 * w for w in self.model.get_layer("dense_1").get_weights()]
                )

    model = noisy()
    model.fit(*data, callbacks=[Look()], **QUIET)
    assert len({one.tobytes() for one in seen}) == BATCHES
    np.testing.assert_array_equal(seen[-1], model.params["dense"]["kernel"])
