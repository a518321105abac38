"""A graph put together by hand from placeholders is the graph that tracing gives."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.record import Record, Subject, equal, main, near


def neuron(x, w, b):
    h = snp.tanh(x @ w + b)
    return snp.sum(h**2)


def by_hand():
    """The same, operator by operator, as one builds it in a library without tracing."""
    x, w = sf.placeholder("x", "f32[5,3]"), sf.placeholder("w", "f32[3,4]")
    b = sf.placeholder("b", "f32[4]")
    product = x @ w
    h = snp.tanh(product + b)
    z = snp.sum(h**2)
    return sf.Graph(inputs=[x, w, b], outputs=[z], name="neuron")


def operations(graph):
    """What each node does to which nodes, without the names that the user gave them."""
    at = {node: number for number, node in enumerate(graph.nodes)}
    return [(n.op.name, *(at.get(i, str(i.type)) for i in n.inputs), str(n.type)) for n in at]


def run(quick=False):
    rng = np.random.default_rng(0)
    args = tuple(rng.normal(size=s).astype("f") for s in ((5, 3), (3, 4), (4,)))
    built, traced = by_hand(), sf.trace(neuron, *args)
    different = sum(a != b for a, b in zip(operations(built), operations(traced), strict=True))
    slopes = sf.grad(built, argnums=1)(*args), sf.grad(neuron, argnums=1)(*args)
    return Record(
        (
            equal("nodes that differ", different, 0),
            near("value of the graph by hand", built(*args), neuron(*args), 1e-5),
            near("its gradient", *slopes, 1e-5),
        ),
        Subject(neuron, args, wrt=(0, 1, 2)),
    )


if __name__ == "__main__":
    main(run)
