"""Targets, weights, labels and data: what does not fit is refused, the rest counts as it must."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse import callbacks, losses, metrics, nn
from symfuse.runtime.errors import ShapeError

Array = Any
COLUMN = np.array([[0.9], [0.9], [0.1], [0.1]])
PROBABILITIES = np.array([[0.2, 0.3, 0.5], [0.2, 0.3, 0.5]])


class Flat(nn.Module):
    """A model that gives one number an example, without an axis of outputs."""

    def call(self, scope: Any, x: Any) -> Any:
        return scope(nn.Dense(1, name="dense"), x)[:, 0]


def flat(loss: str, **more: Any) -> Any:
    model = Flat()
    model.compile("sgd", loss, **more)
    model.build("f32[N,3]")
    return model


def two(loss: Any = "mse", activation: str | None = None, **more: Any) -> Any:
    model = nn.Sequential([nn.Input(3), nn.Dense(2, activation)])
    model.compile("sgd", loss, **more)
    return model


@pytest.mark.parametrize("name", ["mse", "mae", "huber", "log_cosh", "poisson", "hinge"])
def test_a_missing_axis_of_one_output_does_not_broadcast(name: str) -> None:
    y, loss = np.array([0.0, 1.0, 1.0, 0.0]), losses.get(name)
    whole = float(loss(y[:, None], COLUMN))
    assert float(loss(y, COLUMN)) == whole == float(loss(y[:, None], COLUMN[:, 0]))


@pytest.mark.parametrize(
    "make", [metrics.Precision, metrics.Recall, metrics.F1Score, metrics.AUC,
             metrics.BinaryAccuracy, metrics.MeanSquaredError],
)  # fmt: skip
def test_metrics_do_not_broadcast_either(make: Any) -> None:
    y = np.array([1, 1, 1, 0])
    assert float(make()(y, COLUMN)) == float(make()(y[:, None], COLUMN))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: losses.mean_squared_error(np.ones((4, 1)), np.ones((4, 3))), "(4, 1)"),
        (lambda: losses.binary_crossentropy(np.ones((4, 2)), np.ones((4, 3))), "(4, 2)"),
        (lambda: losses.categorical_crossentropy(np.array([0, 1]), PROBABILITIES), "(2,)"),
        (lambda: losses.sparse_categorical_crossentropy(np.eye(3)[:2], PROBABILITIES), "(2, 3)"),
        (lambda: metrics.SparseCategoricalAccuracy()(np.eye(3)[:2], PROBABILITIES), "(2, 3)"),
        (lambda: metrics.Accuracy()(np.ones((4, 2)), np.ones((4, 3))), "(4, 2)"),
        (lambda: losses.reduced(np.ones(4), np.ones(3)), "(3,)"),
        (lambda: losses.MeanSquaredError()(np.ones(4), np.ones(4), np.ones(4)), "(4,)"),
        (lambda: metrics.Mean()(np.ones(4), sample_weight=np.ones(3)), "(3,)"),
    ],
)
def test_other_shapes_are_refused(call: Any, words: str) -> None:
    with pytest.raises(ShapeError) as caught:
        call()
    assert words in str(caught.value)
    assert "test_targets.py" in str(caught.value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: losses.BinaryCrossentropy(label_smoothing=2.0), "label_smoothing=2.0"),
        (lambda: losses.Huber(delta=0.0), "Huber: delta=0.0"),
        (lambda: metrics.SparseTopKCategoricalAccuracy(0), "k=0"),
        (lambda: metrics.ConfusionMatrix(0), "num_classes=0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Any, words: str) -> None:
    with pytest.raises(sf.ArgumentError) as caught:
        make()
    assert words in str(caught.value)
    assert "test_targets.py" in str(caught.value)


def test_a_single_number_is_the_target_of_all() -> None:
    assert float(losses.MeanSquaredError()(1.0, np.zeros((4, 2)))) == 1.0


def test_a_model_of_one_number_is_trained_as_one_with_an_axis(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(10, 3)).astype("f"), rng.normal(size=10).astype("f")
    weights = np.arange(10.0)
    model = flat("mse", metrics=["mse"], weighted_metrics=["mae"])
    y_pred = model.predict(x)
    loss, error, weighed = model.evaluate(x, y, batch_size=4, sample_weight=weights)
    np.testing.assert_allclose(loss, np.mean(weights * (y_pred - y) ** 2), rtol=1e-5)
    np.testing.assert_allclose(error, np.mean((y_pred - y) ** 2), rtol=1e-5)
    np.testing.assert_allclose(weighed, np.average(np.abs(y_pred - y), weights=weights), rtol=1e-5)
    labels = (y > 0).astype(int)
    model = flat("binary_crossentropy", metrics=["accuracy"])
    found = model.evaluate(x, labels, batch_size=4)[1]
    assert found == np.mean((model.predict(x) > 0.5) == labels)


def test_ignored_classes_count_in_no_mean() -> None:
    loss = losses.SparseCategoricalCrossentropy(ignore_class=-1)
    np.testing.assert_allclose(loss([-1, 1], PROBABILITIES), -np.log(0.3))
    np.testing.assert_allclose(loss([-1, 1], PROBABILITIES, mask=np.array([True, False])), 0.0)
    total = losses.SparseCategoricalCrossentropy(ignore_class=-1, reduction="sum")
    np.testing.assert_allclose(total([1, -1], PROBABILITIES), -np.log(0.3))


def test_ignored_classes_count_in_no_metric() -> None:
    loss = losses.SparseCategoricalCrossentropy(ignore_class=-1)
    plain = losses.sparse_categorical_crossentropy
    wrapped = metrics.MeanMetricWrapper
    for metric in (metrics.get(loss), wrapped(plain, ignore_class=-1), wrapped(loss)):
        np.testing.assert_allclose(metric([-1, 1], PROBABILITIES), -np.log(0.3))
        found = metric([0, -1, 1], PROBABILITIES[[0, 0, 0]], sample_weight=[3.0, 9.0, 1.0])
        np.testing.assert_allclose(found, -(3 * np.log(0.2) + np.log(0.3)) / 4)
        assert metric([-1, -1], PROBABILITIES) == 0
    np.testing.assert_allclose(metrics.get(plain)([0, 1], PROBABILITIES), -np.log(0.06) / 2)


def test_a_loss_and_the_same_as_a_metric_ignore_the_same() -> None:
    loss = losses.SparseCategoricalCrossentropy(ignore_class=-1, name="again")
    model = two(loss, "softmax", metrics=[loss])
    found = model.evaluate(np.ones((4, 3)), np.array([0, 1, -1, -1]), verbose=0, return_dict=True)
    np.testing.assert_allclose(found["again"], found["loss"], rtol=1e-6)


@pytest.mark.peer("torch")
def test_ignored_classes_are_those_of_pytorch(rng: np.random.Generator) -> None:
    import torch

    labels, scores = rng.integers(-1, 4, (3, 6)), rng.normal(size=(3, 6, 4))
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    other = torch.nn.functional.cross_entropy(
        torch.from_numpy(np.moveaxis(scores, -1, 1)), torch.from_numpy(labels), ignore_index=-1
    )
    np.testing.assert_allclose(loss(labels, scores), other.item())


@pytest.mark.parametrize("label", [-1, 3])
@pytest.mark.parametrize("wrap", [lambda f: f, sf.jit])
def test_a_label_of_no_class_gives_no_number(label: int, wrap: Any) -> None:
    loss = losses.sparse_categorical_crossentropy
    found = wrap(lambda y, p: loss(y, p))(np.array([label, 1]), PROBABILITIES.astype("f"))
    assert found.dtype == np.float32
    assert np.isnan(found).tolist() == [True, False]


def test_a_fit_says_that_labels_are_no_classes(rng: np.random.Generator) -> None:
    model = two("sparse_categorical_crossentropy", "softmax")
    with pytest.raises(ArithmeticError, match="a label is no number of a class") as caught:
        model.fit(rng.normal(size=(4, 3)), np.array([0, 1, 2, 0]), verbose=0)
    assert "ignore_class" in caught.value.fix


def test_no_metric_takes_the_place_of_another(rng: np.random.Generator) -> None:
    model = nn.Sequential([nn.Input(3), nn.Dense(1, "sigmoid")])
    model.compile(
        "sgd", "binary_crossentropy", weighted_metrics=["accuracy"],
        metrics=[metrics.Recall(0.0), metrics.Recall(1.0), "accuracy"],
    )  # fmt: skip
    x, y = rng.normal(size=(6, 3)), np.array([0, 1, 1, 0, 1, 1])
    weights = np.array([1.0, 0, 0, 0, 0, 0])
    found = model.evaluate(x, y, sample_weight=weights, return_dict=True)
    assert list(found) == ["loss", "recall", "recall_1", "accuracy", "accuracy_1"]
    assert (found["recall"], found["recall_1"]) == (1.0, 0.0)
    right = (model.predict(x)[:, 0] > 0.5) == y
    assert (found["accuracy"], found["accuracy_1"]) == (right.mean(), right[0])


def test_confusion_takes_numbers_and_scores() -> None:
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    for y in (np.array([0, 1, 0]), np.array([[0], [1], [0]])):
        assert metrics.ConfusionMatrix(2)(y, scores).tolist() == [[1, 1], [0, 1]]
        assert metrics.ConfusionMatrix(2)(y, np.array([[0], [1], [1]])).tolist() == [[1, 1], [0, 1]]


def test_classes_that_are_ignored_have_no_weight_of_another() -> None:
    model = two(losses.SparseCategoricalCrossentropy(ignore_class=-1), "softmax")
    x, y = np.ones((3, 3)), np.array([0, 0, -1])
    plain = model.fit(x, y, verbose=0, shuffle=False).history["loss"]
    model = two(losses.SparseCategoricalCrossentropy(ignore_class=-1), "softmax")
    weighed = model.fit(x, y, verbose=0, shuffle=False, class_weight={1: 100.0}).history["loss"]
    assert plain == weighed


def batches() -> Any:
    for _ in range(4):
        yield np.ones((2, 3)), np.ones((2, 2))


X, Y = np.ones((6, 3)), np.ones((6, 2))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: two().fit(np.ones((6, 4)), Y, verbose=0), "(N, 4) for a model of (N, 3)"),
        (lambda: two().predict(np.ones((6, 3, 3))), "(N, 3, 3) for a model of (N, 3)"),
        (lambda: two().fit(X, np.ones((6, 1)), verbose=0), "targets of shape (N, 1)"),
        (lambda: two().fit(X, Y, verbose=7), "verbose=7"),
        (lambda: two().fit(X, Y, verbose=0, batch_size=0), "batch_size is 0"),
        (lambda: two().fit(X, Y, verbose=0, steps_per_epoch=0), "steps_per_epoch=0"),
        (lambda: two().fit(X, Y, verbose=0, validation_data=(X, Y), validation_freq=0),
         "validation_freq=0"),
        (lambda: two().fit(X, Y, verbose=0, validation_split=0.01), "leaves one part empty"),
        (lambda: two().fit(sf.data.Dataset(X, Y), verbose=0, validation_split=0.5),
         "validation_split of Dataset"),
        (lambda: two().fit(sf.data.Dataset(X, Y), batch_size=2, verbose=0), "batch_size=2 is"),
        (lambda: sf.data.Dataset(X, Y, batch_size=2.5), "batch_size is 2.5"),
        (lambda: two().fit(X, Y, verbose=0, callbacks=callbacks.CSVLogger("x")), "a list of"),
        (lambda: two().fit(X, Y, verbose=0, callbacks=["x"]), "callbacks=['x']"),
        (lambda: callbacks.LambdaCallback(on_epoch_ends=print), "no method 'on_epoch_ends'"),
        (lambda: two().fit(batches(), epochs=2, verbose=0), "after 1 epochs"),
        (lambda: two().fit([(X, Y, np.ones(6), 1)], verbose=0), "a batch has 4 parts"),
        (lambda: two().fit(X, Y[:, 0].astype(int), verbose=0, class_weight={-1: 2.0}), "[-1]"),
        (lambda: two().fit(X, Y[:, 0].astype(int), verbose=0, class_weight={"0": 2.0}), "['0']"),
        (lambda: two().load_weights("no-such-file"), "cannot be read"),
    ],
)  # fmt: skip
def test_a_fit_says_what_does_not_fit(call: Any, words: str) -> None:
    with pytest.raises(sf.SymfuseError) as caught:
        call()
    assert words in str(caught.value)
    assert "test_targets.py" in str(caught.value)


def test_batches_for_validation_are_as_they_come() -> None:
    model = two()
    for data in (sf.data.Dataset(X, Y, batch_size=4), (X, Y)):
        history = model.fit(X, Y, batch_size=3, validation_data=data, verbose=0).history
        assert history["val_loss"] == [model.evaluate(X, Y)]


def test_an_iterator_may_last_for_several_epochs() -> None:
    history = two().fit(batches(), epochs=2, steps_per_epoch=2, verbose=0)
    assert len(history.history["loss"]) == 2


def test_arrays_go_to_the_inputs_and_outputs_that_they_are_for() -> None:
    first, second = nn.Input(3, name="first"), nn.Input(2, name="second")
    code = nn.Concatenate()([first, second])
    outputs = {"p": nn.Dense(1, name="p")(code), "q": nn.Dense(2, name="q")(code)}
    model = nn.Model({"first": first, "second": second}, outputs)
    model.compile("sgd", {"p": "mse", "q": "mse"})
    x = {"first": np.ones((4, 3)), "second": np.ones((4, 2))}
    with pytest.raises(sf.ArgumentError, match="there is no output 'z'"):
        model.evaluate(x, {"p": np.ones((4, 1)), "z": np.ones((4, 2))})
    with pytest.raises(ShapeError, match=r"<first: .*> is given an array of shape") as caught:
        model.predict({"first": x["second"], "second": x["first"]})
    assert "test_targets.py" in str(caught.value)
    assert model.evaluate(x, {"q": np.ones((4, 2)), "p": np.ones((4, 1))})[0] > 0
