"""Layers of products with weights, and layers that are functions of the user's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError

from ..capture.attempt import inlined
from ..limits import SIZE, within
from ..numpy import einsum, matmul
from ..numpy.shared import common_dtype, convert
from .activations import activation
from .layer import Layer, Stepwise
from .regularizers import L1L2
from .scope import Scope

__all__ = [
    "ActivityRegularization",
    "Dense",
    "EinsumDense",
    "Embedding",
    "Lambda",
    "Masking",
    "Maxout",
]


class Projection(Layer):
    """What layers share that multiply features by a kernel: a bias, and an activation."""

    units: int
    activation: Any = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    bias_regularizer: Any = None

    limits = within(units=SIZE)

    def projected(self, scope: Scope, x: Any) -> Any:
        """x · kernel."""
        kernel = scope.weight(
            "kernel",
            (x.shape[-1], self.units),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        return matmul(x, kernel)

    def finished(self, scope: Scope, y: Any) -> Any:
        """activation(y + bias)."""
        return activation(self.activation)(with_bias(self, scope, y))


class Dense(Projection):
    """activation(x · kernel + bias), along the last axis.

    >>> import symfuse as sf
    >>> params, _ = sf.nn.Dense(4).init(sf.random.key(0), "f32[N,3]")
    >>> params["kernel"].shape, params["bias"].shape
    ((3, 4), (4,))
    """

    min_input_ndim = 1
    supports_masking = True

    def call(self, scope: Scope, x: Any) -> Any:
        return self.finished(scope, self.projected(scope, x))


class EinsumDense(Layer):
    """activation(einsum(equation, x, kernel) + bias), such as "abc,cd->abd".

    `shape` is that of the kernel; `bias_shape` that of the bias, None for none.
    """

    equation: str
    shape: tuple[int, ...]
    activation: Any = None
    bias_shape: tuple[int, ...] | None = None
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"

    def call(self, scope: Scope, x: Any) -> Any:
        kernel = scope.weight("kernel", self.shape, self.kernel_initializer)
        y = einsum(self.equation, x, kernel)
        if self.bias_shape is not None:
            y = y + scope.weight("bias", self.bias_shape, self.bias_initializer)
        return activation(self.activation)(y)


class Maxout(Stepwise):
    """The greatest of `pieces` linear functions: max(w₁ᵀx + b₁, w₂ᵀx + b₂, …), for each unit."""

    units: int
    pieces: int = 2
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"

    min_input_ndim = 1
    limits = within(units=SIZE, pieces=SIZE)

    def call(self, scope: Scope, x: Any) -> Any:
        kernel = scope.weight(
            "kernel", (x.shape[-1], self.units * self.pieces), self.kernel_initializer
        )
        bias = scope.weight("bias", self.units * self.pieces, self.bias_initializer)
        y = matmul(x, kernel) + bias
        return np.max(np.reshape(y, (*y.shape[:-1], self.units, self.pieces)), axis=-1)


class Embedding(Stepwise):
    """The row of a table for each whole number; with `mask_zero`, 0 is a step that does not count.

    Numbers outside of the table, which only the compiled program sees, are given the nearest row,
    as `symfuse.numpy.take` has it; `sf.debug.check(x < 10)` before the layer makes them errors.

    >>> import numpy as np
    >>> import symfuse as sf
    >>> layer = sf.nn.Embedding(10, 4)
    >>> params, _ = layer.init(sf.random.key(0), "i64[N,3]")
    >>> layer.apply(params, {}, np.array([[1, 2, 1]]))[0].shape
    (1, 3, 4)
    """

    input_dim: int
    output_dim: int
    embeddings_initializer: Any = "random_uniform"
    embeddings_regularizer: Any = None
    mask_zero: bool = False

    limits = within(input_dim=SIZE, output_dim=SIZE)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return inputs != 0 if self.mask_zero else mask

    def call(self, scope: Scope, x: Any) -> Any:
        if common_dtype(x).is_float:
            raise DTypeError(
                f"Embedding: an input of {common_dtype(x)} has no whole numbers",
                fix='convert it, as in x.astype("int64"), or Input(shape, dtype="int64")',
                loc=user_location(),
            )
        table = scope.weight(
            "embeddings",
            (self.input_dim, self.output_dim),
            self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
        )
        return np.take(table, convert(x, DType.I64), axis=0)


class Masking(Stepwise):
    """Steps whose features all are `mask_value` do not count in the layers that follow.

    >>> import numpy as np
    >>> import symfuse as sf
    >>> sf.nn.Masking(-1.0).apply({}, {}, np.array([[[1.0, -1.0], [-1.0, -1.0]]], "f"))[0].tolist()
    [[[1.0, -1.0], [0.0, 0.0]]]
    """

    mask_value: float = 0.0

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return np.any(inputs != self.mask_value, axis=-1)

    def call(self, scope: Scope, x: Any) -> Any:
        return np.where(np.any(x != self.mask_value, axis=-1, keepdims=True), x, 0.0)


class ActivityRegularization(Stepwise):
    """The values as they are; l1 · Σ|x| + l2 · Σx² is added to the loss, as for sparse codes."""

    l1: float = 0.0
    l2: float = 0.0

    def call(self, scope: Scope, x: Any) -> Any:
        scope.add_loss(L1L2(self.l1, self.l2)(x))
        return x


class Lambda(Layer):
    """A function of the user's, of one value or several, without weights."""

    function: Callable[..., Any]

    def call(self, scope: Scope, *inputs: Any, **options: Any) -> Any:
        return inlined(self.function)(*inputs, **options)


def with_bias(layer: Any, scope: Scope, y: Any, axis: int = -1) -> Any:
    """y and, where the layer has one, a bias along an axis."""
    if not layer.use_bias:
        return y
    size = y.shape[axis]
    bias = scope.weight("bias", size, layer.bias_initializer, regularizer=layer.bias_regularizer)
    return y + (bias if axis == -1 else np.reshape(bias, (size, *(1,) * (y.ndim - 1 - axis))))
