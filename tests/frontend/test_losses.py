"""Losses: closed forms, the numbers of textbooks, torch, extreme values, weights, gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse import losses

RNG = np.random.default_rng(5)
TRUE, PRED = RNG.normal(size=(2, 6, 4))
SHARES = RNG.dirichlet(np.full(4, 8.0), 6)
GUESS = RNG.dirichlet(np.full(4, 8.0), 6)
CLASSES = RNG.integers(0, 4, 6)
ONE_HOT = np.eye(4)[CLASSES]
BITS = (TRUE > 0).astype(float)
P = 1 / (1 + np.exp(-PRED))


def right(p: Any) -> Any:
    return BITS * p + (1 - BITS) * (1 - p)


def normed(x: Any) -> Any:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


D = TRUE - PRED
CLOSED: dict[str, tuple[Any, tuple[Any, Any], Any]] = {
    "squared": (losses.squared_error, (TRUE, PRED), (D**2).sum(-1)),
    "mse": (losses.mean_squared_error, (TRUE, PRED), (D**2).mean(-1)),
    "mae": (losses.mean_absolute_error, (TRUE, PRED), abs(D).mean(-1)),
    "mape": (losses.mean_absolute_percentage_error, (TRUE, PRED), 100 * abs(D / TRUE).mean(-1)),
    "msle": (
        losses.mean_squared_logarithmic_error,
        (SHARES, GUESS),
        (np.log((1 + SHARES) / (1 + GUESS)) ** 2).mean(-1),
    ),
    "log cosh": (losses.log_cosh, (TRUE, PRED), np.log(np.cosh(D)).mean(-1)),
    "huber": (
        lambda t, p: losses.huber(t, p, 0.7),
        (TRUE, PRED),
        np.where(abs(D) < 0.7, D**2 / 2, 0.7 * (abs(D) - 0.35)).mean(-1),
    ),
    "cosine": (
        losses.cosine_similarity, (TRUE, PRED), (normed(TRUE) * normed(PRED)).sum(-1)
    ),
    "hinge": (losses.hinge, (BITS, PRED), np.maximum(1 - (2 * BITS - 1) * PRED, 0).mean(-1)),
    "squared hinge": (
        losses.squared_hinge,
        (2 * BITS - 1, PRED),
        (np.maximum(1 - (2 * BITS - 1) * PRED, 0) ** 2).mean(-1),
    ),
    "binary": (losses.binary_crossentropy, (BITS, P), -np.log(right(P)).mean(-1)),
    "binary logits": (
        lambda t, p: losses.binary_crossentropy(t, p, from_logits=True),
        (BITS, PRED),
        -np.log(right(P)).mean(-1),
    ),
    "smooth": (
        lambda t, p: losses.binary_crossentropy(t, p, label_smoothing=0.2),
        (BITS, P),
        -((0.8 * BITS + 0.1) * np.log(P) + (0.9 - 0.8 * BITS) * np.log(1 - P)).mean(-1),
    ),
    "categorical": (
        losses.categorical_crossentropy, (SHARES, 3 * GUESS), -(SHARES * np.log(GUESS)).sum(-1)
    ),
    "categorical smooth": (
        lambda t, p: losses.categorical_crossentropy(t, p, label_smoothing=0.2),
        (ONE_HOT, GUESS),
        -((0.8 * ONE_HOT + 0.05) * np.log(GUESS)).sum(-1),
    ),
    "sparse": (
        losses.sparse_categorical_crossentropy,
        (CLASSES, GUESS),
        -np.log(GUESS[range(6), CLASSES]),
    ),
    "sparse, column": (
        losses.sparse_categorical_crossentropy,
        (CLASSES[:, None], GUESS),
        -np.log(GUESS[range(6), CLASSES]),
    ),
    "sparse, ignored": (
        lambda t, p: losses.sparse_categorical_crossentropy(t, p, ignore_class=-1),
        (np.where(CLASSES == 1, -1, CLASSES), GUESS),
        np.where(CLASSES == 1, 0, -np.log(GUESS[range(6), CLASSES])),
    ),
    "focal": (
        lambda t, p: losses.binary_focal_crossentropy(t, p, True, from_logits=True),
        (BITS, PRED),
        -((0.75 - 0.5 * BITS) * (1 - right(P)) ** 2 * np.log(right(P))).mean(-1),
    ),
    "categorical focal": (
        losses.categorical_focal_crossentropy,
        (ONE_HOT, GUESS),
        -(0.25 * (1 - GUESS) ** 2 * ONE_HOT * np.log(GUESS)).sum(-1),
    ),
    "kl": (losses.kl_divergence, (SHARES, GUESS), (SHARES * np.log(SHARES / GUESS)).sum(-1)),
    "gaussian kl": (
        losses.gaussian_kl_divergence,
        (TRUE, PRED),
        (-0.5 * (1 + PRED - TRUE**2 - np.exp(PRED))).sum(-1),
    ),
    "poisson": (losses.poisson, (SHARES, P), (P - SHARES * np.log(P + 1e-7)).mean(-1)),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSED)
def test_losses_are_their_closed_form(name: str) -> None:
    function, arguments, wanted = CLOSED[name]
    np.testing.assert_allclose(function(*arguments), wanted, rtol=1e-9, atol=1e-12)
    found = sf.jit(function)(*arguments)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", CLOSED)
def test_gradients_equal_differences(name: str) -> None:
    function, (true, pred), _ = CLOSED[name]
    sf.check_grads(lambda pred: function(true, pred).sum(), [pred])


def test_examples_of_softmax_regression() -> None:
    found = sf.special.softmax([1.0, -1.0, 2.0])
    np.testing.assert_allclose(found, [0.26, 0.04, 0.70], rtol=0, atol=0.006)
    target = [0.0, 0.0, 1.0]
    assert round(float(losses.squared_error(target, [0.3, 0.0, 0.7])), 12) == 0.18
    assert round(float(losses.squared_error(target, [0.17, 0.17, 0.66])), 3) == 0.173
    o, t = np.array([1.0, -1.0, 2.0]), np.array([0.0, 0.0, 1.0])

    def loss(o: Any) -> Any:
        return losses.categorical_crossentropy(t, o, from_logits=True)

    np.testing.assert_allclose(sf.jit(sf.grad(loss))(o), sf.special.softmax(o) - t, rtol=1e-12)


def test_the_gradient_of_logistic_regression_is_that_by_hand() -> None:
    theta, x, y = PRED[0], TRUE, BITS[:, 0]

    def loss(theta: Any) -> Any:
        return losses.binary_crossentropy(y, x @ theta, from_logits=True)

    by_hand = x.T @ (1 / (1 + np.exp(-x @ theta)) - y) / 6
    np.testing.assert_allclose(sf.jit(sf.grad(loss))(theta), by_hand, rtol=1e-12)


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_logits_of_any_size_give_finite_losses(size: float) -> None:
    z, y = np.full((1, 3), size) * [1.0, -1.0, 0.0], np.array([[1.0, 0.0, 0.0]])
    makers = (
        lambda z: losses.binary_crossentropy(y, z, from_logits=True).sum(),
        lambda z: losses.categorical_crossentropy(y, z, from_logits=True).sum(),
        lambda z: losses.binary_focal_crossentropy(y, z, from_logits=True).sum(),
        lambda z: losses.log_cosh(y, z).sum(),
    )
    for function in makers:
        value, slope = sf.jit(sf.value_and_grad(function))(z)
        assert np.isfinite(value) and np.isfinite(slope).all()


def test_log_cosh_keeps_the_digits_of_small_errors() -> None:
    found = losses.log_cosh(np.zeros((1, 1)), np.full((1, 1), 1e-9))
    np.testing.assert_allclose(found, 0.5e-18, rtol=1e-12)


def test_weights_and_reductions() -> None:
    each = np.square(D).mean(-1)
    weights = np.arange(6.0)
    for reduction, wanted in {
        "sum_over_batch_size": (each * weights).mean(),
        "sum": (each * weights).sum(),
        "mean_with_sample_weight": (each * weights).sum() / weights.sum(),
        "none": each * weights,
        None: each * weights,
    }.items():
        loss = losses.MeanSquaredError(reduction=reduction)
        np.testing.assert_allclose(loss(TRUE, PRED, weights), wanted, rtol=1e-12)
        np.testing.assert_allclose(sf.jit(loss)(TRUE, PRED, weights[:, None]), wanted, rtol=1e-12)
    assert float(losses.reduced(each, np.zeros(6), "mean_with_sample_weight")) == 0


def test_losses_are_found_by_name() -> None:
    assert losses.get("mse").name == "mean_squared_error"
    for name in ("kl_divergence", "huber", "sparse_categorical_crossentropy"):
        assert losses.get(name).name == name
    assert losses.get(losses.huber).name == "huber"
    assert losses.Huber(delta=2.0).settings["delta"] == 2.0
    for wrong in (
        lambda: losses.get("mistake"),
        lambda: losses.get(["mse"]),
        lambda: losses.Huber(gamma=1.0),
        lambda: losses.Hinge(reduction="some"),
    ):
        with pytest.raises(sf.ArgumentError):
            wrong()


@pytest.mark.peer("torch")
def test_losses_with_logits_are_those_of_torch() -> None:
    import torch
    from torch.nn import functional as F

    true, pred, z = (torch.tensor(x) for x in (TRUE, PRED, CLASSES))
    pairs = [
        (losses.SparseCategoricalCrossentropy(from_logits=True)(CLASSES, PRED),
         F.cross_entropy(pred, z)),
        (losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)(ONE_HOT, PRED),
         F.cross_entropy(pred, z, label_smoothing=0.1)),
        (losses.BinaryCrossentropy(from_logits=True)(BITS, PRED),
         F.binary_cross_entropy_with_logits(pred, torch.tensor(BITS))),
        (losses.Huber(delta=0.5)(TRUE, PRED), F.huber_loss(pred, true, delta=0.5)),
        (losses.KLDivergence(reduction="sum")(SHARES, GUESS),
         F.kl_div(torch.tensor(GUESS).log(), torch.tensor(SHARES), reduction="sum")),
        (losses.CosineSimilarity()(TRUE, PRED), -F.cosine_similarity(true, pred).mean()),
    ]  # fmt: skip
    for found, wanted in pairs:
        np.testing.assert_allclose(found, wanted.item(), rtol=1e-10)
