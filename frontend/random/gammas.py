"""The gamma distribution and those that are made of it.

Draws are those of G. Marsaglia and W. W. Tsang: A simple method for generating gamma variables. ACM
TOMS 26 (2000), https://doi.org/10.1145/358407.358414. At most one of twenty is rejected; a loop
draws for all elements again until each has been accepted once. Their derivatives in the parameter
are those of M. Figurnov, S. Mohamed, A. Mnih: Implicit reparameterization gradients. NeurIPS 2018.
"""

from __future__ import annotations

import math
from typing import Any

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError

from ..control.whiles import while_loop
from ..derivatives.jvp import custom_jvp
from ..numpy.shared import broadcast_shape_to, convert, traced
from ..tracing.dispatch import FUNCTIONS
from ..tracing.trace import call, dtype_of
from .arguments import checked_key, fitting, float_type, plain_shape
from .distributions import normal
from .keys import fold_in, split
from .threefry import blocks
from .uniforms import finished, unit

__all__ = ["beta", "chisquare", "dirichlet", "gamma", "loggamma", "t"]


def gamma(key: Any, a: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Numbers of the gamma distribution with scale 1; the shape of a where none is given.

    They have derivatives in a: a draw moves so that as much of the distribution stays below it.

    >>> import symfuse as sf
    >>> x = sf.random.gamma(sf.random.key(0), 3.0, (10_000,))
    >>> bool(abs(x.mean() - 3) < 0.1) and bool(abs(x.var() - 3) < 0.3)
    True
    """
    wanted = float_type(dtype)
    scaled, boost = _drawn(key, a, shape, wanted.computed)
    return finished(convert(call("multiply", scaled, call("exp", boost)), wanted))


def loggamma(key: Any, a: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Logarithms of numbers of the gamma distribution, exact where these are too small to store.

    >>> import numpy as np, symfuse as sf
    >>> bool(np.isfinite(sf.random.loggamma(sf.random.key(0), 1e-4, (100,))).all())
    True
    """
    wanted = float_type(dtype)
    return finished(convert(_logarithm(key, a, shape, wanted.computed), wanted))


def _logarithm(key: Any, a: Any, shape: Any, dtype: DType) -> Any:
    scaled, boost = _drawn(key, a, shape, dtype)
    return call("add", call("log", scaled), boost)


def _drawn(key: Any, a: Any, shape: Any, dtype: DType) -> tuple[Any, Any]:
    """A draw for a parameter from 1 on, and the logarithm of what makes it one for a smaller a."""
    key = checked_key(key)
    (a,), sizes = fitting((a,), None if shape is None else plain_shape(shape), dtype)
    a = broadcast_shape_to(a, sizes)
    first, second = split(key)
    is_small = call("logical_and", call("less", a, 1.0), call("greater", a, 0.0))
    raised = call("select", is_small, call("add", a, 1.0), a)
    drawn = _moving(raised, _accepted(first, call("stop_gradient", raised), sizes, dtype))
    share = call("subtract", 1.0, unit(blocks(second, sizes), dtype))
    boost = call("divide", call("log", share), call("select", is_small, a, 1.0))
    return drawn, call("select", is_small, boost, 0.0)


@custom_jvp
def _moving(a: Any, drawn: Any) -> Any:
    """A draw for the parameter a, as a function of a that keeps gammainc(a, draw) as it is."""
    return drawn


def _moving_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    found = _moving(*primals)
    a, x = (convert(value, DType.F64) for value in (primals[0], found))
    power = call("subtract", call("multiply", a - 1.0, call("log", x)), x)
    density = call("exp", call("subtract", power, call("gammaln", a)))
    slope = call("divide", call("gammainc_derivative", a, x), density)
    slope = convert(slope, dtype_of(found))
    return found, call("subtract", tangents[1], call("multiply", slope, tangents[0]))


_moving.defjvp(_moving_jvp)


def _accepted(key: Any, a: Any, sizes: tuple[Any, ...], dtype: DType) -> Any:
    usual = call("greater", a, 0.0)
    third = call("subtract", call("select", usual, a, 1.0), 1 / 3)
    slope = call("rsqrt", call("multiply", third, 9.0))

    def turn(state: Any) -> Any:
        number, value, waits = state
        for_normal, for_share = split(fold_in(key, number))
        x = normal(for_normal, sizes, dtype)
        root = 1.0 + slope * x
        cube = root * root * root
        is_inside = root > 0
        log = FUNCTIONS["log"](call("select", is_inside, cube, 1.0))
        share = call("subtract", 1.0, unit(blocks(for_share, sizes), dtype))
        is_below = FUNCTIONS["log"](share) < 0.5 * x * x + third * (1.0 - cube + log)
        taken = call("logical_and", waits, call("logical_and", is_inside, is_below))
        value = call("select", taken, third * cube, value)
        return number + 1, value, call("logical_and", waits, call("logical_not", taken))

    start = call("select", usual, 0.0, call("multiply", third, math.nan))
    state = while_loop(lambda state: FUNCTIONS["any"](state[2]), turn, (0, start, usual))
    return state[1]


def chisquare(key: Any, df: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Numbers of the chi-square distribution with `df` degrees of freedom.

    >>> import symfuse as sf
    >>> sf.random.chisquare(sf.random.key(0), 4.0, (3,)).shape
    (3,)
    """
    wanted = float_type(dtype)
    half = call("multiply", convert(traced(df), wanted.computed), 0.5)
    return finished(
        convert(call("multiply", gamma(key, half, shape, wanted.computed), 2.0), wanted)
    )


def beta(key: Any, a: Any, b: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Numbers of the beta distribution, between 0 and 1.

    >>> import symfuse as sf
    >>> x = sf.random.beta(sf.random.key(0), 2.0, 6.0, (10_000,))
    >>> bool(abs(x.mean() - 0.25) < 0.01)
    True
    """
    wanted = float_type(dtype)
    given = None if shape is None else plain_shape(shape)
    (a, b), sizes = fitting((a, b), given, wanted.computed)
    pairs = zip(split(checked_key(key)), (a, b), strict=True)
    one, other = (_logarithm(k, p, sizes, wanted.computed) for k, p in pairs)
    return finished(convert(call("sigmoid", call("subtract", one, other)), wanted))


def dirichlet(key: Any, alpha: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Shares that add up to 1, of the Dirichlet distribution, along the last axis of alpha.

    The shape is that of the draws, without this axis.

    >>> import numpy as np, symfuse as sf
    >>> x = sf.random.dirichlet(sf.random.key(0), np.array([1.0, 2.0, 3.0]), (5,))
    >>> x.shape, bool(np.allclose(x.sum(-1), 1))
    ((5, 3), True)
    """
    wanted = float_type(dtype)
    alpha = convert(traced(alpha), wanted.computed)
    if not alpha.ndim:
        raise ShapeError(
            "dirichlet: alpha is one number",
            fix="give one for each share, along the last axis",
            loc=user_location(),
        )
    lead = tuple(alpha.shape[:-1]) if shape is None else plain_shape(shape)
    logs = _logarithm(key, alpha, (*lead, alpha.shape[-1]), wanted.computed)
    powers = FUNCTIONS["exp"](logs - FUNCTIONS["max"](logs, axis=-1, keepdims=True))
    shares = powers / FUNCTIONS["sum"](powers, axis=-1, keepdims=True)
    return finished(convert(shares, wanted))


def t(key: Any, df: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Numbers of Student's t distribution with `df` degrees of freedom.

    >>> import symfuse as sf
    >>> sf.random.t(sf.random.key(0), 5.0, (3,)).shape
    (3,)
    """
    wanted = float_type(dtype)
    kind = wanted.computed
    (df,), sizes = fitting((df,), plain_shape(shape), kind)
    for_normal, for_gamma = split(checked_key(key))
    half = call("multiply", df, 0.5)
    drawn = gamma(for_gamma, half, sizes, kind)
    scale = call("sqrt", call("divide", half, drawn))
    return finished(convert(call("multiply", normal(for_normal, sizes, kind), scale), wanted))
