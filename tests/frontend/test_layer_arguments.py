"""Layers refuse what they cannot use, at the user's line, and take what Keras and PyTorch take."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse import nn
from symfuse.runtime.errors import ArgumentError, ShapeError

KEY = sf.random.key(0)
ROW, STEPS, IMAGE, VOLUME = (8,), (8, 3), (8, 8, 4), (4, 4, 4, 2)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.Dense(-1), "Dense: units=-1"),
        (lambda: nn.Dense(0), "Dense: units=0"),
        (lambda: nn.Dense(3.0), "Dense: units=3.0"),
        (lambda: nn.Dense(True), "Dense: units=True"),
        (lambda: nn.LSTM(4, dropout=2.0), "LSTM: dropout=2.0"),
        (lambda: nn.Conv2D(-1, 3), "Conv2D: filters=-1"),
        (lambda: nn.Conv2D(1, 3, groups=0), "Conv2D: groups=0"),
        (lambda: nn.Conv1D(1, 3, data_format="channels_lst"), "data_format='channels_lst'"),
        (lambda: nn.SpatialDropout2D(0.5, data_format="x"), "data_format='x'"),
        (lambda: nn.MaxPooling2D(data_format="x"), "data_format='x'"),
        (lambda: nn.Dropout(-0.5), "rate=-0.5"),
        (lambda: nn.GaussianDropout(1.0), "rate=1.0"),
        (lambda: nn.GaussianNoise(-1.0), "stddev=-1.0"),
        (lambda: nn.Embedding(-3, 2), "input_dim=-3"),
        (lambda: nn.GroupNormalization(0), "groups=0"),
        (lambda: nn.BatchNormalization(momentum=1.5), "momentum=1.5"),
        (lambda: nn.MultiHeadAttention(0, 4), "num_heads=0"),
        (lambda: nn.Maxout(3, 0), "pieces=0"),
        (lambda: nn.RepeatVector(-3), "n=-3"),
        (lambda: nn.UpSampling1D(0), "size=0"),
        (lambda: nn.Resizing(0, 3), "height=0"),
        (lambda: nn.Bidirectional(nn.LSTM(4), merge_mode="cat"), "merge_mode='cat'"),
        (lambda: nn.Bidirectional(nn.Dense(4)), "layer="),
    ],
)  # fmt: skip
def test_a_layer_says_where_it_is_made_what_is_wrong_with_it(make: Any, words: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert words in str(caught.value)
    assert "test_layer_arguments.py" in str(caught.value)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv1D(4, 3), IMAGE),
        (nn.Conv2D(4, 3), STEPS),
        (nn.Conv2D(4, 3), ROW),
        (nn.Conv3D(4, 3), IMAGE),
        (nn.Conv2DTranspose(4, 3), STEPS),
        (nn.DepthwiseConv1D(3), IMAGE),
        (nn.SeparableConv1D(3, 3), IMAGE),
        (nn.LocallyConnected1D(3, 3), IMAGE),
        (nn.MaxPooling1D(2), IMAGE),
        (nn.AveragePooling2D(2), VOLUME),
        (nn.GlobalMaxPooling1D(), ROW),
        (nn.GlobalAveragePooling2D(), STEPS),
        (nn.UpSampling1D(2), IMAGE),
        (nn.UpSampling2D(2), STEPS),
        (nn.ZeroPadding1D(1), IMAGE),
        (nn.ZeroPadding2D(1), STEPS),
        (nn.Cropping1D(1), IMAGE),
        (nn.Cropping3D(1), IMAGE),
        (nn.SpatialDropout2D(0.5), STEPS),
        (nn.Resizing(3, 3), STEPS),
        (nn.LSTM(4), ROW),
        (nn.GRU(4), IMAGE),
        (nn.Bidirectional(nn.LSTM(4)), ROW),
        (nn.TimeDistributed(nn.Dense(4)), ROW),
        (nn.RepeatVector(3), STEPS),
        (nn.SinePositionEncoding(), ROW),
    ],
)
def test_inputs_have_the_axes_of_their_layer(layer: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=f"has {len(shape) + 1} axes, not ") as caught:
        layer(nn.Input(shape))
    assert type(layer).__name__ in str(caught.value)
    assert "test_layer_arguments.py" in str(caught.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nn.Dense(3).init(KEY, "f32[]"), "has 0 axes"),
        (lambda: nn.Dense(3, kernel_initializer="glorot")(nn.Input(8)), "no initialiser 'glorot'"),
        (lambda: nn.MultiHeadAttention(2, 4)(nn.Input(8), nn.Input(8)), "has 2 axes, not 3"),
        (lambda: nn.Dropout(0.5, (None, 1))(nn.Input(STEPS)), "noise_shape=(None, 1)"),
        (lambda: nn.Conv2D(1, (3, 3, 3))(nn.Input(IMAGE)), "kernel_size=(3, 3, 3)"),
        (lambda: nn.Conv2D(1, 3, 0)(nn.Input(IMAGE)), "strides=0"),
        (lambda: nn.Conv2D(1, 3, padding=-1)(nn.Input(IMAGE)), "padding=-1"),
        (lambda: nn.Conv2D(1, 3, padding=((1, 1),))(nn.Input(IMAGE)), "padding=((1, 1),)"),
        (lambda: nn.Conv2DTranspose(4, 3, 2, "same", 1)(nn.Input(IMAGE)), "leave it out"),
        (lambda: nn.Conv2DTranspose(4, 3, 2, 0, 2)(nn.Input(IMAGE)), "give less than the stride"),
        (lambda: nn.Conv2DTranspose(4, 3, 2, 0, (1,))(nn.Input(IMAGE)), "output_padding=(1,)"),
        (lambda: nn.Conv2DTranspose(4, 3, 1, 9)(nn.Input(IMAGE)), "takes off all"),
        (lambda: nn.MaxPooling2D(2, padding=2)(nn.Input(IMAGE)), "would hold nothing else"),
        (lambda: nn.AveragePooling2D(2, padding=3)(nn.Input(IMAGE)), "would hold nothing else"),
        (lambda: nn.UpSampling2D(0)(nn.Input(IMAGE)), "size=0"),
        (lambda: nn.UpSampling2D(1.5)(nn.Input(IMAGE)), "size=1.5"),
        (lambda: nn.ZeroPadding2D((1, 2, 3))(nn.Input(IMAGE)), "padding=(1, 2, 3)"),
        (lambda: nn.ZeroPadding1D(-1)(nn.Input(STEPS)), "padding=(-1,)"),
        (lambda: nn.Cropping2D(4)(nn.Input(IMAGE)), "leaves nothing"),
        (lambda: nn.Cropping1D((5, 3))(nn.Input(STEPS)), "leaves nothing"),
        (lambda: nn.Reshape((0, -1))(nn.Input(ROW)), "has 8 elements"),
        (lambda: nn.PReLU(shared_axes=(7,))(nn.Input(ROW)), "axis 7"),
        (lambda: nn.GRU(4)(nn.Input(STEPS), initial_state=nn.Input(5)), "(N, 4)"),
        (lambda: nn.Add()(nn.Input(3)), "what is no list"),
        (lambda: nn.Add().apply({}, {}, np.ones((2, 3), "f")), "what is no list"),
        (lambda: nn.Subtract()([nn.Input(3)] * 3), "called with 3 values"),
        (lambda: nn.Attention()(nn.Input(STEPS)), "what is no list"),
        (lambda: nn.Dense(3).apply({"kernel": np.ones((8, 3), "f"), "bias": np.ones(1, "f")}, {},
                                   np.ones((2, 8), "f")), "bias of shape (3,) is asked for"),
    ],
)  # fmt: skip
def test_a_call_says_what_does_not_fit(call: Any, words: str) -> None:
    with pytest.raises(sf.SymfuseError) as caught:
        call()
    assert words in str(caught.value)
    assert "test_layer_arguments.py" in str(caught.value)


def test_an_array_of_a_layer_has_one_shape() -> None:
    class Twice(nn.Layer):
        def call(self, scope: Any, x: Any) -> Any:
            return x * scope.weight("w", 3) + np.sum(scope.weight("w", 4))

    with pytest.raises(ShapeError, match=r"w of shape \(4,\) is asked for"):
        Twice()(nn.Input(3))


def test_numbers_of_numpy_are_numbers() -> None:
    layer = nn.Conv2D(np.int64(2), np.int32(3), strides=(np.int64(2), 1))
    assert layer(nn.Input(IMAGE)).shape[1:] == (3, 6, 2)


@pytest.mark.parametrize("layer", [nn.Dropout(1.0), nn.SpatialDropout1D(1)])
def test_all_may_be_dropped(layer: Any) -> None:
    x = np.full((2, 3, 4), np.inf, "f")
    assert not layer.apply({}, {}, x, training=True, key=KEY)[0].any()


def test_dot_takes_the_sum_along_one_axis_of_each_example(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 5, 3))
    found = nn.Dot((1, 2), dtype="float64").apply({}, {}, [x, y])[0]
    np.testing.assert_allclose(found, np.einsum("nd,nkd->nk", x, y))
    found = nn.Dot(2, dtype="float64").apply({}, {}, [y, y])[0]
    np.testing.assert_allclose(found, np.einsum("nid,njd->nij", y, y))
    with_zero = nn.Dot(1, normalize=True).apply({}, {}, [np.zeros((1, 3)), np.ones((1, 3))])[0]
    assert with_zero.tolist() == [[0.0]]


def test_sequences_of_every_length_have_places_and_an_order(rng: np.random.Generator) -> None:
    x = nn.Input((None, 4))
    y = nn.SinePositionEncoding()(x)
    model = nn.Model(x, nn.MultiHeadAttention(2, 3)(y, y, use_causal_mask=True))
    model.build(*model.built_for)
    long = rng.normal(size=(2, 7, 4)).astype("f")
    whole, part = model.predict(long), model.predict(long[:, :5])
    np.testing.assert_allclose(whole[:, :5], part, rtol=1e-4, atol=1e-6)
    table = nn.SinePositionEncoding().table(7, 4)
    places = nn.SinePositionEncoding()
    np.testing.assert_allclose(nn.Model(x, places(x)).predict(long), long + table, atol=1e-6)


def test_the_bias_of_an_lstm_begins_as_it_is_told() -> None:
    params, _ = nn.LSTM(2, bias_initializer=sf.initializers.Constant(0.5)).init(KEY, "f32[N,3,1]")
    assert params["bias"].tolist() == [0.5] * 2 + [1.0] * 2 + [0.5] * 4


def test_a_layer_with_an_init_of_its_own_is_told_to_have_fields() -> None:
    with pytest.raises(sf.UnsupportedError, match="Net has an __init__") as caught:

        class Net(nn.Module):
            def __init__(self) -> None:
                self.inner = nn.Dense(3)

    assert "as a field" in caught.value.fix
    assert caught.value.user_frame[0] == __file__


class Bare(nn.Layer):
    def call(self, x: Any) -> Any:
        return x


class Failing(nn.Layer):
    def call(self, scope: Any, x: Any) -> Any:
        raise TypeError("of the layer itself")


@pytest.mark.parametrize(
    ("call", "words", "fix"),
    [
        (lambda: nn.MultiHeadAttention(2, 4)(nn.Input(STEPS)), "'value'", "query, value, key=None"),
        (lambda: nn.Dense(3)(nn.Input(3), nn.Input(3)), "3 were given", "its inputs are x"),
        (lambda: Bare().apply({}, {}, np.ones(3)), "2 positional", r"call\(self, scope"),
        (lambda: nn.Dense(3)([nn.Input(3), nn.Input(3)]), "Dense: a list of 2", "nn.Model"),
        (lambda: nn.LSTM(3)({"x": nn.Input(STEPS)}), "LSTM: a dict of 1", "give an array"),
    ],
)
def test_layers_say_what_they_are_called_with(call: Any, words: str, fix: str) -> None:
    with pytest.raises(ArgumentError, match=words) as caught:
        call()
    assert re.search(fix, caught.value.fix)
    assert caught.value.user_frame[0] == __file__


def test_errors_inside_of_a_layer_stay_what_they_are() -> None:
    with pytest.raises(TypeError, match="of the layer itself"):
        Failing().apply({}, {}, np.ones(3))
