"""What becomes of numbers of 64 bits: kept where they are asked for, and never lost unseen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse import nn

FINE = np.array([[1.0 + 2.0**-40], [1.0]])  # one number in float32


def difference(model: Any) -> float:
    """What the model makes of two numbers that differ beyond the digits of float32."""
    first, second = model.predict(FINE)[:, 0]
    return float(first - second)


def test_a_model_of_float64_keeps_all_digits() -> None:
    for model in (
        nn.Sequential([nn.Input(1, dtype="float64"), nn.Rescaling(2.0)], dtype="float64"),
        nn.Sequential([nn.Input(1), nn.Rescaling(2.0)], dtype="float64"),
        nn.Sequential([nn.Rescaling(2.0)], dtype="float64"),
        nn.Sequential([nn.Input(1, dtype="float64"), nn.Rescaling(2.0, dtype="float64")]),
    ):
        assert difference(model) == 2.0**-39
    x = nn.Input(1, dtype="float64")
    apart = nn.Subtract(dtype="float64")([x, nn.Rescaling(0.0, 1.0, dtype="float64")(x)])
    found = nn.Model(x, nn.Rescaling(2.0**40)(apart)).predict(FINE)
    assert found.tolist() == [[1.0], [0.0]] and found.dtype == np.float32


def test_data_are_rounded_to_the_type_of_the_model() -> None:
    model = nn.Sequential([nn.Input(1), nn.Rescaling(2.0)])
    assert difference(model) == 0.0 and model.predict(FINE).dtype == np.float32


def test_an_input_that_loses_digits_is_told_of() -> None:
    x = nn.Input(1, dtype="float64")
    y = nn.Rescaling(2.0, name="twice")(x)
    with pytest.warns(UserWarning, match="twice computes in f32 what an Input of float64") as seen:
        nn.Model(x, y)
    with pytest.warns(UserWarning, match="Dense computes in f32") as others:
        nn.Sequential([x, nn.Dense(2)])
    assert {one.filename for one in (*seen, *others)} == {__file__}
    nn.Model(x, y, dtype="float64")


@pytest.mark.parametrize("where", ["x", "y"])
def test_numbers_that_do_not_fit_are_refused(where: str) -> None:
    model = nn.Sequential([nn.Input(1), nn.Dense(1)])
    model.compile("sgd", "mse")
    data = {"x": np.ones((4, 1)), "y": np.ones((4, 1))}
    data[where][2] = -1e300
    with pytest.raises(sf.DTypeError, match=r"numbers up to 1e\+300, more than f32 holds") as seen:
        model.fit(data["x"], data["y"], verbose=0)
    assert seen.value.loc.filename == __file__ and 'dtype="float64"' in seen.value.fix
    data[where][2] = np.inf  # is one in float32, too
    model.evaluate(data["x"], data["y"])
