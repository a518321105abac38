"""Layers that move, repeat, pad or rescale values, and have no weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import is_at_most, is_equal
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError

from ..limits import SIZE, within
from ..numpy.shared import product
from .functional import resize
from .layer import Layer, Stepwise
from .scope import Scope
from .spatial import channels_last, from_channels_last, margins, per_axis

__all__ = [
    "Cropping1D", "Cropping2D", "Cropping3D", "Flatten", "Permute", "RepeatVector", "Rescaling",
    "Reshape", "Resizing", "UpSampling1D", "UpSampling2D", "UpSampling3D", "ZeroPadding1D",
    "ZeroPadding2D", "ZeroPadding3D",
]  # fmt: skip


class Flatten(Layer):
    """Each example as one row.

    >>> import numpy as np
    >>> import symfuse as sf
    >>> sf.nn.Flatten().apply({}, {}, np.ones((2, 3, 4)))[0].shape
    (2, 12)
    """

    min_input_ndim = 1

    def call(self, scope: Scope, x: Any) -> Any:
        return np.reshape(x, (x.shape[0], product(x.shape[1:])))


class Reshape(Layer):
    """Each example in another shape; -1 stands for what is left."""

    target_shape: tuple[int, ...]

    min_input_ndim = 1

    def call(self, scope: Scope, x: Any) -> Any:
        whole, wanted = product(x.shape[1:]), tuple(self.target_shape)
        known = product([n for n in wanted if n != -1])
        sizes = tuple(whole // known if n == -1 and known != 0 else n for n in wanted)
        if is_equal(product(sizes), whole) is False:
            raise ShapeError(
                f"Reshape: an example of shape {tuple(x.shape[1:])} has {whole} elements,"
                f" {wanted} has {product(sizes)}",
                fix="give a shape with as many elements, or -1 for one size",
                loc=user_location(),
            )
        return np.reshape(x, (x.shape[0], *sizes))


class Permute(Layer):
    """The axes of each example in another order; they are counted from 1."""

    dims: tuple[int, ...]

    def call(self, scope: Scope, x: Any) -> Any:
        return np.transpose(x, (0, *self.dims))


class RepeatVector(Layer):
    """Each row n times, along a new axis after the batch."""

    n: int

    input_ndim = 2
    limits = within(n=SIZE)

    def call(self, scope: Scope, x: Any) -> Any:
        return np.broadcast_to(x[:, None, :], (x.shape[0], self.n, x.shape[1]))


class Rescaling(Stepwise):
    """x · scale + offset, such as scale=1/255 for images of bytes."""

    scale: float
    offset: float = 0.0

    def call(self, scope: Scope, x: Any) -> Any:
        return x * self.scale + self.offset


class Resizing(Layer):
    """Images in another size, by "bilinear" or "nearest" interpolation."""

    height: int
    width: int
    interpolation: str = "bilinear"
    data_format: str = "channels_last"

    input_ndim = 4
    limits = within(height=SIZE, width=SIZE)

    def call(self, scope: Scope, x: Any) -> Any:
        return resize(x, (self.height, self.width), self.interpolation, self.data_format)


class _Spatial(Layer):
    """A layer of images of some rank, whatever their layout."""

    def on_space(self, x: Any, data_format: str) -> Any:
        """The result for a batch with its channels last."""
        x = channels_last(x, x.ndim - 2, data_format, type(self).__name__)
        return from_channels_last(self.moved(x), data_format)

    def moved(self, x: Any) -> Any:
        return x


class UpSampling2D(_Spatial):
    """Images enlarged by whole numbers: copies, or "bilinear" interpolation."""

    size: Any = 2
    data_format: str = "channels_last"
    interpolation: str = "nearest"

    input_ndim = 4

    def call(self, scope: Scope, x: Any) -> Any:
        return self.on_space(x, self.data_format)

    def moved(self, x: Any) -> Any:
        times = per_axis(self.size, x.ndim - 2, f"{type(self).__name__}: size")
        sizes = tuple(n * by for n, by in zip(x.shape[1:-1], times, strict=True))
        return resize(x, sizes, self.interpolation)


class UpSampling1D(_Spatial):
    """Each step of a sequence so many times."""

    size: int = 2

    input_ndim = 3
    limits = within(size=SIZE)

    def call(self, scope: Scope, x: Any) -> Any:
        return resize(x, (x.shape[1] * self.size,), "nearest")


class UpSampling3D(UpSampling2D):
    """Volumes enlarged by whole numbers."""

    input_ndim = 5


class ZeroPadding2D(_Spatial):
    """Zeros around images: a number, one for each axis, or pairs of them."""

    padding: Any = 1
    data_format: str = "channels_last"

    input_ndim = 4

    def call(self, scope: Scope, x: Any) -> Any:
        return self.on_space(x, self.data_format)

    def moved(self, x: Any) -> Any:
        return np.pad(x, ((0, 0), *self.pairs(x.ndim - 2), (0, 0)))

    def pairs(self, rank: int) -> Any:
        """How many zeros come before and behind each axis."""
        return margins(self.padding, rank, f"{type(self).__name__}: padding")


class ZeroPadding1D(ZeroPadding2D):
    """Zeros before and behind sequences: a number, or a pair."""

    input_ndim = 3

    def pairs(self, rank: int) -> Any:
        return margins((self.padding,), rank, "ZeroPadding1D: padding")


class ZeroPadding3D(ZeroPadding2D):
    """Zeros around volumes."""

    input_ndim = 5


class Cropping2D(_Spatial):
    """Images without their margins: a number, one for each axis, or pairs of them."""

    cropping: Any = 0
    data_format: str = "channels_last"

    input_ndim = 4

    def call(self, scope: Scope, x: Any) -> Any:
        return self.on_space(x, self.data_format)

    def moved(self, x: Any) -> Any:
        pairs = self.pairs(x.ndim - 2)
        kept = [slice(a, n - b) for n, (a, b) in zip(x.shape[1:-1], pairs, strict=True)]
        if any(is_at_most(one.start + 1, one.stop) is False for one in kept):
            raise ShapeError(
                f"{type(self).__name__}: {self.cropping} of {tuple(x.shape[1:-1])} leaves nothing",
                fix="crop less, or give larger inputs",
                loc=user_location(),
            )
        return x[(slice(None), *kept)]

    def pairs(self, rank: int) -> Any:
        """How much goes before and behind each axis."""
        return margins(self.cropping, rank, f"{type(self).__name__}: cropping")


class Cropping1D(Cropping2D):
    """Sequences without their first and last steps: a number, or a pair."""

    input_ndim = 3

    def pairs(self, rank: int) -> Any:
        return margins((self.cropping,), rank, "Cropping1D: cropping")


class Cropping3D(Cropping2D):
    """Volumes without their margins."""

    input_ndim = 5
