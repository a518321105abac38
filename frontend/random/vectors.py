"""Vectors whose elements depend on each other."""

from __future__ import annotations

from typing import Any

from symfuse.compiler.ir.dims import is_equal
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError, ShapeError

from ..numpy.shared import broadcast_shapes, convert, traced
from ..tracing.dispatch import FUNCTIONS
from .arguments import float_type, plain_shape
from .distributions import normal
from .uniforms import finished

__all__ = ["multivariate_normal"]


def multivariate_normal(
    key: Any,
    mean: Any,
    cov: Any,
    shape: Any = None,
    dtype: Any = None,
    method: str = "cholesky",
) -> Any:
    """Vectors of the normal distribution with these means and covariances.

    The shape is that of the draws, without the axis of the vectors. `method` says how the root of
    `cov` is found: "cholesky" needs it positive definite, "eigh" and "svd" take singular ones.

    >>> import numpy as np, symfuse as sf
    >>> cov = np.array([[2.0, 1.0], [1.0, 1.0]])
    >>> x = sf.random.multivariate_normal(sf.random.key(0), np.zeros(2), cov, (10_000,))
    >>> bool(np.allclose(np.cov(x.T), cov, atol=0.1))
    True
    """
    kind = float_type(dtype)
    mean, cov = (convert(traced(x), kind.computed) for x in (mean, cov))
    _check_sizes(mean, cov)
    met = broadcast_shapes(mean.shape[:-1], cov.shape[:-2])
    lead = met if shape is None else plain_shape(shape)
    if broadcast_shapes(met, lead) != lead:
        raise ShapeError(
            f"multivariate_normal: means and covariances of {met} do not fit into {lead}",
            fix=f"give a shape that ends in {met}",
            loc=user_location(),
        )
    plain = normal(key, (*lead, mean.shape[-1]), kind.computed)
    return finished(convert(mean + FUNCTIONS["matvec"](_root(cov, method), plain), kind))


def _check_sizes(mean: Any, cov: Any) -> None:
    sizes = (*mean.shape[-1:], *cov.shape[-2:])
    if len(sizes) < 3 or any(is_equal(size, sizes[0]) is False for size in sizes[1:]):
        raise ShapeError(
            f"multivariate_normal: mean {tuple(mean.shape)} and cov {tuple(cov.shape)} do not fit",
            fix="give a mean of shape (..., n) and a cov of shape (..., n, n)",
            loc=user_location(),
        )


def _root(cov: Any, method: str) -> Any:
    """A matrix that gives the covariances times its own transpose."""
    linalg = {name: FUNCTIONS[name] for name in ("cholesky", "eigh", "svd")}
    if method == "cholesky":
        return linalg["cholesky"](cov)
    if method == "eigh":
        values, vectors = linalg["eigh"](cov)
        size = FUNCTIONS["sqrt"](FUNCTIONS["maximum"](values, 0))
        return vectors * FUNCTIONS["expand_dims"](size, -2)
    if method == "svd":
        u, s, _ = linalg["svd"](cov)
        return u * FUNCTIONS["expand_dims"](FUNCTIONS["sqrt"](s), -2)
    raise ArgumentError(
        f"multivariate_normal: method={method!r}",
        fix='give "cholesky", "eigh" or "svd"',
        loc=user_location(),
    )
