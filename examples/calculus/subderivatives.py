"""max(x, 0) and |x| have no derivative at 0; symfuse takes ½, 0 for relu, and 0 for |x|."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.record import Record, Subject, equal, main, near

F = sf.nn.functional
KINKS = {
    "max(x, 0)": (lambda x: snp.maximum(x, 0.0), 0.5),
    "relu(x)": (F.relu, 0.0),
    "|x|": (snp.abs, 0.0),
}


def kinks(x):
    return snp.stack([f(x) for f, _ in KINKS.values()])


def run(quick=False):
    zero = np.array(0.0)
    measures = []
    for name, (f, wanted) in KINKS.items():
        forward, reverse = sf.jit(sf.jacfwd(f))(zero), sf.jit(sf.jacrev(f))(zero)
        measures += [equal(f"{name} at 0", forward, wanted)]
        measures += [near(f"{name}, both modes", forward, reverse, 0)]
    return Record(tuple(measures), Subject(kinks, (np.array([-1.5, -0.2, 0.4, 2.0]),)))


if __name__ == "__main__":
    main(run)
