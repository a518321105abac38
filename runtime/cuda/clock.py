"""What the device takes for work on the stream, by events around it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Self

from .device import STREAM, Device

__all__ = ["Clock"]


class Clock:
    """Two events of a device, which are given back at the end of a `with` block."""

    __slots__ = ("_driver", "_first", "_last")

    def __init__(self, device: Device) -> None:
        self._driver = device.driver
        self._first, self._last = (self._driver.handle("cuEventCreate", 0) for _ in range(2))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for event in (self._first, self._last):
            self._driver.call("cuEventDestroy_v2", event)

    def seconds(self, run: Callable[[], Any]) -> float:
        """What the device takes for what `run` puts on the stream."""
        call = self._driver.call
        call("cuEventRecord", self._first, STREAM)
        run()
        call("cuEventRecord", self._last, STREAM)
        call("cuEventSynchronize", self._last)
        milliseconds = ctypes.c_float()
        call("cuEventElapsedTime_v2", ctypes.byref(milliseconds), self._first, self._last)
        return milliseconds.value / 1e3
