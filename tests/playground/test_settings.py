"""What may be picked, and what is refused."""

from __future__ import annotations

from typing import get_args

import pytest

from symfuse.playground import network
from symfuse.playground.data import DATA_SETS
from symfuse.playground.settings import (
    Activation,
    DataName,
    Feature,
    OptimizerName,
    Penalty,
    Settings,
    SettingsError,
    schema,
)


@pytest.mark.parametrize(
    ("choices", "table"),
    [
        (DataName, DATA_SETS),
        (Feature, network.FEATURES),
        (Activation, network.ACTIVATIONS),
        (Penalty, network.PENALTIES),
        (OptimizerName, network.OPTIMIZERS),
    ],
)
def test_every_choice_has_its_row(choices, table):
    assert get_args(choices) == tuple(table)


def test_a_change_replaces_what_is_given_and_keeps_the_rest():
    changed = Settings(noise=0.3).changed({"layers": [8, 1], "penalty": "L1"})
    assert changed == Settings(noise=0.3, layers=(8, 1), penalty="L1")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"layers": [9]}, "layers[0]"),
        ({"layers": [0]}, "layers[0]"),
        ({"layers": [2.5]}, "layers[0]"),
        ({"layers": [1] * 7}, "layers"),
        ({"layers": "4"}, "layers"),
        ({"learning_rate": 11.0}, "learning_rate"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"learning_rate": float("inf")}, "learning_rate"),
        ({"learning_rate": True}, "learning_rate"),
        ({"penalty_rate": -0.1}, "penalty_rate"),
        ({"noise": "much"}, "noise"),
        ({"noise": None}, "noise"),
        ({"train_share": 1.0}, "train_share"),
        ({"batch_size": 101}, "batch_size"),
        ({"seed": 10**30}, "seed"),
        ({"seed": -1}, "seed"),
        ({"data": "../circle"}, "data"),
        ({"features": ["x3"]}, "features[0]"),
        ({"speed": 3}, "speed"),
        ({"__class__": "Settings"}, "__class__"),
    ],
)
def test_a_value_outside_its_limits_is_refused_by_name(given, expected):
    with pytest.raises(SettingsError) as raised:
        Settings().changed(given)
    assert expected in raised.value.what


@pytest.mark.parametrize(
    ("features", "expected"),
    [([], "no feature is selected"), (["x1", "x1"], "selected twice")],
)
def test_a_wrong_choice_of_features_says_what_to_do(features, expected):
    with pytest.raises(SettingsError, match=expected) as raised:
        Settings().changed({"features": features})
    assert raised.value.fix


def test_the_schema_has_the_limits_of_every_field():
    fields = schema()
    assert set(fields) == set(Settings.__struct_fields__)
    assert (fields["noise"]["minimum"], fields["noise"]["maximum"]) == (0, 0.5)
    assert fields["layers"]["items"]["maximum"] == 8
    assert fields["optimizer"]["enum"] == list(get_args(OptimizerName))
