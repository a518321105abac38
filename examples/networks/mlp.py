"""The multilayer perceptron h = f(Wx + b) of any depth: 26 parameters of 3-4-2; digits."""

import numpy as np
import optree

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import curves
from symfuse.examples.record import Record, Subject, at_least, equal, main
from symfuse.examples.training import accuracy, layers, train

F = sf.nn.functional
SIZES = (784, 500, 500, 10)


def mlp(params, x, f=F.sigmoid):
    """Scores of the classes; softmax of them are probabilities."""
    for layer in params[:-1]:
        x = f(x @ layer["w"] + layer["b"])
    return x @ params[-1]["w"] + params[-1]["b"]


def loss(params, x, y):
    scores = mlp(params, x, F.relu)
    return snp.mean(sf.losses.sparse_categorical_crossentropy(y, scores, from_logits=True))


def count(params):
    return sum(leaf.size for leaf in optree.tree_leaves(params))


def run(quick=False):
    x, y = sf.datasets.digits()
    data = sf.data.Dataset(x.reshape(-1, 64), y, batch_size=48, shuffle=True, drop_last=True)
    training, test = data.permuted(1).split(0.2)
    params = layers(0, 64, 128, 128, 10)
    rate = sf.optim.CosineDecay(3e-3, 29 * 30)
    optimizer = sf.optim.AdamW(1e-3 if quick else rate, weight_decay=1e-2)
    params, history = train(loss, params, optimizer, training, 6 if quick else 30)
    right = accuracy(mlp(params, test.x, F.relu), test.y)
    small = layers(0, 3, 4, 2)
    probabilities = F.softmax(mlp(layers(0, *SIZES), np.zeros((2, 784), "f")), axis=-1)
    return Record(
        (
            equal("parameters of 3-4-2", count(small), 26),
            equal("parameters of 784-500-500-10", count(layers(0, *SIZES)), 648010),
            equal("its probabilities sum to", round(float(probabilities[0].sum()), 6), 1),
            at_least("accuracy on digits", right, 0.93 if quick else 0.97),
        ),
        Subject(lambda p, x: F.softmax(mlp(p, x), axis=-1), (small, np.ones((5, 3))), wrt=(0, 1)),
        curves({"loss": history}, "cross-entropy over epochs", x_label="epoch", log=True),
    )


if __name__ == "__main__":
    main(run)
