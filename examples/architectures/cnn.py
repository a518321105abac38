"""A convolutional network for digits; sizes W₂ = (W₁ + 2P − K)/S + 1, pooling."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import grid
from symfuse.examples.record import Record, Subject, at_least, equal, main, near
from symfuse.examples.training import accuracy, dense, train

F = sf.nn.functional
POOLED = np.array([[-1, 2, 0, 0], [0, 1, 3, -2], [0, 0, -1, 4], [3, -1, -2, -2.0]])


def kernel(key, *shape):
    return sf.initializers.HeNormal()(key, shape)


def first_parameters(seed=0, width=16):
    keys = sf.random.split(sf.random.key(seed), 4)
    return {
        "k1": kernel(keys[0], 3, 3, 1, width),
        "b1": np.zeros(width, "f"),
        "k2": kernel(keys[1], 3, 3, width, 2 * width),
        "b2": np.zeros(2 * width, "f"),
        "hidden": dense(keys[2], 4 * 4 * 2 * width, 64),
        "out": dense(keys[3], 64, 10),
    }


def cnn(params, x):
    """Two convolutions of 3 × 3, pooling, two dense layers."""
    x = F.relu(F.conv2d(x, params["k1"], padding="same") + params["b1"])
    x = F.relu(F.conv2d(x, params["k2"], padding="same") + params["b2"])
    x = F.max_pool(x, 2).reshape(len(x), -1)
    x = F.relu(x @ params["hidden"]["w"] + params["hidden"]["b"])
    return x @ params["out"]["w"] + params["out"]["b"]


def loss(params, x, y):
    scores = cnn(params, x)
    return snp.mean(sf.losses.sparse_categorical_crossentropy(y, scores, from_logits=True))


def locally_connected(x, kernels):
    """A convolution whose kernel differs from place to place: [rows, columns, k, k, in, out]."""
    rows, columns, k = kernels.shape[:3]
    patches = [x[:, i : i + rows, j : j + columns] for i in range(k) for j in range(k)]
    stacked = snp.stack(patches, axis=3)
    return snp.einsum(
        "nrcpi,rcpio->nrco", stacked, kernels.reshape(rows, columns, k * k, *kernels.shape[4:])
    )


def by_definition(x, w):
    """A_ij = Σ_kl W_kl X_{i+j, k+l}."""
    size = x.shape[0] - w.shape[0] + 1
    return np.array([[(w * x[i : i + len(w), j : j + len(w)]).sum() for j in range(size)]
                     for i in range(size)])  # fmt: skip


def sizes():
    """Whether the size of an output follows the formula, for 24 choices."""
    for size, k, pad, stride in (
        (w, k, p, s) for w in (7, 12) for k in (1, 3, 5) for p in (0, 2) for s in (1, 2)
    ):
        x, w = sf.spec((1, size, size, 1), "float32"), sf.spec((k, k, 1, 1), "float32")
        convolve = lambda x, w, s=stride, p=pad: F.conv2d(x, w, strides=s, padding=p)  # noqa: E731
        found = sf.eval_shape(convolve, x, w).shape[1]
        yield found == (size + 2 * pad - k) // stride + 1


def smooth(params):
    """Parameters for which no activation lies at the corner of ReLU, as those of zeros do."""
    return params | {name: params[name] + np.float32(0.1) for name in ("b1", "b2")}


def trained(quick=False):
    """Parameters after training, and the data for the test."""
    x, y = sf.datasets.digits()
    data = sf.data.Dataset(x[..., None], y, batch_size=48, shuffle=True, drop_last=True)
    training, test = data.permuted(1).split(0.2)
    if quick:
        return train(loss, first_parameters(width=8), sf.optim.Adam(3e-3), training, 3)[0], test
    rate = sf.optim.CosineDecay(3e-3, 29 * 25)
    optimizer = sf.optim.AdamW(rate, weight_decay=1e-2)
    return train(loss, first_parameters(), optimizer, training, 25)[0], test


def run(quick=False):
    params, test = trained(quick)
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(6, 6)), rng.normal(size=(3, 3))
    found = F.conv2d(x[None, :, :, None], w[:, :, None, None])[0, :, :, 0]
    same = np.broadcast_to(w[:, :, None, None], (4, 4, 3, 3, 1, 1))
    pooled = F.max_pool(POOLED[None, :, :, None], 2)[0, :, :, 0]
    grouped = F.conv2d(np.ones((1, 5, 5, 4)), np.ones((3, 3, 2, 6)), groups=2, dilation=2)
    local = locally_connected(x[None, :, :, None], same)[0, :, :, 0]
    weights = {"kernel": same, "bias": np.zeros((4, 4, 1))}
    layer, _ = sf.nn.LocallyConnected2D(1, 3).apply(weights, {}, x[None, :, :, None])
    average = F.avg_pool(POOLED[None, :, :, None], 2)[0, :, :, 0]
    return Record(
        (
            at_least("accuracy on digits", accuracy(cnn(params, test.x), test.y),
                     0.95 if quick else 0.985),
            near("convolution and its definition", found, by_definition(x, w), 1e-12),
            equal("output sizes that follow the formula, of 24", sum(sizes()), 24),
            near("max pooling", pooled, [[2, 3], [3, 4]], 0),
            near("average pooling", average, [[0.5, 0.25], [0.5, -0.25]], 0),
            near("2 groups, dilation 2", grouped, np.full((1, 1, 1, 6), 18), 0),
            near("locally connected, equal kernels", local, found, 1e-12),
            near("nn.LocallyConnected2D", layer[0, :, :, 0], found, 1e-5),
        ),
        Subject(loss, (smooth(first_parameters(width=2)), test.x[:3], test.y[:3])),
        grid(np.moveaxis(params["k1"][:, :, 0], -1, 0), columns=8, scale=12),
    )  # fmt: skip


if __name__ == "__main__":
    main(run)
