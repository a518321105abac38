"""L1, L2, dropout, noise on inputs and weights, augmentation, early stopping."""

import numpy as np
import optree

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.record import Record, Subject, at_least, at_most, main, near
from symfuse.examples.training import layers, train

F = sf.nn.functional


def dropout(key, x, rate, training):
    """In training, a share of the units is zero and the others are scaled up; in tests, x."""
    if not training:
        return x
    kept = sf.random.bernoulli(key, 1 - rate, x.shape)
    return snp.where(kept, x / (1 - rate), 0.0)


def noisy(key, tree, stddev):
    """Every array with normal noise."""
    return optree.tree_map(lambda a: a + stddev * sf.random.normal(key, a.shape, a.dtype), tree)


def scores(params, x, key=None, rate=0.0, weight_noise=0.0):
    if weight_noise:
        params = noisy(key, params, weight_noise)
    h = F.relu(x @ params[0]["w"] + params[0]["b"])
    h = dropout(key, h, rate, training=key is not None and rate > 0)
    return h @ params[1]["w"] + params[1]["b"]


def loss(params, x, y, key=None, *, l1=0.0, l2=0.0, input_noise=0.0, **network):
    """J + λ₁Σ|θ| + λ₂Σθ²."""
    if input_noise:
        x = noisy(key, x, input_noise)
    values = sf.losses.sparse_categorical_crossentropy(
        y, scores(params, x, key, **network), from_logits=True
    )
    weights = [layer["w"] for layer in params]
    absolute, square = (
        sum(snp.sum(snp.abs(w)) for w in weights),
        sum(snp.sum(w**2) for w in weights),
    )
    return snp.mean(values) + l1 * absolute + l2 * square


METHODS = {
    "none": {},
    "L1": {"l1": 1e-3},
    "L2": {"l2": 5e-3},
    "dropout": {"rate": 0.5},
    "input noise": {"input_noise": 0.3},
    "weight noise": {"weight_noise": 0.1},
}


def early_stopped(losses, patience):
    """The epoch of the least loss, once it has not fallen for `patience` epochs."""
    for epoch in range(len(losses)):
        best = int(np.argmin(losses[: epoch + 1]))
        if epoch - best >= patience:
            return best
    return int(np.argmin(losses))


def trained(method, x, y, epochs, augment=()):
    """Parameters and validation losses; a key for each batch makes its noise."""
    images, x_validation = x[:150].reshape(-1, 8, 8), x[150:450]
    data = sf.data.Dataset(images, y[:150], batch_size=50, shuffle=True, augment=augment)
    keys = iter(sf.random.split(sf.random.key(0), 3 * epochs))
    optimizer = sf.optim.Adam(5e-3)
    batches = ((b.reshape(-1, 64), labels, next(keys)) for _ in range(epochs) for b, labels in data)
    params, _ = train(lambda *a: loss(*a, **method), layers(0, 64, 128, 10), optimizer, batches)
    return params, float(loss(params, x_validation, y[150:450]))


def run(quick=False):
    x, y = sf.datasets.digits()
    order = np.random.default_rng(0).permutation(len(y))
    x, y, epochs = x[order].reshape(-1, 64), y[order], 60
    y[:30] = (y[:30] + 1) % 10  # every fifth label of the training data is wrong
    chosen = ("none", "L2") if quick else METHODS
    found = {name: trained(METHODS[name], x, y, epochs) for name in chosen}
    measures = []
    if not quick:
        cropped, _ = trained({}, x, y, 4 * epochs, augment=sf.data.crop(1))
        moved = np.roll(x[150:450].reshape(-1, 8, 8), 1, axis=2).reshape(-1, 64)
        losses = [loss(params, moved, y[150:450]) for params in (cropped, found["none"][0])]
        measures = [at_most("augmentation: loss of moved pictures ÷ without",
                            losses[0] / losses[1], 0.5)]  # fmt: skip
    plain = found["none"][1]
    key, ones = sf.random.key(3), np.ones((100, 100))
    dropped = np.asarray(dropout(key, ones, 0.3, training=True))
    size = {name: np.abs(params[0]["w"]).mean() for name, (params, _) in found.items()}
    return Record(
        (
            *(at_most(f"{name}: validation loss ÷ {plain:.2f}", value / plain, 1)
              for name, (_, value) in found.items()),
            *measures,
            at_most("L2: mean |w| ÷ without", size["L2"] / size["none"], 0.9),
            at_most("dropout: error of the mean", abs(dropped.mean() - 1), 0.03),
            near("dropout in tests", dropout(key, ones, 0.3, training=False), ones, 0),
            at_least("early stopping at epoch", early_stopped([5, 3, 2, 2.5, 2.4, 2.6, 1], 3), 2),
        ),
        Subject(lambda p, x, y: loss(p, x, y, l2=0.1), (layers(0, 64, 4, 10), x[:5], y[:5])),
    )  # fmt: skip


if __name__ == "__main__":
    main(run)
