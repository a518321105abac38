"""Activation functions, convolutions and pooling, on arrays and on traced arrays."""

from __future__ import annotations

import math
from typing import Any

from ..numpy.indexing import one_hot
from ..numpy.shared import call, common_dtype, convert, floating, rounded_once, traced
from ..special import expit, logsumexp, softplus
from ..special import log_softmax as log_softmax_along
from ..special import softmax as softmax_along
from .convolution import (
    conv,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose,
    depthwise_conv,
    separable_conv,
)
from .pooling import avg_pool, global_avg_pool, global_max_pool, max_pool
from .resizing import resize

__all__ = [
    "avg_pool", "celu", "conv", "conv1d", "conv2d", "conv3d", "conv_transpose", "depthwise_conv",
    "elu", "gelu", "global_avg_pool", "global_max_pool", "glu", "hard_sigmoid", "hard_silu",
    "hard_tanh", "leaky_relu", "log_sigmoid", "log_softmax", "logsumexp", "max_pool", "mish",
    "one_hot", "relu", "relu6", "resize", "selu", "separable_conv", "sigmoid", "silu",
    "soft_sign", "softmax", "softplus", "swish", "tanh",
]  # fmt: skip


def _real(x: Any) -> Any:
    x = traced(x)
    return convert(x, floating(common_dtype(x)))


def relu(x: Any) -> Any:
    """max(x, 0).

    >>> import symfuse as sf
    >>> sf.nn.functional.relu([-1.0, 2.0])
    array([0., 2.])
    """
    return call("relu", traced(x))


def relu6(x: Any) -> Any:
    """min(max(x, 0), 6)."""
    return call("minimum", relu(x), 6)


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """x, and negative_slope * x below zero."""
    x = _real(x)
    return call("select", call("greater_equal", x, 0), x, call("multiply", x, negative_slope))


@rounded_once
def elu(x: Any, alpha: float = 1.0) -> Any:
    """x, and alpha * (exp(x) - 1) below zero."""
    x = _real(x)
    low = call("expm1", call("minimum", x, 0))
    return call("select", call("greater", x, 0), x, call("multiply", low, alpha))


@rounded_once
def celu(x: Any, alpha: float = 1.0) -> Any:
    """x, and alpha * (exp(x / alpha) - 1) below zero."""
    x = _real(x)
    low = call("expm1", call("divide", call("minimum", x, 0), alpha))
    return call("select", call("greater", x, 0), x, call("multiply", low, alpha))


@rounded_once
def selu(x: Any) -> Any:
    """The exponential linear unit that keeps mean 0 and variance 1."""
    return call("multiply", elu(x, 1.6732632423543772), 1.0507009873554805)


@rounded_once
def gelu(x: Any, approximate: bool = True) -> Any:
    """x times the normal distribution function of x; by tanh where `approximate`."""
    x = _real(x)
    if not approximate:
        tail = call("erfc", call("multiply", x, -math.sqrt(0.5)))
        return call("multiply", call("multiply", x, 0.5), tail)
    cubic = call("add", x, call("multiply", call("multiply", call("square", x), x), 0.044715))
    gate = call("tanh", call("multiply", cubic, math.sqrt(2 / math.pi)))
    return call("multiply", call("multiply", x, 0.5), call("add", gate, 1))


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return expit(x)


@rounded_once
def log_sigmoid(x: Any) -> Any:
    """log(sigmoid(x)), without overflow."""
    return call("negative", softplus(call("negative", _real(x))))


@rounded_once
def silu(x: Any) -> Any:
    """x * sigmoid(x)."""
    x = _real(x)
    return call("multiply", x, call("sigmoid", x))


swish = silu


@rounded_once
def mish(x: Any) -> Any:
    """x * tanh(softplus(x))."""
    x = _real(x)
    return call("multiply", x, call("tanh", call("softplus", x)))


def softmax(x: Any, axis: Any = -1) -> Any:
    """exp(x) / sum(exp(x)) along an axis, the last one as in JAX and Keras, without overflow.

    >>> import symfuse as sf
    >>> sf.nn.functional.softmax([[1000.0, 1000.0], [0.0, 0.0]])
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    return softmax_along(x, axis=axis)


def log_softmax(x: Any, axis: Any = -1) -> Any:
    """log(softmax(x)) along an axis, exact where softmax is too small to be stored."""
    return log_softmax_along(x, axis=axis)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return call("tanh", _real(x))


@rounded_once
def soft_sign(x: Any) -> Any:
    """x / (1 + |x|)."""
    x = _real(x)
    return call("divide", x, call("add", call("abs", x), 1))


def hard_tanh(x: Any) -> Any:
    """x, held between -1 and 1."""
    return call("minimum", call("maximum", _real(x), -1), 1)


@rounded_once
def hard_sigmoid(x: Any) -> Any:
    """relu6(x + 3) / 6."""
    return call("divide", relu6(call("add", _real(x), 3)), 6)


@rounded_once
def hard_silu(x: Any) -> Any:
    """x * hard_sigmoid(x)."""
    return call("multiply", _real(x), hard_sigmoid(x))


@rounded_once
def glu(x: Any, axis: int = -1) -> Any:
    """The first half of x along an axis times the sigmoid of the second half."""
    x = _real(x)
    half = x.shape[axis] // 2
    lead = (slice(None),) * (axis % x.ndim)
    return call("multiply", x[(*lead, slice(None, half))], sigmoid(x[(*lead, slice(half, None))]))
