"""Floats of other distributions, each a function of uniform ones, with one element a block."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType

from ..numpy.shared import convert
from ..tracing.trace import call
from .arguments import checked_key, checked_mode, fitting, float_type, plain_shape
from .draws import drawn
from .threefry import Words, blocks
from .uniforms import finished, scaled, symmetric, unit

__all__ = [
    "cauchy",
    "exponential",
    "gumbel",
    "laplace",
    "logistic",
    "normal",
    "truncated_normal",
]

_ROOT_2 = math.sqrt(2)


def _drawn(key: Any, shape: Any, dtype: Any, of_words: Callable[[Words, DType], Any]) -> Any:
    """Elements of a shape as a function of their words; halves are computed in f32."""
    wanted = float_type(dtype)
    words = blocks(checked_key(key), plain_shape(shape))
    with np.errstate(divide="ignore"):
        return finished(convert(of_words(words, wanted.computed), wanted))


def normal(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Numbers of the standard normal distribution, of type float64 where `dtype` is None.

    They have the same bits computed at once, compiled, and on every machine.

    >>> import symfuse as sf
    >>> x = sf.random.normal(sf.random.key(0), (10_000,), "float32")
    >>> x.dtype, bool(abs(x.mean()) < 0.05), bool(abs(x.std() - 1) < 0.05)
    (dtype('float32'), True, True)
    """
    wanted = float_type(dtype)
    x = drawn(_standard, checked_key(key), plain_shape(shape), wanted.computed)
    return finished(convert(x, wanted))


def _standard(words: Words, kind: DType) -> Any:
    return _normal(symmetric(words, kind))


def _normal(u: Any) -> Any:
    return call("multiply", call("erfinv", u), _ROOT_2)


def truncated_normal(key: Any, lower: Any, upper: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Numbers of the standard normal distribution between lower and upper.

    The shape is that of the bounds where none is given. Bounds beyond about 5 in f32, or 8 in f64,
    cut off more than the type can tell from nothing.

    >>> import symfuse as sf
    >>> x = sf.random.truncated_normal(sf.random.key(0), -1.0, 2.0, (1000,))
    >>> bool(x.min() > -1) and bool(x.max() < 2)
    True
    """
    wanted = float_type(dtype)
    kind = wanted.computed
    given = None if shape is None else plain_shape(shape)
    bounds, sizes = fitting((lower, upper), given, kind)
    return finished(convert(drawn(_truncated, checked_key(key), sizes, kind, *bounds), wanted))


def _truncated(words: Words, kind: DType, low: Any, high: Any) -> Any:
    first, last = (call("erf", call("multiply", bound, 1 / _ROOT_2)) for bound in (low, high))
    x = _normal(scaled(unit(words, kind), first, last))
    inner = (call("nextafter", low, convert(math.inf, kind)), convert(-math.inf, kind))
    x = call("maximum", x, inner[0])
    return call("minimum", x, call("nextafter", high, inner[1]))


def exponential(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Numbers of the exponential distribution with mean 1.

    >>> import symfuse as sf
    >>> bool(sf.random.exponential(sf.random.key(0), (1000,)).min() >= 0)
    True
    """
    return _drawn(key, shape, dtype, lambda words, kind: _exponential(unit(words, kind)))


def _exponential(u: Any) -> Any:
    return call("negative", call("log1p", call("negative", u)))


def gumbel(key: Any, shape: Any = (), dtype: Any = None, mode: str | None = None) -> Any:
    """Numbers of the standard Gumbel distribution, which has its long tail above.

    Its highest values come from 24 random bits in f32; in mode "high" from 53.

    >>> import symfuse as sf
    >>> sf.random.gumbel(sf.random.key(0), (2, 3), "float32").shape
    (2, 3)
    """
    is_fine = checked_mode(mode)

    def of_words(words: Words, kind: DType) -> Any:
        return _gumbel(unit(words, DType.F64 if is_fine else kind), kind)

    return _drawn(key, shape, dtype, of_words)


def _gumbel(u: Any, kind: DType) -> Any:
    """-log(-log(u)), with the least number for 0."""
    least = float(np.finfo(np.float32).tiny)
    inner = call("negative", call("log", call("maximum", u, least)))
    return convert(call("negative", call("log", inner)), kind)


def laplace(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Numbers of the Laplace distribution with mean 0 and scale 1.

    >>> import symfuse as sf
    >>> sf.random.laplace(sf.random.key(0), (3,)).shape
    (3,)
    """

    def of_words(words: Words, kind: DType) -> Any:
        u = symmetric(words, kind)
        return call("copysign", _exponential(call("abs", u)), u)

    return _drawn(key, shape, dtype, of_words)


def logistic(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Numbers of the logistic distribution with mean 0 and scale 1.

    >>> import symfuse as sf
    >>> sf.random.logistic(sf.random.key(0), (3,)).shape
    (3,)
    """

    def of_words(words: Words, kind: DType) -> Any:
        return call("multiply", call("atanh", symmetric(words, kind)), 2.0)

    return _drawn(key, shape, dtype, of_words)


def cauchy(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Numbers of the standard Cauchy distribution, which has no mean.

    >>> import symfuse as sf
    >>> sf.random.cauchy(sf.random.key(0), (3,)).shape
    (3,)
    """

    def of_words(words: Words, kind: DType) -> Any:
        u = symmetric(words, kind)
        size = call("abs", u)
        is_near = call("less_equal", size, 0.5)
        # tan(½πu) is 1 / tan(½π(1 - u)), whose argument has all its digits near the pole.
        angle = call("select", is_near, size, call("subtract", 1.0, size))
        slope = call("tan", call("multiply", angle, math.pi / 2))
        return call("copysign", call("select", is_near, slope, call("reciprocal", slope)), u)

    return _drawn(key, shape, dtype, of_words)
