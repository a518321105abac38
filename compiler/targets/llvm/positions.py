"""Where the loops of a tile run, where one copy of an unrolled body stands, and what its lanes
have in common."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from ...ir.dims import Dim, Symbol, coefficient, symbols
from ...kernel.phases import Access, Loop
from .writer import Value

__all__ = ["Position", "Range"]

LINE = 64  # bytes that come from memory together


class Range(Struct, frozen=True):
    """The indices of an axis inside the current tile."""

    start: Dim | str
    stop: Dim | str
    tile: int | None
    extent: Dim
    may_end_early: bool  # the tile can be cut off by the end of the axis
    length: int | None = None

    @property
    def known_length(self) -> int | None:
        """How many indices there are, if that is a number."""
        if self.length is not None:
            return self.length
        if isinstance(self.start, int) and isinstance(self.stop, int):
            return self.stop - self.start
        return None


class Position(Struct, frozen=True):
    """Where one copy of a body stands: distances from the loops' bases, and clamped places; and
    how many copies there are along each unrolled axis."""

    steps: Mapping[Symbol, int]
    clamped: Mapping[Symbol, str]
    vector: Loop | None
    copies: Mapping[Symbol, int] = {}

    def varies(self, dim: Dim) -> bool:
        """Whether the lanes of a vector differ in this expression."""
        return self.vector is not None and self.vector.symbol in symbols(dim)

    def slope(self, dim: Dim) -> Dim | None:
        """What one lane further adds; None where that depends on the lane."""
        if self.vector is None or not self.varies(dim):
            return 0
        return coefficient(dim, self.vector.symbol)

    def line_of(self, access: Access) -> object:
        """Which line of memory an element lies in, counted from where the loops stand."""
        distance = 0
        for axis, step in self.steps.items():
            slope = coefficient(access.offset, axis)
            if not isinstance(slope, int):
                return tuple(self.steps.values())
            distance += slope * step
        return distance * access.buffer.dtype.itemsize // LINE

    def square_along(self, access: Access, active: Value | None) -> Symbol | None:
        """The axis with as many copies as there are lanes, along which they lie side by side: what
        all lanes of all copies read is a square, of which rows can be read as vectors."""
        is_plain = not access.strides and not access.guarded
        if self.vector is None or not is_plain or self.slope(access.offset) is None:
            return None
        if active is not None and not self.vector.rolled:
            return None  # perhaps no lane is active
        for axis, count in self.copies.items():
            is_whole = count == self.vector.lanes and axis not in self.clamped
            if is_whole and axis != self.vector.symbol and coefficient(access.offset, axis) == 1:
                return axis
        return None
