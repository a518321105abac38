"""Models: what fit, evaluate and predict compute, in how many programs, and how they end."""

from __future__ import annotations

import signal
from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse import nn
from symfuse.tracing.tree import flatten, map_leaves

KEPT = {"verbose": 0}


@pytest.fixture(scope="module")
def digits() -> tuple[Any, Any]:
    data = pytest.importorskip("sklearn.datasets").load_digits()
    return (data.data / 16).astype("float32"), data.target


def perceptron(**options: Any) -> Any:
    model = nn.Sequential(
        [nn.Input(64), nn.Dense(48, activation="relu"), nn.Dropout(0.1), nn.Dense(10)]
    )
    loss = sf.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"], **options)
    return model


def same(first: Any, second: Any) -> bool:
    pairs = zip(flatten(first)[0], flatten(second)[0], strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


@pytest.fixture(scope="module")
def trained(digits: Any) -> tuple[Any, Any]:
    x, y = digits
    model = perceptron()
    history = model.fit(
        x[:1000], y[:1000], epochs=12, batch_size=96, validation_data=(x[1000:], y[1000:]), **KEPT
    )
    return model, history


def test_a_step_is_one_program_for_batches_of_every_size(trained: Any, digits: Any) -> None:
    model, history = trained
    x, _ = digits
    assert 1000 % 96 and len(x) % 96  # there were smaller batches
    assert [key[0] for key in model.programs.known] == ["train", "test"]
    train = next(iter(model.programs.known.values()))
    assert len(train.kernels) <= 9
    given = flatten({k: v for k, v in model.carry().items() if k != "metrics"})[0]
    model.train_on_batch(x[:7], np.zeros(7, int))
    now = flatten({k: v for k, v in model.carry().items() if k != "metrics"})[0]
    overwritten = [one is other for one, other in zip(given, now, strict=True)]
    assert sum(overwritten) >= len(flatten(model.params)[0]) * 3  # weights and two slots each
    assert len(model.programs.known) == 2
    assert history.epoch == list(range(12)) and len(history.history["val_accuracy"]) == 12
    assert history.history["val_accuracy"][-1] > 0.8


def test_a_model_is_traced_once_to_be_declared_and_once_for_each_program(
    rng: np.random.Generator,
) -> None:
    calls = []

    class Noted(nn.Layer):
        def call(self, scope: Any, x: Any) -> Any:
            calls.append(scope.training)
            return x * scope.weight("scale", x.shape[-1], "ones")

    model = nn.Sequential([Noted(), nn.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    x, y = rng.normal(size=(8, 3)).astype("f4"), np.ones((8, 1), "f4")
    model.fit(x, y, epochs=2, batch_size=3, **KEPT)
    assert calls == [True, True]
    model.evaluate(x, y)
    model.predict(x)
    assert calls == [True, True, False, False]


def test_a_layer_may_be_added_between_build_and_fit(rng: np.random.Generator) -> None:
    model = nn.Sequential([nn.Input(3), nn.Dense(4)])
    model.compile("sgd", "mse")
    model.build("f32[N,3]")
    model.add(nn.Dense(1))
    model.fit(rng.normal(size=(8, 3)).astype("f4"), np.ones((8, 1), "f4"), **KEPT)
    assert [leaf.shape for leaf in flatten(model.params)[0]] == [(4,), (3, 4), (1,), (4, 1)]


def test_evaluate_and_predict_are_those_of_numpy(trained: Any, digits: Any) -> None:
    model, _ = trained
    x, y = (part[:200] for part in digits)
    first, last = model.params["dense"], model.params["dense_1"]
    hidden = np.maximum(x @ first["kernel"] + first["bias"], 0)
    scores = hidden @ last["kernel"] + last["bias"]
    np.testing.assert_allclose(model.predict(x, batch_size=64), scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model(x), scores, rtol=1e-4, atol=1e-5)
    shifted = scores - scores.max(1, keepdims=True)
    loss = np.mean(np.log(np.exp(shifted).sum(1)) - shifted[np.arange(200), y])
    found = model.evaluate(x, y, batch_size=64)
    assert found == pytest.approx([loss, np.mean(scores.argmax(1) == y)], rel=1e-5)
    assert model.evaluate(x, y, return_dict=True)["accuracy"] == found[1]


def test_training_is_what_its_parts_are_by_hand(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(12, 3)).astype("f"), rng.normal(size=(12, 1)).astype("f")
    model = nn.Sequential([nn.Input(3), nn.Dense(1)])
    model.compile(sf.optim.SGD(0.1), "mse")
    kernel, bias = (np.copy(model.params["dense"][name]) for name in ("kernel", "bias"))
    model.fit(x, y, batch_size=4, epochs=2, shuffle=False, **KEPT)
    for start in (0, 4, 8) * 2:
        part, target = x[start : start + 4], y[start : start + 4]
        error = 2 * (part @ kernel + bias - target) / 4
        kernel, bias = kernel - 0.1 * part.T @ error, bias - 0.1 * error.sum(0)
    np.testing.assert_allclose(model.params["dense"]["kernel"], kernel, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.params["dense"]["bias"], bias, rtol=1e-4, atol=1e-6)


def test_everything_random_follows_from_the_seed(digits: Any) -> None:
    x, y = (part[:200] for part in digits)
    models = [perceptron(seed=seed) for seed in (5, 5, 6)]
    for model in models:
        model.fit(x, y, epochs=2, **KEPT)
    first, again, other = (model.params for model in models)
    assert same(first, again) and not same(first, other)
    models[0].fit(x, y, epochs=1, **KEPT)
    long = perceptron(seed=5)
    long.fit(x, y, epochs=3, **KEPT)
    assert same(models[0].params, long.params)  # three epochs are two and one more


def two_headed() -> Any:
    a, b = nn.Input(4, name="a"), nn.Input(4, name="b")
    shared = nn.Dense(8, activation="tanh", name="shared")
    joined = nn.Concatenate()([shared(a), shared(b)])
    size, kind = nn.Dense(1, name="size")(joined), nn.Dense(3, name="kind")(joined)
    return nn.Model([a, b], [size, nn.Softmax()(kind)])


def test_models_have_several_inputs_and_outputs(rng: np.random.Generator) -> None:
    model = two_headed()
    assert model.output_names == ["size", "softmax"]
    model.compile(
        "adam",
        loss={"size": "mse", "softmax": "sparse_categorical_crossentropy"},
        loss_weights={"size": 0.5},
        metrics={"softmax": ["accuracy"]},
    )
    x, sizes = rng.normal(size=(2, 30, 4)), rng.normal(size=30)
    kinds = rng.integers(0, 3, 30)
    logs = model.evaluate(list(x), [sizes, kinds], return_dict=True)
    assert list(logs) == ["loss", "size_loss", "softmax_loss", "softmax_accuracy"]
    assert logs["loss"] == pytest.approx(logs["size_loss"] / 2 + logs["softmax_loss"], rel=1e-6)
    found, chances = model.predict({"a": x[0], "b": x[1]})
    assert logs["size_loss"] == pytest.approx(np.mean((found[:, 0] - sizes) ** 2), rel=1e-5)
    chosen = chances[np.arange(30), kinds]
    assert logs["softmax_loss"] == pytest.approx(-np.log(chosen).mean(), rel=1e-5)
    assert sorted(model.params) == ["kind", "shared", "size"]
    by_name = model.fit({"a": x[0], "b": x[1]}, {"size": sizes, "softmax": kinds}, epochs=2, **KEPT)
    assert by_name.history["loss"][1] < by_name.history["loss"][0]


def test_models_that_share_layers_share_weights(rng: np.random.Generator) -> None:
    x = rng.normal(size=(20, 6)).astype("f")
    inputs = nn.Input(6)
    code = nn.Dense(2, name="code")(inputs)
    encoder = nn.Model(inputs, code)
    whole = nn.Model(inputs, nn.Dense(6)(encoder(inputs)))
    whole.compile(sf.optim.SGD(0.1), "mse")
    before = encoder.predict(x)
    whole.fit(x, x, **KEPT)
    after = encoder.predict(x)
    assert not np.array_equal(before, after)
    weights = whole.get_layer("model").params["code"]
    np.testing.assert_allclose(after, x @ weights["kernel"] + weights["bias"], rtol=1e-5, atol=1e-6)
    last = whole.get_layer("dense")
    bias, kernel = last.get_weights()
    assert bias is not last.get_weights()[0] and kernel.shape == (2, 6)
    last.set_weights([bias + 1, 0 * kernel])
    np.testing.assert_array_equal(whole.predict(x), np.broadcast_to(bias + 1, x.shape))
    middle = nn.Model(code, nn.Dense(1)(code))  # what comes before is left out
    assert list(middle.children()) == ["dense"]


def test_frozen_layers_stay(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(20, 4)).astype("f"), rng.normal(size=20).astype("f")
    inner = nn.Sequential([nn.Input(4), nn.Dense(3), nn.BatchNormalization()])
    model = nn.Sequential([inner, nn.Dense(1)])
    inner.trainable = False
    model.compile("adam", "mse")
    model.build("f32[N,4]")
    before, head = inner.get_weights(), np.copy(model.params["dense"]["kernel"])
    model.fit(x, y, epochs=2, **KEPT)
    assert same(before, inner.get_weights()) and not same(head, model.params["dense"]["kernel"])
    assert len(flatten(model.optimizer_state["slots"])[0]) == 2 * 2
    summary = model.summary()
    assert (summary.params, summary.trainable, summary.state) == (25, 4, 6)


def test_layers_in_fields_of_others_are_frozen(rng: np.random.Generator) -> None:
    class Pair(nn.Module):
        encoder: Any
        head: Any

        def call(self, scope: Any, x: Any) -> Any:
            return scope(self.head, scope(self.encoder, x, name="encoder"), name="head")

    steps = nn.TimeDistributed(nn.Dense(2, trainable=False))
    pair = Pair(nn.Sequential([steps, nn.Bidirectional(nn.GRU(2, trainable=False))]), nn.Dense(1))
    pair.compile("sgd", "mse")
    pair.build("f32[N,4,3]")
    before = map_leaves(np.copy, pair.params)
    steps.layer.trainable = True  # too late
    pair.encoder.layers[1].layer.trainable = True
    pair.fit(rng.normal(size=(8, 4, 3)), np.ones(8), **KEPT)
    assert same(before["encoder"], pair.params["encoder"])
    assert not same(before["head"], pair.params["head"])
    assert pair.summary().trainable == pair.count_params()
    pair.encoder.trainable = False
    assert pair.summary().trainable == 5


def test_trainable_is_what_it_was_when_compiled(rng: np.random.Generator) -> None:
    judge = nn.Sequential([nn.Input(2), nn.Dense(3), nn.BatchNormalization(), nn.Dense(1)])
    judge.compile("sgd", "mse")
    judge.trainable = False
    maker = nn.Sequential([nn.Input(2), nn.Dense(2)])
    both = nn.Sequential([maker, judge])
    both.compile("sgd", "mse")
    x = rng.normal(size=(8, 2)).astype("f")
    before = judge.get_weights()
    both.train_on_batch(x, np.ones(8))
    assert same(before, judge.get_weights())
    judge.train_on_batch(x, np.ones(8))
    assert not any(map(np.array_equal, before, judge.get_weights()))


def test_losses_of_layers_are_enough(rng: np.random.Generator) -> None:
    class Code(nn.Layer):
        def call(self, scope: Any, x: Any) -> Any:
            mean = scope(nn.Dense(2), x)
            scope.add_loss(sf.losses.gaussian_kl_divergence(mean, np.zeros_like(mean)).mean())
            return mean + 0.1 * sf.random.normal(scope.key(), mean.shape, "float32")

    x = rng.normal(size=(8, 3)).astype("f")
    model = nn.Sequential([nn.Input(3), Code()])
    model.compile(sf.optim.Adam(0.1))
    losses = model.fit(x, epochs=30, **KEPT).history["loss"]
    assert losses[-1] < 0.2 * losses[0]


def test_weights_of_classes_and_examples_multiply(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(9, 2)).astype("f"), np.arange(9) % 3
    model = nn.Sequential([nn.Input(2), nn.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    own, by_class = rng.random(9).astype("f"), {0: 1.0, 1: 0.0, 2: 2.0}
    weights = own * np.array([by_class[int(one)] for one in y])
    chances = model.predict(x)
    expected = np.mean(weights * -np.log(chances[np.arange(9), y]))
    logs = model.fit(x, y, class_weight=by_class, sample_weight=own, **KEPT).history
    assert logs["loss"][0] == pytest.approx(expected, rel=1e-5)
    right = chances.argmax(1) == y
    assert logs["accuracy"][0] == pytest.approx((right * weights).sum() / weights.sum(), rel=1e-5)


def test_penalties_are_part_of_the_loss(rng: np.random.Generator) -> None:
    x = rng.normal(size=(8, 3)).astype("f")
    model = nn.Sequential([nn.Input(3), nn.Dense(1, kernel_regularizer=nn.L2(0.5))])
    model.compile("sgd", "mse")
    plain = np.mean(model.predict(x) ** 2)
    penalty = 0.5 * np.sum(model.params["dense"]["kernel"] ** 2)
    assert model.evaluate(x, np.zeros(8)) == pytest.approx(plain + penalty, rel=1e-5)
    sparse = nn.Sequential([nn.Input(3), np.tanh, nn.ActivityRegularization(l1=0.5)])
    sparse.compile("sgd")
    assert sparse.evaluate(x) == pytest.approx(0.5 * np.sum(np.abs(np.tanh(x))), rel=1e-5)


def test_own_modules_losses_and_metrics_are_functions(rng: np.random.Generator) -> None:
    class Line(nn.Module):
        begin: float = 0.0

        def call(self, scope: Any, x: Any) -> Any:
            return x * scope.weight("slope", (), sf.initializers.Constant(self.begin))

    def cubic(y_true: Any, y_pred: Any) -> Any:
        return np.abs(y_true - y_pred) ** 3

    x = rng.normal(size=(16, 1))
    line = Line(1.0)
    line.compile(sf.optim.SGD(0.05), cubic, metrics=[cubic, "mae"])
    logs = line.fit(x, 3 * x, epochs=40, **KEPT).history
    assert sorted(logs) == ["cubic", "loss", "mean_absolute_error"]
    assert logs["loss"][0] == pytest.approx(np.mean(np.abs(2 * x) ** 3), rel=1e-4)
    assert logs["loss"][0] == pytest.approx(logs["cubic"][0], rel=1e-6)
    assert 1.5 < float(line.params["slope"]) < 3.5


def test_weights_may_be_tied(rng: np.random.Generator) -> None:
    class Tied(nn.Module):
        code: int

        def call(self, scope: Any, x: Any) -> Any:
            kernel = scope.weight("kernel", (x.shape[-1], self.code))
            hidden = np.tanh(x @ kernel + scope.weight("there", self.code, "zeros"))
            return hidden @ kernel.T + scope.weight("back", x.shape[-1], "zeros")

    x = rng.normal(size=(64, 2)).astype("f") @ rng.normal(size=(2, 6)).astype("f")
    model = Tied(3)
    model.compile(sf.optim.Adam(0.02), "mse")
    losses = model.fit(x, x, epochs=80, **KEPT).history["loss"]
    assert losses[-1] < 0.3 * losses[0]
    assert model.summary().params == 6 * 3 + 3 + 6


@pytest.mark.parametrize("policy", ["bfloat16", "mixed_bfloat16", "float64"])
def test_element_types_are_a_policy(policy: str, digits: Any) -> None:
    x, y = (part[:512] for part in digits)
    layers = [nn.Input(64), nn.Dense(32, activation="relu"), nn.Dense(10, dtype="float32")]
    model = nn.Sequential(layers, dtype=policy)
    model.compile(
        sf.optim.Adam(0.01), sf.losses.SparseCategoricalCrossentropy(from_logits=True), seed=2
    )
    losses = model.fit(x, y, epochs=8, **KEPT).history["loss"]
    assert losses[-1] < 0.3 * losses[0]
    kept = model.params["dense"]["kernel"].dtype
    assert str(kept) == {"mixed_bfloat16": "float32"}.get(policy, policy)
    assert model.params["dense_1"]["kernel"].dtype == model.predict(x).dtype == np.float32
    slots = {leaf.dtype for leaf in flatten(model.optimizer_state["slots"])[0]}
    assert slots <= {np.dtype("float32"), np.dtype("float64")}


def test_each_size_may_have_a_program_of_its_own(digits: Any) -> None:
    x, y = (part[:100] for part in digits)
    model, other = perceptron(dynamic_batch=False), perceptron()
    for one in (model, other):
        one.fit(x, y, batch_size=32, **KEPT)
    assert len(model.programs.known) == 2 and len(other.programs.known) == 1
    first, last = model.params["dense"]["kernel"], other.params["dense"]["kernel"]
    np.testing.assert_allclose(first, last, atol=1e-5)


@pytest.mark.parametrize(
    ("units", "activation", "targets", "right"),
    [
        (1, "sigmoid", lambda y: y > 4, lambda p, y: (p[:, 0] > 0.5) == (y > 4)),
        (10, "softmax", lambda y: y, lambda p, y: p.argmax(1) == y),
        (10, "softmax", lambda y: y[:, None], lambda p, y: p.argmax(1) == y),
        (10, "softmax", lambda y: np.eye(10)[y], lambda p, y: p.argmax(1) == y),
    ],
)
def test_accuracy_is_what_targets_make_of_it(
    units: int, activation: str, targets: Any, right: Any, digits: Any
) -> None:
    x, y = (part[:60] for part in digits)
    model = nn.Sequential([nn.Input(64), nn.Dense(units, activation=activation)])
    model.compile("sgd", loss=None, metrics=["accuracy"])
    found = model.evaluate(x, targets(y), return_dict=True)["accuracy"]
    assert found == pytest.approx(np.mean(right(model.predict(x), y)))


def test_data_may_come_as_batches(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(20, 4)).astype("f"), rng.normal(size=(20, 1)).astype("f")
    models = [nn.Sequential([nn.Input(4), nn.Dense(1)]) for _ in range(3)]
    for model in models:
        model.compile("sgd", "mse")
    arrays, data, batches = models
    arrays.fit(x, y, batch_size=8, epochs=2, **KEPT)
    data.fit(sf.data.Dataset(x, y, batch_size=8, shuffle=True), epochs=2, **KEPT)
    assert same(arrays.params, data.params)
    pieces = [(x[at : at + 8], y[at : at + 8]) for at in (0, 8, 16)]
    batches.fit(pieces, epochs=2, **KEPT)
    assert batches.epoch == 2 and batches.evaluate(pieces) == pytest.approx(
        batches.evaluate(x, y), rel=1e-6
    )
    long = ((x, y) for _ in range(100))
    assert len(batches.fit(long, steps_per_epoch=3, epochs=2, **KEPT).epoch) == 2


def test_sequences_of_every_length_are_one_program(rng: np.random.Generator) -> None:
    model = nn.Sequential(
        [nn.Input((None,), dtype="int64"), nn.Embedding(9, 4), nn.GRU(3), nn.Dense(1)]
    )
    model.compile("sgd", "mse")
    for length in (5, 3):
        model.train_on_batch(rng.integers(0, 9, (4, length)), np.zeros(4))
    assert len(model.programs.known) == 1


def test_a_loss_that_is_no_number_stops(rng: np.random.Generator) -> None:
    x = rng.normal(size=(8, 3)).astype("f")
    model = nn.Sequential([nn.Input(3), nn.Dense(1)])
    model.compile(sf.optim.SGD(1e20), "mse")
    with pytest.raises(ArithmeticError, match=r"the loss is .* in batch \d of epoch") as caught:
        model.fit(x, x[:, :1], batch_size=2, epochs=9, **KEPT)
    assert "test_fit.py" in str(caught.value)


def test_the_operation_that_made_it_so_is_named(rng: np.random.Generator) -> None:
    class Root(nn.Layer):
        def call(self, scope: Any, x: Any) -> Any:
            return np.sqrt(x)  # the line that is to blame

    x = np.abs(rng.normal(size=(12, 3))).astype("f") + 1
    first = nn.Dense(1, kernel_initializer="ones")
    model = nn.Sequential([nn.Input(3), first, Root(name="root")])
    model.compile(sf.optim.SGD(0.1), "mse")
    model.fit(x, x[:, :1], shuffle=False, **KEPT)
    weights = model.get_weights()
    with pytest.raises(ArithmeticError) as caught:
        model.fit(np.concatenate([x, -9 * x]), np.ones(24), batch_size=12, shuffle=False, **KEPT)
    assert "in batch 1 of epoch 2: sqrt in root gives NaN for finite values" in str(caught.value)
    assert "return np.sqrt(x)  # the line that is to blame" in str(caught.value)
    assert all(np.isfinite(leaf).all() for leaf in model.get_weights())
    assert not same(weights, model.get_weights())  # the batch before it counts
    with pytest.raises(ArithmeticError, match=r"batch\['x'\] has values that are no numbers"):
        model.train_on_batch(np.full((1, 3), np.nan), np.ones(1))


def test_an_interrupt_leaves_a_usable_model(digits: Any) -> None:
    x, y = (part[:200] for part in digits)

    def press(batch: int, logs: Any) -> None:
        if batch == 3:
            signal.raise_signal(signal.SIGINT)

    model, other = perceptron(), perceptron()
    pressed = sf.callbacks.LambdaCallback(on_train_batch_end=press)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, batch_size=20, shuffle=False, callbacks=[pressed], **KEPT)
    assert signal.getsignal(signal.SIGINT) is before
    other.fit(x[:80], y[:80], batch_size=20, shuffle=False, **KEPT)
    assert same(model.params, other.params)
    assert np.isfinite(model.evaluate(x, y)[0])
    model.fit(x, y, **KEPT)


def test_the_model_of_three_four_two_has_26_parameters() -> None:
    model = nn.Sequential(
        [nn.Input(3), nn.Dense(4, activation="sigmoid"), nn.Dense(2, activation="softmax")]
    )
    summary = model.summary()
    assert (summary.params, [row.params for row in summary.rows]) == (26, [16, 10])
    assert [row.shapes for row in summary.rows] == ["(N, 4)", "(N, 2)"]
    products = 2 * (3 * 4 + 4 * 2)
    assert sf.compiler.ir.dims.evaluate(summary.flops, {"N": 1}) >= products
    assert "26 (26 trainable, 0 frozen)" in str(summary) and summary.nbytes == 26 * 4


def test_models_show_themselves() -> None:
    inner = nn.Sequential([nn.Input(3), nn.Dense(4, name="first"), nn.BatchNormalization()])
    model = nn.Sequential([inner, nn.Dense(2, activation="softmax")])  # begins where inner does
    bundle = model._repr_mimebundle_()
    assert bundle["text/plain"] == str(model.summary())
    assert bundle["image/svg+xml"].startswith("<svg")
    text = str(model.graph())
    assert "f32[N,3]" in text and text.rstrip().endswith("}") and "contract" in text
    assert model.count_params() == model.summary().params == 3 * 4 + 4 + 8 + 4 * 2 + 2
    assert model.get_weights()[0].dtype == np.float32
    model.build(np.zeros((1, 3), "float32"))
    assert model.summary().rows[-1].shapes == "(N, 2)"
    assert "text/plain" in nn.Sequential([nn.Dense(3)])._repr_mimebundle_()


def _scheduled(model: Any) -> None:
    model.compile(sf.optim.SGD(sf.optim.ExponentialDecay(0.1, 10, 0.5)), "mse")
    model.learning_rate = 0.5


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: nn.Sequential([3]), "cannot be layer 0"),
        (lambda m: nn.Sequential([nn.Dense(1)]).summary(), "not known"),
        (lambda m: nn.Sequential([nn.Dense(1)]).fit(np.ones((2, 2))), "no loss and no optimiser"),
        (lambda m: nn.Sequential([nn.Dense(1)]).get_weights(), "no weights yet"),
        (lambda m: m.compile("addam"), "no optimiser 'addam'"),
        (lambda m: m.compile() or m.train_on_batch([np.ones((2, 4))] * 2), "has no loss"),
        (lambda m: m.fit(np.ones((2, 4)), np.ones(2)), "has 2 inputs"),
        (lambda m: m.fit([np.ones((2, 4))] * 2, [np.ones(2)]), "1 targets for 2 outputs"),
        (lambda m: m.fit([np.ones((2, 4)), np.ones((3, 4))], np.ones(2)), "first axis"),
        (lambda m: m.fit([["a", "b"], ["c", "d"]]), "no numbers"),
        (lambda m: m.get_layer("none"), "no layer 'none'"),
        (lambda m: nn.Model(nn.Input(2), nn.Dense(1)(nn.Input(3))), "not among the inputs"),
        (lambda m: nn.Model(np.ones(2), nn.Input(3)), "is no value of a model"),
        (lambda m: m.fit([], validation_split=2.0), "validation_split=2.0"),
        (lambda m: m.set_weights([1]), "of shapes"),
        (lambda m: nn.Dense(3).get_weights(), "this Dense has no weights yet"),
        (lambda m: _scheduled(m), "follows a schedule"),
        (
            lambda m: m.fit([np.ones((2, 4))] * 2, [np.ones(2)] * 2, class_weight={0: 1.0}),
            "class_weight needs one array",
        ),
    ],
)
def test_errors_say_what_and_where(call: Any, words: str) -> None:
    model = two_headed()
    model.compile("sgd", "mse")
    with pytest.raises(sf.SymfuseError) as caught:
        call(model)
    assert words in str(caught.value)
    assert "test_fit.py" in str(caught.value)


def test_targets_of_every_step_share_one_program_for_all_lengths() -> None:
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        [
            nn.Input((None,), dtype="int64"),
            nn.Embedding(9, 4, mask_zero=True),
            nn.GRU(5, return_sequences=True),
            nn.Dense(9),
        ]
    )
    loss = sf.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"], weighted_metrics=["accuracy"])
    for length in (6, 3, 1):
        words = rng.integers(1, 9, (10, length + 1))
        model.fit(words[:, :-1], words[:, 1:], batch_size=4, **KEPT)
        if length > 1:  # weights of size 1 are for every step
            weight = rng.random((10, length)).astype("float32")
            model.fit(words[:, :-1], words[:, 1:], sample_weight=weight, **KEPT)
    assert [key[0] for key in model.programs.known] == ["train", "train"]

    z = model.predict(words[:, :-1]).astype("float64")
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    wanted = -np.take_along_axis(log_p, words[:, 1:, None], -1).mean()
    found = model.evaluate(words[:, :-1], words[:, 1:], verbose=0)[0]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    with pytest.raises(sf.GuardError, match="S1 is 1 in argument"):
        model.evaluate(words[:, :-1], words, verbose=0)


