"""Training steps of the digits perceptron: one program each, updates beside the gradients."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from optimisers import EVERY

import symfuse as sf
from symfuse import optim
from symfuse.tracing.tree import flatten, map_leaves

LAYERS = (64, 64, 10)
LOSS = sf.losses.SparseCategoricalCrossentropy(from_logits=True)
REDUCES = {"Lamb": 1}  # kernels that an update takes beyond those of the gradients


def new_parameters() -> Any:
    keys = sf.random.split(sf.random.key(1), len(LAYERS) - 1)
    he = sf.initializers.HeNormal()
    return [
        {"kernel": np.asarray(he(key, shape)), "bias": np.zeros(shape[1], "float32")}
        for key, shape in zip(keys, pairwise(LAYERS), strict=True)
    ]


def scores(params: Any, x: Any) -> Any:
    for layer in params[:-1]:
        x = np.maximum(x @ layer["kernel"] + layer["bias"], 0)
    return x @ params[-1]["kernel"] + params[-1]["bias"]


def loss(params: Any, x: Any, y: Any) -> Any:
    return LOSS(y, scores(params, x))


def step_of(optimizer: Any) -> Any:
    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        value, grads = sf.value_and_grad(loss)(params, x, y)
        params, state = optimizer.update(grads, state, params)
        return value, params, state

    return step


@pytest.fixture(scope="module")
def digits() -> tuple[Any, Any]:
    data = pytest.importorskip("sklearn.datasets").load_digits()
    return (data.data[:256] / 16).astype("float32"), data.target[:256]


@pytest.fixture(scope="module")
def alone(digits: Any) -> int:
    """The kernels of loss and gradients without any update."""
    return len(sf.compile(sf.value_and_grad(loss), new_parameters(), *digits).kernels)


@pytest.mark.parametrize("name", EVERY)
def test_an_update_alone_is_one_kernel_in_place(name: str) -> None:
    optimizer, params = EVERY[name](), new_parameters()
    state = optimizer.init(params)
    update = sf.compile(optimizer.update, params, state, params, donate_argnums=(1, 2))
    kinds = [kernel.kind for kernel in update.kernels]
    assert kinds == ["horizontal"] if name not in REDUCES else len(kinds) <= 2
    given = flatten((params, state["slots"]))[0]
    params, state = update(map_leaves(np.ones_like, params), state, params)
    if name not in REDUCES:
        found = flatten((params, state["slots"]))[0]
        assert all(one is other for one, other in zip(found, given, strict=True))
        assert update.memory.peak_bytes() == 0


@pytest.mark.parametrize("name", EVERY)
def test_a_training_step_is_one_program(name: str, digits: Any, alone: int) -> None:
    optimizer, params = EVERY[name](), new_parameters()
    state = optimizer.init(params)
    step = sf.compile(step_of(optimizer), params, state, *digits, donate_argnums=(0, 1))
    assert len(step.kernels) <= alone + REDUCES.get(name, 0)
    first, *_ = step_of(optimizer)(params, state, *digits)
    given, values = flatten(params)[0], []
    for _ in range(12):
        value, params, state = step(params, state, *digits)
        values.append(float(value))
    assert all(one is other for one, other in zip(flatten(params)[0], given, strict=True))
    assert np.isclose(values[0], first, rtol=1e-5)
    assert values[-1] < values[0] and int(state["step"]) == 12


def test_all_that_belongs_to_a_step_fits_into_one_program(digits: Any) -> None:
    rate = optim.WarmUp(optim.CosineDecay(0.01, 60), 5)
    optimizer = optim.AdamW(rate, global_clipnorm=1.0)
    average, right = (
        optim.ExponentialMovingAverage(0.9),
        sf.metrics.SparseCategoricalAccuracy(),
    )

    def step(params: Any, state: Any, mean: Any, x: Any, y: Any) -> Any:
        grads = sf.grad(loss)(params, x, y)
        params, state = optimizer.update(grads, state, params)
        return params, state, average.update(mean, params)

    @sf.jit
    def evaluate(counts: Any, params: Any, x: Any, y: Any) -> Any:
        return right.update(counts, y, scores(params, x))

    fast = sf.jit(step, donate_argnums=(0, 1, 2))
    params = new_parameters()
    state, mean = optimizer.init(params), average.init(params)
    for _ in range(60):
        params, state, mean = fast(params, state, mean, *digits)
    assert fast.cache_info().compiles == 1
    assert float(right.result(evaluate(right.init(), mean["average"], *digits))) > 0.9
