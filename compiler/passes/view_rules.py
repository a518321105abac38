"""Identities of operations that only move elements: none of them touches a value."""

from __future__ import annotations

from typing import Any

from ..ir.dims import Dim, is_equal
from ..ir.node import Node
from ..ir.types import Shape
from ..ops.complex import interleave
from ..ops.shape import broadcast, inverse, reshape, reverse, transpose
from ..ops.slicing import concatenate, pad, slice
from ..rewrite.pattern import later
from ..rewrite.rule import RuleSet, Sides, rule, step

__all__ = ["RULES", "squeezed_axes"]

Axes = tuple[int, ...]


def squeezed_axes(inner: Shape, outer: Shape) -> Axes | None:
    """Where each axis of `inner` stands in `outer`, if `outer` only has more axes of size 1."""
    found: list[int] = []
    for axis, size in enumerate(outer):
        if len(found) < len(inner) and inner[len(found)] == size:
            found.append(axis)
        elif size != 1:
            return None
    return tuple(found) if len(found) == len(inner) else None


def _proper(shape: Shape) -> tuple[Dim, ...]:
    """The sizes that are not 1."""
    return tuple(n for n in shape if n != 1)


def _picked(first: Axes, then: Axes) -> Axes:
    return tuple(first[a] for a in then)


# reshape and transpose


@rule()
def reshape_twice(x: Any, between: Any, shape: Any) -> Sides:
    return reshape(reshape(x, shape=between), shape=shape), reshape(x, shape=shape)


@rule()
def transpose_twice(x: Any, first: Any, then: Any) -> Sides:
    return (
        transpose(transpose(x, axes=first), axes=then),
        transpose(x, axes=later(_picked, first, then)),
    )


@rule()
def reverse_twice(x: Any, axes: Any) -> Sides:
    return reverse(reverse(x, axes=axes), axes=axes), x


@step("reshape", "slice")
def all_of_it(node: Node) -> Node | None:
    """A reshape to the same shape, or a slice of everything."""
    (x,) = node.inputs
    return x if x.shape == node.shape else None


@step("transpose")
def transpose_in_order(node: Node) -> Any:
    """No axis moves past another, but for axes of size 1."""
    (x,) = node.inputs
    axes: Axes = node.attr("axes")
    kept = [a for a in axes if x.shape[a] != 1]
    if kept != sorted(kept):
        return None
    return x if axes == tuple(range(x.rank)) else reshape(x, shape=node.shape)


@step("transpose", "reshape", "slice", "reverse")
def view_of_number(node: Node) -> Any:
    """Copies of one number look the same from every side."""
    return node.inputs[0].number


@step("pad")
def pad_of_number(node: Node) -> Any:
    number = node.inputs[0].number
    return number if number is not None and _same_number(number, node.attr("value")) else None


def _same_number(number: Any, value: Any) -> bool:
    return bool(number == value) and str(float(number)) == str(float(value))


# broadcast


@rule()
def broadcast_twice(x: Any, shape: Any, between: Any, axes: Any, inner: Any) -> Sides:
    return (
        broadcast(broadcast(x, shape=between, axes=inner), shape=shape, axes=axes),
        broadcast(x, shape=shape, axes=later(_picked, axes, inner)),
    )


@step("broadcast")
def broadcast_without_copies(node: Node) -> Any:
    """Nothing but an order of axes, or more axes of size 1."""
    (x,) = node.inputs
    axes: Axes = node.attr("axes")
    if x.number is not None or any(node.shape[a] != 1 for a in _made(node)):
        return None
    if axes == tuple(sorted(axes)):
        return reshape(x, shape=node.shape) if _made(node) else x
    return None if _made(node) else transpose(x, axes=inverse(axes))


@step("broadcast")
def broadcast_of_more_ones(node: Node) -> Any:
    """Axes of size 1 that a reshape adds are made by the broadcast instead."""
    (x,) = node.inputs
    if x.op is not reshape:
        return None
    (source,) = x.inputs
    places = squeezed_axes(source.shape, x.shape)
    if places is None:
        return None
    return broadcast(source, shape=node.shape, axes=_picked(node.attr("axes"), places))


@step("reshape")
def ones_of_broadcast(node: Node) -> Any:
    """A reshape that adds or drops axes of size 1 happens within the broadcast below it."""
    (x,) = node.inputs
    if x.op is not broadcast or _proper(x.shape) != _proper(node.shape):
        return None
    (source,) = x.inputs
    proper = [a for a, n in enumerate(x.shape) if n != 1]
    places = [a for a, n in enumerate(node.shape) if n != 1]
    became = dict(zip(proper, places, strict=True))
    kept = [a for a in x.attr("axes") if a in became]
    small = reshape(source, shape=tuple(x.shape[a] for a in kept))
    return broadcast(small, shape=node.shape, axes=tuple(became[a] for a in kept))


@step("slice")
def slice_of_broadcast(node: Node) -> Any:
    """Fewer copies are made; of the source only what is needed is read."""
    (x,) = node.inputs
    if x.op is not broadcast:
        return None
    axes: Axes = x.attr("axes")
    cut = {name: _picked(node.attr(name), axes) for name in ("starts", "stops", "steps")}
    return broadcast(slice(x.inputs[0], **cut), shape=node.shape, axes=axes)


@step("transpose")
def transpose_of_broadcast(node: Node) -> Any:
    (x,) = node.inputs
    if x.op is not broadcast:
        return None
    place = inverse(node.attr("axes"))
    return broadcast(x.inputs[0], shape=node.shape, axes=_picked(place, x.attr("axes")))


