"""Nine optimisers walk down a ravine; Adam follows its Algorithm 1 number by number."""

import numpy as np

import symfuse as sf
from symfuse.examples.pictures import curves
from symfuse.examples.record import Record, Subject, at_most, main, near

optim = sf.optim
OPTIMIZERS = {
    "SGD": optim.SGD(0.02),
    "momentum": optim.SGD(0.02, momentum=0.9),
    "Nesterov": optim.SGD(0.02, momentum=0.9, nesterov=True),
    "Adagrad": optim.Adagrad(0.5),
    "Adadelta": optim.Adadelta(10.0),
    "RMSprop": optim.RMSprop(0.02),
    "RMSprop with momentum": optim.RMSprop(0.005, momentum=0.9),
    "Adam": optim.Adam(0.05),
    "AdamW": optim.AdamW(0.05, weight_decay=0.001),
}


def ravine(p):
    """Steep across, flat along, with its least value 0 at the origin."""
    return 0.5 * (p[0] ** 2 / 10 + p[1] ** 2 * 20)


def walk(optimizer, start, steps):
    """The height after each step: the whole walk is one compiled loop."""

    def step(carry, _):
        p, state = carry
        value, gradient = sf.value_and_grad(ravine)(p)
        return optimizer.update(gradient, state, p), (value, p)

    (p, _), (heights, places) = sf.scan(step, (start, optimizer.init(start)), length=steps)
    return ravine(p), heights, places


def algorithm_1(start, steps, alpha=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    """Adam as Kingma and Ba write it."""
    theta, m, v, places = start.copy(), 0.0, 0.0, []
    for t in range(1, steps + 1):
        places.append(theta.copy())
        g = np.array([theta[0] / 10, theta[1] * 20])
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        theta = theta - alpha * (m / (1 - beta_1**t)) / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
    return np.array(places)


def run(quick=False):
    start, steps = np.array([-8.0, 1.0]), 300
    found = {n: sf.jit(walk, static_argnums=(0, 2))(o, start, steps) for n, o in OPTIMIZERS.items()}
    adam = optim.Adam(0.001, epsilon=1e-8)
    _, _, places = sf.jit(walk, static_argnums=(0, 2))(adam, start, 100)
    return Record(
        (
            *(at_most(f"{name}: height after {steps} steps, of 13.2", end, 1)
              for name, (end, _, _) in found.items()),
            near("Adam and Algorithm 1, 100 steps", places, algorithm_1(start, 100), 1e-9),
        ),
        Subject(ravine, (start,)),
        curves({name: heights for name, (_, heights, _) in found.items()},
               "height over steps", x_label="step", log=True),
    )  # fmt: skip


if __name__ == "__main__":
    main(run)
