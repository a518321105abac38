"""What an array with updates added at computed places depends on."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..ir.node import Node
from .elements import Elements, sizes
from .relations import chosen, composed, folded, kept, of_pairs, together

__all__ = ["scattered"]

Array = np.ndarray[Any, Any]


def scattered(node: Node, operands: Sequence[Elements]) -> Elements:
    """An element depends on the updates that are added to it, or may be where that is unknown."""
    x, indices, updates = operands
    before, size, after = _extents(node)
    grid = (before, updates.count // max(before * after, 1), after)
    sure = _laid_out(node, indices.known, grid)
    at = _laid_out(node, np.clip(indices.value, 0, size - 1), grid).astype(np.int64)
    row, _, column = np.ogrid[: grid[0], : grid[1], : grid[2]]
    target = ((row * size + at) * after + column)[sure]
    exact = of_pairs(target, np.flatnonzero(sure), (x.count, updates.count))
    lost = folded(kept(updates.depends, ~sure.ravel()), grid, (1,))
    lines = np.broadcast_to(row * after + column, (before, size, after)).ravel()
    depends = together(x.depends, composed(exact, updates.depends), chosen(lost, lines))
    touched = np.repeat(~sure.all(1, keepdims=True), size, axis=1).ravel()
    touched[target] = True
    return Elements(node.dtype, x.value, x.known & ~touched, depends)


def _extents(node: Node) -> tuple[int, int, int]:
    """The number of elements before, along and behind the axis."""
    shape, axis = sizes(node), node.attr("axis")
    return prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])


def _laid_out(node: Node, values: Array, grid: tuple[int, int, int]) -> Array:
    """What stands at each index, beside each update; indices lie along the axis or replace it."""
    _, indices, updates = node.inputs
    if indices.rank == updates.rank:
        return values.reshape(grid)
    return np.broadcast_to(values.reshape(1, grid[1], 1), grid)
