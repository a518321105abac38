"""Memory of a device, and host memory that it reads directly: blocks that are used again."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from .driver import OutOfMemory

__all__ = ["ALIGNMENT", "Block", "Pool", "Usage", "padded"]

ALIGNMENT = 256
_SMALLEST = 512
_FINEST = 8  # a class of sizes is at most this part larger than what was asked for


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes that a pool has taken from the driver, how many of them are free, and its requests."""

    taken: int
    free: int
    hits: int
    misses: int

    @property
    def live(self) -> int:
        """Bytes that are in use."""
        return self.taken - self.free


class Block:
    """Memory at `address`; it goes back to its pool with the last reference to it.

    Whoever shares the address with other libraries sets `is_shared`: their work on it may still
    be under way when the block is dropped, so it is not simply used again.
    """

    __slots__ = ("__weakref__", "address", "is_shared", "nbytes", "pool")

    def __init__(self, pool: Pool, address: int, nbytes: int) -> None:
        self.pool, self.address, self.nbytes, self.is_shared = pool, address, nbytes, False

    def __del__(self) -> None:
        self.pool.give(self)


class Pool:
    """Blocks from one source, kept by size.

    Dropping a block only appends it to a list, which is safe wherever Python collects garbage;
    the driver is called when memory is asked for.
    """

    def __init__(
        self, allocate: Callable[[int], int], free: Callable[[int], None], limit: int | None = None
    ) -> None:
        self._allocate, self._free, self._limit = allocate, free, limit
        self._blocks: dict[int, deque[int]] = {}
        self._doomed: deque[tuple[int, int]] = deque()
        self._lock = threading.Lock()
        self._taken = self._hits = self._misses = 0

    def take(self, nbytes: int) -> Block:
        """A block of at least so many bytes, aligned to 256."""
        size = _size_class(nbytes)
        try:
            address = self._blocks[size].pop()
            self._hits += 1
        except (KeyError, IndexError):
            address = self._new(size)
        return Block(self, address, size)

    def give(self, block: Block) -> None:
        """Take a block back."""
        if block.is_shared or (self._limit is not None and block.nbytes > self._limit // 4):
            self._doomed.append((block.address, block.nbytes))
        else:
            # In one step, as making a deque may have the collector give another block back.
            self._blocks.setdefault(block.nbytes, deque()).append(block.address)

    def trim(self) -> None:
        """Give every free block back to the driver."""
        with self._lock:
            self._trim()

    @property
    def usage(self) -> Usage:
        """What the pool holds now."""
        free = sum(size * len(found) for size, found in list(self._blocks.items()))
        free += sum(size for _, size in list(self._doomed))
        return Usage(self._taken, free, self._hits, self._misses)

    def _new(self, size: int) -> int:
        with self._lock:
            self._misses += 1
            while self._doomed:
                self._return(*self._doomed.popleft())
            if self._limit is not None and self._taken + size > self._limit:
                self._trim()
            try:
                address = self._allocate(size)
            except OutOfMemory:
                self._trim()
                address = self._allocate(size)
            self._taken += size
            return address

    def _trim(self) -> None:
        for size, found in list(self._blocks.items()):
            while found:
                self._return(found.pop(), size)
        while self._doomed:
            self._return(*self._doomed.popleft())

    def _return(self, address: int, size: int) -> None:
        self._free(address)
        self._taken -= size


def padded(nbytes: int) -> int:
    """The bytes with what keeps the next thing behind them aligned."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def _size_class(nbytes: int) -> int:
    """The bytes rounded up, so that similar requests use each other's blocks."""
    size = max(nbytes, _SMALLEST)
    step = max(_SMALLEST, (1 << (size.bit_length() - 1)) // _FINEST)
    return -(-size // step) * step
