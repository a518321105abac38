"""What Python's own functions become in rewritten code: the same, and more on traced values."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from functools import reduce
from typing import Any

from symfuse.compiler.ir.dims import Expr

from ..tracing.dispatch import FUNCTIONS, has_tracer
from ..tracing.tracer import Tracer
from .choices import choose
from .iterables import enumerate_, range_, reversed_, zip_
from .logic import and_, or_, truth_of

__all__ = ["BUILTINS"]

Function = Callable[..., Any]


def _len(value: Any) -> Any:
    """`len`, also where it is a symbolic size."""
    if isinstance(value, Tracer) and value._node.shape and isinstance(value._node.shape[0], Expr):
        return value.shape[0]
    return len(value)


def _bool(*value: Any) -> Any:
    """`bool`, which stays traced."""
    return truth_of(value[0]) if value and isinstance(value[0], Tracer) else bool(*value)


def _any(values: Any) -> Any:
    """`any`, of a traced array or of traced values."""
    return _folded(values, "any", or_, False)


def _all(values: Any) -> Any:
    """`all`, of a traced array or of traced values."""
    return _folded(values, "all", and_, True)


def _folded(values: Any, name: str, both: Function, start: bool) -> Any:
    if isinstance(values, Tracer):
        return FUNCTIONS[name](values) if values._node.shape else getattr(builtins, name)(values)
    found = list(values)
    if not has_tracer(found):
        return getattr(builtins, name)(found)
    return reduce(lambda a, b: both(lambda: a, lambda: b), map(_bool, found), start)


def _sum(values: Any, /, start: Any = 0) -> Any:
    """`sum`, also over the rows of a traced array."""
    if isinstance(values, Tracer) and values._node.shape:
        return FUNCTIONS["sum"](values, axis=0) + start
    return sum(values, start)


def _extreme(name: str) -> Function:
    python = getattr(builtins, name)

    def extreme(*values: Any, **options: Any) -> Any:
        if len(values) == 1 and isinstance(values[0], Tracer) and values[0].ndim == 1:
            return FUNCTIONS[name](values[0])
        every = values if len(values) > 1 or isinstance(values[0], Tracer) else list(values[0])
        if options or not has_tracer(every):
            return python(every, **options) if len(values) == 1 else python(*values, **options)
        return reduce(_smaller if name == "min" else _larger, every)

    return extreme


def _larger(one: Any, other: Any) -> Any:
    return _picked(other > one, other, one)


def _smaller(one: Any, other: Any) -> Any:
    return _picked(other < one, other, one)


def _picked(test: Any, one: Any, other: Any) -> Any:
    """One of two numbers without a branch, or as `if` chooses."""
    if isinstance(test, Tracer) and not test._node.shape:
        return FUNCTIONS["where"](test, one, other)
    return choose(test, lambda: one, lambda: other)


BUILTINS: dict[int, Function] = {
    id(all): _all,
    id(any): _any,
    id(bool): _bool,
    id(enumerate): enumerate_,
    id(len): _len,
    id(max): _extreme("max"),
    id(min): _extreme("min"),
    id(range): range_,
    id(reversed): reversed_,
    id(sum): _sum,
    id(zip): zip_,
}
"""By the identity of the function that is called."""
