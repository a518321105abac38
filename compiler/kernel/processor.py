"""What schedules must know of a processor."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from .phases import Instr

__all__ = ["DEVICE", "PAGE", "Device", "Processor"]

_TOUCHING = ("load", "store", "reduce", "put")
PAGE = 4096  # bytes at whose multiples addresses share a set of a first-level cache


class Processor(Struct, frozen=True):
    """Bytes of a vector register, how many there are, and bytes of the cache of one core."""

    vector_bytes: int
    registers: int
    cache_bytes: int

    def lanes(self, instrs: Iterable[Instr]) -> int:
        """Elements that one register holds, of the widest type that goes to or from memory; halves
        count as the f32 that they are computed in."""
        sizes = (i.dtype.computed.itemsize for i in instrs if i.op in _TOUCHING)
        return max(1, self.vector_bytes // max(sizes, default=4))


class Device(Struct, frozen=True):
    """A graphics processor: threads that share a tile, their registers and shared memory."""

    multiprocessors: int = 132
    warp: int = 32
    most_threads: int = 1024
    vector_bytes: int = 16
    registers: int = 1 << 16  # of 4 bytes, that the threads of a multiprocessor share
    registers_of_thread: int = 96  # that the values of one thread may fill
    shared_bytes: int = 48 << 10  # that every kernel may use
    most_shared_bytes: int = 227 << 10  # that a kernel may use which asks for it

    def lanes(self, instrs: Iterable[Instr]) -> int:
        """Elements in one access, of the widest type that goes to or from memory."""
        sizes = (i.dtype.itemsize for i in instrs if i.op in ("load", "store"))
        return max(1, self.vector_bytes // max(sizes, default=4))

    def registers_for(self, threads: int) -> int:
        """What the values of one of so many threads of a tile may fill; the rest is for work."""
        return min(self.registers_of_thread, self.half_of_registers(threads))

    def half_of_registers(self, threads: int) -> int:
        """Half of what one of so many threads has where the block is alone."""
        return self.registers // threads // 2


DEVICE = Device()
"""The device that kernels are written for, whatever they run on."""
