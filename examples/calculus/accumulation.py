"""Forward and reverse accumulation give one Jacobian at different costs; unneeded paths vanish."""

import numpy as np

import symfuse as sf
from symfuse.examples.record import Record, Subject, at_least, at_most, main, near


def layers(x, w, v):
    return np.tanh(x @ w) @ v


def cost(derivative, *args):
    """Floating-point operations of the compiled derivative."""
    return int(sf.compile(derivative, *args).cost_analysis().flops)


def nodes(argnums, *args):
    """How many operations the gradient with respect to some arguments takes."""
    gradient = sf.grad(lambda *a: layers(*a).sum(), argnums=argnums)
    return len(sf.compile(gradient, *args).compilation.graph.nodes)


def run(quick=False):
    rng = np.random.default_rng(0)
    x, w, narrow, wide = (rng.normal(size=s) for s in (40, (40, 30), (30, 2), (30, 90)))
    many_in, many_out = (x, w, narrow), (x[:3], w[:3], wide)
    forward, reverse = sf.jacfwd(layers), sf.jacrev(layers)
    return Record(
        (
            near("Jacobian, both modes", forward(*many_in), reverse(*many_in), 1e-12),
            at_least("40 → 2: FLOPs forward ÷ reverse",
                     cost(forward, *many_in) / cost(reverse, *many_in), 4),
            at_least("3 → 90: FLOPs reverse ÷ forward",
                     cost(reverse, *many_out) / cost(forward, *many_out), 4),
            at_most("nodes for ∂v ÷ nodes for ∂x, ∂w, ∂v",
                    nodes(2, *many_in) / nodes((0, 1, 2), *many_in), 0.6),
        ),
        Subject(layers, many_in, wrt=(0, 1, 2)),
    )  # fmt: skip


if __name__ == "__main__":
    main(run)