def test_targets_are_as_large_as_what_open_images_become() -> None:
    image = nn.Input((None, None, 1))
    full = nn.Conv2D(2, 3, padding="same", name="full")(image)
    half = nn.Conv2D(1, 3, strides=2, padding="same", name="half")(full)
    model = nn.Model(image, [full, half])
    model.compile("sgd", "mse")
    for size in (8, 12):
        x = np.ones((3, size, size, 1), "float32")
        wanted = np.zeros((3, size, size, 2), "float32"), np.zeros((3, size // 2, size // 2, 1))
        model.fit(x, {"half": wanted[1], "full": wanted[0]}, **KEPT)
    assert len(model.programs.known) == 1


def test_lists_of_numbers_are_arrays() -> None:
    model = nn.Sequential([nn.Input(2), nn.Dense(1)])
    model.compile("sgd", "mse", seed=1)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 2)), rng.normal(size=12)
    wanted = model.evaluate(x, y, sample_weight=np.arange(12.0), verbose=0)
    found = model.evaluate(x.tolist(), list(y), sample_weight=list(range(12)), verbose=0)
    assert found == pytest.approx(wanted, rel=1e-6)
    model.fit(x.tolist(), y.tolist(), validation_split=0.25, **KEPT)
    with pytest.raises(sf.ShapeError, match="different lengths"):
        model.predict([[1.0, 2.0], [3.0]])


def test_inputs_are_found_by_their_names_alone() -> None:
    late, early = nn.Input((None,), dtype="float64", name="z"), nn.Input(3, name="a")
    total = nn.Lambda(lambda z, a: np.sum(z, axis=1, keepdims=True) - a, dtype="float64")
    z, a = np.full((2, 5), 1 + 1e-12), np.ones((2, 3))
    for inputs in ([late, early], {"z": late, "a": early}):
        model = nn.Model(inputs, total(late, early))
        np.testing.assert_allclose(model.predict({"a": a, "z": z}), 4 + 5e-12, rtol=1e-14)
        for wrong in ({"a": a, "y": z}, {"a": a}, {"a": a, "z": z, "more": a}):
            with pytest.raises(sf.ArgumentError, match="inputs are given for 'a'"):
                model.predict(wrong)
