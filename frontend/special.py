"""Special functions under the names of `scipy.special`, for which they stand on traced arrays.

Functions of f32 are computed in f64 and rounded where they are not elementary.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

from .numpy.shared import call, common_dtype, convert, expect, floating, rounded_once, traced
from .tracing.dispatch import FUNCTIONS, has_tracer

__all__ = [
    "beta", "betainc", "betaincc", "betaln", "digamma", "entr", "erf", "erfc", "erfcinv", "erfcx",
    "erfinv", "expit", "gamma", "gammainc", "gammaincc", "gammaln", "i0", "i0e", "i1", "i1e",
    "kl_div", "lgamma", "log_expit", "log_ndtr", "log_softmax", "logit", "logsumexp", "ndtr",
    "ndtri", "polygamma", "psi", "rel_entr", "softmax", "softplus", "xlog1py", "xlogy", "zeta",
]  # fmt: skip


def _real(x: Any) -> Any:
    """The values as floating-point numbers, traced or not."""
    x = traced(x)
    return convert(x, floating(common_dtype(x)))


def _max_along(x: Any, axis: Any) -> Any:
    """The largest elements, as constants of every derivative."""
    function: Any = FUNCTIONS["max"] if has_tracer((x,)) else np.max
    is_empty = any(isinstance(size, int) and size == 0 for size in x.shape)
    of_none = {"initial": -np.inf} if is_empty else {}
    return call("stop_gradient", function(x, axis=axis, keepdims=True, **of_none))


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


def logit(x: Any) -> Any:
    """log(x / (1 - x)), which undoes expit; NaN outside of 0..1."""
    return call("logit", _real(x))


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


def erfcx(x: Any) -> Any:
    """exp(x²) erfc(x), which does not underflow."""
    return call("erfcx", _real(x))


def erfcinv(y: Any) -> Any:
    """The x with erfc(x) = y, with all digits for small y: infinite at 0 and 2, NaN outside."""
    return call("erfcinv", _real(y))


def ndtr(x: Any) -> Any:
    """The distribution function of the standard normal distribution.

    >>> import symfuse as sf
    >>> float(sf.special.ndtr(0.0))
    0.5
    """
    return call("ndtr", _real(x))


def log_ndtr(x: Any) -> Any:
    """log(ndtr(x)), with all digits where ndtr is 0 or 1."""
    return call("log_ndtr", _real(x))


@rounded_once
def ndtri(p: Any) -> Any:
    """The x with ndtr(x) = p: infinite at 0 and 1, NaN outside."""
    return call("multiply", call("erfcinv", call("multiply", _real(p), 2.0)), -math.sqrt(2.0))


def gamma(x: Any) -> Any:
    """The gamma function, (x - 1)! for whole numbers; NaN at negative integers.

    >>> import symfuse as sf
    >>> float(sf.special.gamma(5.0))
    24.0
    """
    return call("gamma", _real(x))


def gammaln(x: Any) -> Any:
    """log(abs(gamma(x))), infinite at 0 and at negative integers."""
    return call("gammaln", _real(x))


lgamma = gammaln


def digamma(x: Any) -> Any:
    """The derivative of gammaln; NaN at negative integers."""
    return call("digamma", _real(x))


psi = digamma


def polygamma(n: int, x: Any) -> Any:
    """The derivative of digamma of order n, a Python integer; of order 0 it is digamma.

    Raises ArgumentError for another n.
    """
    if type(n) is not int or n < 0:
        raise ArgumentError(
            f"polygamma: the order is {n!r}, not a whole number from 0 on",
            fix="pass a Python integer: polygamma(1, x)",
            loc=user_location(),
        )
    return call("polygamma", _real(x), order=n) if n else digamma(x)


def beta(a: Any, b: Any) -> Any:
    """gamma(a) * gamma(b) / gamma(a + b), without overflow in between.

    >>> import symfuse as sf
    >>> float(sf.special.beta(1.0, 2.0))
    0.5
    """
    return call("beta", *_all_real(a, b))


def betaln(a: Any, b: Any) -> Any:
    """log(abs(beta(a, b)))."""
    return call("betaln", *_all_real(a, b))


def betainc(a: Any, b: Any, x: Any) -> Any:
    """The share of the integral for beta(a, b) that lies below x: the distribution function of the
    beta distribution. It has derivatives in all arguments.

    >>> import symfuse as sf
    >>> float(sf.special.betainc(2.0, 2.0, 0.5))
    0.5
    """
    return call("betainc", *_all_real(a, b, x))


def betaincc(a: Any, b: Any, x: Any) -> Any:
    """1 - betainc(a, b, x), with all digits where that is close to 1."""
    return call("betaincc", *_all_real(a, b, x))


def gammainc(a: Any, x: Any) -> Any:
    """The share of the integral for gamma(a) that lies below x: the distribution function of the
    gamma distribution. It has derivatives in both arguments.

    >>> import symfuse as sf
    >>> float(sf.special.gammainc(1.0, 0.5)) == 1 - float(sf.numpy.exp(-0.5))
    True
    """
    return call("gammainc", *_all_real(a, x))


def gammaincc(a: Any, x: Any) -> Any:
    """1 - gammainc(a, x), with all digits where that is close to 1."""
    return call("gammaincc", *_all_real(a, x))


def zeta(x: Any, q: Any = None, out: None = None) -> Any:
    """Hurwitz's zeta function, the sum of (q + k)**-x over k = 0, 1, ...; Riemann's without a q.

    It is infinite for x = 1, and NaN for x below. It has derivatives in q, and none in x.

    >>> import math, symfuse as sf
    >>> bool(abs(sf.special.zeta(2.0) - math.pi**2 / 6) < 1e-15)
    True
    """
    expect(out is None, "zeta writes into no array", "leave out out=")
    return call("zeta", *_all_real(x, 1.0 if q is None else q))


def i0(x: Any) -> Any:
    """The modified Bessel function of the first kind, of order 0."""
    return call("i0", _real(x))


def i0e(x: Any) -> Any:
    """exp(-abs(x)) * i0(x), which does not overflow."""
    return call("i0e", _real(x))


def i1(x: Any) -> Any:
    """The modified Bessel function of the first kind, of order 1."""
    return call("i1", _real(x))


def i1e(x: Any) -> Any:
    """exp(-abs(x)) * i1(x), which does not overflow."""
    return call("i1e", _real(x))


def _all_real(*values: Any) -> tuple[Any, ...]:
    """Arguments in the type of float that they meet in."""
    arrays = [traced(value) for value in values]
    dtype = floating(common_dtype(*arrays))
    return tuple(convert(x, dtype) for x in arrays)


def xlogy(x: Any, y: Any) -> Any:
    """x * log(y), 0 where x is 0."""
    return _times_log(x, y, "log", 0.0)


def xlog1py(x: Any, y: Any) -> Any:
    """x * log(1 + y), 0 where x is 0."""
    return _times_log(x, y, "log1p", -1.0)


def _times_log(x: Any, y: Any, log: str, low: float) -> Any:
    """The product with a logarithm, of numbers above `low`: 0 · log y has the derivative log y."""
    x, y = _real(x), _real(y)
    endless = call("logical_or", call("less_equal", y, low), call("equal", y, math.inf))
    absent = call("logical_and", call("equal", x, 0), endless)
    safe = call("select", absent, 1.0, y)
    return call("select", absent, 0.0, call("multiply", x, call(log, safe)))


@rounded_once
def entr(x: Any) -> Any:
    """-x * log(x), 0 at 0 and -inf below."""
    x = _real(x)
    return call("select", call("less", x, 0), -math.inf, call("negative", xlogy(x, x)))


def rel_entr(x: Any, y: Any) -> Any:
    """x * log(x / y), the terms of a relative entropy: 0 where x is 0, infinite below.

    >>> import symfuse as sf
    >>> float(sf.special.rel_entr(0.0, 2.0)), float(sf.special.rel_entr(1.0, 0.0))
    (0.0, inf)
    """
    x, y = _all_real(x, y)
    return _where_positive(x, y, _times_log_ratio, call("multiply", x, 0.0))


def kl_div(x: Any, y: Any) -> Any:
    """x * log(x / y) - x + y, the terms of a Kullback-Leibler divergence: y where x is 0."""
    x, y = _all_real(x, y)
    return _where_positive(x, y, lambda p, q: _times_log_ratio(p, q) - p + q, y)


def _where_positive(x: Any, y: Any, inside: Any, at_zero: Any) -> Any:
    """A function of positive numbers, its limit where x is 0, infinity elsewhere."""
    positive = call("logical_and", call("greater", x, 0), call("greater", y, 0))
    empty = call("logical_and", call("equal", x, 0), call("greater_equal", y, 0))
    unknown = call("logical_or", call("isnan", x), call("isnan", y))
    found = inside(call("select", positive, x, 1.0), call("select", positive, y, 1.0))
    found = call("select", positive, found, math.inf)
    return call("select", unknown, math.nan, call("select", empty, at_zero, found))


def _times_log_ratio(x: Any, y: Any) -> Any:
    """x log(x / y) of positive numbers, with all digits where they are nearly equal."""
    ratio = call("divide", x, y)
    near = call("logical_and", call("greater", ratio, 0.5), call("less", ratio, 2.0))
    plain = call("logical_and", call("greater", ratio, 0.0), call("isfinite", ratio))
    close = call("log1p", call("divide", call("subtract", x, y), y))
    apart = call("subtract", call("log", x), call("log", y))
    direct = call("log", call("select", plain, ratio, 1.0))
    logarithm = call("select", near, close, call("select", plain, direct, apart))
    return call("multiply", x, logarithm)
