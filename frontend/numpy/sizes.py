"""Comparisons of symbolic sizes that indexing needs, now or when a program runs."""

from __future__ import annotations

from typing import Any

from symfuse.compiler.ir.dims import Expr, is_at_most, maximum, minimum
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError

from .shared import call

__all__ = ["at_least", "clipped", "may_count_back", "required"]


def required(x: Any, low: Any, high: Any) -> Any:
    """The array, in a program that refuses sizes of which low ≤ high does not hold."""
    return x if is_at_most(low, high) else call("required", x, low=low, high=high)


def may_count_back(bound: Any, size: Any) -> bool:
    """Whether a bound such as N - 3 of N elements is negative for some sizes."""
    before = size - bound if isinstance(bound, Expr) else 0
    return isinstance(before, int) and before > 0 and not is_at_most(before, size)


def at_least(size: Any, needed: Any, what: str) -> None:
    """Raise if a symbolic size is always smaller than what an index needs."""
    if is_at_most(needed, size) is False:
        raise ShapeError(
            f"{what} is out of range for an axis of size {size}",
            fix="use a smaller index",
            loc=user_location(),
        )


def clipped(bound: Any, size: Any, behind: int = 0) -> Any:
    """A slice bound as Python means it: counted from the end if negative, held in 0..size; or the
    place `behind` it. One of so many elements before the end is taken to be there, see
    `may_count_back`.
    """
    if isinstance(bound, int) and bound >= 0:
        return minimum(bound + behind, size)
    from_end = bound if isinstance(bound, int) else bound - size
    if isinstance(from_end, int) and from_end < 0:
        return size - minimum(size, -from_end - behind)
    from_start = maximum(bound + behind, 0)
    is_negative = minimum(maximum(-bound, 0), 1)  # 0 does not count from the end
    return minimum(from_start + is_negative * maximum(size + bound + behind, 0), size)
