"""Gradients over time: the product of tanh′·w vanishes or explodes; clipping bounds its norm."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import curves
from symfuse.examples.record import Record, Subject, at_least, at_most, main, near

WEIGHTS = (0.5, 0.9, 1.0, 1.5)


def last_state(w, x, h=0.3):
    """h_t = tanh(w h_{t−1} + x_t), as a compiled loop."""
    return sf.scan(lambda h, x: (snp.tanh(w * h + x), None), h, x)[0]


def influence(w, x):
    """|∂h_T/∂x_t| for every t: how much the end still depends on the input at t."""
    return snp.abs(sf.grad(last_state, argnums=1)(w, x))


def product(w, x):
    """The same from the chain rule: the product over later times of tanh′ · w."""
    h, slopes = 0.3, []
    for value in x:
        h = np.tanh(w * h + value)
        slopes.append(1 - h**2)
    later = np.cumprod(np.append(1.0, w * np.array(slopes)[:0:-1]))[::-1]
    return np.abs(slopes * later)


def run(quick=False):
    x = 0.1 * np.random.default_rng(0).normal(size=30 if quick else 100)
    fast = sf.jit(influence)
    found = {f"w = {w}": fast(np.array(w), x) for w in WEIGHTS}
    power = sf.jit(lambda base: sf.fori_loop(0, 1000, lambda i, p: p * base, 1.0))
    huge = {"w": np.full(4, 1e6), "b": np.full(2, -1e6)}
    clipped = sf.optim.clip_by_global_norm(huge, 1.0)
    return Record(
        (
            near("w = 0.9: gradient and product", found["w = 0.9"], product(0.9, x), 1e-12),
            at_most("w = 0.5: first input", found["w = 0.5"][0], 1e-8),
            at_most("0.9¹⁰⁰⁰", power(0.9), 1e-45),
            near("1.01¹⁰⁰⁰ ÷ 21000", power(1.01) / 21000, 1, 0.005),
            at_least("gradient norm before clipping", sf.optim.global_norm(huge), 2e6),
            near("and after", sf.optim.global_norm(clipped), 1, 1e-9),
        ),
        Subject(last_state, (np.array(0.9), x[:6]), wrt=(0, 1)),
        curves(found, "|∂h_T/∂x_t| over t", x_label="t", log=True),
    )


if __name__ == "__main__":
    main(run)
