"""Loops whose number of turns is known before they begin: scan, map and fori_loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from msgspec.structs import replace

from symfuse.compiler.ir.dims import Dim, Expr, is_equal, maximum
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import DTypeError, ShapeError, TraceError

from ..batching import vmap
from ..tracing.sizes import plain
from ..tracing.specs import Described
from ..tracing.tracer import Tracer
from ..tracing.tree import flatten
from .carries import COUNTER, carried, pair_of
from .checkpoints import in_batches, in_blocks
from .regions import Region, described, expect_function, regional_results
from .unrolling import counted, in_strides, times
from .whiles import counted_while

__all__ = ["fori_loop", "map", "scan", "walk"]

Function = Callable[..., Any]


def scan(
    f: Function,
    init: Any,
    xs: Any = None,
    length: Any = None,
    reverse: bool = False,
    unroll: Any = 1,
    *,
    checkpoint: bool = False,
) -> tuple[Any, Any]:
    """`carry, y = f(carry, x)` for every slice x along the first axis of `xs`.

    Gives the last carry, and every y stacked along a new first axis. `init`, `xs` and what f
    returns are trees of arrays; a carry keeps its shapes and element types. Without `xs`, `length`
    tells the number of turns. `reverse` begins at the end; results stand where their slices do.
    `unroll` turns are written out as one, True: all. With `checkpoint` a derivative in reverse
    mode keeps carries of about √length turns, and computes the turns between them again.

    >>> import numpy as np, symfuse as sf
    >>> total, sums = sf.scan(lambda s, x: (s + x, s + x), 0.0, np.array([1.0, 2.0, 3.0]))
    >>> float(total), sums.tolist()
    (6.0, [1.0, 3.0, 6.0])
    """
    expect_function("scan", "f", f)
    state, tree = flatten(init)
    rows, rows_tree = flatten(xs)
    types = described(rows, rows_tree.paths("xs"), "scan")
    count = _length(types, rows_tree.paths("xs"), length)
    size = times(unroll, count, "scan")
    if size > 1:
        arrays = rows_tree.unflatten([_as_array(row) for row in rows])
        again = partial(scan, checkpoint=checkpoint)
        return in_strides(again, f, init, arrays, count, reverse, size)
    if checkpoint:
        arrays = rows_tree.unflatten([_as_array(row) for row in rows])
        return in_blocks(scan, f, init, arrays, count, reverse)
    members = [replace(t, type=t.type.with_shape(t.type.shape[1:])) for t in types]

    def turn(body: Function, carry: Any, leaves: list[Tracer]) -> Any:
        return pair_of(body(carry, rows_tree.unflatten(leaves[1:])))

    starts = described(state, tree.paths("init"), "scan")
    region, starts = carried("scan", f, tree, starts, [COUNTER, *members], turn)
    last, stacked = _run(region, state, starts, rows, count, reverse=reverse)
    return tree.unflatten(last), region.tree.children()[1].unflatten(stacked)


def map(f: Function, xs: Any, *, batch_size: int | None = None) -> Any:
    """f of every slice along the first axis of `xs`, one after the other, stacked.

    With `batch_size`, so many slices at a time by vmap.

    >>> import numpy as np, symfuse as sf
    >>> sf.map(lambda x: x.sum(), np.ones((2, 3))).tolist()
    [3.0, 3.0]
    """
    expect_function("map", "f", f)
    if batch_size is None:
        return scan(_without_carry(f), (), xs)[1]
    rows, tree = flatten(xs)
    count = _length(described(rows, tree.paths("xs"), "map"), tree.paths("xs"), None)
    arrays = tree.unflatten([_as_array(row) for row in rows])
    return in_batches(lambda batches: map(vmap(f), batches), vmap(f), arrays, count, batch_size)


def fori_loop(
    lower: Any, upper: Any, body_fun: Function, init_val: Any, *, unroll: Any = None
) -> Any:
    """`value = body_fun(i, value)` for i from `lower` up to, not including, `upper`.

    Bounds that are numbers or sizes make a loop that can be differentiated in both modes; traced
    bounds make a while_loop. `unroll` turns are written out as one, True: all.

    >>> import symfuse as sf
    >>> int(sf.fori_loop(0, 5, lambda i, total: total + i, 0))
    10
    """
    expect_function("fori_loop", "body_fun", body_fun)
    first, stop = _bound(lower, "lower"), _bound(upper, "upper")
    if isinstance(first, Tracer) or isinstance(stop, Tracer):
        return counted_while(first, stop, body_fun, init_val)
    count = maximum(stop - first, 0)
    size = times(unroll, count, "fori_loop")
    if size > 1:
        return counted(fori_loop, body_fun, first, count, size, init_val)
    state, tree = flatten(init_val)

    def turn(body: Function, value: Any, leaves: list[Tracer]) -> Any:
        return (body(leaves[0] if first == 0 else leaves[0] + first, value), ())

    starts = described(state, tree.paths("init_val"), "fori_loop")
    region, starts = carried("fori_loop", body_fun, tree, starts, [COUNTER], turn)
    return tree.unflatten(_run(region, state, starts, [], count)[0])


def walk(
    what: str,
    body: Function,
    turn: Callable[[Function, Any, Any, list[Tracer]], Any],
    init: Any,
    rows: Sequence[Any],
    length: Dim,
) -> tuple[Any, Any]:
    """The last carry and the stacked rows of `turn(body, number, carry, slices)`."""
    state, tree = flatten(init)
    given = list(rows)
    types = described(given, [what] * len(given), what)
    members = [replace(t, type=t.type.with_shape(t.type.shape[1:])) for t in types]

    def counted(function: Function, carry: Any, leaves: list[Tracer]) -> Any:
        return turn(function, leaves[0], carry, leaves[1:])

    starts = described(state, tree.paths("carry"), what)
    region, starts = carried(what, body, tree, starts, [COUNTER, *members], counted)
    last, stacked = _run(region, state, starts, given, length)
    return tree.unflatten(last), region.tree.children()[1].unflatten(stacked)


def _run(
    region: Region,
    state: list[Any],
    starts: list[Described],
    rows: list[Any],
    count: Dim,
    reverse: bool = False,
) -> tuple[list[Any], list[Any]]:
    """The last carries and the stacked rows."""
    attrs = {
        "body": region.graph,
        "carries": len(state),
        "scanned": len(rows),
        "length": count,
        "reverse": bool(reverse),
    }
    values = [*state, *rows, *region.captured]
    found = regional_results("loop", values, [one.type for one in starts], attrs)
    for tracer, one in zip(found, starts, strict=False):
        if isinstance(tracer, Tracer):
            tracer._weak = one.weak
    return found[: len(state)], found[len(state) :]


def _length(types: list[Described], paths: list[str], given: Any) -> Dim:
    """The number of turns that all of xs agree on."""
    count, first = (None, "") if given is None else (_bound(given, "length"), "length")
    if isinstance(count, Tracer):
        raise TraceError(
            "scan: length is a traced value",
            fix="use a number or a size such as x.shape[0], or while_loop",
            loc=user_location(),
        )
    for one, path in zip(types, paths, strict=True):
        if not one.type.shape:
            raise ShapeError(
                f"scan: {path} is {one.type}, which has no axis to walk along",
                fix="close over values that are the same in every turn",
                loc=user_location(),
            )
        size = one.type.shape[0]
        if count is not None and not is_equal(count, size):
            raise ShapeError(
                f"scan: {first} gives {count} turns, {path} gives {size}",
                fix="all of xs need one first size",
                loc=user_location(),
            )
        count, first = (size, path) if count is None else (count, first)
    if count is None or (isinstance(count, int) and count < 0):
        raise ShapeError(
            "scan: there are no xs, and no length" if count is None else f"scan: length is {count}",
            fix="pass xs, or length= the number of turns",
            loc=user_location(),
        )
    return count


def _as_array(value: Any) -> Any:
    return value if isinstance(value, Tracer) else np.asarray(value)


def _bound(value: Any, name: str) -> Any:
    """A number of turns: an int, a size, or a traced integer."""
    if isinstance(value, Tracer):
        number = value._node.number
        if value._node.shape or not value._node.dtype.is_integer:
            raise _no_count(name, str(value._node.type))
        return value if number is None else int(number)
    if isinstance(value, Expr):
        return plain(value)
    array = np.asarray(value)
    if array.shape or array.dtype.kind not in "iu":
        raise _no_count(name, f"{value!r}")
    return int(array)


def _no_count(name: str, found: str) -> DTypeError:
    return DTypeError(
        f"{name} is {found}, which is no whole number",
        fix="pass an integer, a size, or a traced integer of rank 0",
        loc=user_location(),
    )


def _without_carry(f: Function) -> Function:
    turn = partial(_carry_and_result, f)
    turn.__name__ = getattr(f, "__name__", "f")  # type: ignore[attr-defined]
    return turn


def _carry_and_result(f: Function, carry: Any, x: Any) -> Any:
    return carry, f(x)
