"""Batch normalisation in training, and folded into the layer before it; layer, group, RMS norms."""

import numpy as np
import optree

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.record import Record, Subject, at_least, at_most, equal, main, near
from symfuse.examples.training import accuracy, dense, layers, train

F, SMALL, MOMENTUM = sf.nn.functional, 1e-5, 0.9


def scaled(x, mean, variance, gamma=1.0, beta=0.0):
    return gamma * (x - mean) / snp.sqrt(variance + SMALL) + beta


def moments(x, axis):
    return snp.mean(x, axis=axis, keepdims=True), snp.var(x, axis=axis, keepdims=True)


def batch_norm(p, x):
    """With the statistics of the mini-batch."""
    return scaled(x, *moments(x, 0), p["gamma"], p["beta"])


def layer_norm(x):
    return scaled(x, *moments(x, -1))


def group_norm(x, groups):
    parts = x.reshape(len(x), groups, -1)
    return scaled(parts, *moments(parts, -1)).reshape(x.shape)


def rms_norm(x):
    return x / snp.sqrt(snp.mean(x**2, axis=-1, keepdims=True) + SMALL)


def folded(layer, norm, mean, variance):
    """The layer that computes γ/√(Var + ε)·x + (β − γE[x]/√(Var + ε)) of its outputs as well."""
    scale = norm["gamma"] / np.sqrt(variance + SMALL)
    return {"w": layer["w"] * scale, "b": (layer["b"] - mean) * scale + norm["beta"]}


def by_layers(x):
    """What a model with a normalisation gives, and what it gives once that is folded away."""
    nn = sf.nn
    model = nn.Sequential([nn.Input(64), nn.Dense(16), nn.BatchNormalization(), nn.Dense(10)])
    model.build(x)
    rng = np.random.default_rng(0)
    noisy = lambda a: np.abs(a + rng.normal(size=a.shape).astype("f"))  # noqa: E731
    held = optree.tree_map(noisy, model.values())
    model.hold(sf.nn.Variables(held["params"], held["state"]))
    short = nn.for_inference(model)
    found = [m.apply(m.params, m.state, x)[0] for m in (model, short)]
    return len(short.layers), *found


def first(params, x):
    return x @ params["one"]["w"] + params["one"]["b"]


def rest(params, h):
    return F.relu(h) @ params["two"]["w"] + params["two"]["b"]


def loss(params, x, y):
    scores = rest(params, batch_norm(params["norm"], first(params, x)))
    return snp.mean(sf.losses.sparse_categorical_crossentropy(y, scores, from_logits=True))


def run(quick=False):
    x, y = sf.datasets.digits()
    data = sf.data.Dataset(x.reshape(-1, 64), y, batch_size=48, shuffle=True, drop_last=True)
    training, test = data.permuted(1).split(0.2)
    one, two = layers(0, 64, 64, 10)
    norm = {"gamma": np.ones(64, "f"), "beta": np.zeros(64, "f")}
    params = {"one": one, "norm": norm, "two": two}
    params, _ = train(loss, params, sf.optim.Adam(5e-3), training, 4 if quick else 20)
    mean, variance = np.zeros(64, "f"), np.ones(64, "f")
    for images, _ in (batch for _ in range(3) for batch in training):  # running averages
        h = first(params, images)
        mean = MOMENTUM * mean + (1 - MOMENTUM) * h.mean(0)
        variance = MOMENTUM * variance + (1 - MOMENTUM) * h.var(0)
    separate = rest(params, scaled(first(params, test.x), mean, variance, **params["norm"]))
    joined = params | {"one": folded(params["one"], params["norm"], mean, variance)}
    merged = rest(joined, first(joined, test.x))
    h = first(params, x.reshape(-1, 64))
    normed = sf.jit(lambda h: (layer_norm(h), group_norm(h, 8), rms_norm(h)))(h)
    depth, long, short = by_layers(x[:20].reshape(-1, 64))
    return Record(
        (
            equal("layers that nn.for_inference leaves, of 3", depth, 2),
            near("its predictions ÷ the largest", short / np.abs(long).max(),
                 long / np.abs(long).max(), 1e-5),
            near("folded and separate scores", merged, separate, 2e-3),
            at_least("accuracy of the folded network", accuracy(merged, test.y),
                     0.93 if quick else 0.97),
            at_most("mean of the normalised", abs(batch_norm(params["norm"], h).mean(0)
                                                  - params["norm"]["beta"]).max(), 1e-3),
            near("layer norm: variance", normed[0].var(-1), np.ones(len(h)), 1e-2),
            near("group norm: mean", normed[1].reshape(-1, 8, 8).mean(-1), np.zeros((len(h), 8)),
                 1e-3),
            near("RMS norm: mean square", (normed[2] ** 2).mean(-1), np.ones(len(h)), 1e-2),
        ),
        Subject(loss, (optree.tree_map(np.asarray, {"one": dense(sf.random.key(0), 64, 5), "norm": {
            "gamma": np.ones(5), "beta": np.zeros(5)}, "two": layers(1, 5, 10)[0]}),
            test.x[:7], test.y[:7])),
    )  # fmt: skip


if __name__ == "__main__":
    main(run)
