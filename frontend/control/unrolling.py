"""Loops several turns of which are written out: fewer, longer turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import UnsupportedError

from ..tracing.trace import call
from ..tracing.tree import flatten, map_leaves
from .carries import pair_of
from .checkpoints import part, reshaped

__all__ = ["counted", "in_strides", "times"]

Function = Callable[..., Any]


def times(unroll: Any, length: Any, what: str) -> int:
    """How many turns of a loop are written out as one."""
    if unroll is not True and unroll in (None, False, 1):
        return 1
    if not isinstance(length, int) or not isinstance(unroll, int) or unroll < 1:
        raise UnsupportedError(
            f"{what}: unroll={unroll!r} for {length} turns",
            fix="both have to be whole numbers (unroll=True writes all turns out)",
            loc=user_location(),
        )
    return length if unroll is True else min(unroll, length)


def in_strides(
    walk: Function, f: Function, init: Any, xs: Any, length: Any, reverse: bool, size: int
) -> tuple[Any, Any]:
    """A scan of `size` turns at a time, and of those that are left."""
    if size >= length:
        return _written_out(f, init, xs, length, reverse)
    whole = length // size * size
    blocks = map_leaves(lambda x: reshaped(part(x, 0, whole), (length // size, size)), xs)
    tail = map_leaves(lambda x: part(x, whole, length), xs)

    def turns(carry: Any, rows: Any) -> tuple[Any, Any]:
        return _written_out(f, carry, rows, size, reverse)

    late: Any = None
    carry = init
    if reverse and whole < length:
        carry, late = _written_out(f, carry, tail, length - whole, reverse)
    carry, rows = walk(turns, carry, blocks, length // size, reverse)
    rows = map_leaves(lambda y: reshaped(y, (whole,), 2), rows)
    if not reverse and whole < length:
        carry, late = _written_out(f, carry, tail, length - whole, reverse)
    if whole < length:
        rows = map_leaves(lambda y, z: call("concatenate", y, z, axis=0), rows, late)
    return carry, rows


def counted(loop: Function, body: Function, start: Any, length: Any, size: int, init: Any) -> Any:
    """A fori_loop of `size` turns at a time, and of those that are left."""

    def turns(block: Any, value: Any) -> Any:
        for turn in range(size):
            value = body(start + block * size + turn, value)
        return value

    value = turns(0, init) if size == length else loop(0, length // size, turns, init)
    for turn in range(length // size * size, length):
        value = body(start + turn, value)
    return value


def _written_out(f: Function, carry: Any, rows: Any, length: int, reverse: bool) -> tuple[Any, Any]:
    """Turns one after the other, and what they give, stacked."""
    made: list[Any] = [None] * length
    for turn in reversed(range(length)) if reverse else range(length):
        row = map_leaves(lambda x, at=turn: x[at], rows)
        carry, made[turn] = pair_of(f(carry, row))
    leaves, tree = zip(*(flatten(one) for one in made), strict=True)
    columns = zip(*leaves, strict=True)
    return carry, tree[0].unflatten([_stacked(column) for column in columns])


def _stacked(rows: Any) -> Any:
    tall = [call("reshape", row, shape=(1, *tuple(getattr(row, "shape", ())))) for row in rows]
    return tall[0] if len(tall) == 1 else call("concatenate", *tall, axis=0)
