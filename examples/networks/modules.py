"""Backpropagation by modules: every intermediate derivative of five modules, by its name."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.record import Record, Subject, equal, main, near

F = sf.nn.functional


def network(params, taps, x, t):
    """linear, sigmoid, linear, sigmoid, cross-entropy; a tap is zero and is added to a value.

    The derivative with respect to a tap is the derivative with respect to the value it is added to.
    """
    a1 = x @ params["w1"] + params["b1"] + taps["a1"]
    h1 = F.sigmoid(a1) + taps["h1"]
    a2 = h1 @ params["w2"] + params["b2"] + taps["a2"]
    h2 = F.sigmoid(a2) + taps["h2"]
    return -snp.sum(t * snp.log(h2) + (1 - t) * snp.log(1 - h2))


def by_hand(params, x, t):
    """The chain rule, from the loss backwards."""
    w1, w2 = params["w1"], params["w2"]
    h1 = 1 / (1 + np.exp(-(x @ w1 + params["b1"])))
    h2 = 1 / (1 + np.exp(-(h1 @ w2 + params["b2"])))
    d_h2 = (1 - t) / (1 - h2) - t / h2
    d_a2 = d_h2 * h2 * (1 - h2)
    d_h1 = d_a2 @ w2.T
    d_a1 = d_h1 * h1 * (1 - h1)
    slopes = {"a1": d_a1, "h1": d_h1, "a2": d_a2, "h2": d_h2}
    return slopes, {"w1": x.T @ d_a1, "b1": d_a1.sum(0), "w2": h1.T @ d_a2, "b2": d_a2.sum(0)}


def run(quick=False):
    rng = np.random.default_rng(0)
    params = {"w1": rng.normal(size=(3, 4)), "b1": rng.normal(size=4),
              "w2": rng.normal(size=(4, 2)), "b2": rng.normal(size=2)}  # fmt: skip
    x, t = rng.normal(size=(5, 3)), rng.integers(0, 2, (5, 2)).astype(float)
    taps = {name: np.zeros((5, n)) for name, n in (("a1", 4), ("h1", 4), ("a2", 2), ("h2", 2))}
    of_params, of_taps = sf.jit(sf.grad(network, argnums=(0, 1)))(params, taps, x, t)
    slopes, gradients = by_hand(params, x, t)
    wanted = slopes | gradients
    backward = sf.trace(sf.grad(network), params, taps, x, t)
    return Record(
        (
            *(near(f"∂L/∂{n}", (of_params | of_taps)[n], wanted[n], 1e-12) for n in wanted),
            equal("parameters' derivatives that the graph returns", len(backward.outputs), 4),
        ),
        Subject(network, (params, taps, x, t), wrt=(0, 1)),
    )


if __name__ == "__main__":
    main(run)
