"""Metrics and initialisers: scikit-learn's numbers, states carried on, spreads, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference

import symfuse as sf
from symfuse import initializers, metrics

RNG = np.random.default_rng(3)
SCORES = RNG.random(400).round(3)
BITS = (RNG.random(400) < SCORES).astype(int)
LOGITS = RNG.normal(size=(400, 7))
CLASSES = RNG.integers(0, 7, 400)
CALLED = LOGITS.argmax(-1)
WEIGHTS = RNG.integers(0, 3, 400).astype(float)
SURE = SCORES > 0.5

CASES: dict[str, tuple[Any, Any, Any, Any]] = {
    "accuracy": (metrics.Accuracy(), CLASSES, CALLED, reference.accuracy_score),
    "binary": (metrics.BinaryAccuracy(), BITS, SCORES, lambda y, p, sample_weight:
               reference.accuracy_score(y, p > 0.5, sample_weight=sample_weight)),
    "sparse": (metrics.SparseCategoricalAccuracy(), CLASSES, LOGITS, lambda y, p, sample_weight:
               reference.accuracy_score(y, p.argmax(-1), sample_weight=sample_weight)),
    "categorical": (
        metrics.CategoricalAccuracy(), np.eye(7)[CLASSES], LOGITS, lambda y, p, sample_weight:
        reference.accuracy_score(y.argmax(-1), p.argmax(-1), sample_weight=sample_weight)),
    "top 3": (metrics.SparseTopKCategoricalAccuracy(3), CLASSES, LOGITS,
              lambda y, p, sample_weight: reference.top_k_accuracy_score(
                  y, p, k=3, labels=range(7), sample_weight=sample_weight)),
    "precision": (metrics.Precision(), BITS, SCORES, lambda y, p, sample_weight:
                  reference.precision_score(y, p > 0.5, sample_weight=sample_weight)),
    "recall": (metrics.Recall(), BITS, SCORES, lambda y, p, sample_weight:
               reference.recall_score(y, p > 0.5, sample_weight=sample_weight)),
    "squares": (metrics.MeanSquaredError(), BITS, SCORES, reference.mean_squared_error),
    "roots": (metrics.RootMeanSquaredError(), BITS, SCORES, reference.root_mean_squared_error),
    "distances": (metrics.MeanAbsoluteError(), BITS, SCORES, reference.mean_absolute_error),
    "f1": (metrics.F1Score(), BITS, SCORES, lambda y, p, sample_weight:
           reference.f1_score(y, p > 0.5, sample_weight=sample_weight)),
    "auc": (metrics.AUC(1001), BITS, SCORES, reference.roc_auc_score),
    "matrix": (metrics.ConfusionMatrix(7), CLASSES, LOGITS, lambda y, p, sample_weight:
               reference.confusion_matrix(y, p.argmax(-1), sample_weight=sample_weight)),
    "mse": (metrics.MeanSquaredError(), SCORES[:, None], BITS[:, None],
            reference.mean_squared_error),
    "rmse": (metrics.RootMeanSquaredError(), SCORES[:, None], BITS[:, None],
             reference.root_mean_squared_error),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_metrics_are_those_of_scikit_learn(name: str) -> None:
    metric, true, pred, peer = CASES[name]
    np.testing.assert_allclose(metric(true, pred), peer(true, pred, sample_weight=None), rtol=1e-9)
    wanted = peer(true, pred, sample_weight=WEIGHTS)
    found = metric(true, pred, sample_weight=WEIGHTS)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_a_state_carried_through_batches_gives_the_same(name: str) -> None:
    metric, true, pred, _ = CASES[name]
    update, state = sf.jit(metric.update), metric.init()
    for part in range(4):
        state = update(state, true[part::4], pred[part::4])
    found = sf.jit(metric.result)(state)
    np.testing.assert_allclose(found, metric(true, pred), rtol=1e-12)


def test_the_area_under_precision_and_recall_is_near_the_average_precision() -> None:
    found = float(metrics.AUC(2000, curve="PR")(BITS, SCORES))
    assert abs(found - reference.average_precision_score(BITS, SCORES)) < 5e-3


def test_metrics_of_nothing_are_zero() -> None:
    for metric in (metrics.Mean(), metrics.Precision(), metrics.F1Score(), metrics.AUC()):
        assert float(metric.result(metric.init())) == 0


def test_metrics_are_found_by_name() -> None:
    assert metrics.get("acc").name == "accuracy" and metrics.get("auc").name == "auc"
    with pytest.raises(sf.ArgumentError, match="there is no metric"):
        metrics.get("mistake")


SPREADS = {
    "glorot_normal": 2 / 500,
    "glorot_uniform": 2 / 500,
    "he_normal": 2 / 200,
    "he_uniform": 2 / 200,
    "lecun_normal": 1 / 200,
    "lecun_uniform": 1 / 200,
    "random_normal": 0.05**2,
    "random_uniform": 0.1**2 / 12,
    "truncated_normal": (0.05 * 0.8796256610342398) ** 2,
}


@pytest.mark.parametrize("name", SPREADS)
def test_initializers_have_their_variance(name: str) -> None:
    initializer = initializers.get(name)
    values = initializer(sf.random.key(4), (200, 300))
    assert values.dtype == np.float32
    assert abs(values.mean()) < 0.02 * values.std()
    assert np.isclose(values.var(), SPREADS[name], rtol=0.02)
    same = sf.jit(lambda key: initializer(key, (200, 300)))(sf.random.key(4))
    np.testing.assert_allclose(same, values, rtol=1e-5, atol=1e-7)


def test_kernels_of_convolutions_count_their_places() -> None:
    values = initializers.HeNormal()(sf.random.key(0), (3, 3, 16, 64))
    assert np.isclose(values.var(), 2 / (9 * 16), rtol=0.05)


def test_orthogonal_matrices_are_orthogonal() -> None:
    for shape in ((5, 3), (3, 5), (2, 2, 7)):
        q = initializers.Orthogonal(2.0)(sf.random.key(0), shape, "float64").reshape(-1, shape[-1])
        small = q.T @ q if q.shape[0] >= q.shape[1] else q @ q.T
        np.testing.assert_allclose(small, 4 * np.eye(min(q.shape)), atol=1e-12)


def test_initializers_that_do_not_exist_are_refused() -> None:
    for wrong in (
        lambda: initializers.get("mistake"),
        lambda: initializers.VarianceScaling(mode="fan"),
    ):
        with pytest.raises(sf.ArgumentError):
            wrong()
    with pytest.raises(sf.ShapeError):
        initializers.Identity()(None, (3,))


def test_neurons_that_begin_with_zeros_stay_equal() -> None:
    zeros = initializers.Zeros()
    params = [zeros(None, (4, 3)), zeros(None, (3, 2))]
    x, optimizer = RNG.normal(size=(8, 4)).astype("float32"), sf.optim.SGD(0.5)
    y = RNG.integers(0, 2, 8)
    loss = sf.losses.SparseCategoricalCrossentropy(from_logits=True)

    def step(params: Any, state: Any) -> Any:
        def value(params: Any) -> Any:
            hidden = sf.nn.functional.sigmoid(x @ params[0])
            return loss(y, hidden @ params[1])

        return optimizer.update(sf.grad(value)(params), state, params)

    state, fast = optimizer.init(params), sf.jit(step)
    for _ in range(20):
        params, state = fast(params, state)
    assert np.ptp(params[0], axis=1).max() < 1e-6 < np.abs(params[0]).max()
