"""Kernel launches with their parameters packed: one foreign call each, nothing allocated."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_uint, c_uint64, c_void_p
from typing import Any, Protocol

from ..errors import DeviceError
from .code import Count, KernelLaunch
from .driver import CallFailed, Driver

__all__ = [
    "Enqueued",
    "NodeParameters",
    "PackedCall",
    "PackedCopy",
    "PackedFill",
    "PackedKernel",
    "counted",
    "located",
]


_MOST_BLOCKS = (1 << 31) - 1  # of one launch


class NodeParameters(ctypes.Structure):
    """`CUDA_KERNEL_NODE_PARAMS`, by which a node of a captured graph is changed."""

    _fields_ = (
        ("function", c_void_p),
        ("grid", c_uint * 3),
        ("block", c_uint * 3),
        ("shared", c_uint),
        ("parameters", c_void_p),
        ("extra", c_void_p),
        ("kernel", c_void_p),
        ("context", c_void_p),
    )


class Enqueued(Protocol):
    """What can be put on a stream: a packed kernel, or a call of a vendor's library."""

    description: str

    def enqueue(self, stream: int) -> None:
        """Put it on the stream."""


class PackedKernel:
    """One kernel launch; its parameters are 64-bit words, pointers first, then sizes."""

    __slots__ = (
        "_addresses",
        "_call",
        "_driver",
        "blocks",
        "description",
        "node",
        "threads",
        "words",
    )

    def __init__(
        self,
        driver: Driver,
        function: int,
        launch: KernelLaunch,
        blocks: int,
        words: Sequence[int],
        description: str,
    ) -> None:
        if blocks > _MOST_BLOCKS:
            raise DeviceError(
                f"{description}: {blocks} blocks are more than a device starts at once",
                fix="make the sizes smaller, or split the call",
            )
        self.description, self._driver, self.blocks = description, driver, blocks
        self.threads = blocks * launch.threads
        self.words = (c_uint64 * max(1, len(words)))(*words)
        start = ctypes.addressof(self.words)
        self._addresses = (c_void_p * max(1, len(words)))(
            *(start + 8 * at for at in range(max(1, len(words))))
        )
        grid, block = (c_uint * 3)(blocks, 1, 1), (c_uint * 3)(launch.threads, 1, 1)
        where = ctypes.addressof(self._addresses)
        self.node = NodeParameters(function, grid, block, launch.shared, where, None, None, None)
        self._call = (function, blocks, 1, 1, launch.threads, 1, 1, launch.shared)

    def enqueue(self, stream: int) -> None:
        """Put it on the stream; an error names the kernel and the user's lines."""
        try:
            self._driver.call("cuLaunchKernel", *self._call, stream, self._addresses, None)
        except CallFailed as error:
            raise error.at(None, prefix=self.description) from None


class PackedCall:
    """A call of a vendor's library at fixed addresses."""

    __slots__ = ("_addresses", "_plan", "description")

    def __init__(self, plan: Any, addresses: Sequence[int], description: str) -> None:
        self._plan, self._addresses, self.description = plan, addresses, description

    def enqueue(self, stream: int) -> None:
        """Put it on the stream; an error names what is computed and the user's lines."""
        try:
            self._plan.launch(stream, self._addresses)
        except DeviceError as error:
            raise error.at(None, prefix=self.description) from None


class PackedCopy:
    """A copy between places of the device."""

    __slots__ = ("_call", "_driver", "description")

    def __init__(self, driver: Driver, target: int, source: int, nbytes: int) -> None:
        self._driver, self._call = driver, (target, source, nbytes)
        self.description = "the copy of what a loop leaves"

    def enqueue(self, stream: int) -> None:
        """Put it on the stream."""
        self._driver.call("cuMemcpyDtoDAsync_v2", *self._call, stream)


class PackedFill:
    """Words of 32 bits that get a value."""

    __slots__ = ("_call", "_driver", "description")

    def __init__(self, driver: Driver, target: int, word: int, count: int) -> None:
        self._driver, self._call = driver, (target, word, count)
        self.description = "the number of a turn"

    def enqueue(self, stream: int) -> None:
        """Put it on the stream."""
        self._driver.call("cuMemsetD32Async", *self._call, stream)


def counted(count: Count, prepared: Sequence[int]) -> int:
    """The number that a count stands for."""
    return count if isinstance(count, int) else prepared[count.index]


def located(spot: tuple[int, int], bases: Sequence[int]) -> int:
    """The address of a spot, by those of all buffers and, at the end, of the arena."""
    return bases[spot[0]] + spot[1]
