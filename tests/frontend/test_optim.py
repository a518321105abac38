"""Optimisers: the formulas by hand, the trajectories of torch, schedules, clipping, freezing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse import optim
from symfuse.tracing.tree import flatten, map_leaves

STEPS = 100
HISTORY = np.random.default_rng(7).normal(size=(STEPS, 3, 4))
START = np.random.default_rng(8).normal(size=(3, 4))

EVERY: dict[str, Callable[[], Any]] = {
    "SGD": lambda: optim.SGD(0.05),
    "SGD decay": lambda: optim.SGD(0.05, weight_decay=0.1),
    "momentum": lambda: optim.SGD(0.05, momentum=0.9, weight_decay=0.01),
    "Nesterov": lambda: optim.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adagrad": lambda: optim.Adagrad(0.05, 0.2, epsilon=1e-8, weight_decay=0.01),
    "Adadelta": lambda: optim.Adadelta(0.5, epsilon=1e-6, weight_decay=0.01),
    "RMSprop": lambda: optim.RMSprop(0.01, rho=0.95, epsilon=1e-8, weight_decay=0.01),
    "RMSprop momentum": lambda: optim.RMSprop(0.01, momentum=0.8, epsilon=1e-8),
    "RMSprop centered": lambda: optim.RMSprop(0.01, momentum=0.8, epsilon=1e-8, centered=True),
    "Adam": lambda: optim.Adam(0.01, epsilon=1e-8),
    "Adam decay": lambda: optim.Adam(0.01, epsilon=1e-8, weight_decay=0.1),
    "AMSGrad": lambda: optim.AMSGrad(0.01, beta_2=0.9, epsilon=1e-8),
    "AdamW": lambda: optim.AdamW(0.01, weight_decay=0.1, epsilon=1e-8),
    "Adamax": lambda: optim.Adamax(0.01, epsilon=1e-8, weight_decay=0.1),
    "Nadam": lambda: optim.Nadam(0.01, epsilon=1e-8, weight_decay=0.1),
    "Lion": lambda: optim.Lion(0.01, weight_decay=0.1),
    "Lamb": lambda: optim.Lamb(0.01, weight_decay=0.1),
}
PEERS: dict[str, Callable[[Any, Any], Any]] = {
    "SGD": lambda o, p: o.SGD(p, 0.05),
    "SGD decay": lambda o, p: o.SGD(p, 0.05, weight_decay=0.1),
    "momentum": lambda o, p: o.SGD(p, 0.05, momentum=0.9, weight_decay=0.01),
    "Nesterov": lambda o, p: o.SGD(p, 0.05, momentum=0.9, weight_decay=0.01, nesterov=True),
    "Adagrad": lambda o, p: o.Adagrad(
        p, 0.05, initial_accumulator_value=0.2, eps=1e-8, weight_decay=0.01
    ),
    "Adadelta": lambda o, p: o.Adadelta(p, 0.5, rho=0.95, eps=1e-6, weight_decay=0.01),
    "RMSprop": lambda o, p: o.RMSprop(p, 0.01, alpha=0.95, weight_decay=0.01),
    "RMSprop momentum": lambda o, p: o.RMSprop(p, 0.01, alpha=0.9, momentum=0.8),
    "RMSprop centered": lambda o, p: o.RMSprop(p, 0.01, alpha=0.9, momentum=0.8, centered=True),
    "Adam": lambda o, p: o.Adam(p, 0.01),
    "Adam decay": lambda o, p: o.Adam(p, 0.01, weight_decay=0.1),
    "AMSGrad": lambda o, p: o.Adam(p, 0.01, betas=(0.9, 0.9), amsgrad=True),
    "AdamW": lambda o, p: o.AdamW(p, 0.01, weight_decay=0.1),
    "Adamax": lambda o, p: o.Adamax(p, 0.01, weight_decay=0.1),
    "Nadam": lambda o, p: o.NAdam(p, 0.01, weight_decay=0.1),
}


def gradients(step: int, params: Any) -> Any:
    """Gradients that follow the parameters and a record, alike for every optimiser."""
    return map_leaves(lambda p: (0.3 * p + HISTORY[step]).astype(p.dtype), params)


def trajectory(optimizer: Any, params: Any, *, compiled: bool = True) -> list[Any]:
    """The parameters after each of the steps."""
    update = sf.jit(optimizer.update, donate_argnums=(1, 2)) if compiled else optimizer.update
    state, found = optimizer.init(params), []
    params = map_leaves(np.copy, params)
    for step in range(STEPS):
        params, state = update(gradients(step, params), state, params)
        found.append(map_leaves(np.copy, params))
    assert int(state["step"]) == STEPS
    return found


def near(found: Any, wanted: Any, tolerance: float) -> None:
    for one, other in zip(flatten(found)[0], flatten(wanted)[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


# --- trajectories


@pytest.mark.peer("torch")
@pytest.mark.parametrize("name", PEERS)
def test_a_hundred_steps_are_those_of_torch(name: str) -> None:
    import torch

    w = torch.nn.Parameter(torch.tensor(START))
    peer, wanted = PEERS[name](torch.optim, [w]), []
    for step in range(STEPS):
        w.grad = 0.3 * w.detach() + torch.tensor(HISTORY[step])
        peer.step()
        wanted.append(w.detach().numpy().copy())
    near(trajectory(EVERY[name](), START), wanted, 1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_compiled_steps_are_those_of_numpy(name: str) -> None:
    params = {"w": START, "b": [START[:1] * 0.5]}
    near(
        trajectory(EVERY[name](), params),
        trajectory(EVERY[name](), params, compiled=False),
        1e-9,
    )


@pytest.mark.parametrize("name", EVERY)
def test_a_compiled_step_is_near_that_of_twice_the_digits(name: str) -> None:
    wide = np.asarray(trajectory(EVERY[name](), START, compiled=False)[4])
    found = trajectory(EVERY[name](), START.astype("float32"))[4]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wide, rtol=2e-4, atol=2e-4)
