"""Softmax regression: softmax([1, −1, 2]) = [0.26, 0.04, 0.70]; the gradient is o − t."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import grid
from symfuse.examples.record import Record, Subject, at_least, main, near
from symfuse.examples.training import accuracy, layers, train

F, losses = sf.nn.functional, sf.losses


def cross_entropy(scores, target):
    return losses.categorical_crossentropy(target, scores, from_logits=True)


def loss(params, x, y):
    return snp.mean(cross_entropy(x @ params["w"] + params["b"], F.one_hot(y, 10)))


def run(quick=False):
    scores, target = np.array([1.0, -1.0, 2.0]), np.array([0.0, 0.0, 1.0])
    o = sf.jit(F.softmax)(scores)
    given = np.array([0.3, 0.0, 0.7]), np.array([0.17, 0.17, 0.66])
    squares = [losses.squared_error(target, p).sum() for p in given]
    x, y = sf.datasets.digits()
    data = sf.data.Dataset(x.reshape(-1, 64), y, batch_size=48, shuffle=True, drop_last=True)
    training, test = data.permuted(1).split(0.2)
    optimizer = sf.optim.SGD(0.5, momentum=0.9)
    params, _ = train(loss, layers(0, 64, 10)[0], optimizer, training, 8 if quick else 40)
    right = accuracy(test.x @ params["w"] + params["b"], test.y)
    return Record(
        (
            near("softmax([1, −1, 2])", o, [0.26, 0.04, 0.70], 0.006),
            near("square losses", squares, [0.18, 0.173], 0.0005),
            near("gradient and o − t", sf.grad(cross_entropy)(scores, target), o - target, 1e-12),
            at_least("accuracy on digits", right, 0.93 if quick else 0.95),
        ),
        Subject(cross_entropy, (scores, target)),
        grid(params["w"].T.reshape(10, 8, 8), columns=5),
    )


if __name__ == "__main__":
    main(run)
