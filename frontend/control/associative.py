"""Running results of an associative function, in a logarithmic number of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symfuse.compiler.ir.dims import is_equal
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError, UnsupportedError

from ..tracing.trace import call
from ..tracing.tree import Structure, flatten, same
from .regions import described, expect_function

__all__ = ["associative_scan"]

Function = Callable[..., Any]
Leaves = list[Any]


def associative_scan(fn: Function, elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """`fn` applied to all elements along `axis` up to each; `fn(a, b)` is associative, and takes
    and gives many elements at once.

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
    found = walk.scan(leaves) if sizes else leaves
    return tree.unflatten(walk.reversed(found) if reverse else found)


def _size(shape: tuple[Any, ...], axis: int, shown: str) -> Any:
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(
            f"associative_scan: {shown} has no axis {axis}",
            fix="choose another axis",
            loc=user_location(),
        )
    size = shape[axis]
    if not isinstance(size, int):
        raise UnsupportedError(
            f"associative_scan: the size {size} along the axis is symbolic",
            fix="give the spec a number there, or use scan or cumsum",
            loc=user_location(),
        )
    return size


class _Walk:
    """Pairs are joined, scanned, and the elements between them follow from their neighbours."""

    def __init__(self, fn: Function, tree: Structure, axes: list[int]) -> None:
        self.fn, self.tree, self.axes = fn, tree, axes

    def reversed(self, leaves: Leaves) -> Leaves:
        pairs = zip(leaves, self.axes, strict=True)
        return [call("reverse", x, axes=(axis,)) for x, axis in pairs]

    def scan(self, leaves: Leaves) -> Leaves:
        count = leaves[0].shape[self.axes[0]]
        if count < 2:
            return leaves
        pairs = self._joined(self._every(leaves, 0, count - 1), self._every(leaves, 1, count))
        odd = self.scan(pairs)
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


def len_of(x: Any, axis: int) -> int:
    """The size along an axis."""
    return int(x.shape[axis])


def _slice(x: Any, axis: int, start: int, stop: int, step: int) -> Any:
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
