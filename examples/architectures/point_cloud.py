"""A network on sets of points: one MLP shared by all points, then the maximum over them."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.record import Record, Subject, at_least, main, near
from symfuse.examples.training import accuracy, layers, train

F = sf.nn.functional


def network(params, points):
    """Scores of [batch, points, 3]; the order of the points does not count."""
    h = points
    for p in params[:2]:
        h = F.relu(h @ p["w"] + p["b"])
    h = snp.max(h, axis=1)
    h = F.relu(h @ params[2]["w"] + params[2]["b"])
    return h @ params[3]["w"] + params[3]["b"]


def loss(params, x, y):
    values = sf.losses.sparse_categorical_crossentropy(y, network(params, x), from_logits=True)
    return snp.mean(values)


def clouds(rng, count, points=48):
    """Points on spheres, cubes and cylinders, turned about the vertical axis."""
    kinds = rng.integers(0, 3, count)
    x = rng.normal(size=(count, points, 3))
    sphere = x / np.linalg.norm(x, axis=-1, keepdims=True)
    cube = rng.uniform(-1, 1, x.shape)
    side = rng.integers(0, 3, (count, points, 1))
    cube = np.where(np.arange(3) == side, np.sign(cube), cube)
    cylinder = sphere / np.linalg.norm(sphere[..., :2], axis=-1, keepdims=True)
    cylinder[..., 2] = rng.uniform(-1, 1, (count, points))
    chosen = np.choose(kinds[:, None, None], [sphere, cube * 0.8, cylinder])
    angle = rng.uniform(0, 2 * np.pi, count)
    turned = np.array([[np.cos(angle), -np.sin(angle), 0 * angle],
                       [np.sin(angle), np.cos(angle), 0 * angle],
                       [0 * angle, 0 * angle, 1 + 0 * angle]])  # fmt: skip
    return np.einsum("npi,ijn->npj", chosen, turned).astype("f"), kinds


def run(quick=False):
    rng = np.random.default_rng(0)
    x, y = clouds(rng, 600 if quick else 2000)
    x_test, y_test = clouds(rng, 300)
    data = sf.data.Dataset(x, y, batch_size=50, shuffle=True)
    params = layers(0, 3, 32, 64, 32, 3)
    params, _ = train(loss, params, sf.optim.Adam(3e-3), data, 6 if quick else 15)
    scores = sf.jit(network)(params, x_test)
    shuffled = network(params, x_test[:, rng.permutation(x.shape[1])])
    return Record(
        (
            at_least("accuracy on new clouds", accuracy(scores, y_test), 0.8 if quick else 0.95),
            near("points in another order", shuffled, scores, 1e-4),
        ),
        Subject(loss, (layers(0, 3, 4, 5, 4, 3), x[:3, :6], y[:3])),
    )


if __name__ == "__main__":
    main(run)
