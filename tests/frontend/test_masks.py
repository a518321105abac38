"""Masks: each layer against a loop over the sequences as if what does not count were not there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse import nn
from symfuse.tracing.tree import flatten

UNITS, LENGTHS, STEPS = 3, (4, 1, 3, 5), 5
RAGGED = np.array([[1, 2, 3, 4, 0], [5, 0, 0, 0, 0], [6, 7, 8, 0, 0], [1, 3, 5, 7, 9]])
GAPS = np.array([[0, 2, 0, 4, 5], [0, 0, 0, 0, 0], [1, 0, 3, 0, 0], [1, 2, 3, 4, 5]])
CELLS: dict[str, Any] = {
    "simple": nn.SimpleRNN,
    "gru": nn.GRU,
    "gru_before": lambda *args, **options: nn.GRU(*args, reset_after=False, **options),
    "lstm": nn.LSTM,
}


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def turn(kind: str, p: Any, x: Any, state: Any) -> Any:
    """One turn of a cell on one step of one sequence; the output is the first of the state."""
    h, w, u = state[0], p["kernel"], p["recurrent_kernel"]
    if kind == "simple":
        return (np.tanh(x @ w + h @ u + p["bias"]),)
    if kind == "lstm":
        i, f, g, o = np.split(x @ w + h @ u + p["bias"], 4)
        c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    if kind == "gru":
        (xz, xr, xg), (hz, hr, hg) = (
            np.split(one, 3) for one in (x @ w + p["bias"][0], h @ u + p["bias"][1])
        )
        z, r = sigmoid(xz + hz), sigmoid(xr + hr)
        g = np.tanh(xg + r * hg)
    else:
        xz, xr, xg = np.split(x @ w + p["bias"], 3)
        uz, ur, ug = np.split(u, 3, 1)
        z, r = sigmoid(xz + h @ uz), sigmoid(xr + h @ ur)
        g = np.tanh(xg + (r * h) @ ug)
    return (z * h + (1 - z) * g,)


def looped(
    kind: str, p: Any, x: Any, mask: Any, start: Any, *, back: bool = False, zero: bool = False
) -> Any:
    """Outputs of all turns and the last states, sequence by sequence, step by step."""
    outputs, lasts = [], []
    for row, seen, *state in zip(x, mask, *start, strict=True):
        given, found = tuple(state), [np.zeros(UNITS)]
        for at in range(STEPS)[:: -1 if back else 1]:
            if seen[at]:
                given = turn(kind, p, row[at], given)
            found.append(given[0] if seen[at] else 0 * found[-1] if zero else found[-1])
        outputs.append(found[1:])
        lasts.append(given)
    return np.array(outputs), [np.array(column) for column in zip(*lasts, strict=True)]


def drawn(layer: Any, rng: np.random.Generator, dtype: str, *specs: Any, **options: Any) -> Any:
    """Weights of N(0, 1) for a layer."""
    params, _ = layer.init(sf.random.key(0), *specs, **options)
    leaves, tree = flatten(params)
    return tree.unflatten([rng.normal(size=leaf.shape).astype(dtype) for leaf in leaves])


@pytest.mark.parametrize("words", [RAGGED, GAPS], ids=["ragged", "gaps"])
@pytest.mark.parametrize("back", [False, True], ids=["forth", "back"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", CELLS)
def test_recurrent_layers_leave_out_what_is_masked(
    kind: str, dtype: str, back: bool, words: Any, rng: np.random.Generator
) -> None:
    options = {"return_sequences": True, "return_state": True, "go_backwards": back}
    cell = CELLS[kind](UNITS, name="cell", **options)
    table = nn.Embedding(10, 2, mask_zero=True, name="table")
    text = nn.Input(STEPS, dtype="int64")
    starts = [nn.Input(UNITS, dtype=dtype) for _ in range(cell.states)]
    model = nn.Model([text, *starts], cell(table(text), initial_state=starts), dtype=dtype)
    start = [rng.normal(size=(4, UNITS)).astype(dtype) for _ in starts]
    params = drawn(model, rng, dtype, [one.spec for one in (text, *starts)])
    model.hold(nn.Variables(params, {}))
    found = model.predict([words, *start])
    x = params["table"]["embeddings"][words]
    outputs, lasts = looped(kind, params["cell"], x, words != 0, start, back=back)
    tolerance = 2e-5 if dtype == "float32" else 1e-12
    for one, other in zip(found, [outputs, *lasts], strict=True):
        assert one.dtype == dtype
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("merge_mode", ["concat", "sum", "mul", "ave", None])
def test_both_ways_leave_out_what_is_masked(merge_mode: Any, rng: np.random.Generator) -> None:
    inner = nn.LSTM(UNITS, return_sequences=True, return_state=True)
    layer = nn.Bidirectional(inner, merge_mode=merge_mode)
    x = rng.normal(size=(4, STEPS, 2))
    start = [rng.normal(size=(4, UNITS)) for _ in range(4)]
    layer.dtype = "float64"
    params = drawn(layer, rng, "float64", "f64[N,5,2]")
    y = layer.apply(params, {}, x, initial_state=start, mask=GAPS != 0)[0]
    forth, ends = looped("lstm", params["forward"], x, GAPS != 0, start[:2], zero=True)
    back, others = looped("lstm", params["backward"], x, GAPS != 0, start[2:], back=True, zero=True)
    back = back[:, ::-1]
    merged = {
        "concat": [np.concatenate([forth, back], -1)], "sum": [forth + back],
        "mul": [forth * back], "ave": [(forth + back) / 2], None: [forth, back],
    }[merge_mode]  # fmt: skip
    for one, other in zip(flatten(y)[0], [*merged, *ends, *others], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.peer("torch")
def test_masked_layers_are_those_of_packed_sequences(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    pack = torch.nn.utils.rnn.pack_padded_sequence
    peer = torch.nn.LSTM(2, UNITS, batch_first=True, bidirectional=True).double()
    x = rng.normal(size=(4, STEPS, 2))
    packed = pack(torch.tensor(x), LENGTHS, batch_first=True, enforce_sorted=False)
    wanted, (h, c) = peer(packed)
    wanted, _ = torch.nn.utils.rnn.pad_packed_sequence(wanted, batch_first=True)
    layer = nn.Bidirectional(nn.LSTM(UNITS, return_sequences=True, return_state=True))
    layer.dtype = "float64"

    def weights(way: str) -> Any:
        def own(name: str) -> Any:
            return getattr(peer, f"{name}{way}").detach().numpy().T

        bias = own("bias_ih_l0") + own("bias_hh_l0")
        return {
            "kernel": own("weight_ih_l0"),
            "recurrent_kernel": own("weight_hh_l0"),
            "bias": bias,
        }

    params = {"forward": weights(""), "backward": weights("_reverse")}
    y, *states = layer.apply(params, {}, x, mask=RAGGED != 0)[0]
    np.testing.assert_allclose(y, wanted.detach().numpy(), rtol=1e-10, atol=1e-12)
    for one, other in zip(states, (h[0], c[0], h[1], c[1]), strict=True):
        np.testing.assert_allclose(one, other.detach().numpy(), rtol=1e-10, atol=1e-12)


# how masks get from layer to layer


class Mean(nn.Layer):
    """The mean of the steps that count, of which it says how many there are."""

    def call(self, scope: Any, x: Any, mask: Any = None) -> Any:
        mask = sf.numpy.ones(x.shape[:2], bool) if mask is None else mask
        kept = np.where(mask[..., None], x, 0.0)
        return np.sum(kept, 1) / np.maximum(np.sum(mask * 1.0, 1)[:, None], 1.0)


def masked_mean(x: Any, mask: Any) -> Any:
    kept = np.where(mask[..., None], x, 0)
    return kept.sum(1) / np.maximum(mask.sum(1), 1)[:, None]


THROUGH = {
    "dense": nn.Dense(4, activation="tanh"),
    "dropout": nn.Dropout(0.5),
    "layer_norm": nn.LayerNormalization(),
    "activation": nn.Activation("relu"),
    "position": nn.SinePositionEncoding(),
    "time": nn.TimeDistributed(nn.Dense(3)),
    "lstm": nn.LSTM(3, return_sequences=True),
    "both": nn.Bidirectional(nn.GRU(3, return_sequences=True)),
    "nested": nn.Sequential([nn.Dense(3), nn.Sequential([nn.Dropout(0.1)]), nn.ReLU()]),
    "half": nn.Dense(3, dtype="float64"),
}


@pytest.mark.parametrize("name", THROUGH)
@pytest.mark.parametrize("pool", [Mean, nn.GlobalAveragePooling1D])
def test_masks_go_through_layers_that_keep_steps(
    name: str, pool: Any, rng: np.random.Generator
) -> None:
    words = nn.Input(STEPS, dtype="int64")
    inner = THROUGH[name](nn.Embedding(10, 4, mask_zero=True)(words))
    steps, whole = (nn.Model(words, one) for one in (inner, pool()(inner)))
    y = whole.predict(GAPS)
    np.testing.assert_allclose(y, masked_mean(steps.predict(GAPS), GAPS != 0), rtol=1e-5, atol=1e-6)
    changed = GAPS.copy()
    assert np.abs(whole.predict(changed + (changed == 0) * 9) - y).max() > 1e-3  # it does count


def test_a_mask_begins_where_all_features_have_a_value(rng: np.random.Generator) -> None:
    x = rng.normal(size=(4, STEPS, 3)).astype("f")
    x[0, 2:] = x[1, :] = -1.0
    x[2, 1, :2] = -1.0  # not all of them
    model = nn.Sequential([nn.Input((STEPS, 3)), nn.Masking(-1.0), nn.Dense(2), Mean()])
    kernel, bias = (model.params["dense"][key] for key in ("kernel", "bias"))
    seen = (x != -1).any(-1)
    y = np.where(seen[..., None], x, 0) @ kernel + bias
    np.testing.assert_allclose(model.predict(x), masked_mean(y, seen), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer", [nn.Add(), nn.Maximum(), nn.Concatenate(), nn.Concatenate(1)])
def test_several_values_count_where_all_do(layer: Any) -> None:
    a, b = nn.Input(STEPS, dtype="int64"), nn.Input(STEPS, dtype="int64")
    tables = nn.Embedding(10, 4, mask_zero=True), nn.Embedding(10, 4, mask_zero=True)
    joined = layer([tables[0](a), tables[1](b)])
    steps, whole = nn.Model([a, b], joined), nn.Model([a, b], Mean()(joined))
    data, masks = [RAGGED, GAPS], [RAGGED != 0, GAPS != 0]
    both = np.concatenate(masks, 1) if getattr(layer, "axis", -1) == 1 else masks[0] & masks[1]
    y = masked_mean(steps.predict(data), both)
    np.testing.assert_allclose(whole.predict(data), y, rtol=1e-5, atol=1e-6)


def test_values_without_a_mask_count_all() -> None:
    a, x = nn.Input(STEPS, dtype="int64"), nn.Input((STEPS, 4))
    table = nn.Embedding(10, 4, mask_zero=True)
    values = np.ones((4, STEPS, 4), "f")
    for layer, mask in (
        (nn.Add(), np.ones((4, STEPS), bool)),
        (nn.Concatenate(1), np.concatenate([GAPS != 0, np.ones((4, STEPS), bool)], 1)),
    ):
        joined = layer([table(a), x])
        steps, whole = nn.Model([a, x], joined), nn.Model([a, x], Mean()(joined))
        y = masked_mean(steps.predict([GAPS, values]), mask)
        np.testing.assert_allclose(whole.predict([GAPS, values]), y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("causal", [False, True])
def test_nobody_looks_at_masked_steps(causal: bool, rng: np.random.Generator) -> None:
    words = nn.Input(STEPS, dtype="int64")
    table = nn.Embedding(10, 4, mask_zero=True)
    heads = nn.MultiHeadAttention(2, 3)
    x = table(words)
    model = nn.Model(words, heads(x, x, use_causal_mask=causal, return_attention_scores=True))
    y, scores = model.predict(RAGGED)
    seen = RAGGED != 0
    may = seen[:, :, None] & seen[:, None, :] & (np.tri(STEPS, dtype=bool) | (not causal))
    rows = np.broadcast_to(may.any(-1)[:, None, :, None] & ~may[:, None], scores.shape)
    assert np.abs(scores[rows]).max() < 1e-6
    for row, length in enumerate(LENGTHS):
        own = table.held.params["embeddings"][RAGGED[[row], :length]]
        alone = heads.apply(heads.held.params, {}, own, own, use_causal_mask=causal)[0]
        np.testing.assert_allclose(y[row, :length], alone[0], rtol=1e-5, atol=1e-6)
    plain = nn.Model(words, nn.Attention()([x, x]))
    z, e = plain.predict(RAGGED), table.held.params["embeddings"][RAGGED]
    for row, length in enumerate(LENGTHS):
        own = e[row, :length]
        weights = np.exp(own @ own.T / 2)
        wanted = weights / weights.sum(-1, keepdims=True) @ own
        np.testing.assert_allclose(z[row, :length], wanted, rtol=1e-4, atol=1e-6)


def test_statistics_of_a_batch_are_those_of_steps_that_count(rng: np.random.Generator) -> None:
    x, mask = rng.normal(size=(4, STEPS, 3)), RAGGED != 0
    layer = nn.BatchNormalization(momentum=0.0, dtype="float64")
    params, state = layer.init(sf.random.key(0), "f64[N,5,3]")
    y, state = layer.apply(params, state, x, mask=mask, training=True)
    np.testing.assert_allclose(state["moving_mean"], x[mask].mean(0))
    np.testing.assert_allclose(state["moving_variance"], x[mask].var(0))
    np.testing.assert_allclose(y[mask].mean(0), 0, atol=1e-12)


def test_a_mask_that_ends_is_told_of() -> None:
    words = nn.Input(STEPS, dtype="int64")
    model = nn.Model(words, nn.Flatten(name="flat")(nn.Embedding(10, 4, mask_zero=True)(words)))
    with pytest.warns(UserWarning, match="flat is given values with a mask") as caught:
        model.predict(RAGGED)
    assert caught[0].filename == __file__


# what is trained


@pytest.mark.parametrize("weighed", [None, "examples", "steps"])
def test_losses_and_metrics_are_of_steps_that_count(weighed: Any, rng: np.random.Generator) -> None:
    words = nn.Input(STEPS, dtype="int64")
    scores = nn.Dense(3, activation="softmax")(nn.Embedding(10, 4, mask_zero=True)(words))
    model = nn.Model(words, scores)
    entropy = sf.metrics.MeanMetricWrapper(sf.losses.sparse_categorical_crossentropy, "entropy")
    metrics = {"metrics": ["accuracy"], "weighted_metrics": [entropy]}
    model.compile("sgd", "sparse_categorical_crossentropy", **metrics)
    y = rng.integers(0, 3, (4, STEPS))
    mask = RAGGED != 0
    weights = {
        None: None, "examples": np.array([1.0, 2.0, 0.5, 3.0]), "steps": rng.random((4, STEPS)),
    }[weighed]  # fmt: skip
    chances = model.predict(RAGGED)
    losses = -np.log(np.take_along_axis(chances, y[..., None], -1))[..., 0]
    wide = np.ones((4, 1)) if weights is None else weights.reshape(4, -1)
    found = model.evaluate(RAGGED, y, sample_weight=weights, return_dict=True)
    total = (losses * mask * wide).sum()
    assert found["loss"] == pytest.approx(total / mask.sum(), rel=1e-5)
    hits = (chances.argmax(-1) == y)[mask].mean()
    assert found["accuracy"] == pytest.approx(hits, rel=1e-6)
    mean = total / (mask * wide).sum()
    assert found["entropy"] == pytest.approx(mean, rel=1e-5)
    other = np.where(mask, y, 2 - y)
    assert model.evaluate(RAGGED, other, sample_weight=weights)[0] == found["loss"]


def test_masked_steps_have_no_gradient(rng: np.random.Generator) -> None:
    words = nn.Input(STEPS, dtype="int64")
    y = nn.LSTM(3, return_sequences=True)(nn.Embedding(10, 4, mask_zero=True)(words))
    model = nn.Model(words, nn.Dense(1)(y))
    model.compile(sf.optim.SGD(1.0), "mse")
    before = np.copy(model.params["embedding"]["embeddings"])
    model.train_on_batch(RAGGED, rng.normal(size=(4, STEPS, 1)))
    moved = np.abs(model.params["embedding"]["embeddings"] - before).max(1)
    assert (moved > 0).tolist() == [word in RAGGED and word > 0 for word in range(10)]


def test_a_mask_of_more_axes_than_the_loss_is_refused(rng: np.random.Generator) -> None:
    words = nn.Input(STEPS, dtype="int64")
    model = nn.Model(words, nn.Embedding(10, 4, mask_zero=True)(words))
    model.compile("sgd", lambda y_true, y_pred: np.mean((y_true - y_pred) ** 2, axis=(1, 2)))
    with pytest.raises(sf.ShapeError, match=r"a mask of shape \(N, 5\), losses the shape \(N,\)"):
        model.evaluate(RAGGED, rng.normal(size=(4, STEPS, 4)))
