"""Random numbers from keys: the same everywhere, in any order, for any number of threads.

The names and signatures are those of `jax.random`; the generator is Threefry-2x32, written with
integer operations of the graph, so that draws fuse into what uses them.
"""

from .choices import categorical, choice
from .distributions import (
    cauchy,
    exponential,
    gumbel,
    laplace,
    logistic,
    normal,
    truncated_normal,
)
from .keys import fold_in, key, split
from .uniforms import bernoulli, bits, rademacher, randint, uniform

__all__ = [
    "bernoulli",
    "bits",
    "categorical",
    "cauchy",
    "choice",
    "exponential",
    "fold_in",
    "gumbel",
    "key",
    "laplace",
    "logistic",
    "normal",
    "rademacher",
    "randint",
    "split",
    "truncated_normal",
    "uniform",
]
