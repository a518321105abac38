"""Comprehensions and what takes their values: loops over the rows of traced arrays."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError, ShapeError

from ..control.loops import walk
from ..tracing.dispatch import FUNCTIONS
from ..tracing.rows import Rows
from ..tracing.tracer import FEW_PARTS, Tracer
from ..tracing.tree import map_leaves
from .attempt import inlined
from .effects import unchanged
from .iterables import Walk, expect_all_kept, walk_over, zip_
from .states import NOTHING
from .walks import turns

__all__ = ["chained", "extreme", "folded", "generated", "listed", "mapped", "started"]

Function = Callable[..., Any]


def generated(iterable: Any, item: Function, kept: Function | None = None) -> Any:
    """`(item(x) for x in iterable if kept(x))`."""
    walked = walk_over(iterable)
    if walked is None:
        return (item(one) for one in iterable if kept is None or kept(one))
    keeps = walked.kept
    if kept is not None:
        expect_all_kept(walked, "a condition on some")
        keeps = lambda at, rows: kept(walked.item(at, rows))  # noqa: E731
    return replace(walked, item=lambda at, rows: item(walked.item(at, rows)), kept=keeps)


def chained(iterable: Any, parts: Function, kept: Function | None = None) -> Any:
    """The values of `parts(x)` for all of an iterable, one after the other."""
    whole = generated(iterable, parts, kept)
    if not isinstance(whole, Walk):
        return itertools.chain.from_iterable(whole)
    found = listed(generated(whole, _as_rows), few=0)
    count, *inner = found.inner
    length = found.length * count
    arrays = map_leaves(lambda x: FUNCTIONS["reshape"](x, (length, *x.shape[2:])), found.arrays)
    return walk_over(Rows(arrays, length, *inner))


def _as_rows(values: Any) -> Rows:
    found = listed(values, few=0)
    if isinstance(found, Rows):
        return found
    return Rows(map_leaves(lambda *rows: FUNCTIONS["stack"](rows), *found), len(found))


def listed(values: Any = (), few: int = FEW_PARTS) -> Any:
    """`list(values)`; of many rows, arrays that a loop fills."""
    walked = walk_over(values)
    if walked is None:
        return list(values)
    expect_all_kept(walked, "a list")
    if isinstance(walked.length, int) and walked.length <= few:
        return [walked.at(at) for at in range(walked.length)]
    inner: list[Any] = []

    def turn(_: Function, at: Any, __: Any, rows: list[Tracer]) -> Any:
        item = walked.item(at, rows)
        if not isinstance(item, Rows):
            return (), item
        inner[:] = [item.length, *item.inner]
        return (), item.arrays

    with unchanged("a comprehension", walked.item):
        _, stacked = walk("comprehension", turn, turn, (), walked.rows, walked.length)
    return Rows(stacked, walked.length, *inner)


def mapped(function: Function, *iterables: Any) -> Any:
    """`map`, over traced arrays too."""
    walks = [walk_over(one) for one in iterables]
    if all(one is None for one in walks):
        return map(inlined(function), *iterables)
    if len(walks) > 1:
        step = inlined(function)
        return generated(zip_(*iterables), lambda row: step(*row))
    return generated(walks[0], inlined(function))


def folded(step: Function, values: Walk, what: str) -> Any:
    """`step(step(first, second), third)` and so on; zeros of no values."""

    def turn(item: Any, found: Any) -> tuple[Any]:
        return (item if found is NOTHING else step(found, item),)

    return turns(values, turn, (what,), (), (NOTHING,))[0]


def started(step: Function, values: Walk, start: Any, what: str) -> Any:
    """`step(step(start, first), second)` and so on."""

    def turn(item: Any, found: Any) -> tuple[Any]:
        return (step(found, item),)

    return turns(values, turn, (what,), (), (start,))[0]


def extreme(name: str, values: Walk) -> Any:
    """`max` or `min` of the values."""
    if values.kept is not None:
        limit = "-math.inf" if name == "max" else "math.inf"
        raise ArgumentError(
            f"{name} of the values that a condition keeps, which may be none",
            fix=f"give the others a value: {name}(v if condition else {limit} for …)",
            loc=user_location(),
        )
    array = listed(values, few=0).array()
    if array.ndim != 1:
        raise ShapeError(
            f"{name} of arrays of shape {tuple(array.shape[1:])}: which is larger is not one truth",
            fix=f"compare numbers, or write snp.{name}(np.stack(rows), axis=0)",
            loc=user_location(),
        )
    return FUNCTIONS[name](array)
