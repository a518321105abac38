"""Learning rates over time: constant, η/√(t + 1), step, exponential, cosine, warm-up."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import curves
from symfuse.examples.record import Record, Subject, main, near

optim, ETA, STEPS = sf.optim, 0.1, 100
T = np.arange(STEPS)
COSINE = 0.5 * ETA * (1 + np.cos(np.pi * T / STEPS))
TABLE = {
    "constant": (optim.Constant(ETA), np.full(STEPS, ETA)),
    "η/√(t + 1)": (optim.InverseSquareRootDecay(ETA), ETA / np.sqrt(T + 1)),
    "η/(1 + t/20)": (optim.InverseTimeDecay(ETA, 20, 1.0), ETA / (1 + T / 20)),
    "step": (optim.StepDecay(ETA, 25, 0.5), ETA * 0.5 ** (T // 25)),
    "exponential": (optim.ExponentialDecay(ETA, 25, 0.5), ETA * 0.5 ** (T / 25)),
    "cosine": (optim.CosineDecay(ETA, STEPS), COSINE),
    "warm-up, then constant": (optim.WarmUp(ETA, 20), ETA * np.minimum(T / 20, 1)),
}


def all_of_them(t):
    return snp.stack([snp.asarray(rate(t)) for rate, _ in TABLE.values()])


def descended(rate):
    """Three updates of a parameter with gradient 1 move it by the sum of three rates."""
    optimizer, p = optim.SGD(rate), np.zeros(())
    state = optimizer.init(p)
    for _ in range(3):
        p, state = optimizer.update(np.ones(()), state, p)
    return p


def run(quick=False):
    found = sf.jit(sf.vmap(all_of_them, out_axes=1))(T.astype(float))
    measures = [
        near(name, rates, wanted, 1e-7)
        for rates, (name, (_, wanted)) in zip(found, TABLE.items(), strict=True)
    ]
    moved = sf.jit(descended, static_argnums=0)(optim.CosineDecay(ETA, STEPS))
    return Record(
        (*measures, near("SGD with the cosine, 3 updates", moved, -COSINE[:3].sum(), 1e-7)),
        Subject(all_of_them, (np.array(7.5),)),
        curves(dict(zip(TABLE, found, strict=True)), "learning rates", x_label="update"),
    )


if __name__ == "__main__":
    main(run)
