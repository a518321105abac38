"""Layers of convolutions, with Keras' arguments; `functional` computes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..limits import SIZE, choice, within
from ..numpy.products import contract
from . import functional
from .activations import activation
from .core import with_bias
from .layer import Layer
from .scope import Scope
from .spatial import LAYOUTS, Sliding, channels_last, from_channels_last, padded, per_axis, slid

__all__ = [
    "Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "Conv3D", "Conv3DTranspose",
    "DepthwiseConv1D", "DepthwiseConv2D", "LocallyConnected1D", "LocallyConnected2D",
    "SeparableConv1D", "SeparableConv2D",
]  # fmt: skip


class _Convolution(Layer, kw_only=True):
    """What convolutions share: the layout of images, a bias, and an activation."""

    data_format: str = "channels_last"
    activation: Any = None
    use_bias: bool = True
    bias_initializer: Any = "zeros"
    bias_regularizer: Any = None

    limits = within(data_format=choice(LAYOUTS))

    @property
    def channel_axis(self) -> int:
        """Where inputs and outputs have their channels."""
        return -1 if self.data_format == "channels_last" else 1

    def finished(self, scope: Scope, y: Any) -> Any:
        """activation(y + bias)."""
        return activation(self.activation)(with_bias(self, scope, y, self.channel_axis))


class _OneKernel(_Convolution, kw_only=True):
    """A convolution with a single kernel."""

    kernel_initializer: Any = "glorot_uniform"
    kernel_regularizer: Any = None

    limits = within(**_Convolution.limits, filters=SIZE)

    def kernel(self, scope: Scope, shape: tuple[Any, ...]) -> Any:
        """The kernel, of this shape."""
        return scope.weight(
            "kernel", shape, self.kernel_initializer, regularizer=self.kernel_regularizer
        )


class _Depthwise(_Convolution, kw_only=True):
    """A convolution with kernels for each channel."""

    depthwise_initializer: Any = "glorot_uniform"
    depthwise_regularizer: Any = None

    limits = within(**_Convolution.limits, depth_multiplier=SIZE)

    def depthwise(self: Any, scope: Scope, x: Any) -> Any:
        """The kernels: space, channels, multiplier."""
        sizes = per_axis(self.kernel_size, x.ndim - 2, "kernel_size")
        return scope.weight(
            "depthwise_kernel",
            (*sizes, x.shape[self.channel_axis], self.depth_multiplier),
            self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
        )


class Conv2D(_OneKernel):
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
    dilation_rate: Any = 1
    groups: int = 1

    input_ndim = 4
    limits = within(**_OneKernel.limits, groups=SIZE)

    def call(self, scope: Scope, x: Any) -> Any:
        channels = x.shape[self.channel_axis] // self.groups
        sizes = per_axis(self.kernel_size, x.ndim - 2, "kernel_size")
        kernel = self.kernel(scope, (*sizes, channels, self.filters))
        y = functional.conv(
            x, kernel, self.strides, self.padding, self.data_format, self.dilation_rate, self.groups
        )
        return self.finished(scope, y)


class Conv1D(Conv2D):
    """`Conv2D` along one axis of space; `padding` may be "causal"."""

    input_ndim = 3


class Conv3D(Conv2D):
    """`Conv2D` along three axes of space."""

    input_ndim = 5


class Conv2DTranspose(_OneKernel):
    """The transpose of a convolution: each element spreads the kernel around its place.

    The kernel has the axes space, filters, input channels. See
    `sf.nn.functional.conv_transpose` for sizes.
    """

    filters: int
    kernel_size: Any
    strides: Any = 1
    padding: Any = "valid"
    output_padding: Any = None
    dilation_rate: Any = 1

    input_ndim = 4

    def call(self, scope: Scope, x: Any) -> Any:
        sizes = per_axis(self.kernel_size, x.ndim - 2, "kernel_size")
        kernel = self.kernel(scope, (*sizes, self.filters, x.shape[self.channel_axis]))
        y = functional.conv_transpose(
            x, kernel, self.strides, self.padding, self.output_padding, self.data_format,
            self.dilation_rate,
        )  # fmt: skip
        return self.finished(scope, y)


class Conv1DTranspose(Conv2DTranspose):
    """`Conv2DTranspose` along one axis of space."""

    input_ndim = 3


class Conv3DTranspose(Conv2DTranspose):
    """`Conv2DTranspose` along three axes of space."""

    input_ndim = 5


class DepthwiseConv2D(_Depthwise):
    """Each channel convolved with `depth_multiplier` kernels of its own."""

    kernel_size: Any
    strides: Any = 1
    padding: Any = "valid"
    depth_multiplier: int = 1
    dilation_rate: Any = 1

    input_ndim = 4

    def call(self, scope: Scope, x: Any) -> Any:
        y = functional.depthwise_conv(
            x, self.depthwise(scope, x), self.strides, self.padding, self.data_format,
            self.dilation_rate,
        )  # fmt: skip
        return self.finished(scope, y)


class DepthwiseConv1D(DepthwiseConv2D):
    """`DepthwiseConv2D` along one axis of space."""

    input_ndim = 3


class SeparableConv2D(_Depthwise):
    """A depthwise convolution, and a 1×1 convolution that mixes the channels behind it."""

    filters: int
    kernel_size: Any
    strides: Any = 1
    padding: Any = "valid"
    dilation_rate: Any = 1
    depth_multiplier: int = 1
    pointwise_initializer: Any = "glorot_uniform"
    pointwise_regularizer: Any = None

    input_ndim = 4
    limits = within(**_Depthwise.limits, filters=SIZE)

    def call(self, scope: Scope, x: Any) -> Any:
        depthwise, rank = self.depthwise(scope, x), x.ndim - 2
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
        return self.finished(scope, y)


class SeparableConv1D(SeparableConv2D):
    """`SeparableConv2D` along one axis of space."""

    input_ndim = 3


class LocallyConnected2D(_OneKernel):
    """A convolution with a kernel of its own at every place.

    The kernel has the axes of the places of the result, then window · channels, then filters.
    """

    filters: int
    kernel_size: Any
    strides: Any = 1
    padding: Any = "valid"

    input_ndim = 4

    def call(self, scope: Scope, x: Any) -> Any:
        rank = x.ndim - 2
        x = channels_last(x, rank, self.data_format, type(self).__name__)
        sliding = Sliding.of(per_axis(self.kernel_size, rank, "kernel_size"), self.strides, 1)
        windows = slid(padded(x, self.padding, sliding, type(self).__name__), sliding)
        places = tuple(windows.shape[at - 1] for at in sliding.places)
        kernel = self.kernel(scope, (*places, *sliding.sizes, x.shape[-1], self.filters))
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

    input_ndim = 3


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
