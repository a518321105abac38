"""Parameters that begin with random values of a given spread."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError

from ..names import remembered
from ..numpy.shared import product
from ..random import normal, truncated_normal, uniform
from .initializer import Initializer

__all__ = ["Orthogonal", "RandomNormal", "RandomUniform", "TruncatedNormal"]

Shape = tuple[Any, ...]


@remembered
def RandomNormal(mean: float = 0.0, stddev: float = 0.05) -> Initializer:
    """Numbers of N(mean, stddev²).

    >>> import symfuse as sf
    >>> sf.initializers.RandomNormal()(sf.random.key(0), (2, 3)).shape
    (2, 3)
    """

    def make(key: Any, shape: Shape, dtype: DType) -> Any:
        return normal(key, shape, dtype) * stddev + mean

    return Initializer("random_normal", make)


@remembered
def RandomUniform(minval: float = -0.05, maxval: float = 0.05) -> Initializer:
    """Numbers between minval and maxval, all equally likely.

    >>> import symfuse as sf
    >>> bool(abs(sf.initializers.RandomUniform()(sf.random.key(0), (99,))).max() <= 0.05)
    True
    """

    def make(key: Any, shape: Shape, dtype: DType) -> Any:
        return uniform(key, shape, dtype, minval, maxval)

    return Initializer("random_uniform", make)


@remembered
def TruncatedNormal(mean: float = 0.0, stddev: float = 0.05) -> Initializer:
    """Numbers of N(mean, stddev²) within two stddev of the mean.

    >>> import symfuse as sf
    >>> bool(abs(sf.initializers.TruncatedNormal()(sf.random.key(0), (99,))).max() <= 0.1)
    True
    """

    def make(key: Any, shape: Shape, dtype: DType) -> Any:
        return truncated_normal(key, -2.0, 2.0, shape, dtype) * stddev + mean

    return Initializer("truncated_normal", make)


@remembered
def Orthogonal(gain: float = 1.0) -> Initializer:
    """Orthonormal columns or rows, whichever fit, times gain: the Q of a random matrix.

    All axes but the last are taken together. It is computed at once, never in a graph.

    >>> import numpy as np
    >>> import symfuse as sf
    >>> q = sf.initializers.Orthogonal()(sf.random.key(0), (3, 5), "float64")
    >>> bool(np.allclose(q @ q.T, np.eye(3)))
    True
    """

    def make(key: Any, shape: Shape, dtype: DType) -> Any:
        if len(shape) < 2:
            raise ShapeError(
                f"an orthogonal matrix has two axes, got the shape {shape}",
                fix="use another initialiser",
                loc=user_location(),
            )
        rows, columns = product(shape[:-1]), shape[-1]
        drawn = normal(key, (max(rows, columns), min(rows, columns)), dtype)
        q, r = np.linalg.qr(drawn)
        q = q * np.sign(np.diagonal(r))  # which makes all orthogonal matrices equally likely
        return gain * (q.T if rows < columns else q).reshape(shape)

    return Initializer("orthogonal", make)
