"""Files of models: what is loaded goes on with the same bits; what is damaged is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import symfuse as sf
from symfuse import nn
from symfuse.runtime.archive import digest
from symfuse.tracing.tree import flatten
from symfuse.training import archive

QUIET = {"verbose": 0}


def same(first: Any, second: Any) -> bool:
    pairs = zip(flatten(first)[0], flatten(second)[0], strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


def noisy() -> Any:
    """A model with all that has a state: dropout, averages, a schedule, slots."""
    model = nn.Sequential(
        [
            nn.Input(6),
            nn.Dense(8, activation="gelu", kernel_initializer=sf.initializers.HeNormal()),
            nn.BatchNormalization(momentum=0.5),
            nn.Dropout(0.3),
            nn.Dense(1, kernel_regularizer=nn.L2(0.01)),
        ]
    )
    rate = sf.optim.WarmUp(sf.optim.CosineDecay(0.05, 40), 5)
    huber = sf.losses.Huber(delta=0.5)
    model.compile(sf.optim.AdamW(rate, clipnorm=1.0), huber, metrics=["mae", huber], seed=3)
    return model


@pytest.fixture
def data(rng: np.random.Generator) -> tuple[Any, Any]:
    return rng.normal(size=(50, 6)).astype("f"), rng.normal(size=(50, 1)).astype("f")


@pytest.fixture
def saved(data: Any, tmp_path: Path) -> Path:
    model = noisy()
    model.fit(*data, epochs=2, batch_size=16, **QUIET)
    return model.save(tmp_path / "model.sfz")


def test_training_goes_on_with_the_same_bits(data: Any, saved: Path) -> None:
    whole, loaded = noisy(), nn.load_model(saved)
    whole.fit(*data, epochs=5, batch_size=16, **QUIET)
    assert loaded.epoch == 2 and loaded.seed == 3
    logs = loaded.fit(*data, epochs=3, batch_size=16, **QUIET).history
    assert same(whole.params, loaded.params) and same(whole.state, loaded.state)
    assert same(whole.optimizer_state, loaded.optimizer_state)
    assert logs["loss"] == whole.history.history["loss"][2:]
    assert sorted(logs) == ["huber", "loss", "mean_absolute_error"]


def test_the_same_model_gives_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    again = nn.load_model(saved).save(tmp_path / "again.sfz")
    assert again.read_bytes() == saved.read_bytes()
    names = zipfile.ZipFile(saved).namelist()
    assert names == ["manifest.json", "weights.safetensors", "optimizer.safetensors"]


def test_models_of_calls_keep_what_they_share(rng: np.random.Generator, tmp_path: Path) -> None:
    a, b = nn.Input((5, 4), name="a"), nn.Input((5, 4), name="b")
    tower = nn.Sequential([nn.Input((5, 4)), nn.GRU(3, return_sequences=True), nn.Flatten()])
    attended = nn.MultiHeadAttention(2, 2)(a, b, use_causal_mask=True)
    found, state = nn.SimpleRNN(3, return_state=True)(attended)
    joined = nn.Concatenate()([tower(a), tower(b), found + state])
    model = nn.Model({"a": a, "b": b}, {"y": nn.Dense(2, activation="softmax")(joined), "h": found})
    x = dict(zip("ab", rng.normal(size=(2, 3, 5, 4)).astype("f"), strict=True))
    expected = model.predict(x)
    loaded = nn.load_model(model.save(tmp_path / "calls.sfz"))
    assert same(expected, loaded.predict(x))
    assert str(model.summary()) == str(loaded.summary())
    assert loaded.get_layer("sequential").get_layer("gru").units == 3


def test_what_is_the_users_own_is_handed_in(data: Any, tmp_path: Path) -> None:
    class Scaled(nn.Layer):
        inner: Any
        factor: float = 2.0

        def call(self, scope: Any, x: Any) -> Any:
            return scope(self.inner, x) * self.factor

    def squares(y_true: Any, y_pred: Any) -> Any:
        return (y_true - y_pred) ** 2

    model = nn.Sequential([nn.Input(6), Scaled(nn.Dense(1), 3.0), nn.Activation(np.tanh)])
    model.compile("sgd", squares)
    path = model.save(tmp_path / "own.sfz")
    with pytest.raises(sf.ArtifactError, match=r"'squares'|'Scaled'"):
        nn.load_model(path)
    own = {"Scaled": Scaled, "squares": squares, "tanh": np.tanh}
    loaded = nn.load_model(path, custom_objects=own)
    x, y = data
    assert same(model.predict(x), loaded.predict(x)) and loaded.evaluate(x, y) > 0


def test_weights_alone(data: Any, tmp_path: Path) -> None:
    x, _ = data
    model, other = noisy(), noisy()
    model.build("f32[N,6]", seed=9)
    path = model.save_weights(tmp_path / "weights.safetensors")
    assert not same(model.predict(x), other.predict(x))
    other.load_weights(path)
    assert same(model.values(), other.values())
    small = nn.Sequential([nn.Input(6), nn.Dense(8)])
    with pytest.raises(sf.ArgumentError, match="has the shape None in the model"):
        small.load_weights(path)


def test_weights_that_fit_are_taken_where_it_is_asked_for(tmp_path: Path) -> None:
    def model(units: int) -> Any:
        layers = [nn.Input(3), nn.Dense(4, name="encoder"), nn.Dense(units, name="head")]
        return nn.Sequential(layers)

    first, second = model(1), model(2)
    first.build("f32[N,3]", seed=5)
    path = first.save_weights(tmp_path / "weights.safetensors")
    head = second.get_layer("head").get_weights() if second.values() else []
    with pytest.raises(sf.ArgumentError, match=r"head/bias has the shape \(2,\) in the model"):
        second.load_weights(path)
    second.load_weights(path, skip_mismatch=True)
    assert same(second.params["encoder"], first.params["encoder"])
    assert same(second.get_layer("head").get_weights(), head)
    other = nn.Sequential([nn.Input(3), nn.Dense(5)])
    with pytest.raises(sf.ArgumentError, match="at least one array"):
        other.load_weights(path, skip_mismatch=True)


def test_a_model_goes_back_to_a_place_in_training_alone(tmp_path: Path) -> None:
    model = nn.Sequential([nn.Input(3), nn.Dense(1)])
    path = model.save(tmp_path / "model.sfz")
    model.compile("sgd", "mse")
    with pytest.raises(sf.ArgumentError, match="was not compiled when it was saved"):
        model.restore(path)


def test_weights_are_not_rounded_to_infinity(tmp_path: Path) -> None:
    wide = nn.Sequential([nn.Input(1, dtype="float64"), nn.Dense(1)], dtype="float64")
    wide.values()
    wide.set_weights([np.array([1e300]), np.array([[1.0]])])
    narrow = nn.Sequential([nn.Input(1), nn.Dense(1)])
    with pytest.raises(sf.ArgumentError, match="that float32 does not hold"):
        narrow.load_weights(wide.save_weights(tmp_path / "weights.safetensors"))


def test_damaged_weights_are_refused_at_the_users_line(data: Any, tmp_path: Path) -> None:
    model = noisy()
    model.build("f32[N,6]", seed=9)
    path = model.save_weights(tmp_path / "weights.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(sf.ArtifactError, match="its arrays cannot be read: the arrays") as caught:
        model.load_weights(path)
    assert caught.value.user_frame[0] == __file__


def test_the_safetensors_package_reads_weights(tmp_path: Path) -> None:
    model = noisy()
    model.build("f32[N,6]", seed=9)
    found = safetensors.numpy.load_file(model.save_weights(tmp_path / "weights.safetensors"))
    kernels = [name for name in found if name.endswith("kernel")]
    for name in kernels:
        _, layer, _ = name.split("/")
        assert same(found[name], model.params[layer]["kernel"])
    assert kernels


def test_halves_keep_their_bits(tmp_path: Path) -> None:
    model = nn.Sequential([nn.Input(4), nn.Dense(3)], dtype="bfloat16")
    loaded = nn.load_model(model.save(tmp_path / "halves.sfz"))
    assert str(loaded.params["dense"]["kernel"].dtype) == "bfloat16"
    assert same(model.params, loaded.params)


def test_every_damaged_byte_is_noticed(saved: Path, rng: np.random.Generator) -> None:
    whole = saved.read_bytes()
    for at in rng.integers(0, len(whole), 60):
        changed = bytearray(whole)
        changed[at] ^= 0x55
        saved.write_bytes(changed)
        try:
            facts, _ = archive.read(saved)
        except sf.ArtifactError:
            continue
        # Dates and attributes of the archive are not read; what is read is what was written.
        assert facts == archive.read(_written(saved.with_name("whole"), whole))[0]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
def test_truncated_files_are_refused(saved: Path, share: float) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(sf.ArtifactError, match=r"model\.sfz is no intact model"):
        nn.load_model(saved)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda facts: facts.update(schema=99), "newer than the schema"),
        (lambda facts: facts.update(format="symfuse program"), "of another kind"),
        (lambda facts: facts["layers"][0].update({"class": "os.system"}), "'os.system'"),
        (lambda facts: _dense(facts).update(units=9), "are not those of its layers"),
        (lambda facts: facts["training"].pop("seed"), "does not describe a model"),
        (
            lambda facts: facts["training"].update(optimizer={"made": "nn.load_model"}),
            "does not describe a model",
        ),
    ],
)
def test_files_with_other_contents_are_refused(saved: Path, change: Any, words: str) -> None:
    with zipfile.ZipFile(saved) as given:
        members = {name: given.read(name) for name in given.namelist()}
    facts = json.loads(members["manifest.json"])
    change(facts)
    text = json.dumps(facts).encode()
    with zipfile.ZipFile(saved, "w") as changed:
        for name, content in {**members, "manifest.json": text}.items():
            changed.writestr(name, content)
        changed.comment = digest(text).encode()
    with pytest.raises(sf.ArtifactError) as caught:
        nn.load_model(saved)
    assert words in str(caught.value) and "test_model_files.py" in str(caught.value)


def test_a_write_that_fails_leaves_the_old_file(saved: Path) -> None:
    before = saved.read_bytes()
    model = nn.Sequential([nn.Input(6), nn.Dense(1, bias_initializer=object())])
    with pytest.raises(sf.SymfuseError):
        model.save(saved)
    assert saved.read_bytes() == before


def test_missing_files_and_programs_say_so(tmp_path: Path) -> None:
    with pytest.raises(sf.ArtifactError, match="cannot be read"):
        nn.load_model(tmp_path / "none.sfz")
    sf.export(lambda x: x + 1, "f32[2]", path=tmp_path / "program.sfz")
    with pytest.raises(sf.ArtifactError, match=r"read by sf\.load"):
        nn.load_model(tmp_path / "program.sfz")


def _dense(facts: Any) -> Any:
    return next(row["config"] for row in facts["layers"] if row["class"] == "nn.Dense")


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