def _made(node: Node) -> Axes:
    """The axes that a broadcast makes."""
    return tuple(a for a in range(node.rank) if a not in node.attr("axes"))


# slices, pads, concatenations


@step("slice")
def slice_twice(node: Node) -> Any:
    (x,) = node.inputs
    if x.op is not slice:
        return None
    parts = [_composed(x, node, axis) for axis in range(node.rank)]
    if None in parts:
        return None
    starts, stops, steps = zip(*parts, strict=True) if parts else ((), (), ())
    return slice(x.inputs[0], starts=starts, stops=stops, steps=steps)


def _composed(inner: Node, outer: Node, axis: int) -> tuple[Dim, Dim, int] | None:
    """The range of one axis that is left of a range of a range."""
    start, stop, step = (outer.attr(name)[axis] for name in ("starts", "stops", "steps"))
    begin, stride = inner.attr("starts")[axis], inner.attr("steps")[axis]
    if stride == 1:
        return begin + start, begin + stop, step
    if not isinstance(start, int) or not isinstance(stop, int) or stop <= start:
        return None
    return begin + start * stride, begin + (stop - 1) * stride + 1, step * stride


@step("slice")
def slice_of_pad(node: Node) -> Any:
    """A slice that touches no padding is one of what was padded."""
    (x,) = node.inputs
    if x.op is not pad or any(x.attr("interior")):
        return None
    (source,) = x.inputs
    low: Shape = x.attr("low")
    bounds = tuple(zip(node.attr("starts"), node.attr("stops"), low, source.shape, strict=True))
    if not all(_within(start, stop, before, n) for start, stop, before, n in bounds):
        return None
    return slice(
        source,
        starts=tuple(start - before for start, _, before, _ in bounds),
        stops=tuple(stop - before for _, stop, before, _ in bounds),
        steps=node.attr("steps"),
    )


def _within(start: Dim, stop: Dim, before: Dim, size: Dim) -> bool:
    if is_equal(start, before) and is_equal(stop, before + size):
        return True
    numbers = (start, stop, before, size)
    if not all(isinstance(n, int) for n in numbers):
        return False
    a, b, c, n = (int(str(value)) for value in numbers)
    return c <= a <= b <= c + n


@step("slice")
def slice_of_concatenation(node: Node) -> Any:
    """Only the operands that the slice reaches are joined."""
    (x,) = node.inputs
    if x.op is not concatenate:
        return None
    axis: int = x.attr("axis")
    start, stop = node.attr("starts")[axis], node.attr("stops")[axis]
    edge: Dim = 0
    for part in x.inputs:
        end = edge + part.shape[axis]
        if _within(start, stop, edge, part.shape[axis]):
            return slice(
                part,
                starts=_with(node.attr("starts"), axis, start - edge),
                stops=_with(node.attr("stops"), axis, stop - edge),
                steps=node.attr("steps"),
            )
        edge = end
    return None


@step("slice")
def slice_of_interleaved(node: Node) -> Any:
    """One of the operands that lie side by side."""
    (x,) = node.inputs
    start, stop = node.attr("starts")[-1], node.attr("stops")[-1]
    if x.op is not interleave or stop != start + 1:
        return None
    cut = {name: node.attr(name)[:-1] for name in ("starts", "stops", "steps")}
    return reshape(slice(x.inputs[start], **cut), shape=node.shape)


def _with(dims: tuple[Dim, ...], axis: int, dim: Dim) -> tuple[Dim, ...]:
    return (*dims[:axis], dim, *dims[axis + 1 :])


@step("pad")
def pad_with_nothing(node: Node) -> Node | None:
    added = (*node.attr("low"), *node.attr("high"), *node.attr("interior"))
    return node.inputs[0] if all(n == 0 for n in added) else None


@step("pad")
def pad_twice(node: Node) -> Any:
    """With one value and nothing in between, both pads are one."""
    (x,) = node.inputs
    if x.op is not pad or any(x.attr("interior")) or any(node.attr("interior")):
        return None
    if not _same_number(x.attr("value"), node.attr("value")):
        return None
    low, high = (
        tuple(a + b for a, b in zip(x.attr(side), node.attr(side), strict=True))
        for side in ("low", "high")
    )
    return pad(
        x.inputs[0], low=low, high=high, interior=node.attr("interior"), value=node.attr("value")
    )


@step("concatenate")
def flat_concatenation(node: Node) -> Any:
    """Without empty operands, and without concatenations along the same axis inside."""
    axis: int = node.attr("axis")
    parts: list[Node] = []
    for x in node.inputs:
        nested = x.op is concatenate and x.attr("axis") == axis
        parts.extend(x.inputs if nested else (x,))
    kept = [x for x in parts if x.shape[axis] != 0] or parts[:1]
    if len(kept) == 1:
        return kept[0]
    return None if tuple(kept) == node.inputs else concatenate(*kept, axis=axis)


@step("concatenate")
def concatenation_of_one_number(node: Node) -> Any:
    number = node.inputs[0].number
    if number is None or (isinstance(number, float) and number != number):
        return None
    rest = (x.number for x in node.inputs[1:])
    return number if all(n is not None and _same_number(n, number) for n in rest) else None


@step("reverse")
def reverse_of_nothing(node: Node) -> Any:
    """Axes of size 1 are their own mirror images."""
    (x,) = node.inputs
    axes: Axes = node.attr("axes")
    kept = tuple(a for a in axes if x.shape[a] != 1)
    if not kept:
        return x
    return None if kept == axes else reverse(x, axes=kept)


RULES = RuleSet.stated_in(globals())
