"""Comparisons of symbolic sizes that indexing needs."""

from __future__ import annotations

from typing import Any

from symfuse.compiler.ir.dims import is_at_most, maximum, minimum
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError

__all__ = ["at_least", "clipped"]


def at_least(size: Any, needed: Any, what: str) -> None:
    """Raise if a symbolic size is always smaller than what an index needs."""
    if is_at_most(needed, size) is False:
        raise ShapeError(
            f"{what} is out of range for an axis of size {size}",
            fix="use a smaller index",
            loc=user_location(),
        )


def clipped(bound: Any, size: Any) -> Any:
    """A slice bound as Python means it: counted from the end if negative, held in 0..size."""
    if isinstance(bound, int) and bound >= 0:
        return minimum(bound, size)
    if not isinstance(bound, int) and is_at_most(bound, 0):
        return maximum(size + bound, 0) * minimum(-bound, 1)  # 0 does not count from the end
    from_end = bound if isinstance(bound, int) else bound - size
    if isinstance(from_end, int) and from_end < 0:
        return size - minimum(size, -from_end)
    return maximum(minimum(bound, size), 0)
