"""A device whose memory is the host's: enough of one to run products without a driver."""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["HostDevice"]

Array = np.ndarray[Any, Any]


@dataclass
class _Block:
    memory: Array

    @property
    def address(self) -> int:
        return -(-self.memory.ctypes.data // 256) * 256


class _Memory:
    def __init__(self) -> None:
        self.taken = 0

    def take(self, nbytes: int) -> _Block:
        self.taken += 1
        return _Block(np.full(nbytes + 512, 0xA5, np.uint8))


@dataclass(frozen=True)
class _Facts:
    name: str = "the host"
    arch: str = "sm_00"
    multiprocessors: int = 1


@dataclass
class _Driver:
    path: str
    times: dict[int, float] = field(default_factory=dict)

    def handle(self, name: str, *_: Any) -> int:
        assert name == "cuEventCreate"
        self.times[len(self.times) + 1] = 0.0
        return len(self.times)

    def call(self, name: str, *args: Any) -> None:
        if name == "cuEventRecord":
            self.times[args[0]] = time.perf_counter()
        elif name == "cuEventElapsedTime_v2":
            into, start, stop = args
            elapsed = 1e3 * (self.times[stop] - self.times[start])
            ctypes.cast(into, ctypes.POINTER(ctypes.c_float))[0] = elapsed
        elif name == "cuMemcpyHtoDAsync_v2":
            ctypes.memmove(*args[:3])
        elif name == "cuMemsetD8Async":
            ctypes.memset(args[0], args[1], args[2])
        else:
            assert name in ("cuEventSynchronize", "cuEventDestroy_v2")


class HostDevice:
    """Looks to `products.prepare` like a `Device`."""

    def __init__(self, name: str) -> None:
        self.driver, self.memory, self.facts, self.ordinal = _Driver(name), _Memory(), _Facts(), 0

    def __enter__(self) -> HostDevice:
        return self

    def __exit__(self, *_: object) -> None: ...

    def copy(self, target: int, source: int, nbytes: int) -> None:
        ctypes.memmove(target, source, nbytes)

    def fill(self, address: int, byte: int, nbytes: int) -> None:
        ctypes.memset(address, byte, nbytes)
