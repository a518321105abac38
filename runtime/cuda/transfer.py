"""Copies between host and device, through pinned memory of bounded size."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from .device import STREAM, Device
from .memory import Block

__all__ = ["CHUNK", "Stager", "stager"]

Array = np.ndarray[Any, Any]

CHUNK = 8 << 20
_SLOTS = 3
_NO_TIMING = 2


class _Slot:
    """Pinned memory, and the event that tells when the device has done with it."""

    __slots__ = ("block", "event")

    def __init__(self, block: Block, event: int) -> None:
        self.block, self.event = block, event


class Stager:
    """The copies of one device; a copy to the device returns before it is done.

    The host's array may change as soon as a call returns: what it held has been taken.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self._slots: list[_Slot] = []
        self._lock = threading.Lock()
        self._next = 0

    def upload(self, address: int, array: Array) -> None:
        """Copy a contiguous array to device memory, in the order of the stream."""
        self.upload_bytes(address, array.ctypes.data, array.nbytes)

    def upload_bytes(self, address: int, source: int, nbytes: int) -> None:
        """Copy host memory to device memory, in the order of the stream."""
        for start in range(0, nbytes, CHUNK):
            count = min(CHUNK, nbytes - start)
            self.upload_packed(address + start, [(0, source + start, count)], count)

    def upload_packed(
        self, address: int, pieces: Sequence[tuple[int, int, int]], nbytes: int
    ) -> None:
        """Copy pieces (offset, host address, bytes) to offsets from one device address, at once."""
        call = self.device.driver.call
        with self._lock, self.device:
            slot = self._free_slot(nbytes)
            for offset, source, count in pieces:
                ctypes.memmove(slot.block.address + offset, source, count)
            call("cuMemcpyHtoDAsync_v2", address, slot.block.address, nbytes, STREAM)
            call("cuEventRecord", slot.event, STREAM)

    def download(self, array: Array, address: int) -> None:
        """Copy device memory into a contiguous array, after all work so far."""
        target = array.ctypes.data
        waiting: list[tuple[_Slot, int, int]] = []
        with self._lock, self.device:
            for start in range(0, array.nbytes, CHUNK):
                count = min(CHUNK, array.nbytes - start)
                slot = self._free_slot(count)
                call = self.device.driver.call
                call("cuMemcpyDtoHAsync_v2", slot.block.address, address + start, count, STREAM)
                call("cuEventRecord", slot.event, STREAM)
                waiting.append((slot, start, count))
                if len(waiting) == _SLOTS:
                    self._fetch(target, *waiting.pop(0))
            for each in waiting:
                self._fetch(target, *each)

    def _fetch(self, target: int, slot: _Slot, start: int, count: int) -> None:
        self.device.driver.call("cuEventSynchronize", slot.event)
        ctypes.memmove(target + start, slot.block.address, count)

    def _free_slot(self, nbytes: int) -> _Slot:
        """The slot unused for longest, once the device has done with it."""
        self._next = (self._next + 1) % _SLOTS
        if self._next >= len(self._slots):
            event = self.device.driver.handle("cuEventCreate", _NO_TIMING)
            self._slots.append(_Slot(self.device.pinned.take(nbytes), event))
            self._next = len(self._slots) - 1
        slot = self._slots[self._next]
        self.device.driver.call("cuEventSynchronize", slot.event)
        if slot.block.nbytes < nbytes:
            slot.block = self.device.pinned.take(nbytes)
        return slot


_stagers: dict[int, Stager] = {}


def stager(device: Device) -> Stager:
    """The copies of a device."""
    return _stagers.get(id(device)) or _stagers.setdefault(id(device), Stager(device))
