"""Models for inference: fewer layers and kernels, the same predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse import nn
from symfuse.tracing.tree import flatten, map_leaves


def lived(model: Any, rng: np.random.Generator) -> Any:
    """The model with weights and averages as after training."""
    values = model.values()
    drawn = map_leaves(lambda leaf: rng.uniform(0.2, 1.5, leaf.shape).astype(leaf.dtype), values)
    model.hold(nn.Variables(drawn["params"], drawn["state"]))
    return model


def test_classes_of_the_users_stay(rng: np.random.Generator) -> None:
    class Halves(nn.Dropout):
        def call(self, scope: Any, x: Any) -> Any:
            return x * 0.5

    class Squashed(nn.Dense):
        def call(self, scope: Any, x: Any) -> Any:
            return np.tanh(super().call(scope, x))

    model = nn.Sequential([nn.Input(3), Squashed(4), nn.BatchNormalization(), Halves(0.5)])
    x = rng.normal(size=(5, 3)).astype("f")
    found = nn.for_inference(lived(model, rng))
    assert len(found.layers) == 3
    np.testing.assert_array_equal(found.predict(x), model.predict(x))


@pytest.mark.parametrize(
    ("layer", "norm", "shape"),
    [
        (nn.Dense(3, use_bias=False), nn.BatchNormalization(), (5,)),
        (nn.Conv1D(3, 3), nn.BatchNormalization(center=False), (6, 4)),
        (nn.Conv2D(4, 3, groups=2), nn.BatchNormalization(scale=False), (5, 5, 4)),
        (nn.Conv2D(4, 3, data_format="channels_first"), nn.BatchNormalization(axis=1), (4, 5, 5)),
        (nn.Conv2DTranspose(3, 3, strides=2), nn.BatchNormalization(), (4, 4, 2)),
        (nn.DepthwiseConv2D(3, depth_multiplier=2), nn.BatchNormalization(), (5, 5, 3)),
        (nn.SeparableConv2D(4, 3), nn.BatchNormalization(), (5, 5, 3)),
    ],
)
def test_normalisation_becomes_part_of_the_layer_before(
    layer: Any, norm: Any, shape: Any, rng: np.random.Generator
) -> None:
    model = lived(nn.Sequential([nn.Input(shape), layer, norm, nn.Dropout(0.5)]), rng)
    x = rng.normal(size=(3, *shape)).astype("f")
    before = model(x)
    lean = nn.for_inference(model)
    assert len(lean.layers) == 1 and not flatten(lean.state)[0]
    np.testing.assert_allclose(lean(x), before, rtol=2e-5, atol=2e-5)
    assert np.array_equal(model(x), before) and len(model.layers) == 3


def test_graphs_of_calls_fold_where_nothing_else_reads(rng: np.random.Generator) -> None:
    x = nn.Input((6, 6, 2))
    first = nn.Conv2D(4, 3, padding="same", use_bias=False)(x)
    y = nn.ReLU()(nn.BatchNormalization()(first))
    second = nn.Conv2D(4, 3, padding="same")(nn.SpatialDropout2D(0.1)(y))
    both = nn.Add()([nn.BatchNormalization()(second), second])  # read twice: it stays
    inner = nn.Sequential([nn.Flatten(), nn.Dense(3), nn.BatchNormalization()])
    model = lived(nn.Model(x, inner(both)), rng)
    lean = nn.for_inference(model)
    kinds = [type(call.layer).__name__ for call in lean.steps]
    assert kinds == ["Conv2D", "ReLU", "Conv2D", "BatchNormalization", "Add", "Sequential"]
    image = rng.normal(size=(2, 6, 6, 2)).astype("f")
    np.testing.assert_allclose(lean.predict(image), model.predict(image), rtol=1e-4, atol=1e-4)
    kernels = [len(one.programs.known.popitem()[1].kernels) for one in (lean, model)]
    assert kernels[0] <= kernels[1]
    assert lean.summary().flops.terms != model.summary().flops.terms


def test_what_is_not_behind_a_linear_layer_stays(rng: np.random.Generator) -> None:
    layers = [nn.Dense(3, activation="relu"), nn.BatchNormalization(), nn.GaussianNoise(1.0)]
    model = lived(nn.Sequential([nn.Input(4), *layers]), rng)
    lean = nn.for_inference(model)
    assert [type(layer) for layer in lean.layers] == [nn.Dense, nn.BatchNormalization]
    x = rng.normal(size=(2, 4)).astype("f")
    np.testing.assert_array_equal(lean(x), model(x))
    with pytest.raises(sf.ArgumentError, match="which layers it has"):
        nn.for_inference(nn.Dense(3))
