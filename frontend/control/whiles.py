"""Loops that go on while a condition holds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.types import TensorType
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError, TraceError

from ..tracing.specs import Described
from ..tracing.tracer import Tracer
from ..tracing.tree import Structure, flatten
from .carries import carried
from .regions import (
    Region,
    described,
    expect_function,
    regional_results,
    trace_region,
    with_common_captures,
)

__all__ = ["counted_while", "while_loop"]

Function = Callable[..., Any]
_TRUTH = TensorType((), DType.BOOL)


def while_loop(
    cond_fun: Function, body_fun: Function, init_val: Any, *, bound: int | None = None
) -> Any:
    """`value = body_fun(value)` while `cond_fun(value)` holds.

    With `bound` there are at most so many turns, and the loop can be differentiated in reverse
    mode too.

    >>> import symfuse as sf
    >>> int(sf.while_loop(lambda n: n < 100, lambda n: 2 * n, 3))
    192
    """
    expect_function("while_loop", "cond_fun", cond_fun)
    expect_function("while_loop", "body_fun", body_fun)
    if bound is not None and (type(bound) is not int or bound < 0):
        raise TraceError(
            f"while_loop: bound is {bound!r}",
            fix="pass the greatest number of turns, or None",
            loc=user_location(),
        )
    state, tree = flatten(init_val)
    starts = described(state, tree.paths("init_val"), "while_loop")
    body, starts = carried(
        "while_loop", body_fun, tree, starts, [], lambda f, value, _: (f(value), ())
    )
    condition = _condition(cond_fun, tree, starts)
    graphs, captured = with_common_captures((condition, body))
    attrs = {"condition": graphs[0], "body": graphs[1], "carries": len(state), "bound": bound}
    types = [one.type for one in starts]
    found = regional_results("while_loop", [*state, *captured], types, attrs)
    for tracer, one in zip(found, starts, strict=True):
        if isinstance(tracer, Tracer):
            tracer._weak = one.weak
    return tree.unflatten(found)


def counted_while(lower: Any, upper: Any, body_fun: Function, init_val: Any) -> Any:
    """A fori_loop between traced bounds."""
    turn = partial(_counted_turn, body_fun)
    turn.__name__ = getattr(body_fun, "__name__", "body")  # type: ignore[attr-defined]
    return while_loop(lambda counted: counted[0] < upper, turn, (lower, init_val))[1]


def _counted_turn(body_fun: Function, counted: Any) -> Any:
    i, value = counted
    return i + 1, body_fun(i, value)


def _condition(cond_fun: Function, tree: Structure, starts: list[Described]) -> Region:
    region = trace_region(cond_fun, starts, lambda f, leaves: f(tree.unflatten(leaves)))
    found = [node.type for node in region.graph.outputs]
    if found != [_TRUTH]:
        raise ShapeError(
            f"while_loop: {region.name} returns {', '.join(map(str, found)) or 'nothing'}, "
            "not one bool",
            fix="compare, or reduce by .any() or .all()",
            loc=user_location(),
        )
    return region
