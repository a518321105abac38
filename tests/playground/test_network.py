"""The network: its derivative, and compiled results beside those of NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import symfuse as sf
from symfuse.playground import network as net
from symfuse.playground.network import Network
from symfuse.playground.settings import Settings
from symfuse.tracing.tree import flatten, map_leaves

CASES = [
    Settings(layers=(3, 2)),
    Settings(layers=(3,), features=("sin x1", "x2", "x1·x2"), activation="sigmoid", penalty="L2"),
    Settings(layers=(2,), data="hills", activation="gelu", penalty="L1"),
    Settings(layers=(), features=("x1²", "x2²"), data="plane", penalty="L2"),
]
EVERY = pytest.mark.parametrize("settings", CASES, ids=["tanh", "sigmoid", "gelu", "linear"])


def given(settings, rng, dtype):
    network = Network.of(settings)
    params = map_leaves(
        lambda leaf: (leaf + 0.1 * rng.standard_normal(leaf.shape)).astype(dtype),
        net.initial(network, 1),
    )
    x = rng.uniform(-2, 2, (7, 2)).astype(dtype)
    y = rng.integers(0, 2, 7).astype(dtype)
    return network, params, x, y


@EVERY
def test_the_derivative_of_the_objective_is_that_of_differences(settings, rng):
    network, params, x, y = given(settings, rng, np.float64)
    rate = np.asarray(0.1)
    sf.check_grads(lambda params: net.objective(network, params, x, y, rate), (params,), order=2)


@EVERY
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-12)])
def test_compiled_responses_are_those_of_numpy(settings, dtype, tolerance, rng):
    network, params, x, _ = given(settings, rng, dtype)

    def responses(params, x):
        return net.responses(network, params, x)

    for compiled, eager in zip(sf.jit(responses)(params, x), responses(params, x), strict=True):
        assert compiled.dtype == dtype
        np.testing.assert_allclose(compiled, eager, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("optimizer", net.OPTIMIZERS)
def test_a_step_goes_downhill(optimizer, rng):
    network, params, x, y = given(Settings(optimizer=optimizer), rng, np.float64)
    carry = (params, net.OPTIMIZERS[optimizer](0.01).init(params))
    values = []
    for _ in range(20):
        value, carry = net.train_step(network, carry, np.arange(7), x, y, np.asarray(0.0))
        values.append(float(value))
    assert values[-1] < values[0]


def test_a_step_without_a_number_changes_nothing(rng):
    network, params, x, y = given(Settings(data="plane", optimizer="SGD"), rng, np.float64)
    carry = (params, net.OPTIMIZERS["SGD"](0.1).init(params))
    y[2] = np.nan
    value, after = net.train_step(network, carry, np.arange(7), x, y, np.asarray(0.0))
    assert np.isnan(value)
    for one, other in zip(flatten(carry)[0], flatten(after)[0], strict=True):
        np.testing.assert_array_equal(one, other)


def test_penalties_are_those_of_their_names(rng):
    network, params, x, y = given(Settings(layers=(3,)), rng, np.float64)
    weights = np.concatenate([layer["weights"].ravel() for layer in params])
    plain = net.data_loss(network, params, x, y)
    for name, expected in (("L1", np.abs(weights).sum()), ("L2", (weights**2).sum() / 2)):
        other = Network.of(Settings(layers=(3,), penalty=name))
        found = net.objective(other, params, x, y, np.asarray(0.5)) - plain
        np.testing.assert_allclose(found, 0.5 * expected)


def test_features_take_their_usual_order():
    chosen = Network.of(Settings(features=("sin x2", "x1", "x1²")))
    assert chosen.features == ("x1", "x1²", "sin x2")
    assert chosen == Network.of(Settings(features=("x1", "x1²", "sin x2")))


def test_parameters_are_counted():
    assert Network.of(Settings(layers=(4, 2))).parameters == 3 * 4 + 5 * 2 + 3
    assert Network.of(Settings(layers=())).parameters == 3
