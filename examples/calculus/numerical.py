"""Central differences (f(x + h) − f(x − h)) / 2h check derivatives; h can be too large or small."""

import numpy as np

import symfuse as sf
from symfuse.examples.pictures import curves
from symfuse.examples.record import Record, Subject, at_least, at_most, equal, main


def f(x):
    return np.sin(x) * np.exp(x / 2)


def differences(x, step):
    return (f(x + step) - f(x - step)) / (2 * step)


def run(quick=False):
    x = np.linspace(-2, 2, 9)
    exact = sf.jit(sf.vmap(sf.grad(f)))(x)
    steps = 10.0 ** -np.arange(1, 12)
    errors = [float(np.max(np.abs(differences(x, step) - exact))) for step in steps]
    try:
        sf.check_grads(lambda x: f(x) + sf.stop_gradient(x), (x,))
        caught = False
    except AssertionError:
        caught = True
    return Record(
        (
            at_most("error with h = 1e-5", errors[4], 1e-9),
            at_least("error with h = 0.1 ÷ with h = 1e-5", errors[0] / errors[4], 1e6),
            equal("a wrong derivative is caught", caught, 1),
        ),
        Subject(f, (x,)),
        curves({"error": errors}, "error of central differences over the step", log=True,
               x=np.log10(steps), x_label="log₁₀ of the step"),
    )  # fmt: skip


if __name__ == "__main__":
    main(run)
