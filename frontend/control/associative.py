"""Running results of an associative function, in a logarithmic number of steps, or one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symfuse.compiler.ir.dims import Dim, is_equal, minimum
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError

from ..tracing.trace import call
from ..tracing.tree import Structure, flatten, same
from .loops import scan
from .regions import described, expect_function

__all__ = ["associative_scan"]

Function = Callable[..., Any]
Leaves = list[Any]


def associative_scan(fn: Function, elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """`fn` applied to all elements along `axis` up to each; `fn(a, b)` is associative, and takes
    and gives many elements at once. Along a symbolic size they are joined in a loop, one by one.

    >>> import numpy as np, symfuse as sf
    >>> sf.associative_scan(lambda a, b: a * b, np.array([1.0, 2.0, 3.0])).tolist()
    [1.0, 2.0, 6.0]
    """
    expect_function("associative_scan", "fn", fn)
    leaves, tree = flatten(elems)
    types = described(leaves, tree.paths("elems"), "associative_scan")
    sizes = [_size(one.type.shape, axis, str(one.type)) for one in types]
    if any(not is_equal(size, sizes[0]) for size in sizes):
        raise ShapeError(
            f"associative_scan: sizes along the axis are {', '.join(map(str, sizes))}",
            fix="all of elems need one size there",
            loc=user_location(),
        )
    walk = _Walk(fn, tree, [axis % len(one.type.shape) for one in types])
    if reverse:
        leaves = walk.reversed(leaves)
    by_halves = all(isinstance(size, int) for size in sizes)
    found = walk.by_halves(leaves) if by_halves else walk.one_by_one(leaves)
    return tree.unflatten(walk.reversed(found) if reverse else found)


def _size(shape: tuple[Any, ...], axis: int, shown: str) -> Any:
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(
            f"associative_scan: {shown} has no axis {axis}",
            fix="choose another axis",
            loc=user_location(),
        )
    return shape[axis]


class _Walk:
    """The ways through elements along an axis of each leaf."""

    def __init__(self, fn: Function, tree: Structure, axes: list[int]) -> None:
        self.fn, self.tree, self.axes = fn, tree, axes

    def reversed(self, leaves: Leaves) -> Leaves:
        pairs = zip(leaves, self.axes, strict=True)
        return [call("reverse", x, axes=(axis,)) for x, axis in pairs]

    def one_by_one(self, leaves: Leaves) -> Leaves:
        """The first one, and then what each turn of a loop joins to it."""
        size = leaves[0].shape[self.axes[0]]
        some = minimum(size, 1)
        start = [_slice(_longer(x, a), a, 0, 1, 1) for x, a in zip(leaves, self.axes, strict=True)]
        rest = [
            call("transpose", _slice(x, a, some, size, 1), axes=(a, *_without(x, a)))
            for x, a in zip(leaves, self.axes, strict=True)
        ]

        def turn(before: Leaves, row: Leaves) -> tuple[Leaves, Leaves]:
            parts = zip(row, before, strict=True)
            joined = self._joined(before, [call("reshape", x, shape=b.shape) for x, b in parts])
            return joined, joined

        rows = scan(turn, start, rest)[1]
        return [self._after(*parts, some) for parts in zip(leaves, rows, self.axes, strict=True)]

    def _after(self, x: Any, rows: Any, axis: int, some: Any) -> Any:
        """The first element, where there is one, with the rows of the loop behind it."""
        order = (*range(1, axis + 1), 0, *range(axis + 1, x.ndim + 1))
        shape = (*x.shape[:axis], rows.shape[0], *x.shape[axis + 1 :])
        rest = call("reshape", call("transpose", rows, axes=order), shape=shape)
        return call("concatenate", _slice(x, axis, 0, some, 1), rest, axis=axis)

    def by_halves(self, leaves: Leaves) -> Leaves:
        """Pairs are joined, walked, and the elements between them follow from their neighbours."""
        if not leaves or leaves[0].shape[self.axes[0]] < 2:
            return leaves
        count = leaves[0].shape[self.axes[0]]
        pairs = self._joined(self._every(leaves, 0, count - 1), self._every(leaves, 1, count))
        odd = self.by_halves(pairs)
        known = len_of(odd[0], self.axes[0]) - (count % 2 == 0)
        rest = self._every(leaves, 2, count)
        even = self._joined(self._some(odd, known), rest) if known else []
        first = self._some(leaves, 1)
        return [
            _woven(one, [*more], two, axis)
            for one, more, two, axis in zip(
                first, [[x] for x in even] or [[] for _ in first], odd, self.axes, strict=True
            )
        ]

    def _joined(self, one: Leaves, other: Leaves) -> Leaves:
        found = self.fn(self.tree.unflatten(one), self.tree.unflatten(other))
        return same(found, self.tree, "what fn returns")

    def _every(self, leaves: Leaves, start: int, stop: int) -> Leaves:
        """Every second element."""
        return [_slice(x, a, start, stop, 2) for x, a in zip(leaves, self.axes, strict=True)]

    def _some(self, leaves: Leaves, count: int) -> Leaves:
        return [_slice(x, a, 0, count, 1) for x, a in zip(leaves, self.axes, strict=True)]


def _longer(x: Any, axis: int) -> Any:
    """One element more, so that there is a first one."""
    zeros = (0,) * x.ndim
    high = tuple(int(at == axis) for at in range(x.ndim))
    value = False if str(x.dtype) == "bool" else 0
    return call("pad", x, low=zeros, high=high, interior=zeros, value=value)


def _without(x: Any, axis: int) -> tuple[int, ...]:
    """The other axes."""
    return tuple(at for at in range(x.ndim) if at != axis)


def len_of(x: Any, axis: int) -> int:
    """The size along an axis."""
    return int(x.shape[axis])


def _slice(x: Any, axis: int, start: Dim, stop: Dim, step: int) -> Any:
    shape = tuple(x.shape)
    starts = tuple(start if at == axis else 0 for at in range(len(shape)))
    stops = tuple(stop if at == axis else n for at, n in enumerate(shape))
    steps = tuple(step if at == axis else 1 for at in range(len(shape)))
    return call("slice", x, starts=starts, stops=stops, steps=steps)


def _woven(first: Any, more: list[Any], odd: Any, axis: int) -> Any:
    """Elements 0, 2, 4, … and 1, 3, 5, … in their order."""
    even = call("concatenate", first, *more, axis=axis)
    counts = [len_of(x, axis) for x in (even, odd)]
    total = sum(counts)
    padded = []
    for at, (x, count) in enumerate(zip((even, odd), counts, strict=True)):
        rank = len(tuple(x.shape))
        low, high, inside = ([0] * rank for _ in range(3))
        low[axis], inside[axis] = at, 1
        high[axis] = total - at - (2 * count - 1)
        zero = False if str(x.dtype) == "bool" else 0
        spread = {"low": tuple(low), "high": tuple(high), "interior": tuple(inside), "value": zero}
        padded.append(call("pad", x, **spread))
    name = "logical_or" if str(even.dtype) == "bool" else "add"
    return call(name, *padded)
