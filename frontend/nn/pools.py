"""Layers that keep the greatest element or the mean of each window; `functional` computes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..limits import choice, within
from ..numpy.shared import common_dtype, convert
from . import functional
from .layer import Layer
from .scope import Scope
from .spatial import LAYOUTS

__all__ = [
    "AveragePooling1D", "AveragePooling2D", "AveragePooling3D", "GlobalAveragePooling1D",
    "GlobalAveragePooling2D", "GlobalAveragePooling3D", "GlobalMaxPooling1D",
    "GlobalMaxPooling2D", "GlobalMaxPooling3D", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D",
]  # fmt: skip


class _Pooling(Layer):
    """A layer that makes one number of each window."""

    pool_size: Any = 2
    strides: Any = None
    padding: Any = "valid"
    data_format: str = "channels_last"

    limits = within(data_format=choice(LAYOUTS))


class _GlobalPooling(Layer):
    """A layer that makes one number of each channel."""

    data_format: str = "channels_last"
    keepdims: bool = False

    limits = within(data_format=choice(LAYOUTS))


class MaxPooling2D(_Pooling):
    """The greatest element of each window; windows lie side by side unless `strides` says else.

    >>> import symfuse as sf
    >>> sf.nn.MaxPooling2D(2)(sf.nn.Input((28, 28, 8))).shape
    (N, 14, 14, 8)
    """

    input_ndim = 4

    def call(self, scope: Scope, x: Any) -> Any:
        return functional.max_pool(x, self.pool_size, self.strides, self.padding, self.data_format)


class MaxPooling1D(MaxPooling2D):
    """`MaxPooling2D` along one axis of space."""

    input_ndim = 3


class MaxPooling3D(MaxPooling2D):
    """`MaxPooling2D` along three axes of space."""

    input_ndim = 5


class AveragePooling2D(_Pooling):
    """The mean of each window; of what padding adds nothing is counted."""

    input_ndim = 4

    def call(self, scope: Scope, x: Any) -> Any:
        return functional.avg_pool(x, self.pool_size, self.strides, self.padding, self.data_format)


class AveragePooling1D(AveragePooling2D):
    """`AveragePooling2D` along one axis of space."""

    input_ndim = 3


class AveragePooling3D(AveragePooling2D):
    """`AveragePooling2D` along three axes of space."""

    input_ndim = 5


class GlobalMaxPooling2D(_GlobalPooling):
    """The greatest element of each channel."""

    input_ndim = 4

    def call(self, scope: Scope, x: Any) -> Any:
        return functional.global_max_pool(x, self.data_format, self.keepdims)


class GlobalMaxPooling1D(GlobalMaxPooling2D):
    """The greatest element of each channel of sequences."""

    input_ndim = 3


class GlobalMaxPooling3D(GlobalMaxPooling2D):
    """The greatest element of each channel of volumes."""

    input_ndim = 5


class GlobalAveragePooling2D(_GlobalPooling):
    """The mean of each channel."""

    input_ndim = 4

    def call(self, scope: Scope, x: Any) -> Any:
        return functional.global_avg_pool(x, self.data_format, self.keepdims)


class GlobalAveragePooling1D(GlobalAveragePooling2D):
    """The mean of each channel of sequences, of the steps that count where there is a mask."""

    input_ndim = 3
    supports_masking = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None

    def call(self, scope: Scope, x: Any, mask: Any = None) -> Any:
        if mask is None:
            return super().call(scope, x)
        last = self.data_format == "channels_last"
        counts = convert(np.expand_dims(mask, -1 if last else 1), common_dtype(x))
        steps: dict[str, Any] = {"axis": 1 if last else 2, "keepdims": self.keepdims}
        return np.sum(x * counts, **steps) / np.maximum(np.sum(counts, **steps), 1.0)


class GlobalAveragePooling3D(GlobalAveragePooling2D):
    """The mean of each channel of volumes."""

    input_ndim = 5
