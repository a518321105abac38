"""Layers: compiled for batches of any size as eager, with derivatives that differences confirm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse import nn
from symfuse.nn.scope import Run, snake
from symfuse.tracing.tree import flatten, map_leaves

IMAGE, SEQUENCE, ROW = (6, 6, 4), (5, 4), (8,)
LAYERS: dict[str, tuple[Any, Any]] = {
    "dense": (nn.Dense(3, activation="tanh"), ROW),
    "dense_of_sequences": (nn.Dense(3), SEQUENCE),
    "einsum": (nn.EinsumDense("abc,cd->abd", (4, 3), bias_shape=(3,)), SEQUENCE),
    "maxout": (nn.Maxout(3, 2), ROW),
    "leaky": (nn.LeakyReLU(), ROW),
    "prelu": (nn.PReLU(sf.initializers.Constant(0.3)), ROW),
    "elu": (nn.ELU(), ROW),
    "selu": (nn.SELU(), ROW),
    "gelu": (nn.GELU(), ROW),
    "swish": (nn.Activation("swish"), ROW),
    "softmax": (nn.Softmax(), ROW),
    "flatten": (nn.Flatten(), IMAGE),
    "reshape": (nn.Reshape((4, -1)), IMAGE),
    "permute": (nn.Permute((3, 1, 2)), IMAGE),
    "repeat": (nn.RepeatVector(3), ROW),
    "rescaling": (nn.Rescaling(0.5, 1.0), ROW),
    "upsampling": (nn.UpSampling2D(2), IMAGE),
    "bilinear": (nn.UpSampling2D(2, interpolation="bilinear"), IMAGE),
    "resizing": (nn.Resizing(4, 9), IMAGE),
    "padding": (nn.ZeroPadding2D(((1, 0), (2, 1))), IMAGE),
    "cropping": (nn.Cropping2D(1), IMAGE),
    "conv1d": (nn.Conv1D(3, 3, padding="causal", dilation_rate=2), SEQUENCE),
    "conv2d": (nn.Conv2D(6, 3, strides=2, padding="same", groups=2), IMAGE),
    "conv3d": (nn.Conv3D(2, 2), (3, 3, 3, 2)),
    "transposed": (nn.Conv2DTranspose(3, 3, strides=2, padding="same"), IMAGE),
    "channels_first": (nn.Conv2D(3, 3, data_format="channels_first"), (4, 6, 6)),
    "depthwise": (nn.DepthwiseConv2D(3, depth_multiplier=2), IMAGE),
    "separable": (nn.SeparableConv2D(3, 3), IMAGE),
    "local": (nn.LocallyConnected2D(3, 3, strides=2), IMAGE),
    "max_pool": (nn.MaxPooling2D(2), IMAGE),
    "average_pool": (nn.AveragePooling2D(2, padding="same"), IMAGE),
    "global_max": (nn.GlobalMaxPooling2D(), IMAGE),
    "global_average": (nn.GlobalAveragePooling2D(), IMAGE),
    "batch_norm": (nn.BatchNormalization(), IMAGE),
    "layer_norm": (nn.LayerNormalization(), SEQUENCE),
    "group_norm": (nn.GroupNormalization(2), IMAGE),
    "rms_norm": (nn.RMSNormalization(), SEQUENCE),
    "rnn": (nn.SimpleRNN(3, go_backwards=True), SEQUENCE),
    "lstm": (nn.LSTM(3, return_sequences=True), SEQUENCE),
    "gru": (nn.GRU(3), SEQUENCE),
    "gru_before": (nn.GRU(3, reset_after=False), SEQUENCE),
    "bidirectional": (nn.Bidirectional(nn.LSTM(3, return_sequences=True)), SEQUENCE),
    "distributed": (nn.TimeDistributed(nn.Conv1D(2, 2)), (3, 4, 2)),
    "positions": (nn.SinePositionEncoding(), SEQUENCE),
}
"""Each layer with the shape of one example."""
PLAIN = ("flatten", "reshape", "permute", "repeat", "rescaling", "upsampling", "softmax", "elu")


def values(rng: np.random.Generator, count: int, shape: tuple[int, ...], dtype: str) -> Any:
    return rng.normal(size=(count, *shape)).astype(dtype)


@pytest.mark.parametrize("name", LAYERS)
def test_derivatives_are_those_of_differences(name: str, rng: np.random.Generator) -> None:
    layer, shape = LAYERS[name]
    layer.dtype = "float64"
    x = values(rng, 2, shape, "float64")
    params, state = layer.init(sf.random.key(0), x)

    def compute(params: Any, x: Any) -> Any:
        return layer.apply(params, state, x, training=True)[0]

    sf.check_grads(compute, (params, x), eps=1e-6)
    layer.dtype = None


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in PLAIN])
def test_one_program_serves_batches_of_every_size(name: str, rng: np.random.Generator) -> None:
    layer, shape = LAYERS[name]
    params, state = layer.init(sf.random.key(0), sf.spec(("N", *shape)))

    def compute(params: Any, x: Any) -> Any:
        return layer.apply(params, state, x, training=True)

    fast = sf.compile(compute, params, sf.spec(("N", *shape)))
    for count in (3, 1):
        x = values(rng, count, shape, "float32")
        for mine, other in zip(flatten(fast(params, x))[0], flatten(compute(params, x))[0],
                               strict=True):  # fmt: skip
            assert mine.dtype == other.dtype == np.float32
            np.testing.assert_allclose(mine, other, rtol=2e-5, atol=2e-6)


def test_attention_sees_what_masks_let_it_see(rng: np.random.Generator) -> None:
    layer, x = nn.MultiHeadAttention(2, 3, dtype="float64"), values(rng, 2, SEQUENCE, "float64")
    params, _ = layer.init(sf.random.key(0), x, x)
    y, weights = layer.apply(
        params, {}, x, x, use_causal_mask=True, return_attention_scores=True
    )[0]  # fmt: skip
    assert np.all(np.triu(weights, 1) == 0) and np.allclose(weights.sum(-1), 1)
    order = np.broadcast_to(np.tri(5, dtype=bool), (2, 5, 5))
    np.testing.assert_allclose(layer.apply(params, {}, x, x, attention_mask=order)[0], y)
    later = x.copy()
    later[:, 3:] = 0
    changed = layer.apply(params, {}, later, later, use_causal_mask=True)[0]
    np.testing.assert_allclose(changed[:, :3], y[:, :3])
    sf.check_grads(lambda p, x: layer.apply(p, {}, x, x, use_causal_mask=True)[0], (params, x))


@pytest.mark.parametrize("cell", [nn.SimpleRNN, nn.LSTM, nn.GRU])
def test_masked_steps_change_nothing(cell: Any, rng: np.random.Generator) -> None:
    layer, x = cell(3, return_state=True, dtype="float64"), values(rng, 2, SEQUENCE, "float64")
    params, _ = layer.init(sf.random.key(0), x)
    mask = np.array([[True] * 3 + [False] * 2] * 2)
    masked = layer.apply(params, {}, x, mask=mask)[0]
    short = layer.apply(params, {}, x[:, :3])[0]
    for one, other in zip(masked, short, strict=True):
        np.testing.assert_allclose(one, other)
    resumed = layer.apply(params, {}, x[:, 3:], initial_state=list(short[1:]))[0]
    np.testing.assert_allclose(resumed[0], layer.apply(params, {}, x)[0][0])


def test_bidirectional_layers_read_both_ways(rng: np.random.Generator) -> None:
    x = values(rng, 2, SEQUENCE, "float32")
    inner = nn.GRU(3, return_sequences=True)
    both = nn.Bidirectional(inner, merge_mode=None)
    params, _ = both.init(sf.random.key(0), x)
    first, second = both.apply(params, {}, x)[0]
    np.testing.assert_allclose(first, inner.apply(params["forward"], {}, x)[0])
    turned = inner.apply(params["backward"], {}, x[:, ::-1])[0]
    np.testing.assert_allclose(second, turned[:, ::-1])


@pytest.mark.parametrize(
    ("layer", "shape", "dropped_together"),
    [
        (nn.Dropout(0.25), (40, 50), ()),
        (nn.SpatialDropout2D(0.25), (40, 5, 5, 20), (1, 2)),
        (nn.GaussianNoise(0.5), (40, 50), ()),
        (nn.GaussianDropout(0.2), (40, 50), ()),
    ],
)
def test_noise_comes_in_training_only(layer: Any, shape: Any, dropped_together: Any) -> None:
    x = np.ones(shape, "float32")
    assert np.array_equal(layer.apply({}, {}, x)[0], x)
    y = layer.apply({}, {}, x, training=True, key=sf.random.key(1))[0]
    assert abs(y.mean() - 1) < 0.05 and not np.array_equal(x, y)
    assert np.array_equal(y, layer.apply({}, {}, x, training=True, key=sf.random.key(1))[0])
    if isinstance(layer, nn.Dropout | nn.SpatialDropout2D):
        assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
        assert abs((y == 0).mean() - 0.25) < 0.05
    assert np.all(y == y.max(axis=dropped_together, keepdims=True)) or not dropped_together
    with pytest.raises(sf.ArgumentError, match="no key"):
        layer.apply({}, {}, x, training=True)


def test_batch_norm_keeps_running_averages(rng: np.random.Generator) -> None:
    layer, x = nn.BatchNormalization(momentum=0.75), values(rng, 50, (3,), "float32") * 2 + 1
    params, state = layer.init(sf.random.key(0), x)
    y, moved = layer.apply(params, state, x, training=True)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(y.var(0), x.var(0) / (x.var(0) + 1e-3), rtol=1e-5)
    np.testing.assert_allclose(moved["moving_mean"], 0.25 * x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(moved["moving_variance"], 0.75 + 0.25 * x.var(0), rtol=1e-5)
    y, same = layer.apply(params, moved, x)
    shifted = (x - moved["moving_mean"]) / np.sqrt(moved["moving_variance"] + 1e-3)
    np.testing.assert_allclose(y, shifted, rtol=1e-5)
    assert same["moving_mean"] is moved["moving_mean"]


def test_neurons_that_begin_alike_stay_alike() -> None:
    layer = nn.Dense(4, activation="tanh", kernel_initializer=sf.initializers.Constant(0.1))
    x = np.linspace(-1, 1, 6, dtype="float32").reshape(2, 3)
    params, _ = layer.init(sf.random.key(0), x)
    slope = sf.grad(lambda p: np.sum(layer.apply(p, {}, x)[0] ** 2))(params)["kernel"]
    assert np.all(slope == slope[:, :1]) and np.any(slope != 0)


def test_penalties_are_losses(rng: np.random.Generator) -> None:
    run = Run()
    layer = nn.Dense(2, kernel_regularizer=nn.L1L2(0.5, 0.25), bias_regularizer="l2")
    params = {"kernel": np.array([[1.0, -2.0]], "float32"), "bias": np.ones(2, "float32")}
    layer.run(run, params, {}, np.ones((1, 1), "float32"))
    assert [round(float(one), 6) for one in run.losses] == [2.75, 0.02]


def test_first_weights_depend_on_the_key_alone() -> None:
    layer = nn.Bidirectional(nn.LSTM(3))
    first, again, other = (
        layer.init(sf.random.key(seed), sf.spec(("N", 5, 4)))[0] for seed in (1, 1, 2)
    )
    assert all(map(np.array_equal, flatten(first)[0], flatten(again)[0]))
    forward, backward = first["forward"], first["backward"]
    assert not np.array_equal(forward["kernel"], backward["kernel"])
    assert not np.array_equal(forward["kernel"], other["forward"]["kernel"])
    assert np.array_equal(forward["bias"], [0] * 3 + [1] * 3 + [0] * 6)


def test_half_precision_computes_in_16_bits_and_keeps_32(rng: np.random.Generator) -> None:
    layer = nn.Dense(3, dtype="mixed_bfloat16")
    x = values(rng, 4, (64,), "float32")
    params, _ = layer.init(sf.random.key(0), x)
    assert params["kernel"].dtype == np.float32
    y = layer.apply(params, {}, x)[0]
    assert str(y.dtype) == "bfloat16"
    exact = x @ params["kernel"]
    assert np.abs(y.astype("float32") - exact).max() < 0.04 * np.abs(exact).max()
    slopes = sf.jit(sf.grad(lambda p: np.sum(layer.apply(p, {}, x)[0]).astype("float32")))(params)
    assert {leaf.dtype for leaf in flatten(slopes)[0]} == {np.dtype("float32")}
    kept = nn.Dense(3, dtype="bfloat16").init(sf.random.key(0), x)[0]
    assert all(str(leaf.dtype) == "bfloat16" for leaf in flatten(kept)[0])


def test_layers_inside_layers_share_and_name_their_weights() -> None:
    class Twice(nn.Layer):
        units: int

        def call(self, scope: Any, x: Any) -> Any:
            inner = nn.Dense(self.units, name="inner")
            return scope(inner, scope(inner, x)) + scope(nn.Dense(self.units), x)

    params, _ = Twice(4).init(sf.random.key(0), "f32[N,4]")
    assert sorted(params) == ["dense", "inner"]
    graph = sf.trace(lambda x: Twice(4).apply(params, {}, x)[0], "f32[N,4]")
    assert "inner" in str(graph)


def test_embeddings_are_rows(rng: np.random.Generator) -> None:
    layer, words = nn.Embedding(5, 3), np.array([[1, 4], [1, 0]])
    params, _ = layer.init(sf.random.key(0), words)
    assert np.array_equal(layer.apply(params, {}, words)[0], params["embeddings"][words])
    slope = sf.jit(sf.grad(lambda p: np.sum(layer.apply(p, {}, words)[0])))(params)
    assert slope["embeddings"][:, 0].tolist() == [1, 2, 0, 0, 1]


def test_nodes_see_their_neighbours(rng: np.random.Generator) -> None:
    layer = nn.GCNConv(2, activation="relu", dtype="float64")
    edges = np.eye(4) + np.diag(np.ones(3), 1) + np.diag(np.ones(3), -1)
    root = 1 / np.sqrt(edges.sum(1))
    adjacency, x = root[:, None] * edges * root, values(rng, 4, (3,), "float64")
    params, _ = layer.init(sf.random.key(0), x, adjacency)
    found = layer.apply(params, {}, x, adjacency)[0]
    expected = np.maximum(adjacency @ x @ params["kernel"] + params["bias"], 0)
    np.testing.assert_allclose(found, expected)


def graph(rng: np.random.Generator, nodes: int = 6) -> tuple[Any, Any, Any]:
    """Nodes, edges of random directions, of which one is there twice, and their weights."""
    edges = np.concatenate([rng.integers(0, nodes, (2, 9)), [[1, 1], [2, 2]]], axis=1)
    return rng.normal(size=(nodes, 3)), edges, rng.normal(size=11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_edges_do_what_their_matrix_does(dtype: str, rng: np.random.Generator) -> None:
    layer = nn.GCNConv(2, activation="tanh", dtype=dtype)
    x, edges, weights = graph(rng)
    x, weights = x.astype(dtype), weights.astype(dtype)
    matrix = np.zeros((6, 6), dtype)
    np.add.at(matrix, (edges[1], edges[0]), weights)
    params, _ = layer.init(sf.random.key(0), x, (edges, weights))

    def compute(params: Any, x: Any, weights: Any) -> Any:
        return layer.apply(params, {}, x, (edges, weights))[0]

    expected = layer.apply(params, {}, x, matrix)[0]
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    found = [f(params, x, weights) for f in (compute, sf.jit(compute))]
    np.testing.assert_allclose(found, [expected] * 2, rtol=tolerance, atol=tolerance)
    assert {one.dtype for one in found} == {np.dtype(dtype)}
    if dtype == "float64":
        sf.check_grads(compute, (params, x, weights), eps=1e-6)


def test_one_program_serves_graphs_of_every_size(rng: np.random.Generator) -> None:
    layer = nn.GCNConv(2)
    params, _ = layer.init(sf.random.key(0), "f32[V,3]", (sf.spec("i64[2,E]"), sf.spec("f32[E]")))

    def compute(params: Any, x: Any, edges: Any, weights: Any) -> Any:
        return layer.apply(params, {}, x, (edges, weights))[0]

    fast = sf.compile(compute, params, "f32[V,3]", "i64[2,E]", "f32[E]")
    for nodes in (6, 4):
        x, edges, weights = graph(rng, nodes)
        given = (params, x.astype("f"), edges, weights.astype("f"))
        np.testing.assert_allclose(fast(*given), compute(*given), rtol=1e-5, atol=1e-6)
    alone = (params, x.astype("f"), np.zeros((2, 0), np.int64), np.zeros(0, "f"))
    assert not np.any(fast(*alone))


@pytest.mark.parametrize("weights", [None, np.array([2.0, 2.0, 0.5, 0.5])])
def test_edges_are_normalised_as_their_matrix(weights: Any) -> None:
    edges = np.array([[0, 1, 1, 2], [1, 0, 2, 1]])
    matrix = np.eye(4)
    matrix[edges[1], edges[0]] = 1.0 if weights is None else weights
    root = 1 / np.sqrt(matrix.sum(1))
    found, own = sf.data.gcn_norm(edges, 4, weights)
    made = np.zeros((4, 4))
    np.add.at(made, (found[1], found[0]), own)
    np.testing.assert_allclose(made, root[:, None] * matrix * root, rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "compute"),
    [
        (nn.Add(), lambda x, y: x + y),
        (nn.Subtract(), lambda x, y: x - y),
        (nn.Multiply(), lambda x, y: x * y),
        (nn.Average(), lambda x, y: (x + y) / 2),
        (nn.Maximum(), np.maximum),
        (nn.Minimum(), np.minimum),
        (nn.Concatenate(), lambda x, y: np.concatenate([x, y], -1)),
        (nn.Dot(1), lambda x, y: np.sum(x * y, 1, keepdims=True)),
        (nn.Attention(), None),
    ],
)
def test_layers_of_several_values(layer: Any, compute: Any, rng: np.random.Generator) -> None:
    x, y = values(rng, 2, (3, 4), "float32")
    found = layer.apply({}, {}, [x, y])[0]
    if isinstance(layer, nn.Attention):
        scores = x @ y.T / 2
        weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        np.testing.assert_allclose(found, weights @ y, rtol=1e-5)
    else:
        np.testing.assert_allclose(found, compute(x, y), rtol=1e-6)


@pytest.mark.parametrize(
    ("size", "window", "stride", "padding"), [(28, 5, 1, 2), (7, 3, 2, 0), (227, 11, 4, 0)]
)
def test_sizes_are_those_of_the_formula(size: int, window: int, stride: int, padding: int) -> None:
    x = nn.Input((size, size, 1))
    y = nn.Conv2D(1, window, strides=stride, padding=padding)(x)
    assert y.shape[1:3] == ((size + 2 * padding - window) // stride + 1,) * 2


def test_the_greatest_and_the_mean_of_windows() -> None:
    x = np.array([[-1, 2, 0, 0], [0, 1, 3, -2], [0, 0, -1, 4], [3, -1, -2, -2]], "float32")
    greatest, mean = (
        layer.apply({}, {}, x[None, ..., None])[0][0, ..., 0]
        for layer in (nn.MaxPooling2D(2), nn.AveragePooling2D(2))
    )
    assert greatest.tolist() == [[2, 3], [3, 4]]
    assert mean.tolist() == [[0.5, 0.25], [0.5, -0.25]]


def test_names_are_those_of_keras() -> None:
    kinds = ("Dense", "Conv2DTranspose", "ReLU", "LSTM", "MaxPooling1D")
    assert sorted(map(snake, kinds)) == [
        "conv2d_transpose",
        "dense",
        "lstm",
        "max_pooling1d",
        "re_lu",
    ]


def test_vmap_and_jit_go_over_layers(rng: np.random.Generator) -> None:
    layer, x = nn.Dense(3), values(rng, 4, (5,), "float32")
    params, _ = layer.init(sf.random.key(0), x)
    many = map_leaves(lambda leaf: np.stack([leaf, 2 * leaf]), params)
    found = sf.jit(sf.vmap(lambda p: layer.apply(p, {}, x)[0]))(many)
    np.testing.assert_allclose(found[1], 2 * found[0], rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nn.Dense(3)(np.ones((2, 2))), "called with arrays"),
        (lambda: nn.Dense(3).init(sf.random.key(0), "f32[N,M]"), "kernel would have the shape"),
        (lambda: nn.Dense(3).apply({}, {}, np.ones((2, 2))), "has no 'kernel'"),
        (lambda: nn.Embedding(3, 2)(nn.Input(4)), "no whole numbers"),
        (
            lambda: nn.GCNConv(2).init(sf.random.key(0), "f32[5,3]", (np.ones((2, 4)), np.ones(4))),
            "edges of f32",
        ),
        (
            lambda: nn.GCNConv(2).init(
                sf.random.key(0), "f32[5,3]", (np.ones((4, 2), int), np.ones(4))
            ),
            "edges of shape (4",
        ),
        (
            lambda: nn.GCNConv(2).init(
                sf.random.key(0), "f32[5,3]", (np.ones((2, 4), int), np.ones(3))
            ),
            "weights (3,)",
        ),
        (lambda: sf.data.gcn_norm(np.array([[0], [5]]), 5), "and 5 nodes"),
        (lambda: nn.GroupNormalization(3)(nn.Input((4,))), "4 channels in 3 groups"),
        (lambda: nn.Reshape((5,))(nn.Input((4,))), "has 4 elements"),
        (lambda: nn.LSTM(3)(nn.Input(SEQUENCE), initial_state=[nn.Input(3)]), "has 1 arrays"),
        (lambda: nn.Dense(3, activation="rel")(nn.Input(4)), "no activation 'rel'"),
        (lambda: nn.policy("float23"), "no policy 'float23'"),
        (lambda: nn.Layer()(nn.Input(4)), "does not say what it computes"),
        (lambda: np.tanh(nn.Input(4)), "no elements yet"),
        (lambda: nn.Input(4) + 1, "which is none"),
    ],
)
def test_errors_say_what_and_where(call: Any, words: str) -> None:
    with pytest.raises(sf.SymfuseError) as caught:
        call()
    assert words in str(caught.value)
    assert "test_layers.py" in str(caught.value)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_a_batch_is_taken_row_by_row(name: str) -> None:
    x = np.random.default_rng(0).normal(size=(4, 3))
    function, along = getattr(nn.functional, name), getattr(sf.special, name)
    np.testing.assert_array_equal(function(x), along(x, axis=-1))
    layer = nn.Activation(function)
    np.testing.assert_array_equal(layer.apply({}, {}, x)[0], along(x.astype("f4"), axis=-1))
    np.testing.assert_array_equal(function(x, axis=0), along(x, axis=0))
    np.testing.assert_array_equal(function(x, axis=None), along(x))


class Halving(nn.Module):
    def call(self, scope: Any, x: Any) -> Any:
        h = scope(nn.Dense(3, kernel_initializer="orthogonal"), x)
        if h.sum() > 0:
            h = -h
        for _ in range(3):
            if (h**2).sum() > 1:
                h = h / 2
        return h


def test_pythons_control_flow_in_layers_losses_and_functions_is_captured() -> None:
    def loss(wanted: Any, found: Any) -> Any:
        error = np.mean((wanted - found) ** 2)
        if error > 1:
            error = np.sqrt(error)
        return error

    model = nn.Sequential(
        [nn.Input(4), Halving(), nn.Lambda(lambda x: x if x.max() > 0.3 else x - 1)]
    )
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    dense = model.params["halving"]["dense"]
    for given in (x, -x):
        h = given @ dense["kernel"] + dense["bias"]
        h = -h if h.sum() > 0 else h
        for _ in range(3):
            h = h / 2 if (h**2).sum() > 1 else h
        h = h if h.max() > 0.3 else h - 1
        np.testing.assert_allclose(model.predict(given), h, rtol=1e-5, atol=1e-6)

    model.compile("sgd", loss)
    for target in (h, h + 3):
        found = model.evaluate(given, target, verbose=0)
        np.testing.assert_allclose(found, loss(target, h), rtol=1e-5, atol=1e-6)
    before = model.evaluate(given, h + 3, verbose=0)
    model.fit(given, h + 3, epochs=3, verbose=0)
    assert model.evaluate(given, h + 3, verbose=0) < before
