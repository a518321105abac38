"""Networks of layers on the handwritten digits, as good as they have to be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse import nn


@pytest.fixture(scope="module")
def digits() -> tuple[Any, Any]:
    """1437 examples to learn from, and 360 to be tested with."""
    pytest.importorskip("sklearn")
    x, y = sf.datasets.digits()
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order, ..., None], y[order]
    return (x[:1437], y[:1437]), (x[1437:], y[1437:])


def accuracy(layers: list[Any], digits: Any, epochs: int) -> tuple[float, Any]:
    train, test = digits
    model = nn.Sequential([nn.Input((8, 8, 1)), *layers, nn.Dense(10, activation="softmax")])
    steps = epochs * -(-len(train[0]) // 64)
    rate = sf.optim.CosineDecay(0.002, steps)
    model.compile(sf.optim.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(*train, epochs=epochs, batch_size=64, verbose=0)
    assert len(model.programs.known) == 1 and len(train[0]) % 64
    return model.evaluate(*test)[1], model


def test_a_perceptron_of_two_layers(digits: Any) -> None:
    hidden = [nn.Flatten(), nn.Dense(128, activation="relu"), nn.Dropout(0.2)]
    found, _ = accuracy([*hidden, nn.Dense(64, activation="relu")], digits, 25)
    assert found >= 0.97


def test_a_convolutional_network(digits: Any) -> None:
    def block(filters: int) -> list[Any]:
        return [
            nn.Conv2D(filters, 3, padding="same", use_bias=False),
            nn.BatchNormalization(momentum=0.9),
            nn.ReLU(),
        ]

    layers = [*block(16), *block(16), nn.MaxPooling2D(), nn.Dropout(0.2), *block(32), nn.Flatten()]
    found, model = accuracy([*layers, nn.Dropout(0.3)], digits, 12)
    assert found >= 0.985
    _, (x, _) = digits
    lean = nn.for_inference(model)
    np.testing.assert_allclose(lean.predict(x), model.predict(x), atol=1e-4)
    assert not any(isinstance(layer, nn.BatchNormalization) for layer in lean.layers)
