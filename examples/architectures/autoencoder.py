"""Auto-encoders h = tanh(b + W₁x), x′ = tanh(b′ + W′h): tied, denoising, sparse, convolutional,
stacked."""

import numpy as np
import optree

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import grid
from symfuse.examples.record import Record, Subject, at_least, at_most, main
from symfuse.examples.training import accuracy, layers, train

F = sf.nn.functional


def encode(p, x):
    return F.tanh(x @ p["w"] + p["b"])


def decode(p, h):
    """With the transposed weights of the encoder where it has none of its own."""
    return F.tanh(h @ p.get("w2", p["w"].T) + p["b2"])


def loss(p, x, wanted, sparsity=0.0):
    """L = ½‖x′ − x‖², the mean over examples, and a price for active units."""
    h = encode(p, x)
    return snp.mean(snp.sum((decode(p, h) - wanted) ** 2, axis=1)) / 2 + sparsity * snp.mean(
        snp.abs(h)
    )


def first_parameters(inputs, hidden, tied=False, seed=0):
    down, up = layers(seed, inputs, hidden, inputs)
    parameters = {"w": down["w"], "b": down["b"], "b2": up["b"]}
    return parameters if tied else parameters | {"w2": up["w"]}


def convolutional(p, x):
    """8 × 8 to 4 × 4 and back by the transposed convolution."""
    h = F.tanh(F.conv2d(x, p["down"], strides=2, padding="same"))
    return F.tanh(F.conv_transpose(h, p["up"], strides=2, padding="same"))


def convolutional_loss(p, x, wanted):
    return snp.mean(snp.sum((convolutional(p, x) - wanted) ** 2, axis=(1, 2, 3))) / 2


def learnt(objective, p, x, wanted, epochs):
    data = sf.data.Dataset(x, wanted, batch_size=64, shuffle=True, drop_last=True)
    return train(objective, p, sf.optim.Adam(3e-3), data, epochs)


def stacked(x, labels, x_test, y_test, epochs):
    """Layers are trained one by one as auto-encoders, then all of them with labels."""
    codes, first = x, []
    for size in (32, 16):
        p, _ = learnt(loss, first_parameters(codes.shape[1], size), codes, codes, epochs)
        first.append({"w": p["w"], "b": p["b"]})
        codes = np.asarray(encode(p, codes))

    def scores(params, x):
        return encode(params[1], encode(params[0], x)) @ params[2]["w"] + params[2]["b"]

    def objective(params, x, y):
        values = sf.losses.sparse_categorical_crossentropy(y, scores(params, x), from_logits=True)
        return snp.mean(values)

    params, _ = learnt(objective, [*first, layers(9, 16, 10)[0]], x, labels, epochs)
    return accuracy(scores(params, x_test), y_test)


def run(quick=False):
    x, y = sf.datasets.digits()
    x = 2 * x.reshape(-1, 64) - 1
    x, x_test, y, y_test = x[:1400], x[1400:], y[:1400], y[1400:]
    epochs, spread = 8 if quick else 50, 0.5 * np.sum((x_test - x.mean(0)) ** 2, axis=1).mean()
    plain, _ = learnt(loss, first_parameters(64, 24), x, x, epochs)
    measures = [at_most("error ÷ that of the mean", loss(plain, x_test, x_test) / spread,
                        0.5 if quick else 0.25)]  # fmt: skip
    tied, _ = learnt(loss, first_parameters(64, 24, tied=True), x, x, epochs)
    sizes = [sum(a.size for a in optree.tree_leaves(p)) for p in (tied, plain)]
    measures += [at_most("tied: parameters ÷ untied", sizes[0] / sizes[1], 0.53)]
    measures += [
        at_most("tied: error", loss(tied, x_test, x_test) / spread, 0.5 if quick else 0.25)
    ]
    pictures = [x_test[:10], decode(plain, encode(plain, x_test[:10]))]
    if not quick:
        rng = np.random.default_rng(0)
        noisy, noisy_test = (a + rng.normal(size=a.shape).astype("f") * 0.6 for a in (x, x_test))
        cleaner, _ = learnt(loss, first_parameters(64, 40), noisy, x, epochs)
        left = loss(cleaner, noisy_test, x_test) / (
            0.5 * np.sum((noisy_test - x_test) ** 2, 1).mean()
        )
        sparse, _ = learnt(lambda *a: loss(*a, 40.0), first_parameters(64, 40), x, x, epochs)
        quiet = np.abs(encode(sparse, x_test)).mean() / np.abs(encode(plain, x_test)).mean()
        k = {"down": rng.normal(size=(3, 3, 1, 4)).astype("f") / 3,
             "up": rng.normal(size=(3, 3, 1, 4)).astype("f") / 3}  # fmt: skip
        images, tests = x.reshape(-1, 8, 8, 1), x_test.reshape(-1, 8, 8, 1)
        p, _ = learnt(convolutional_loss, k, images, images, epochs)
        measures += [
            at_most("denoising: noise that is left", left, 0.5),
            at_most("sparse: mean |h| ÷ plain", quiet, 0.7),
            at_most("convolutional: error", convolutional_loss(p, tests, tests) / spread, 0.25),
            at_least("stacked: accuracy", stacked(x, y, x_test, y_test, epochs), 0.9),
        ]
        pictures += [noisy_test[:10], decode(cleaner, encode(cleaner, noisy_test[:10]))]
    return Record(
        tuple(measures),
        Subject(loss, (first_parameters(64, 3, tied=True), x[:4], x[:4])),
        grid(np.concatenate(pictures).reshape(-1, 8, 8), columns=10),
    )


if __name__ == "__main__":
    main(run)
