"""A playground without the page: data, layers, activation and rate are picked, and learnt."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import plane
from symfuse.examples.record import Record, Subject, at_least, main
from symfuse.examples.training import layers, train

CHOICES = {
    "circles": {"sizes": (2, 6, 1), "activation": "tanh", "rate": 0.03},
    "xor": {"sizes": (2, 8, 1), "activation": "relu", "rate": 0.03},
    "moons": {"sizes": (2, 8, 8, 1), "activation": "tanh", "rate": 0.02},
    "spirals": {"sizes": (2, 16, 16, 1), "activation": "tanh", "rate": 0.02},
}


def neurons(params, x, activation):
    """What every neuron of every layer answers to points [n, 2]."""
    answers = []
    for layer in params[:-1]:
        x = getattr(sf.nn.functional, activation)(x @ layer["w"] + layer["b"])
        answers.append(x)
    return [*answers, x @ params[-1]["w"] + params[-1]["b"]]


def loss(params, x, y, activation="tanh"):
    scores = neurons(params, x, activation)[-1]
    return snp.mean(sf.losses.binary_crossentropy(y[:, None], scores, from_logits=True))


def learnt(name, epochs):
    """Parameters, and the accuracy on points that were not seen."""
    choice, (x, y) = CHOICES[name], getattr(sf.datasets, name)(600)
    data = sf.data.Dataset(x[:400], y[:400].astype("f"), batch_size=20, shuffle=True)
    objective = lambda *args: loss(*args, choice["activation"])  # noqa: E731
    optimizer = sf.optim.Adam(choice["rate"])
    params, _ = train(objective, layers(0, *choice["sizes"]), optimizer, data, epochs)
    found = neurons(params, x[400:], choice["activation"])[-1][:, 0] > 0
    return params, np.mean(found == y[400:])


def run(quick=False):
    chosen = ("circles",) if quick else CHOICES
    found = {name: learnt(name, 20 if quick else 60) for name in chosen}
    shown = "circles" if quick else "spirals"
    params, activation = found[shown][0], CHOICES[shown]["activation"]
    x, y = getattr(sf.datasets, shown)(300)
    small = layers(0, 2, 3, 1)
    return Record(
        tuple(at_least(f"{name}: accuracy", right, 0.9) for name, (_, right) in found.items()),
        Subject(loss, (small, x[:6], y[:6].astype("f"))),
        plane(lambda p: neurons(params, p, activation)[-1], x, y, limit=1.8),
    )


if __name__ == "__main__":
    main(run)
