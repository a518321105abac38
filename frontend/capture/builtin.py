"""What Python's own functions become in rewritten code: the same, and more on traced values."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable
from functools import reduce
from importlib import import_module
from typing import Any

from symfuse.compiler.ir.dims import Expr
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import UnsupportedError

from ..tracing.dispatch import FUNCTIONS, has_tracer
from ..tracing.rows import Rows
from ..tracing.sizes import shown_to_users
from ..tracing.tracer import Tracer
from .attempt import inlined
from .choices import choose
from .comprehensions import extreme as extreme_of
from .comprehensions import folded, listed, mapped, started
from .effects import traced_within
from .iterables import enumerate_, range_, reversed_, walk_over, zip_
from .logic import and_, or_, truth_of
from .states import decided

__all__ = ["BUILTINS"]

Function = Callable[..., Any]


def _len(value: Any) -> Any:
    """`len`, also where it is a symbolic size."""
    if isinstance(value, Tracer) and value._node.shape and isinstance(value._node.shape[0], Expr):
        return shown_to_users(value.shape)[0]
    return len(value)


def _bool(*value: Any) -> Any:
    """`bool`, which stays traced."""
    if not value or not isinstance(value[0], Tracer):
        return bool(*value)
    truth = truth_of(value[0])
    return Tracer(truth._trace, truth._node, weak=True)


def _any(values: Any) -> Any:
    """`any`, of a traced array or of traced values."""
    return _folded(values, "any", or_, False)


def _all(values: Any) -> Any:
    """`all`, of a traced array or of traced values."""
    return _folded(values, "all", and_, True)


def _folded(values: Any, name: str, both: Function, start: bool) -> Any:
    if isinstance(values, Tracer):
        return FUNCTIONS[name](values) if values._node.shape else getattr(builtins, name)(values)
    if (walked := walk_over(values)) is not None:
        return started(lambda a, b: both(lambda: a, lambda: truth_of(b)), walked, start, name)
    unknown = []
    for value in values:  # up to the one that decides, as Python does
        known = decided(value)
        if known is None:
            unknown.append(_bool(value))
        elif known is not start:
            return known
    return reduce(lambda a, b: both(lambda: a, lambda: b), unknown, start)


def _sum(values: Any, /, start: Any = 0) -> Any:
    """`sum`, also over the rows of a traced array."""
    if isinstance(values, Tracer) and values._node.shape:
        return FUNCTIONS["sum"](values, axis=0) + start
    if (walked := walk_over(values)) is not None:
        return start + folded(operator.add, walked, "the sum")
    return sum(values, start)


def _extreme(name: str) -> Function:
    python = getattr(builtins, name)

    def extreme(*values: Any, **options: Any) -> Any:
        if len(values) == 1 and isinstance(values[0], Tracer) and values[0].ndim == 1:
            return FUNCTIONS[name](values[0])
        if len(values) == 1 and (walked := walk_over(values[0])) is not None and not options:
            return extreme_of(name, walked)
        every = values if len(values) > 1 or isinstance(values[0], Tracer) else list(values[0])
        if options or not has_tracer(every):
            return python(every, **options) if len(values) == 1 else python(*values, **options)
        return reduce(_smaller if name == "min" else _larger, every)

    return extreme


def _tuple(values: Any = ()) -> tuple[Any, ...]:
    """`tuple`, of traced rows too."""
    return tuple(listed(values))


def _sorted(values: Any, /, *, key: Any = None, reverse: bool = False) -> Any:
    """`sorted`, of traced numbers too."""
    found = values if isinstance(values, Tracer) else listed(values)
    if not isinstance(found, Tracer | Rows) and not has_tracer(found):
        return sorted(found, key=key, reverse=reverse)
    if key is not None:
        raise UnsupportedError(
            "sorted of traced values by a key",
            fix="order the keys: rows[snp.argsort(keys)]",
            loc=user_location(),
        )
    array = FUNCTIONS["stack"](found) if isinstance(found, list) else found
    array = FUNCTIONS["sort"](array.array() if isinstance(array, Rows) else array, axis=0)
    array = array[::-1] if reverse else array
    return listed(Rows(array, array.shape[0]))


def _reduce(function: Function, values: Any, *start: Any) -> Any:
    """`functools.reduce`, over traced rows too."""
    walked = walk_over(values)
    if walked is None:
        return reduce(function, values, *start)
    step = inlined(function)
    if start:
        return started(step, walked, start[0], "what is reduced")
    return folded(step, walked, "what is reduced")


def _larger(one: Any, other: Any) -> Any:
    return _picked(other > one, other, one)


def _smaller(one: Any, other: Any) -> Any:
    return _picked(other < one, other, one)


def _picked(test: Any, one: Any, other: Any) -> Any:
    """One of two numbers without a branch, or as `if` chooses."""
    if isinstance(test, Tracer) and not test._node.shape:
        return FUNCTIONS["where"](test, one, other)
    return choose(test, lambda: one, lambda: other)


def _print(*values: Any, sep: str | None = " ", **options: Any) -> None:
    """`print`; in a branch or loop of the graph, when the program comes to it."""
    if traced_within() is None:
        print(*values, sep=sep, **options)
        return
    if options:
        _refuse("print", " with " + ", ".join(options))
    reports = import_module("symfuse.debug.reports")
    reports.print((" " if sep is None else sep).join("{}" for _ in values), *values)


def _outside(name: str) -> Function:
    """A function that reaches out of the program, as a part of the graph cannot."""
    python = getattr(builtins, name)

    def called(*args: Any, **kwargs: Any) -> Any:
        if traced_within() is not None:
            _refuse(name, "")
        return python(*args, **kwargs)

    return called


def _refuse(name: str, more: str) -> None:
    raise UnsupportedError(
        f"{name}{more} in {traced_within()} that a traced value decides on, which runs while it is "
        "traced and not when the program does",
        fix="print by sf.debug.print, and do the rest outside of the branch or loop",
        loc=user_location(),
    )


BUILTINS: dict[int, Function] = {
    id(all): _all,
    id(any): _any,
    id(bool): _bool,
    id(enumerate): enumerate_,
    id(len): _len,
    id(list): listed,
    id(map): mapped,
    id(max): _extreme("max"),
    id(min): _extreme("min"),
    id(input): _outside("input"),
    id(open): _outside("open"),
    id(print): _print,
    id(range): range_,
    id(reduce): _reduce,
    id(reversed): reversed_,
    id(sorted): _sorted,
    id(sum): _sum,
    id(tuple): _tuple,
    id(zip): zip_,
}
"""By the identity of the function that is called."""
