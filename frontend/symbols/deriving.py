"""Derivatives of Python functions as expressions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

from ..tracing.graph import trace
from ..transforms import jacfwd
from .expressing import to_sympy

__all__ = ["derivative"]

Expression = Any  # SymPy's classes carry no types


def derivative(
    fun: Callable[..., Any],
    wrt: int | str = 0,
    order: int = 1,
    *,
    specs: Sequence[Any] | None = None,
) -> Any:
    """The derivative of a function as an expression of SymPy, simplified.

    `fun` is traced for numbers, or for `specs`; `wrt` is the position or the name of the argument.
    The derivative of an array has numerator layout: the axes of the result, then those of the
    argument. Raises ArgumentError for an unknown argument or order, UnsupportedError where an
    operation has no formula.

    >>> import symfuse as sf
    >>> sf.derivative(lambda x: 4 * x**3 + x**2 + 3)
    12*x**2 + 2*x
    """
    names = _parameter_names(fun, len(specs) if specs is not None else None)
    if isinstance(wrt, str) and wrt in names:
        wrt = names.index(wrt)
    if not isinstance(wrt, int) or not -len(names) <= wrt < len(names):
        raise ArgumentError(
            f"derivative: there is no argument {wrt!r}",
            fix=f"choose one of {', '.join(names)}",
            loc=user_location(),
        )
    if not isinstance(order, int) or order < 0:
        raise ArgumentError(
            f"derivative: there is none of order {order!r}",
            fix="give a whole number from 0 on",
            loc=user_location(),
        )
    at, derived = wrt % len(names), fun
    for _ in range(order):
        derived = jacfwd(derived, at)
    graph = trace(derived, *(specs or ["f64[]"] * len(names)))
    found = to_sympy(graph.ir)
    return tuple(map(_simplest, found)) if isinstance(found, tuple) else _simplest(found)


def _simplest(e: Expression) -> Expression:
    """The shortest of several forms; sums are written out where that makes them no longer."""
    if hasattr(e, "applyfunc"):
        return e.applyfunc(_simplest)
    import sympy

    e = e.replace(sympy.Piecewise, _without_points)
    forms = (sympy.expand(e), sympy.simplify(e), sympy.factor(e), e)
    return min(forms, key=sympy.count_ops)


def _without_points(*parts: Any) -> Expression:
    """A choice without the values at single points, which guard what is computed there."""
    import sympy

    kept = [(e, condition) for e, condition in parts if not isinstance(condition, sympy.Eq)]
    return sympy.Piecewise(*kept)


def _parameter_names(fun: Callable[..., Any], count: int | None) -> list[str]:
    try:
        found = list(inspect.signature(fun).parameters)
    except (TypeError, ValueError):
        found = []
    return found if count is None else [*found, *(f"x{k}" for k in range(len(found), count))]
