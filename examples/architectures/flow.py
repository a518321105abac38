"""A normalising flow of affine couplings: invertible, with the logarithm of its determinant."""

import numpy as np
import optree

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import png
from symfuse.examples.record import Record, Subject, at_least, main, near
from symfuse.examples.training import layers, train

F = sf.nn.functional


def shift_and_scale(p, fixed):
    """What the other half is moved and scaled by, from the half that stays."""
    h = F.tanh(fixed @ p[0]["w"] + p[0]["b"])
    return snp.split(F.tanh(h @ p[1]["w"] + p[1]["b"]) * 2, 2, axis=-1)


def forward(params, x):
    """Data to noise, and log |det ∂z/∂x|; the halves change roles from layer to layer."""

    def couple(halves, p):
        a, b = halves
        shift, scale = shift_and_scale(p, a)
        return (b * snp.exp(scale) + shift, a), snp.sum(scale, axis=-1)

    halves, determinants = sf.scan(couple, (x[:, :1], x[:, 1:]), params)
    return snp.concatenate(halves, axis=-1), snp.sum(determinants, axis=0)


def backward(params, z):
    """Noise to data, exactly."""

    def uncouple(halves, p):
        a, b = halves
        shift, scale = shift_and_scale(p, b)
        return (b, (a - shift) * snp.exp(-scale)), None

    halves, _ = sf.scan(uncouple, (z[:, :1], z[:, 1:]), params, reverse=True)
    return snp.concatenate(halves, axis=-1)


def couplings(depth, hidden):
    """The parameters of all couplings, stacked along a first axis, over which the loop goes."""
    each = [layers(seed, 1, hidden, 2) for seed in range(depth)]
    return optree.tree_map(lambda *a: np.stack(a), *each)


def log_density(params, x):
    z, determinant = forward(params, x)
    return -snp.sum(z**2, axis=-1) / 2 - np.log(2 * np.pi) + determinant


def loss(params, x, _):
    return -snp.mean(log_density(params, x))


def run(quick=False):
    x, _ = sf.datasets.moons(2000, spread=0.08)
    depth, hidden, epochs = (4, 16, 6) if quick else (8, 32, 60)
    params = couplings(depth, hidden)
    data = sf.data.Dataset(x[:1800], x[:1800], batch_size=100, shuffle=True)
    params, _ = train(loss, params, sf.optim.Adam(5e-3, global_clipnorm=1.0), data, epochs)
    test = x[1800:]
    covariance = np.cov(x.T)
    normal = -0.5 * np.linalg.slogdet(covariance)[1] - np.log(2 * np.pi) - 1
    z, determinant = sf.jit(forward)(params, test)
    of_one = sf.jit(sf.jacrev(lambda p: forward(params, p[None])[0][0]))
    exact = [np.linalg.slogdet(of_one(p))[1] for p in test[:5]]
    axis = np.linspace(-2, 2, 120, dtype="f")
    places = np.stack(np.meshgrid(axis, axis[::-1]), -1).reshape(-1, 2)
    density = np.exp(log_density(params, places)).reshape(120, 120)
    tones = 255 * (1 - np.sqrt(density / density.max()))
    return Record(
        (
            near("data → noise → data", backward(params, z), test, 2e-3),
            near("log-determinant and that of the Jacobian", determinant[:5], exact, 1e-3),
            at_least("log-likelihood over that of one normal distribution",
                     float(np.mean(log_density(params, test))) - normal, 0.15 if quick else 0.5),
        ),
        Subject(loss, (couplings(2, 3), x[:5], x[:5])),
        png(np.kron(tones, np.ones((2, 2)))),
    )  # fmt: skip


if __name__ == "__main__":
    main(run)
