"""Activations by name, and as layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..names import by_name
from ..numpy.shared import normal_axes
from . import functional
from .layer import Stepwise
from .scope import Scope

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Activation",
    "LeakyReLU",
    "Mish",
    "PReLU",
    "ReLU",
    "SiLU",
    "Softmax",
    "activation",
]  # fmt: skip

Function = Callable[[Any], Any]


def _linear(x: Any) -> Any:
    return x


_KNOWN: dict[str, Function] = {
    "linear": _linear,
    "gelu": partial(functional.gelu, approximate=False),
    "leaky_relu": partial(functional.leaky_relu, negative_slope=0.2),
    "exponential": np.exp,
    "sign": np.sign,
    **{
        name: getattr(functional, name)
        for name in (
            "celu", "elu", "glu", "hard_sigmoid", "hard_silu", "hard_tanh", "log_sigmoid",
            "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "softmax",
            "softplus", "tanh",
        )
    },
}  # fmt: skip
_SHORT = {"swish": "silu", "softsign": "soft_sign", "hard_swish": "hard_silu"}
_KNOWN["soft_sign"] = functional.soft_sign


def activation(identifier: Any) -> Function:
    """The function of a name such as "relu", with Keras' defaults; None changes nothing.

    >>> import symfuse as sf
    >>> sf.nn.activation("relu")([-1.0, 2.0])
    array([0., 2.])
    """
    if identifier is None:
        return _linear
    return identifier if callable(identifier) else by_name("activation", identifier, _KNOWN, _SHORT)


class Activation(Stepwise):
    """A function of every value: the name of one, or the function itself.

    >>> import symfuse as sf
    >>> sf.nn.Activation("tanh").apply({}, {}, [0.0])[0].tolist()
    [0.0]
    """

    activation: Any

    def call(self, scope: Scope, x: Any) -> Any:
        return activation(self.activation)(x)


class ReLU(Stepwise):
    """max(x, 0), at most `max_value`; below zero `negative_slope` · x."""

    max_value: float | None = None
    negative_slope: float = 0.0

    def call(self, scope: Scope, x: Any) -> Any:
        slope = self.negative_slope
        y = functional.leaky_relu(x, slope) if slope else functional.relu(x)
        return y if self.max_value is None else np.minimum(y, self.max_value)


class LeakyReLU(Stepwise):
    """x, and `negative_slope` · x below zero."""

    negative_slope: float = 0.3

    def call(self, scope: Scope, x: Any) -> Any:
        return functional.leaky_relu(x, self.negative_slope)


class PReLU(Stepwise):
    """x, and α · x below zero; α is a weight for each place, or one along `shared_axes`."""

    alpha_initializer: Any = "zeros"
    alpha_regularizer: Any = None
    shared_axes: tuple[int, ...] = ()

    def call(self, scope: Scope, x: Any) -> Any:
        shared = normal_axes(self.shared_axes, x.ndim)
        shape = [1 if at in shared else n for at, n in enumerate(x.shape)][1:]
        alpha = scope.weight(
            "alpha", shape, self.alpha_initializer, regularizer=self.alpha_regularizer
        )
        return np.where(x >= 0, x, alpha * x)


class ELU(Stepwise):
    """x, and `alpha` · (exp(x) − 1) below zero."""

    alpha: float = 1.0

    def call(self, scope: Scope, x: Any) -> Any:
        return functional.elu(x, self.alpha)


class SELU(Stepwise):
    """The exponential linear unit that keeps mean 0 and variance 1."""

    def call(self, scope: Scope, x: Any) -> Any:
        return functional.selu(x)


class GELU(Stepwise):
    """x times the normal distribution function of x; by tanh where `approximate`."""

    approximate: bool = False

    def call(self, scope: Scope, x: Any) -> Any:
        return functional.gelu(x, approximate=self.approximate)


class SiLU(Stepwise):
    """x · sigmoid(x), also known as swish."""

    def call(self, scope: Scope, x: Any) -> Any:
        return functional.silu(x)


class Mish(Stepwise):
    """x · tanh(softplus(x))."""

    def call(self, scope: Scope, x: Any) -> Any:
        return functional.mish(x)


class Softmax(Stepwise):
    """Positive numbers along an axis that add up to 1."""

    axis: Any = -1

    def call(self, scope: Scope, x: Any) -> Any:
        return functional.softmax(x, axis=self.axis)
