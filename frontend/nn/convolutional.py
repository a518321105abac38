"""Layers of convolutions, with Keras' arguments; `functional` computes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..numpy.products import contract
from . import functional
from .activations import activation
from .core import with_bias
from .layer import Layer
from .scope import Scope
from .spatial import Sliding, channels_last, from_channels_last, padded, per_axis, slid

__all__ = [
    "Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "Conv3D", "Conv3DTranspose",
    "DepthwiseConv1D", "DepthwiseConv2D", "LocallyConnected1D", "LocallyConnected2D",
    "SeparableConv1D", "SeparableConv2D",
]  # fmt: skip


def _channel_axis(layer: Any) -> int:
    return -1 if layer.data_format == "channels_last" else 1


def _finished(layer: Any, scope: Scope, y: Any) -> Any:
    return activation(layer.activation)(with_bias(layer, scope, y, _channel_axis(layer)))


class Conv2D(Layer):
    """activation(x * kernel + bias), `filters` channels of sums over windows.

    The kernel has the axes space, input channels of a group, filters. See
    `sf.nn.functional.conv` for padding and sizes.

    >>> import symfuse as sf
    >>> layer = sf.nn.Conv2D(8, 3, strides=2, padding="same")
    >>> layer(sf.nn.Input((28, 28, 1))).shape
    (N, 14, 14, 8)
    """

    filters: int
    kernel_size: Any
    strides: Any = 1
    padding: Any = "valid"
    data_format: str = "channels_last"
    dilation_rate: Any = 1
    groups: int = 1
    activation: Any = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    bias_regularizer: Any = None

    def call(self, scope: Scope, x: Any) -> Any:
        channels = x.shape[_channel_axis(self)] // self.groups
        sizes = per_axis(self.kernel_size, x.ndim - 2, "kernel_size")
        kernel = scope.weight(
            "kernel",
            (*sizes, channels, self.filters),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        y = functional.conv(
            x, kernel, self.strides, self.padding, self.data_format, self.dilation_rate, self.groups
        )
        return _finished(self, scope, y)


class Conv1D(Conv2D):
    """`Conv2D` along one axis of space; `padding` may be "causal"."""


class Conv3D(Conv2D):
    """`Conv2D` along three axes of space."""


class Conv2DTranspose(Layer):
    """The transpose of a convolution: each element spreads the kernel around its place.

    The kernel has the axes space, filters, input channels. See
    `sf.nn.functional.conv_transpose` for sizes.
    """

    filters: int
    kernel_size: Any
    strides: Any = 1
    padding: Any = "valid"
    output_padding: Any = None
    data_format: str = "channels_last"
    dilation_rate: Any = 1
    activation: Any = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    bias_regularizer: Any = None

    def call(self, scope: Scope, x: Any) -> Any:
        sizes = per_axis(self.kernel_size, x.ndim - 2, "kernel_size")
        kernel = scope.weight(
            "kernel",
            (*sizes, self.filters, x.shape[_channel_axis(self)]),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        y = functional.conv_transpose(
            x, kernel, self.strides, self.padding, self.output_padding, self.data_format,
            self.dilation_rate,
        )  # fmt: skip
        return _finished(self, scope, y)


class Conv1DTranspose(Conv2DTranspose):
    """`Conv2DTranspose` along one axis of space."""


class Conv3DTranspose(Conv2DTranspose):
    """`Conv2DTranspose` along three axes of space."""


class DepthwiseConv2D(Layer):
    """Each channel convolved with `depth_multiplier` kernels of its own."""

    kernel_size: Any
    strides: Any = 1
    padding: Any = "valid"
    depth_multiplier: int = 1
    data_format: str = "channels_last"
    dilation_rate: Any = 1
    activation: Any = None
    use_bias: bool = True
    depthwise_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    depthwise_regularizer: Any = None
    bias_regularizer: Any = None

    def call(self, scope: Scope, x: Any) -> Any:
        y = functional.depthwise_conv(
            x, _depthwise(self, scope, x), self.strides, self.padding, self.data_format,
            self.dilation_rate,
        )  # fmt: skip
        return _finished(self, scope, y)


class DepthwiseConv1D(DepthwiseConv2D):
    """`DepthwiseConv2D` along one axis of space."""


class SeparableConv2D(Layer):
    """A depthwise convolution, and a 1×1 convolution that mixes the channels behind it."""

    filters: int
    kernel_size: Any
    strides: Any = 1
    padding: Any = "valid"
    data_format: str = "channels_last"
    dilation_rate: Any = 1
    depth_multiplier: int = 1
    activation: Any = None
    use_bias: bool = True
    depthwise_initializer: Any = "glorot_uniform"
    pointwise_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    depthwise_regularizer: Any = None
    pointwise_regularizer: Any = None
    bias_regularizer: Any = None

    def call(self, scope: Scope, x: Any) -> Any:
        depthwise, rank = _depthwise(self, scope, x), x.ndim - 2
        pointwise = scope.weight(
            "pointwise_kernel",
            (*(1,) * rank, depthwise.shape[-2] * self.depth_multiplier, self.filters),
            self.pointwise_initializer,
            regularizer=self.pointwise_regularizer,
        )
        y = functional.separable_conv(
            x, depthwise, pointwise, self.strides, self.padding, self.data_format,
            self.dilation_rate,
        )  # fmt: skip
        return _finished(self, scope, y)


class SeparableConv1D(SeparableConv2D):
    """`SeparableConv2D` along one axis of space."""


class LocallyConnected2D(Layer):
    """A convolution with a kernel of its own at every place.

    The kernel has the axes of the places of the result, then window · channels, then filters.
    """

    filters: int
    kernel_size: Any
    strides: Any = 1
    padding: Any = "valid"
    data_format: str = "channels_last"
    activation: Any = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    bias_regularizer: Any = None

    def call(self, scope: Scope, x: Any) -> Any:
        rank = x.ndim - 2
        x = channels_last(x, rank, self.data_format, type(self).__name__)
        sliding = Sliding.of(per_axis(self.kernel_size, rank, "kernel_size"), self.strides, 1)
        windows = slid(padded(x, self.padding, sliding, type(self).__name__), sliding)
        places = tuple(windows.shape[at - 1] for at in sliding.places)
        kernel = scope.weight(
            "kernel",
            (*places, *sliding.sizes, x.shape[-1], self.filters),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        y = _of_places(windows, kernel, rank)
        if self.use_bias:
            y = y + scope.weight(
                "bias",
                (*places, self.filters),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
            )
        return activation(self.activation)(from_channels_last(y, self.data_format))


class LocallyConnected1D(LocallyConnected2D):
    """`LocallyConnected2D` along one axis of space."""


def _of_places(windows: Any, kernel: Any, rank: int) -> Any:
    """Windows (batch, place, inside, …, channels) times the kernels of their places."""
    outside = tuple(1 + 2 * at for at in range(rank))
    inside = (*(2 + 2 * at for at in range(rank)), 2 * rank + 1)
    y = contract(
        windows,
        kernel,
        batch=(outside, tuple(range(rank))),
        contracting=(inside, tuple(range(rank, 2 * rank + 1))),
    )
    return np.moveaxis(y, rank, 0)


def _depthwise(layer: Any, scope: Scope, x: Any) -> Any:
    sizes = per_axis(layer.kernel_size, x.ndim - 2, "kernel_size")
    return scope.weight(
        "depthwise_kernel",
        (*sizes, x.shape[_channel_axis(layer)], layer.depth_multiplier),
        layer.depthwise_initializer,
        regularizer=layer.depthwise_regularizer,
    )
