"""The perceptron sign(Σ wᵢxᵢ + w₀) with outputs 1 and −1, learnt by the perceptron rule."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import plane
from symfuse.examples.record import Record, Subject, at_least, at_most, main


def output(w, x):
    return snp.where(x @ w[1:] + w[0] > 0, 1.0, -1.0)


def epoch(w, x, y):
    """One pass: w moves by yx, and w₀ by y, wherever the output is wrong."""

    def example(w, pair):
        x, y = pair
        wrong = output(w, x) != y
        moved = w + snp.where(wrong, y, 0.0) * snp.concatenate([snp.ones(1), x])
        return moved, snp.where(wrong, 1.0, 0.0)

    w, wrong = sf.scan(example, w, (x, y))
    return w, snp.sum(wrong)


def run(quick=False):
    points, labels = sf.datasets.blobs(200, classes=2, spread=0.6)
    x, y = points.astype(float), 2.0 * labels - 1
    w, mistakes, step = np.zeros(3), [], sf.jit(epoch)
    while not mistakes or (mistakes[-1] and len(mistakes) < 50):
        w, wrong = step(w, x, y)
        mistakes.append(float(wrong))
    return Record(
        (
            at_least("accuracy", np.mean(output(w, x) == y), 1),
            at_most("epochs until no mistake is left", len(mistakes), 50),
        ),
        Subject(epoch, (np.zeros(3), x[:8], y[:8]), wrt=()),
        plane(lambda p: (p @ w[1:] + w[0])[:, None], points, labels, limit=3.5),
    )


if __name__ == "__main__":
    main(run)
