"""Models are trained on a device as on the processor, and their arrays stay there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symfuse import nn
from symfuse.runtime.cuda.arrays import DeviceArray
from symfuse.tracing.tree import flatten

pytestmark = pytest.mark.usefixtures("place")


def trained(target: str, x: Any, y: Any) -> Any:
    layers = [nn.Dense(4, activation="tanh"), nn.BatchNormalization(), nn.Dense(1)]
    model = nn.Sequential([nn.Input(3), *layers])
    model.compile("adam", "mse", metrics=["mae"], target=target)
    model.fit(x, y, batch_size=4, epochs=2, verbose=0)
    return model


def test_training_on_a_device(tmp_path: Path, rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(10, 3)).astype("f"), rng.normal(size=(10, 1)).astype("f")
    there, here = (trained(target, x, y) for target in ("cuda", "cpu"))
    leaves = flatten(there.params)[0]
    assert all(isinstance(leaf, DeviceArray) for leaf in leaves)
    for mine, other in zip(there.get_weights(), here.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)
    assert there.evaluate(x, y) == pytest.approx(here.evaluate(x, y), rel=1e-4)
    np.testing.assert_allclose(there.predict(x), here.predict(x), rtol=1e-4, atol=1e-5)
    again = nn.load_model(there.save(tmp_path / "device.sfz"))
    assert all(map(np.array_equal, again.get_weights(), there.get_weights()))
