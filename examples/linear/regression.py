"""Linear regression: w* = (XᵀX)⁻¹Xᵀy by a differentiable solve, and mini-batch SGD reaching it."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import curves
from symfuse.examples.record import Record, Subject, at_most, main, near
from symfuse.examples.training import train


def closed_form(x, y):
    return snp.linalg.solve(x.T @ x, x.T @ y)


def loss(w, x, y):
    return snp.mean((x @ w - y) ** 2)


def run(quick=False):
    x, y = sf.datasets.diabetes()
    x, y = (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()
    x = (x @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T).astype("f")  # uncorrelated
    exact = sf.jit(closed_form)(x, y)
    data = sf.data.Dataset(x, y, batch_size=34, shuffle=True, drop_last=True)
    rate = sf.optim.ExponentialDecay(0.05, 13, 0.9 if quick else 0.97)
    w, history = train(loss, np.zeros(10, "f"), sf.optim.SGD(rate), data, 40 if quick else 150)
    return Record(
        (
            near("closed form and lstsq", exact, np.linalg.lstsq(x, y)[0], 1e-4),
            near("SGD and closed form", w, exact, 0.02 if quick else 0.005),
            at_most("loss of SGD ÷ least loss", loss(w, x, y) / loss(exact, x, y), 1.001),
        ),
        Subject(closed_form, (x[:12, :3], y[:12]), wrt=(0, 1)),
        curves({"loss": history}, "mean squared error over epochs", x_label="epoch"),
    )


if __name__ == "__main__":
    main(run)
