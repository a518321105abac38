"""Whole numbers of events."""

from __future__ import annotations

from typing import Any

from symfuse.runtime.dtypes import DType

from ..control.whiles import while_loop
from ..numpy.shared import broadcast_shape_to, convert
from ..tracing.dispatch import FUNCTIONS
from ..tracing.trace import call
from .arguments import checked_key, fitting, integer_type, plain_shape
from .keys import fold_in, split
from .threefry import blocks
from .uniforms import finished, unit

__all__ = ["poisson"]

_LARGE = 10.0  # the mean from which draws are transformed and rejected
_F64 = DType.F64


def poisson(key: Any, lam: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Numbers of events whose mean is `lam`, of type int64 where `dtype` is None.

    Of a mean below 0 or NaN they are -1. Small means are summed up, great ones drawn by
    transformed rejection: W. Hörmann, Insurance: Mathematics and Economics 12 (1993), PTRS.

    >>> import symfuse as sf
    >>> x = sf.random.poisson(sf.random.key(0), 4.0, (10_000,))
    >>> bool(abs(x.mean() - 4) < 0.1)
    True
    """
    wanted = integer_type(dtype, DType.I64)
    given = None if shape is None else plain_shape(shape)
    (lam,), sizes = fitting((lam,), given, _F64)
    lam = broadcast_shape_to(call("hold", lam), sizes)
    is_large = call("greater_equal", lam, _LARGE)
    first, second = split(checked_key(key))
    few = _summed(first, call("select", is_large, 0.0, lam), sizes)
    many = _transformed(second, call("select", is_large, lam, _LARGE), is_large, sizes)
    count = call("select", is_large, many, few)
    is_mean = call("greater_equal", lam, 0.0)
    return finished(convert(call("select", is_mean, count, -1.0), wanted))


def _summed(key: Any, lam: Any, sizes: tuple[Any, ...]) -> Any:
    """How many of the first probabilities a uniform number exceeds together."""
    u = unit(blocks(key, sizes), _F64)

    def turn(state: Any) -> Any:
        count, term, total = state
        waits = u >= total
        count = call("select", waits, count + 1.0, count)
        term = term * lam / call("maximum", count, 1.0)
        return count, term, call("select", waits, total + term, total)

    first = call("exp", call("negative", lam))
    # A sum that rounding leaves below u grows no more when its terms are below it.
    state = while_loop(
        lambda state: FUNCTIONS["any"](
            call("logical_and", u >= state[2], state[1] > 2.0**-60 * state[2])
        ),
        turn,
        (call("multiply", lam, 0.0), first, first),
    )
    return state[0]


def _transformed(key: Any, lam: Any, wanted: Any, sizes: tuple[Any, ...]) -> Any:
    log = call("log", lam)
    b = call("add", call("multiply", call("sqrt", lam), 2.53), 0.931)
    a = call("subtract", call("multiply", b, 0.02483), 0.059)
    inverse = call("add", call("divide", 1.1328, call("subtract", b, 3.4)), 1.1239)
    bound = call("subtract", 0.9277, call("divide", 3.6224, call("subtract", b, 2.0)))

    def turn(state: Any) -> Any:
        number, value, waits = state
        pair = (unit(blocks(k, sizes), _F64) for k in split(fold_in(key, number)))
        u, v = next(pair) - 0.5, 1.0 - next(pair)
        near = 0.5 - FUNCTIONS["abs"](u)
        k = FUNCTIONS["floor"]((2.0 * a / near + b) * u + lam + 0.43)
        weight = FUNCTIONS["log"](v * inverse / (a / (near * near) + b))
        is_below = weight <= k * log - lam - call("gammaln", call("maximum", k, 0.0) + 1.0)
        at_once = call("logical_and", near >= 0.07, v <= bound)
        outside = call("logical_or", k < 0, call("logical_and", near < 0.013, v > near))
        later = call("logical_and", call("logical_not", outside), is_below)
        taken = call("logical_and", waits, call("logical_or", at_once, later))
        value = call("select", taken, k, value)
        return number + 1, value, call("logical_and", waits, call("logical_not", taken))

    start = call("multiply", log, 0.0)
    state = while_loop(lambda state: FUNCTIONS["any"](state[2]), turn, (0, start, wanted))
    return state[1]
