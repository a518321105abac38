"""Batch, one-example and mini-batch gradient descent; shuffling; normalised inputs."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import curves
from symfuse.examples.record import Record, Subject, at_least, at_most, equal, main
from symfuse.examples.training import accuracy, layers, train

F = sf.nn.functional
SIZES = {"batch": 120, "mini-batch": 15, "one example": 1}


def scores(params, x):
    return F.tanh(x @ params[0]["w"] + params[0]["b"]) @ params[1]["w"] + params[1]["b"]


def loss(params, x, y):
    values = sf.losses.sparse_categorical_crossentropy(y, scores(params, x), from_logits=True)
    return snp.mean(values)


def trained(x, y, size, epochs):
    data = sf.data.Dataset(x, y, batch_size=size, shuffle=True, drop_last=True, seed=1)
    rate = {120: 0.3, 15: 0.1, 1: 0.02}[size]
    return train(loss, layers(0, 4, 8, 3), sf.optim.SGD(rate), data, epochs)


def run(quick=False):
    x, y = sf.datasets.iris()
    order = np.random.default_rng(0).permutation(150)
    x, y, x_test, y_test = x[order[:120]], y[order[:120]], x[order[120:]], y[order[120:]]
    mean, spread = x.mean(0), x.std(0)
    normal, epochs = (x - mean) / spread, 20 if quick else 60
    found = {name: trained(normal, y, size, epochs) for name, size in SIZES.items()}
    _, raw = trained(100 * x, y, 15, epochs)
    params, history = found["mini-batch"]
    shuffled = sf.data.Dataset(x, y, batch_size=15, shuffle=True, seed=1)
    orders = {tuple(np.concatenate([b for _, b in shuffled])) for _ in range(5)}
    return Record(
        (
            at_least("accuracy of mini-batches",
                     accuracy(scores(params, (x_test - mean) / spread), y_test), 0.9),
            at_most("loss of mini-batches ÷ of the batch", history[-1] / found["batch"][1][-1], 1),
            at_least("loss of raw inputs ÷ of normalised", raw[-1] / history[-1], 2),
            equal("different orders in 5 epochs", len(orders), 5),
        ),
        Subject(loss, (layers(0, 4, 8, 3), normal[:6], y[:6])),
        curves({name: history for name, (_, history) in found.items()} | {"raw inputs": raw},
               "loss over epochs", x_label="epoch", log=True),
    )  # fmt: skip


if __name__ == "__main__":
    main(run)
