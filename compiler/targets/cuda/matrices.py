"""How operands lie in memory: views seen through, and axes put together to rows and columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from ...ir.dims import Dim, is_at_most, is_equal, product
from ...ir.node import Node

__all__ = ["Matrix", "View", "as_matrix", "is_row_major", "merged", "view_of"]

Axes = Sequence[int]


class View(Struct, frozen=True):
    """The elements of a stored node at `offset` and then `strides` apart, counted in elements."""

    node: Node
    offset: Dim
    shape: tuple[Dim, ...]
    strides: tuple[Dim, ...]


class Matrix(Struct, frozen=True):
    """Matrices of a stored node, row-major unless `transposed`.

    In elements: the first begins at `offset`, rows (of the transpose: columns) are `leading` apart,
    and one matrix of the batch is `stride` behind the other.
    """

    node: Node
    offset: Dim
    leading: Dim
    stride: Dim
    transposed: bool


def view_of(node: Node, sees_through: Callable[[Node], bool]) -> View | None:
    """What a node reads of memory; None if it computes something, or has no constant strides."""
    if not sees_through(node):
        return View(node, 0, node.shape, _row_major(node.shape))
    if len(node.inputs) != 1 or node.op.name not in _THROUGH:
        return None
    inner = view_of(node.inputs[0], sees_through)
    return None if inner is None else _THROUGH[node.op.name](inner, node)


def merged(view: View, axes: Axes) -> tuple[Dim, Dim] | None:
    """The extent and the stride of axes taken as one, if they lie so; (1, 0) for none."""
    extent: Dim = 1
    stride: Dim = 0
    for axis in reversed(axes):
        size, step = view.shape[axis], view.strides[axis]
        if size == 1:
            continue
        if extent == 1:
            stride = step
        elif is_equal(step, stride * extent) is not True:
            return None
        extent = extent * size
    return extent, stride


def as_matrix(view: View, batch: Axes, rows: Axes, columns: Axes) -> Matrix | str:
    """The view as matrices, or why it is not one."""
    parts = [merged(view, axes) for axes in (batch, rows, columns)]
    for part, name in zip(parts, ("batches", "rows", "columns"), strict=True):
        if part is None:
            return f"the {name} of {view.node.op} are not evenly spaced in memory"
    (_, stride), (height, down), (width, across) = (part or (1, 0) for part in parts)
    if width == 1 or across == 1:
        leading = width if height == 1 else down
        if is_at_most(width, leading) is True:
            return Matrix(view.node, view.offset, leading, stride, False)
    if height == 1 or down == 1:
        leading = height if width == 1 else across
        if is_at_most(height, leading) is True:
            return Matrix(view.node, view.offset, leading, stride, True)
    return f"neither rows nor columns of {view.node.op} are contiguous in memory"


def is_row_major(view: View) -> bool:
    """Whether the elements lie without gaps in the order of their axes."""
    pairs = zip(view.shape, view.strides, _row_major(view.shape), strict=True)
    return all(size == 1 or is_equal(step, dense) is True for size, step, dense in pairs)


def _row_major(shape: Sequence[Dim]) -> tuple[Dim, ...]:
    return tuple(product(shape[axis + 1 :]) for axis in range(len(shape)))


# views of views


def _transposed(view: View, node: Node) -> View:
    axes = node.attr("axes")
    return View(view.node, view.offset, node.shape, tuple(view.strides[axis] for axis in axes))


def _broadcast(view: View, node: Node) -> View:
    steps: list[Dim] = [0] * node.rank
    for axis, target in enumerate(node.attr("axes")):
        if view.shape[axis] != 1 or node.shape[target] == 1:
            steps[target] = view.strides[axis]
    return View(view.node, view.offset, node.shape, tuple(steps))


def _sliced(view: View, node: Node) -> View:
    offset = view.offset
    for start, step in zip(node.attr("starts"), view.strides, strict=True):
        offset = offset + start * step
    steps = zip(node.attr("steps"), view.strides, strict=True)
    return View(view.node, offset, node.shape, tuple(a * b for a, b in steps))


def _reshaped(view: View, node: Node) -> View | None:
    """Groups of axes with equal products: each must lie as one axis, which is then cut anew."""
    strides: list[Dim] = [0] * node.rank
    for old, new in _groups(view.shape, node.shape):
        found = merged(view, old)
        if found is None:
            return None
        step = found[1]
        for axis in reversed(new):
            strides[axis] = step
            step = step * node.shape[axis]
    return View(view.node, view.offset, node.shape, tuple(strides))


def _groups(
    old: Sequence[Dim], new: Sequence[Dim]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Consecutive axes of two shapes that have the same number of elements."""
    groups: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    first = second = 0
    for stop in range(1, len(old) + 1):
        size = product(old[first:stop])
        for end in range(second + 1, len(new) + 1):
            if is_equal(product(new[second:end]), size) is True:
                groups.append((tuple(range(first, stop)), tuple(range(second, end))))
                first, second = stop, end
                break
    if first < len(old) or second < len(new):
        groups.append((tuple(range(first, len(old))), tuple(range(second, len(new)))))
    return groups


_THROUGH: dict[str, Callable[[View, Node], View | None]] = {
    "transpose": _transposed,
    "broadcast": _broadcast,
    "slice": _sliced,
    "reshape": _reshaped,
}
