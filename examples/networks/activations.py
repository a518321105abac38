"""Activation functions and their derivatives, such as σ′ = σ(1 − σ) and tanh′ = 1/cosh²."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import curves
from symfuse.examples.record import Record, Subject, main, near

F = sf.nn.functional
W = np.array([[0.5, 0.1], [-1.0, 0.3]])


def step(x):
    return snp.where(x > 0, 1.0, 0.0)


def prelu(x, a=0.25):
    """Leaky ReLU whose slope is learnt."""
    return F.leaky_relu(x, a)


def maxout(x):
    """max(w₁ᵀx + b₁, w₂ᵀx + b₂)."""
    return snp.maximum(W[0, 0] * x + W[0, 1], W[1, 0] * x + W[1, 1])


def sigma(x):
    return 1 / (1 + np.exp(-x))


def phi(x):
    """What GELU by tanh derives from."""
    return np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))


def gelu_derivative(x):
    inner = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
    return 0.5 * (1 + phi(x)) + 0.5 * x * (1 - phi(x) ** 2) * inner


TABLE = {
    "step": (step, lambda x: 0 * x),
    "sign": (snp.sign, lambda x: 0 * x),
    "sigmoid": (F.sigmoid, lambda x: sigma(x) * (1 - sigma(x))),
    "tanh": (F.tanh, lambda x: 1 / np.cosh(x) ** 2),
    "ReLU": (F.relu, lambda x: 1.0 * (x > 0)),
    "leaky ReLU": (F.leaky_relu, lambda x: np.where(x > 0, 1, 0.01)),
    "PReLU": (prelu, lambda x: np.where(x > 0, 1, 0.25)),
    "ELU": (F.elu, lambda x: np.where(x > 0, 1, np.exp(x))),
    "maxout": (maxout, lambda x: np.where(0.5 * x + 0.1 > 0.3 - x, 0.5, -1.0)),
    "softplus": (F.softplus, sigma),
    "GELU": (F.gelu, gelu_derivative),
    "SiLU": (F.silu, lambda x: sigma(x) * (1 + x * (1 - sigma(x)))),
}


def softmax_jacobian(x):
    """diag(s) − ssᵀ."""
    s = np.exp(x) / np.exp(x).sum()
    return np.diag(s) - np.outer(s, s)


def all_of_them(x):
    return snp.stack([f(x) for f, _ in TABLE.values()]), F.softmax(x), F.log_softmax(x)


def run(quick=False):
    x = np.linspace(-3.05, 3, 12)  # without the corners of the functions
    found = sf.jit(sf.vmap(sf.jacfwd(lambda x: all_of_them(x)[0]), out_axes=1))(x)
    wanted = [derivative(x) for _, derivative in TABLE.values()]
    measures = [near(f"{n}′", f, w, 1e-12) for n, f, w in zip(TABLE, found, wanted, strict=True)]
    of_softmax, of_log = sf.jit(sf.jacrev(lambda x: (F.softmax(x), F.log_softmax(x))))(x)
    s = softmax_jacobian(x)
    measures.append(near("softmax′", of_softmax, s, 1e-12))
    measures.append(near("log softmax′", of_log, s / F.softmax(x)[:, None], 1e-9))
    axis = np.linspace(-3, 3, 61)
    shown = {name: f(axis) for name, (f, _) in TABLE.items()}
    return Record(
        tuple(measures),
        Subject(all_of_them, (x,)),
        curves(shown, "activation functions", x=axis, x_label="x"),
    )


if __name__ == "__main__":
    main(run)
