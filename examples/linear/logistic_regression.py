"""Logistic regression p = 1/(1 + exp(−θᵀx)): the gradient by hand equals the compiled one."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import curves
from symfuse.examples.record import Record, Subject, at_least, main, near
from symfuse.examples.training import train


def probability(theta, x):
    return 1 / (1 + snp.exp(-(x @ theta)))


def objective(theta, x, y):
    """J = y log p + (1 − y) log(1 − p), the mean over examples, to be made large."""
    p = probability(theta, x)
    return snp.mean(y * snp.log(p) + (1 - y) * snp.log(1 - p))


def gradient_by_hand(theta, x, y):
    """dJ/dθⱼ = (y − p) xⱼ."""
    return x.T @ (y - probability(theta, x)) / len(y)


def run(quick=False):
    x, labels = sf.datasets.breast_cancer()
    x = np.column_stack([(x - x.mean(0)) / x.std(0), np.ones(len(x))]).astype("f")
    y = labels.astype("f")
    kept = np.arange(len(y)) % 4 == 0
    theta = np.random.default_rng(0).normal(size=31).astype("f") / 10
    compiled = sf.jit(sf.grad(objective))(theta, x, y)
    data = sf.data.Dataset(x[~kept], y[~kept], batch_size=61, shuffle=True)
    optimizer = sf.optim.SGD(0.3, momentum=0.5)
    found, history = train(
        lambda *args: -objective(*args), theta, optimizer, data, 10 if quick else 50
    )
    right = (probability(found, x[kept]) > 0.5) == labels[kept]
    return Record(
        (
            near("dJ/dθ by hand and compiled", compiled, gradient_by_hand(theta, x, y), 1e-6),
            at_least("test accuracy", right.mean(), 0.95),
        ),
        Subject(objective, (theta[:6], x[:10, :6], y[:10])),
        curves({"−J": history}, "cross-entropy over epochs", x_label="epoch"),
    )


if __name__ == "__main__":
    main(run)
