"""The table of scalar derivatives: a, xⁿ, exp, log, sin, and the sum, product and chain rules."""

import numpy as np

import symfuse as sf
from symfuse.examples.record import Record, Subject, main, near

u, v = np.sin, np.exp
TABLE = {
    "a": (lambda x: 0 * x + 3.0, lambda x: 0 * x),
    "xⁿ": (lambda x: x**5, lambda x: 5 * x**4),
    "exp": (np.exp, np.exp),
    "log": (np.log, lambda x: 1 / x),
    "sin": (np.sin, np.cos),
    "sum u + v": (lambda x: u(x) + v(x), lambda x: np.cos(x) + np.exp(x)),
    "product uv": (lambda x: u(x) * v(x), lambda x: np.cos(x) * v(x) + u(x) * np.exp(x)),
    "chain u(v)": (lambda x: u(v(x)), lambda x: np.cos(v(x)) * np.exp(x)),
}


def all_of_them(x):
    return np.stack([f(x) for f, _ in TABLE.values()])


def run(quick=False):
    x = np.linspace(0.3, 2, 11)
    found = sf.jit(sf.vmap(sf.jacfwd(all_of_them), out_axes=1))(x)
    wanted = [derivative(x) for _, derivative in TABLE.values()]
    measures = [near(f"{n}′", f, w, 1e-12) for n, f, w in zip(TABLE, found, wanted, strict=True)]
    return Record(tuple(measures), Subject(all_of_them, (x,)))


if __name__ == "__main__":
    main(run)
