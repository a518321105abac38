"""What schedules must know of a processor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .phases import Instr

__all__ = ["PAGE", "Device", "Processor"]

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


@dataclass(frozen=True, slots=True)
class Device:
    """A graphics processor: threads that share a tile, their registers and shared memory.

    `registers` are those that one thread may fill with values, of 4 bytes each.
    """

    multiprocessors: int = 132
    warp: int = 32
    most_threads: int = 1024
    vector_bytes: int = 16
    registers: int = 64
    shared_bytes: int = 48 << 10  # that every kernel may use
    most_shared_bytes: int = 227 << 10  # that a kernel may use which asks for it

    def lanes(self, instrs: Iterable[Instr]) -> int:
        """Elements in one access, of the widest type that goes to or from memory."""
        sizes = (i.dtype.itemsize for i in instrs if i.op in ("load", "store"))
        return max(1, self.vector_bytes // max(sizes, default=4))
