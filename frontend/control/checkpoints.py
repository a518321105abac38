"""Computing again instead of keeping: less memory for derivatives in reverse mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from math import isqrt
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError, UnsupportedError

from ..tracing.trace import call, current
from ..tracing.tree import flatten, map_leaves
from .branches import branched
from .regions import expect_function

__all__ = [
    "checkpoint", "checkpoint_name", "in_batches", "in_blocks", "part", "remat", "reshaped",
]  # fmt: skip

Function = Callable[..., Any]
Policy = Callable[..., bool]


def checkpoint(
    fun: Function | None = None,
    *,
    policy: Policy | None = None,
    static_argnums: int | Sequence[int] = (),
) -> Any:
    """The same function; its derivative in reverse mode keeps only its arguments, and computes
    again what it needs besides.

    `policy` names what it keeps as well: one of `sf.checkpoint_policies`, or a function of the name
    of an operation, the types of its operands and its attributes. Without `fun` it is a decorator.
    Arguments of `static_argnums` are Python values.

    >>> import symfuse as sf
    >>> float(sf.grad(sf.checkpoint(lambda x: x**3))(2.0))
    12.0
    """
    if fun is None:
        return partial(checkpoint, policy=policy, static_argnums=static_argnums)
    expect_function("checkpoint", "fun", fun)
    if policy is not None:
        expect_function("checkpoint", "policy", policy)
    numbers = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)

    @wraps(fun)
    def apart(*args: Any, **kwargs: Any) -> Any:
        if current(flatten((args, kwargs))[0]) is None:
            return fun(*args, **kwargs)

        positions = {n % len(args) for n in numbers if args}
        static = {at: arg for at, arg in enumerate(args) if at in positions}
        args = tuple(arg for at, arg in enumerate(args) if at not in positions)
        whole = partial(_whole, fun, static)
        whole.__name__ = getattr(fun, "__name__", "f")  # type: ignore[attr-defined]
        return branched("checkpoint", np.int32(0), (whole,), (args, kwargs), policy)

    return apart


def _whole(fun: Function, static: Mapping[int, Any], positional: Any, named: Any) -> Any:
    given = list(positional)
    for position, value in static.items():
        given.insert(position, value)
    return fun(*given, **named)


remat = checkpoint


def checkpoint_name(x: Any, name: str) -> Any:
    """The same arrays, known by a name to the policies of `sf.checkpoint_policies`.

    >>> import symfuse as sf
    >>> def f(x):
    ...     return sf.checkpoint_name(sf.numpy.sin(x), "wave") ** 2
    >>> policy = sf.checkpoint_policies.save_only_these_names("wave")
    >>> round(float(sf.grad(sf.checkpoint(f, policy=policy))(1.0)), 3)
    0.909
    """
    if not isinstance(name, str):
        raise ArgumentError(
            f"checkpoint_name: {name!r} is no name",
            fix='give a text, such as "hidden"',
            loc=user_location(),
        )
    return map_leaves(lambda leaf: call("named", leaf, label=name), x)


def in_batches(walk: Function, whole: Function, xs: Any, length: Any, size: Any) -> Any:
    """The results of `walk` for full batches, and of `whole` for the rest."""
    if type(size) is not int or size < 1 or not isinstance(length, int):
        raise UnsupportedError(
            f"map: {length} slices in batches of {size!r}",
            fix="both have to be whole numbers; leave batch_size out for other sizes",
            loc=user_location(),
        )
    count = length // size
    full = count * size
    rest = map_leaves(lambda x: part(x, full, length), xs)
    if not count:
        return whole(rest)
    batches = map_leaves(lambda x: reshaped(part(x, 0, full), (count, size)), xs)
    found = map_leaves(lambda y: reshaped(y, (full,), 2), walk(batches))
    if full == length:
        return found
    return map_leaves(lambda y, z: call("concatenate", y, z, axis=0), found, whole(rest))


def in_blocks(
    walk: Function, f: Function, init: Any, xs: Any, length: Any, reverse: bool
) -> tuple[Any, Any]:
    """A scan as one over blocks of turns, of which only the carries between blocks are kept."""
    if not isinstance(length, int):
        raise UnsupportedError(
            f"scan: checkpoint=True needs a number of turns, not {length}",
            fix="give the spec a number, or wrap the body in sf.checkpoint",
            loc=user_location(),
        )
    size = max(1, isqrt(length))
    count = length // size
    whole = count * size
    inner = checkpoint(lambda carry, rows: walk(f, carry, rows, size, reverse))
    blocks = map_leaves(lambda x: reshaped(part(x, 0, whole), (count, size)), xs)
    tail = map_leaves(lambda x: part(x, whole, length), xs)
    carry, late = init, None
    if reverse and whole < length:
        carry, late = walk(f, carry, tail, length - whole, reverse)
    carry, rows = walk(inner, carry, blocks, count, reverse)
    rows = map_leaves(lambda y: reshaped(y, (whole,), 2), rows)
    if not reverse and whole < length:
        carry, late = walk(f, carry, tail, length - whole, reverse)
    if late is not None:
        rows = map_leaves(lambda y, z: call("concatenate", y, z, axis=0), rows, late)
    return carry, rows


def part(x: Any, start: int, stop: int) -> Any:
    """Some of the rows."""
    shape = tuple(x.shape)
    if (start, stop) == (0, shape[0]):
        return x
    starts, stops = (start, *(0 for _ in shape[1:])), (stop, *shape[1:])
    return call("slice", x, starts=starts, stops=stops, steps=(1,) * len(shape))


def reshaped(x: Any, first: tuple[int, ...], gone: int = 1) -> Any:
    """The array with other axes instead of its first ones."""
    return call("reshape", x, shape=(*first, *tuple(x.shape)[gone:]))
