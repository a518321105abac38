"""Optimisers: the formulas by hand, the trajectories of torch, schedules, clipping, freezing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from optimisers import EVERY

import symfuse as sf
from symfuse import optim
from symfuse.tracing.tree import flatten, map_leaves

STEPS = 100
HISTORY = np.random.default_rng(7).normal(size=(STEPS, 3, 4))
START = np.random.default_rng(8).normal(size=(3, 4))

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
    return map_leaves(lambda p: (0.3 * p + HISTORY[step][: len(p)]).astype(p.dtype), params)


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


# --- one step by hand


def test_first_steps_by_hand() -> None:
    w, g = np.array([1.0, -2.0]), np.array([0.5, -0.25])
    wanted = {
        "SGD": (optim.SGD(0.1), w - 0.1 * g),
        "Adam": (optim.Adam(0.1, epsilon=0.5), w - 0.1 * g / (np.abs(g) + 0.5)),
        "AdamW": (
            optim.AdamW(0.1, 0.2, epsilon=0.5), 0.98 * w - 0.1 * g / (np.abs(g) + 0.5)
        ),
        "Adagrad": (optim.Adagrad(0.1, 0.0, epsilon=0.5), w - 0.1 * g / (np.abs(g) + 0.5)),
        "Lion": (optim.Lion(0.1, weight_decay=0.2), 0.98 * w - 0.1 * np.sign(g)),
        "Adamax": (optim.Adamax(0.1, epsilon=0.5), w - 0.1 * g / (np.abs(g) + 0.5)),
    }  # fmt: skip
    for name, (optimizer, after) in wanted.items():
        found, _ = optimizer.update(g, optimizer.init(w), w)
        np.testing.assert_allclose(found, after, rtol=1e-14, err_msg=name)


def test_adam_is_algorithm_1_of_kingma_and_ba() -> None:
    optimizer = optim.Adam(epsilon=1e-8)
    w, m, v, rng = START, 0.0 * START, 0.0 * START, np.random.default_rng(0)
    state, params = optimizer.init(START), START
    for t in range(1, 30):
        g = rng.normal(size=START.shape)
        m, v = 0.9 * m + (1 - 0.9) * g, 0.999 * v + (1 - 0.999) * g**2
        w = w - 0.001 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        params, state = optimizer.update(g, state, params)
    np.testing.assert_allclose(params, w, rtol=1e-12)


def test_momentum_is_a_geometric_sum() -> None:
    optimizer = optim.SGD(1.0, momentum=0.5)
    w, state = np.zeros(1), optimizer.init(np.zeros(1))
    for _ in range(40):
        w, state = optimizer.update(np.ones(1), state, w)
    np.testing.assert_allclose(w, -sum(2.0 - 0.5**k for k in range(40)), rtol=1e-12)


def test_lamb_takes_steps_as_long_as_the_parameter() -> None:
    optimizer = optim.Lamb(0.1)
    found, _ = optimizer.update(HISTORY[0], optimizer.init(START), START)
    length = np.linalg.norm(found - START)
    np.testing.assert_allclose(length, 0.1 * np.linalg.norm(START), rtol=1e-12)


def test_halves_keep_their_means_in_f32() -> None:
    optimizer, w = optim.Adam(0.125), np.ones(3, "float16")
    state = optimizer.init(w)
    found, state = optimizer.update(np.ones(3, "float16"), state, w)
    assert found.dtype == np.float16 and state["slots"]["mean"].dtype == np.float32
    np.testing.assert_array_equal(found, np.full(3, 0.875, "float16"))


# --- numbers that are arguments


def test_new_numbers_do_not_compile_again() -> None:
    optimizer = optim.Adam(weight_decay=0.01)
    update, state, w = sf.jit(optimizer.update), optimizer.init(START), START
    w, state = update(HISTORY[0], state, w)
    with sf.no_recompile():
        state = optim.with_settings(optim.with_learning_rate(state, 0.0), weight_decay=0.5)
        still, state = update(HISTORY[1], state, w)
    np.testing.assert_array_equal(still, w)
    assert update.cache_info().compiles == 1


def test_a_setting_that_is_not_there_is_refused() -> None:
    with pytest.raises(sf.ArgumentError, match="no setting 'momentum'"):
        optim.with_settings(optim.SGD().init(START), momentum=0.9)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(sf.ArgumentError, match="needs a momentum"):
        optim.SGD(nesterov=True)
    with pytest.raises(sf.ArgumentError, match="only one of"):
        optim.Adam(clipnorm=1.0, clipvalue=1.0)
    with pytest.raises(sf.ArgumentError, match="boundaries"):
        optim.PiecewiseConstantDecay([1, 2], [1.0])
    with pytest.raises(sf.DTypeError, match="i64"):
        optim.SGD().update(np.ones(2), optim.SGD().init(np.ones(2)), np.ones(2, int))
    with pytest.raises(sf.TraceError, match="grads"):
        optim.SGD().update([START], optim.SGD().init(START), START)


# --- clipping, freezing, averages


def test_clipping_holds_gradients() -> None:
    grads = {"a": np.array([3.0, -4.0]), "b": np.array([12.0])}

    def held(clip: Any, bound: float) -> list[float]:
        return np.concatenate(flatten(clip(grads, bound))[0]).round(12).tolist()

    assert held(optim.clip_by_value, 3.5) == [3.0, -3.5, 3.5]
    assert held(optim.clip_by_norm, 2.5) == [1.5, -2.0, 2.5]
    assert held(optim.clip_by_global_norm, 6.5) == [1.5, -2.0, 6.0]
    assert held(optim.clip_by_global_norm, 99.0) == [3.0, -4.0, 12.0]
    zeros = map_leaves(np.zeros_like, grads)
    near(optim.clip_by_norm(zeros, 1.0), zeros, 0.0)


@pytest.mark.parametrize(
    "settings", [{"clipvalue": 0.5}, {"clipnorm": 0.5}, {"global_clipnorm": 0.5}]
)
def test_optimizers_clip_first(settings: dict[str, float]) -> None:
    kind = {"clipvalue": "clip_by_value", "clipnorm": "clip_by_norm"}
    clip = getattr(optim, kind.get(next(iter(settings)), "clip_by_global_norm"))
    params = {"w": START, "b": START[0]}
    grads = {"w": HISTORY[0], "b": HISTORY[1][0]}
    held, plain = optim.SGD(0.1, **settings), optim.SGD(0.1)
    found, _ = sf.jit(held.update)(grads, held.init(params), params)
    wanted, _ = plain.update(clip(grads, 0.5), plain.init(params), params)
    near(found, wanted, 1e-12)


def test_frozen_parameters_stay() -> None:
    params = {"first": [START, START[0]], "last": START}
    for trainable in ({"first": False, "last": True}, lambda path: "first" not in path):
        optimizer = optim.freeze(optim.Adam(), trainable)
        state = optimizer.init(params)
        assert [leaf.shape for leaf in flatten(state["slots"])[0]] == [START.shape] * 2
        found, _ = sf.jit(optimizer.update)(params, state, params)
        near(found["first"], params["first"], 0.0)
        assert not np.allclose(found["last"], START)


def test_a_moving_average_follows() -> None:
    average = optim.ExponentialMovingAverage(0.9)
    state, update = average.init([START]), sf.jit(average.update)
    assert state["average"][0] is not START
    for _ in range(20):
        state = update(state, [np.zeros_like(START)])
    np.testing.assert_allclose(average.result(state)[0], START * 0.9**20, rtol=1e-12)


# --- schedules


SCHEDULES: dict[str, tuple[Any, Callable[[float], float]]] = {
    "constant": (optim.Constant(0.3), lambda t: 0.3),
    "step": (optim.StepDecay(0.3, 10, 0.5), lambda t: 0.3 * 0.5 ** (t // 10)),
    "exponential": (optim.ExponentialDecay(0.3, 10, 0.5), lambda t: 0.3 * 0.5 ** (t / 10)),
    "1/t": (optim.InverseTimeDecay(0.3, 10, 0.5), lambda t: 0.3 / (1 + 0.05 * t)),
    "1/√t": (optim.InverseSquareRootDecay(0.3), lambda t: 0.3 / (t + 1) ** 0.5),
    "polynomial": (
        optim.PolynomialDecay(0.3, 20, 0.1, 2.0),
        lambda t: 0.1 + 0.2 * (1 - min(t, 20) / 20) ** 2,
    ),
    "cycle": (
        optim.PolynomialDecay(0.3, 20, 0.1, cycle=True),
        lambda t: 0.1 + 0.2 * (1 - t / (20 * max(1, -(-t // 20)))),
    ),
    "pieces": (
        optim.PiecewiseConstantDecay([5, 9], [0.3, 0.2, 0.1]),
        lambda t: 0.3 if t <= 5 else 0.2 if t <= 9 else 0.1,
    ),
    "cosine": (
        optim.CosineDecay(0.3, 20, 0.1),
        lambda t: 0.3 * (0.9 * (1 + np.cos(np.pi * min(t, 20) / 20)) / 2 + 0.1),
    ),
    "warm cosine": (
        optim.CosineDecay(0.1, 20, warmup_target=0.3, warmup_steps=4),
        lambda t: 0.1 + 0.05 * t if t < 4 else 0.15 * (1 + np.cos(np.pi * min(t - 4, 20) / 20)),
    ),
    "warm-up": (
        optim.WarmUp(optim.ExponentialDecay(0.3, 10, 0.5), 5),
        lambda t: 0.06 * t if t < 5 else 0.3 * 0.5 ** ((t - 5) / 10),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_follow_their_formula(name: str) -> None:
    schedule, formula = SCHEDULES[name]
    traced = sf.jit(schedule)
    for step in range(45):
        assert np.isclose(float(schedule(step)), formula(step), rtol=1e-12), step
        assert np.isclose(float(traced(np.int64(step))), formula(step), rtol=1e-12), step


@pytest.mark.peer("torch")
def test_one_cycle_is_that_of_torch() -> None:
    import torch

    peer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.1)
    cycle = torch.optim.lr_scheduler.OneCycleLR(peer, 0.5, total_steps=40, cycle_momentum=False)
    schedule = optim.OneCycle(0.5, 40)
    for step in range(40):
        assert np.isclose(float(schedule(step)), cycle.get_last_lr()[0], rtol=1e-9)
        peer.step()
        if step < 39:
            cycle.step()


def test_a_schedule_sets_the_rate_of_each_update() -> None:
    optimizer = optim.SGD(optim.InverseSquareRootDecay(1.0))
    update, w, state = sf.jit(optimizer.update), np.zeros(1), optimizer.init(np.zeros(1))
    for step in range(5):
        assert np.isclose(state["learning_rate"], (step + 1) ** -0.5)
        w, state = update(np.ones(1), state, w)
    np.testing.assert_allclose(w, -sum((t + 1) ** -0.5 for t in range(5)), rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: optim.SGD(-1.0), "SGD: learning_rate=-1.0"),
        (lambda: optim.Adam("0.1"), "Adam: learning_rate='0.1'"),
        (lambda: optim.Adam(beta_1=1.0), "Adam: beta_1=1.0"),
        (lambda: optim.AMSGrad(beta_2=-0.1), "AMSGrad: beta_2=-0.1"),
        (lambda: optim.RMSprop(rho=1.5, name="mine"), "mine: rho=1.5"),
        (lambda: optim.SGD(momentum=-1.0), "SGD: momentum=-1.0"),
        (lambda: optim.AdamW(weight_decay=-0.1), "AdamW: weight_decay=-0.1"),
        (lambda: optim.SGD(clipnorm=0.0), "SGD: clip=0.0"),
        (lambda: optim.Lion(clipvalue=-1.0), "Lion: clip=-1.0"),
        (lambda: optim.ExponentialDecay(1.0, 0, 0.5), "decay_steps=0"),
        (lambda: optim.CosineDecay(1.0, 0), "CosineDecay: decay_steps=0"),
        (lambda: optim.WarmUp(1.0, 0), "warmup_steps=0"),
        (lambda: optim.OneCycle(1.0, 10, pct_start=2.0), "pct_start=2.0"),
        (lambda: optim.PiecewiseConstantDecay([20, 10], [1, 2, 3]), "are not in order"),
        (lambda: sf.initializers.VarianceScaling(-1.0), "scale=-1.0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Any, words: str) -> None:
    with pytest.raises(sf.ArgumentError) as caught:
        make()
    assert words in str(caught.value)
    assert "test_optim.py" in str(caught.value)


def test_gradients_have_the_shapes_of_their_parameters() -> None:
    optimizer, params = optim.Adam(), {"w": np.ones(2)}
    with pytest.raises(sf.ShapeError, match=r"shape \(1,\) for a parameter") as caught:
        optimizer.update({"w": np.ones(1)}, optimizer.init(params), params)
    assert "test_optim.py" in str(caught.value)


def test_settings_may_be_traced() -> None:
    def step(rate: Any, p: Any) -> Any:
        optimizer = optim.SGD(rate, weight_decay=rate)
        return optimizer.update(p, optimizer.init(p), p)[0]

    assert float(sf.jit(step)(0.5, np.ones(()))) == 1 - 0.5 * (1 + 0.5)


@pytest.mark.parametrize(("share", "steps"), [(0.1, 10), (1.0, 10), (0.25, 4), (0.0, 5)])
def test_one_cycle_may_begin_or_end_at_its_top(share: float, steps: int) -> None:
    schedule = optim.OneCycle(1.0, steps, pct_start=share)
    rates = [float(schedule(step)) for step in range(steps)]
    assert np.isfinite(rates).all() and max(rates) <= 1.0
    assert (rates[0] == 1.0) == (share * steps == 1)


@pytest.mark.parametrize(
    "call, what, fix",
    [
        (lambda: optim.Adam(lr=0.1), "'lr'", "learning_rate, .*clipnorm"),
        (lambda: optim.CosineDecay(0.1), "'decay_steps'", "decay_steps"),
        (lambda: sf.metrics.Precision(limit=0.3), "'limit'", "threshold, name"),
        (lambda: sf.losses.Huber("sum", "name", 3), "too many", "reduction, name"),
        (lambda: optim.get(optim.Adam), "Adam is given", r"Adam\(\)"),
        (lambda: optim.SGD(optim.StepDecay), "StepDecay is given", r"StepDecay\(\)"),
        (lambda: sf.losses.get(sf.losses.Huber), "Huber is given", r"Huber\(\)"),
        (lambda: sf.metrics.get(sf.metrics.AUC), "AUC is given", r"AUC\(\)"),
        (lambda: sf.initializers.get(sf.initializers.Ones), "Ones is given", r"Ones\(\)"),
    ],
)
def test_makers_say_what_they_take_and_that_they_are_called(call: Any, what: str, fix: str) -> None:
    with pytest.raises(sf.ArgumentError, match=what) as caught:
        call()
    assert re.search(fix, caught.value.fix)
    assert caught.value.user_frame[0] == __file__


def test_what_is_made_is_shown_as_it_was_written() -> None:
    made = optim.Adam(optim.StepDecay(0.1, 10), clipnorm=1.0)
    rate = "StepDecay(initial_learning_rate=0.1, decay_steps=10)"
    assert repr(made) == f"Adam(learning_rate={rate}, clipnorm=1.0)"
    assert repr(sf.losses.Huber(delta=0.5)) == "Huber(delta=0.5)"
    assert repr(sf.metrics.AUC(100)) == "AUC(num_thresholds=100)"


@pytest.mark.parametrize("inner", [optim.SGD(0.1, momentum=0.9), optim.Adam(0.05)])
def test_accumulated_gradients_move_parameters_as_one_batch_of_all(inner: Any) -> None:
    optimizer = optim.accumulate(inner, 3)
    small, large = {"w": START.copy()}, {"w": START.copy()}
    state, whole = optimizer.init(small), inner.init(large)
    update = sf.jit(optimizer.update)
    for turn in range(4):
        slopes = [HISTORY[3 * turn + at] for at in range(3)]
        for slope in slopes:
            np.testing.assert_array_equal(small["w"], before := small["w"])
            small, state = update({"w": slope}, state, small)
            moves = int(state["step"]) % 3 == 0
            assert np.array_equal(small["w"], before) != moves
        large, whole = inner.update({"w": sum(slopes) / 3}, whole, large)
        np.testing.assert_allclose(small["w"], large["w"], rtol=1e-12)
    assert (int(state["step"]), int(state["inner"]["step"])) == (12, 4)
    assert update.cache_info().compiles == 1


def test_a_model_accumulates_gradients_and_goes_on_from_a_file(tmp_path: Any) -> None:
    def model() -> Any:
        found = sf.nn.Sequential([sf.nn.Input(2), sf.nn.Dense(1)])
        rate = optim.ExponentialDecay(0.1, 1, 0.5)
        found.compile(optim.accumulate(optim.SGD(rate, momentum=0.9), 4), "mse", seed=2)
        return found

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(24, 2)).astype("f"), rng.normal(size=(24, 1)).astype("f")
    one, other = model(), model()
    one.fit(x, y, batch_size=4, epochs=2, verbose=0)  # 6 batches: an update goes over the epoch
    other.fit(x, y, batch_size=4, epochs=1, verbose=0)
    other = sf.nn.load_model(other.save(tmp_path / "half.sfz"))
    other.fit(x, y, batch_size=4, epochs=1, verbose=0)
    assert int(one.optimizer_state["inner"]["step"]) == 3
    assert one.learning_rate == pytest.approx(0.1 * 0.5**3)
    np.testing.assert_array_equal(one.params["dense"]["kernel"], other.params["dense"]["kernel"])


def test_a_number_of_steps_to_accumulate_is_whole() -> None:
    with pytest.raises(sf.ArgumentError, match="steps=0"):
        optim.accumulate(optim.SGD(), 0)
