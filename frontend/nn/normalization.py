"""Layers that bring values to mean 0 and variance 1, by statistics of different parts of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError

from ..limits import GROUPS, SHARE, within
from ..numpy.shared import common_dtype, convert, normal_axes, normal_axis
from .layer import Stepwise
from .scope import Scope

__all__ = [
    "BatchNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization",
]  # fmt: skip


def _moments(x: Any, axes: tuple[int, ...], mask: Any = None) -> tuple[Any, Any]:
    """Mean and variance along the axes, which stay with size 1; of what a mask lets count."""
    mean = _mean(x, axes, mask)
    return mean, _mean(np.square(x - mean), axes, mask)


def _mean(x: Any, axes: tuple[int, ...], mask: Any) -> Any:
    if mask is None:
        return np.mean(x, axis=axes, keepdims=True)
    counts = np.reshape(mask, (*mask.shape, *(1,) * (x.ndim - mask.ndim)))
    counts = np.broadcast_to(counts, x.shape)
    count = np.sum(convert(counts, common_dtype(x)), axis=axes, keepdims=True)
    return np.sum(np.where(counts, x, 0.0), axis=axes, keepdims=True) / np.maximum(count, 1.0)


def _wide(x: Any) -> Any:
    """Halves in f32: statistics are rounded once, with the result."""
    return convert(x, common_dtype(x).computed)


class _Scaled(Stepwise, kw_only=True):
    """A normalisation with a factor γ for each channel."""

    scale: bool = True
    gamma_initializer: Any = "ones"

    center = False  # whether a number β is added for each channel

    def finished(self, scope: Scope, y: Any, axes: tuple[int, ...]) -> Any:
        """γ · y + β with weights along some axes, in the type that the scope computes in."""
        y = y * self.weight(scope, "gamma", y, axes) if self.scale else y
        y = y + self.weight(scope, "beta", y, axes) if self.center else y
        return convert(y, scope.policy.compute)

    def weight(self, scope: Scope, which: str, y: Any, axes: tuple[int, ...]) -> Any:
        """`gamma` or `beta` along some axes of the values, in a shape that meets them."""
        sizes = tuple(y.shape[axis] for axis in axes)
        shape = tuple(n if axis in axes else 1 for axis, n in enumerate(y.shape))
        initializer = getattr(self, f"{which}_initializer")
        return np.reshape(_wide(scope.weight(which, sizes, initializer)), shape)


class _Centred(_Scaled, kw_only=True):
    """A normalisation that also takes the mean off, with a number β for each channel."""

    center: bool = True
    beta_initializer: Any = "zeros"

    def normalised(self: Any, x: Any, mean: Any, variance: Any) -> Any:
        """(x − mean) / √(variance + ε)."""
        return (x - mean) / np.sqrt(variance + self.epsilon)


class BatchNormalization(_Centred):
    """γ · (x − mean) / √(variance + ε) + β, for each channel.

    In training, mean and variance are those of the batch, and running averages of them move by
    1 − `momentum`; otherwise the averages are used. A layer that is not trainable keeps them.
    As in Keras, the running variance is that of the batch, not of a sample (torch: n / (n − 1)).
    Steps that a mask leaves out count in neither.
    """

    axis: int = -1
    momentum: float = 0.99
    epsilon: float = 1e-3
    moving_mean_initializer: Any = "zeros"
    moving_variance_initializer: Any = "ones"

    limits = within(momentum=SHARE)

    def call(self, scope: Scope, x: Any, mask: Any = None) -> Any:
        x = _wide(x)
        channel = normal_axis(self.axis, x.ndim)
        shape = tuple(n if at == channel else 1 for at, n in enumerate(x.shape))
        size = x.shape[channel]
        mean = scope.variable("moving_mean", size, self.moving_mean_initializer)
        variance = scope.variable("moving_variance", size, self.moving_variance_initializer)
        if scope.training and scope.moves:
            found = _moments(x, tuple(at for at in range(x.ndim) if at != channel), mask)
            for name, old, new in zip(_AVERAGES, (mean, variance), found, strict=True):
                moved = np.reshape(new, (size,)) - old
                scope.update(name, old + (1.0 - self.momentum) * moved)
            mean, variance = found
        else:
            mean, variance = np.reshape(mean, shape), np.reshape(variance, shape)
        return self.finished(scope, self.normalised(x, mean, variance), (channel,))


_AVERAGES = ("moving_mean", "moving_variance")


class LayerNormalization(_Centred):
    """γ · (x − mean) / √(variance + ε) + β, with the statistics of each example along `axis`."""

    axis: Any = -1
    epsilon: float = 1e-3

    def call(self, scope: Scope, x: Any) -> Any:
        x = _wide(x)
        axes = normal_axes(self.axis, x.ndim)
        return self.finished(scope, self.normalised(x, *_moments(x, axes)), axes)


class RMSNormalization(_Scaled):
    """γ · x / √(mean of x² + ε), along `axis`."""

    axis: Any = -1
    epsilon: float = 1e-6

    def call(self, scope: Scope, x: Any) -> Any:
        x = _wide(x)
        axes = normal_axes(self.axis, x.ndim)
        square = np.mean(np.square(x), axis=axes, keepdims=True)
        return self.finished(scope, x / np.sqrt(square + self.epsilon), axes)


class GroupNormalization(_Centred):
    """`LayerNormalization` with statistics over space and a group of channels; -1: one each."""

    groups: int = 32
    axis: int = -1
    epsilon: float = 1e-3

    limits = within(groups=GROUPS)

    def call(self, scope: Scope, x: Any) -> Any:
        x = _wide(x)
        channel = normal_axis(self.axis, x.ndim)
        size = x.shape[channel]
        groups = size if self.groups == -1 else self.groups
        if size % groups:
            raise ShapeError(
                f"GroupNormalization: {size} channels in {groups} groups",
                fix="give a number of groups that divides the number of channels",
                loc=user_location(),
            )
        parts = (*x.shape[:channel], groups, size // groups, *x.shape[channel + 1 :])
        apart = np.reshape(x, parts)
        found = _moments(apart, tuple(a for a in range(1, apart.ndim) if a != channel))
        y = np.reshape(self.normalised(apart, *found), x.shape)
        return self.finished(scope, y, (channel,))
