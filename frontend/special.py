"""Special functions under the names of `scipy.special`: softmax, logsumexp, expit, erf, xlogy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .numpy.shared import call, common_dtype, convert, floating, rounded_once, traced
from .tracing.dispatch import FUNCTIONS, has_tracer

__all__ = [
    "entr", "erf", "erfc", "erfinv", "expit", "log_expit", "log_ndtr", "log_softmax", "logit",
    "logsumexp", "ndtr", "softmax", "softplus", "xlog1py", "xlogy",
]  # fmt: skip


def _real(x: Any) -> Any:
    """The values as floating-point numbers, traced or not."""
    x = traced(x)
    return convert(x, floating(common_dtype(x)))


def _max_along(x: Any, axis: Any) -> Any:
    """The largest elements, as constants of every derivative."""
    function = FUNCTIONS["max"] if has_tracer((x,)) else np.max
    return call("stop_gradient", function(x, axis=axis, keepdims=True))


def _sum(x: Any, axis: Any, keepdims: bool = True) -> Any:
    function = FUNCTIONS["sum"] if has_tracer((x,)) else np.sum
    return function(x, axis=axis, keepdims=keepdims)


@rounded_once
def softmax(x: Any, axis: Any = None) -> Any:
    """exp(x) / sum(exp(x)) along axes, without overflow.

    >>> import symfuse as sf
    >>> sf.special.softmax([1000.0, 1000.0])
    array([0.5, 0.5])
    """
    x = _real(x)
    powers = call("exp", call("subtract", x, _max_along(x, axis)))
    return call("divide", powers, _sum(powers, axis))


@rounded_once
def log_softmax(x: Any, axis: Any = None) -> Any:
    """log(softmax(x)) along axes, exact where softmax is too small to be stored."""
    x = _real(x)
    shifted = call("subtract", x, _max_along(x, axis))
    return call("subtract", shifted, call("log", _sum(call("exp", shifted), axis)))


@rounded_once
def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False) -> Any:
    """log(sum(b * exp(a))) along axes, without overflow.

    >>> import symfuse as sf
    >>> float(sf.special.logsumexp([1000.0, 1000.0])) == 1000 + float(sf.numpy.log(2.0))
    True
    """
    x = _real(a)
    found = _max_along(x, axis)
    highest = call("select", call("isfinite", found), found, 0.0)
    powers = call("exp", call("subtract", x, highest))
    total = _sum(powers if b is None else call("multiply", powers, b), axis)
    result = call("add", call("log", total), highest)
    return result if keepdims else _sum(result, axis, keepdims=False)


def expit(x: Any) -> Any:
    """1 / (1 + exp(-x)), the logistic function."""
    return call("sigmoid", _real(x))


def log_expit(x: Any) -> Any:
    """log(1 / (1 + exp(-x))), without overflow."""
    return call("negative", call("softplus", call("negative", _real(x))))


@rounded_once
def logit(x: Any) -> Any:
    """log(x / (1 - x)), which undoes expit."""
    x = _real(x)
    return call("subtract", call("log", x), call("log1p", call("negative", x)))


def softplus(x: Any) -> Any:
    """log(1 + exp(x)), without overflow."""
    return call("softplus", _real(x))


def erf(x: Any) -> Any:
    """The error function."""
    return call("erf", _real(x))


def erfc(x: Any) -> Any:
    """1 - erf(x), exact where erf is close to 1."""
    return call("erfc", _real(x))


def erfinv(y: Any) -> Any:
    """The x with erf(x) = y: infinite at -1 and 1, NaN outside.

    >>> import symfuse as sf
    >>> float(sf.special.erfinv(0.0)), float(sf.special.erfinv(1.0))
    (0.0, inf)
    """
    return call("erfinv", _real(y))


@rounded_once
def ndtr(x: Any) -> Any:
    """The distribution function of the standard normal distribution."""
    return call("multiply", call("erfc", call("multiply", _real(x), -math.sqrt(0.5))), 0.5)


@rounded_once
def log_ndtr(x: Any) -> Any:
    """log(ndtr(x)); below about -14 it is the logarithm of an asymptotic series."""
    x = _real(x)
    far = call("less", x, -10.0)
    y = call("select", far, x, -10.0)
    inverse = call("reciprocal", call("square", y))
    series = 1.0 + inverse * (-1.0 + inverse * (3.0 + inverse * (-15.0 + inverse * 105.0)))
    tail = -0.5 * call("square", y) - call("log", -y) - 0.5 * math.log(2 * math.pi)
    near = call("log", ndtr(call("select", far, -10.0, x)))
    return call("select", far, tail + call("log", series), near)


def xlogy(x: Any, y: Any) -> Any:
    """x * log(y), 0 where x is 0."""
    return _times_log(x, y, "log")


def xlog1py(x: Any, y: Any) -> Any:
    """x * log(1 + y), 0 where x is 0."""
    return _times_log(x, y, "log1p")


def _times_log(x: Any, y: Any, log: str) -> Any:
    x, y = _real(x), _real(y)
    absent = call("logical_and", call("equal", x, 0), call("logical_not", call("isnan", y)))
    safe = call("select", absent, 1.0, y)
    return call("select", absent, 0.0, call("multiply", x, call(log, safe)))


@rounded_once
def entr(x: Any) -> Any:
    """-x * log(x), 0 at 0 and -inf below."""
    x = _real(x)
    return call("select", call("less", x, 0), -math.inf, call("negative", xlogy(x, x)))
