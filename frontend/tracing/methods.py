"""Methods of arrays that take their arguments in a way of their own."""

from __future__ import annotations

from typing import Any

from .dispatch import FUNCTIONS

__all__ = ["METHODS"]


def _reshape(self: Any, *shape: Any, order: str = "C") -> Any:
    """The same elements in another shape; one size may be -1."""
    return FUNCTIONS["reshape"](self, shape[0] if len(shape) == 1 else shape, order=order)


def _transpose(self: Any, *axes: Any) -> Any:
    """The axes in another order, reversed where none is given."""
    order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else (axes or None)
    return FUNCTIONS["transpose"](self, order)


def _compress(self: Any, condition: Any, axis: Any = None) -> Any:
    """The parts along an axis where a condition holds."""
    return FUNCTIONS["compress"](condition, self, axis)


def _fill(self: Any, value: Any) -> None:
    """Write one number to every place."""
    self[...] = value


def _sort(self: Any, axis: int = -1, kind: Any = None, order: Any = None, **_: Any) -> None:
    """Put the elements along an axis in order, in place."""
    self[...] = FUNCTIONS["sort"](self, axis)


def _partition(self: Any, kth: Any, axis: int = -1, kind: Any = None, order: Any = None) -> None:
    """Put the kth elements along an axis into their places, in place."""
    self[...] = FUNCTIONS["partition"](self, kth, axis)


METHODS = {
    "reshape": _reshape,
    "transpose": _transpose,
    "compress": _compress,
    "fill": _fill,
    "sort": _sort,
    "partition": _partition,
}
