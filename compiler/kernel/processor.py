"""What schedules must know of a processor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .phases import Instr

__all__ = ["PAGE", "Processor"]

PAGE = 4096  # bytes at whose multiples addresses share a set of a first-level cache


@dataclass(frozen=True, slots=True)
class Processor:
    """Bytes of a vector register, how many there are, and bytes of the cache of one core."""

    vector_bytes: int
    registers: int
    cache_bytes: int

    def lanes(self, instrs: Iterable[Instr]) -> int:
        """Elements that one register holds, of the widest type that goes to or from memory."""
        sizes = (i.dtype.itemsize for i in instrs if i.op in ("load", "store", "reduce", "put"))
        return max(1, self.vector_bytes // max(sizes, default=4))
