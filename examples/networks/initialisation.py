"""How first weights are drawn decides the variance of activations; zeros keep all neurons equal."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import curves
from symfuse.examples.record import Record, Subject, at_most, equal, main, near

init, F, N = sf.initializers, sf.nn.functional, 128
CHOICES = {
    "N(0, 0.01²)": (init.RandomNormal(stddev=0.01), F.tanh),
    "N(0, 1)": (init.RandomNormal(stddev=1.0), F.tanh),
    "Xavier normal": (init.GlorotNormal(), F.tanh),
    "Xavier uniform": (init.GlorotUniform(), F.tanh),
    "Kaiming normal": (init.HeNormal(), F.relu),
    "Kaiming uniform": (init.HeUniform(), F.relu),
    "orthogonal": (init.Orthogonal(), F.tanh),
}
SPREAD = {"Xavier normal": 1 / N, "Xavier uniform": 1 / N, "Kaiming normal": 2 / N,
          "Kaiming uniform": 2 / N}  # fmt: skip


def variances(weights, x, f):
    """The variance of the activations behind each layer; the layers are one compiled loop."""

    def layer(h, w):
        h = f(h @ w)
        return h, snp.mean(h**2)

    return sf.scan(layer, x, weights)[1]


def drawn(initializer, depth):
    keys = sf.random.split(sf.random.key(0), depth)
    return np.stack([initializer(key, (N, N)) for key in keys])


def output(params, x):
    return snp.sum(F.tanh(x @ params["w"]) @ params["v"])


def run(quick=False):
    depth = 4 if quick else 10
    x = np.asarray(sf.random.normal(sf.random.key(1), (64, N), "float32"))
    weights = {name: drawn(initializer, depth) for name, (initializer, _) in CHOICES.items()}
    fast = sf.jit(variances, static_argnums=2)
    found = {name: fast(weights[name], x, f) for name, (_, f) in CHOICES.items()}
    zeros = {"w": np.zeros((3, 4)), "v": np.ones((4, 1))}
    slopes = sf.grad(output)(zeros, np.ones((2, 3)))["w"]
    q = weights["orthogonal"][0]
    return Record(
        (
            *(at_most(f"{name}: error of the variance", abs(weights[name].var() / s - 1), 0.04)
              for name, s in SPREAD.items()),
            near("orthogonal: QᵀQ and I", q.T @ q, np.eye(N), 1e-5),
            at_most("Kaiming, ReLU: change of variance", abs(np.log(found["Kaiming normal"][-1])),
                    1.5),
            at_most("N(0, 0.01²): variance at the end", found["N(0, 0.01²)"][-1], 1e-4),
            equal("zeros: different columns of ∂W", len(np.unique(slopes, axis=1).T), 1),
        ),
        Subject(lambda w, x: variances(w, x, F.tanh), (weights["Xavier normal"][:2, :6, :6],
                                                       x[:4, :6]), wrt=(0, 1)),
        curves(found, "mean square of activations", x_label="layer", log=True),
    )  # fmt: skip


if __name__ == "__main__":
    main(run)
