"""Parameters that begin with values known in advance."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError

from ..names import remembered
from ..numpy.creation import eye, full
from .initializer import Initializer

__all__ = ["Constant", "Identity", "Ones", "Zeros"]


@remembered
def Zeros() -> Initializer:
    """Zeros: neurons of a layer that all begin alike stay alike; for biases they do no harm.

    >>> import symfuse as sf
    >>> sf.initializers.Zeros()(None, (2,)).tolist()
    [0.0, 0.0]
    """
    return _filled("zeros", 0.0)


@remembered
def Ones() -> Initializer:
    """Ones, as for scales.

    >>> import symfuse as sf
    >>> sf.initializers.Ones()(None, (2,)).tolist()
    [1.0, 1.0]
    """
    return _filled("ones", 1.0)


@remembered
def Constant(value: float = 0.0) -> Initializer:
    """One value everywhere.

    >>> import symfuse as sf
    >>> sf.initializers.Constant(0.5)(None, (2,)).tolist()
    [0.5, 0.5]
    """
    return _filled("constant", value)


@remembered
def Identity(gain: float = 1.0) -> Initializer:
    """The identity matrix times gain, cut off where the shape is not square.

    >>> import symfuse as sf
    >>> sf.initializers.Identity(2.0)(None, (2, 3)).tolist()
    [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
    """

    def make(key: Any, shape: tuple[Any, ...], dtype: DType) -> Any:
        if len(shape) != 2:
            raise ShapeError(
                f"an identity matrix has two axes, got the shape {shape}",
                fix="use another initialiser",
                loc=user_location(),
            )
        return eye(*shape, dtype=dtype.numpy) * np.asarray(gain, dtype.numpy)

    return Initializer("identity", make)


def _filled(name: str, value: float) -> Initializer:
    return Initializer(name, lambda key, shape, dtype: full(shape, value, dtype=dtype.numpy))
