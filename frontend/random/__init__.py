"""Random numbers from keys: the same everywhere, in any order, for any number of threads.

The names and signatures are those of `jax.random`; the generator is Threefry-2x32, written with
integer operations of the graph, so that draws fuse into what uses them.
"""

from .choices import categorical, choice, permutation
from .counts import poisson
from .distributions import (
    cauchy,
    exponential,
    gumbel,
    laplace,
    logistic,
    normal,
    truncated_normal,
)
from .gammas import beta, chisquare, dirichlet, gamma, loggamma, t
from .keys import fold_in, key, split
from .uniforms import bernoulli, bits, rademacher, randint, uniform
from .vectors import multivariate_normal

__all__ = [
    "bernoulli",
    "beta",
    "bits",
    "categorical",
    "cauchy",
    "chisquare",
    "choice",
    "dirichlet",
    "exponential",
    "fold_in",
    "gamma",
    "gumbel",
    "key",
    "laplace",
    "loggamma",
    "logistic",
    "multivariate_normal",
    "normal",
    "permutation",
    "poisson",
    "rademacher",
    "randint",
    "split",
    "t",
    "truncated_normal",
    "uniform",
]
