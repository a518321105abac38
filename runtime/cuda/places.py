"""Numbers of a device program that sizes decide, and places of its memory."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ALIGNED", "Count", "Extent", "Place", "Prepared"]

ALIGNED = 16  # bytes, to which every buffer is aligned


@dataclass(frozen=True, slots=True)
class Prepared:
    """A number that `prepare` works out: entry `index` of those behind the bytes of the arena."""

    index: int

    def __str__(self) -> str:
        return f"prepared[{self.index}]"


Count = int | Prepared


@dataclass(frozen=True, slots=True)
class Place:
    """Entry `number` of inputs, outputs, constants and slots, or `offset` bytes into the arena.

    Slots are behind all others; loops set them to where a turn reads and writes.
    """

    number: int | None
    offset: Count = 0

    @property
    def is_scratch(self) -> bool:
        """Whether it lies in the arena."""
        return self.number is None

    def __str__(self) -> str:
        return f"arena+{self.offset}" if self.number is None else f"buffer {self.number}"


@dataclass(frozen=True, slots=True)
class Extent:
    """How many bytes behind a pointer a launch touches, and whether it writes there."""

    nbytes: Count
    written: bool
