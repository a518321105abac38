"""Layers that disturb what they see while a model is trained, and do nothing afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError

from ..limits import SHARE, choice, number, within
from ..numpy.creation import full
from ..numpy.shared import common_dtype
from ..random import bernoulli, normal
from .layer import Stepwise
from .scope import Scope
from .spatial import LAYOUTS

__all__ = [
    "Dropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D", "SpatialDropout2D",
    "SpatialDropout3D", "dropped",
]  # fmt: skip


def dropped(scope: Scope, x: Any, rate: float, shape: Any = None) -> Any:
    """x with a share `rate` of zeros, the rest scaled up; decided for a shape that x repeats."""
    if not scope.training or rate == 0:
        return x
    if rate == 1:
        return full(x.shape, 0.0, dtype=common_dtype(x).numpy)
    kept = bernoulli(scope.key(), 1.0 - rate, x.shape if shape is None else shape)
    return np.where(kept, x * (1.0 / (1.0 - rate)), 0.0)


class Dropout(Stepwise):
    """A share `rate` of all values is zero while training, the others are x / (1 − rate).

    `noise_shape` has a 1 for each axis along which values are dropped together.

    >>> import numpy as np
    >>> import symfuse as sf
    >>> sf.nn.Dropout(0.5).apply({}, {}, np.ones(3, "float32"))[0].tolist()
    [1.0, 1.0, 1.0]
    """

    rate: float
    noise_shape: tuple[int | None, ...] | None = None

    limits = within(rate=SHARE)

    def call(self, scope: Scope, x: Any) -> Any:
        asked = self.noise_shape or (None,) * x.ndim
        if len(asked) != x.ndim:
            raise ShapeError(
                f"Dropout: noise_shape={asked} for an input of shape {tuple(x.shape)}",
                fix="give one size, 1 or None for each axis, that of examples too",
                loc=user_location(),
            )
        shape = tuple(n if own is None else own for n, own in zip(x.shape, asked, strict=True))
        return dropped(scope, x, self.rate, shape)


class SpatialDropout2D(Stepwise):
    """Dropout of whole channels."""

    rate: float
    data_format: str = "channels_last"

    input_ndim = 4
    limits = within(rate=SHARE, data_format=choice(LAYOUTS))

    def call(self, scope: Scope, x: Any) -> Any:
        space = (1,) * (x.ndim - 2)
        channel = x.shape[-1] if self.data_format == "channels_last" else x.shape[1]
        last = self.data_format == "channels_last"
        shape = (x.shape[0], *space, channel) if last else (x.shape[0], channel, *space)
        return dropped(scope, x, self.rate, shape)


class SpatialDropout1D(SpatialDropout2D):
    """Dropout of whole channels of sequences."""

    input_ndim = 3


class SpatialDropout3D(SpatialDropout2D):
    """Dropout of whole channels of volumes."""

    input_ndim = 5


class GaussianNoise(Stepwise):
    """N(0, stddev²) added to every value."""

    stddev: float

    limits = within(stddev=number(0))

    def call(self, scope: Scope, x: Any) -> Any:
        if not scope.training or self.stddev == 0:
            return x
        return x + normal(scope.key(), x.shape, common_dtype(x)) * self.stddev


class GaussianDropout(Stepwise):
    """Every value times N(1, rate / (1 − rate))."""

    rate: float

    limits = within(rate=number(0, below=1))

    def call(self, scope: Scope, x: Any) -> Any:
        if not scope.training or self.rate == 0:
            return x
        spread = (self.rate / (1.0 - self.rate)) ** 0.5
        return x * (normal(scope.key(), x.shape, common_dtype(x)) * spread + 1.0)
