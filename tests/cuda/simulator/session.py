"""The simulated driver in the hands of a test: calls, memory and launches without the runtime."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import addressof, c_uint64, c_void_p
from typing import Any

import numpy as np
from cuda.simulator.build import driver_path
from cuda.simulator.kernels import Kernel

from symfuse.runtime.cuda.driver import Driver

__all__ = ["Session", "Words"]

Array = np.ndarray[Any, Any]


class Words:
    """Parameters of a launch, 64 bits each, as the driver takes them."""

    def __init__(self, *values: int) -> None:
        self.values = (c_uint64 * len(values))(*values)
        start = addressof(self.values)
        self.addresses = (c_void_p * len(values))(*(start + 8 * i for i in range(len(values))))


class Session:
    """A device as new, and a stream that does not wait for the default one."""

    def __init__(self) -> None:
        self.driver = Driver(str(driver_path()))
        self.library = ctypes.CDLL(str(driver_path()))
        self.library.sf_driver_reset()
        self.call, self.handle = self.driver.call, self.driver.handle
        self.call("cuCtxSetCurrent", self.handle("cuDevicePrimaryCtxRetain", 0))
        self.stream = self.handle("cuStreamCreate", 1)

    def close(self) -> None:
        """Forget whatever a test broke."""
        self.library.sf_driver_reset()

    def end_capture(self) -> int:
        """The graph that the stream has recorded."""
        graph = c_void_p()
        self.call("cuStreamEndCapture", self.stream, ctypes.byref(graph))
        return graph.value or 0

    @property
    def launches(self) -> int:
        """How many kernels have run in this process."""
        return int(self.library.sf_driver_launches())

    def memory(self, nbytes: int) -> int:
        """New memory of the device."""
        return self.handle("cuMemAlloc_v2", nbytes)

    def pinned(self, count: int) -> Array:
        """Numbers in host memory that the device reads and writes directly."""
        address = self.handle("cuMemHostAlloc", 4 * count, 0)
        return np.ctypeslib.as_array((ctypes.c_float * count).from_address(address))

    def function(self, kernel: Kernel) -> int:
        """A kernel, loaded with its text."""
        module = self.handle("cuModuleLoadData", kernel.text.encode())
        return self.handle("cuModuleGetFunction", module, kernel.name.encode())

    def upload(self, to: int, array: Array, stream: int = 0) -> None:
        """Have an array copied to the device."""
        self.call("cuMemcpyHtoDAsync_v2", to, array.ctypes.data, array.nbytes, stream)

    def download(self, array: Array, source: int, stream: int = 0) -> None:
        """Have an array filled from the device."""
        self.call("cuMemcpyDtoHAsync_v2", array.ctypes.data, source, array.nbytes, stream)

    def launch(
        self,
        function: int,
        parameters: Sequence[int],
        *,
        blocks: int = 1,
        threads: int = 32,
        shared: int = 0,
        stream: int = 0,
    ) -> None:
        """Have a kernel run."""
        words = Words(*parameters)
        sizes = (blocks, 1, 1, threads, 1, 1, shared)
        self.call("cuLaunchKernel", function, *sizes, stream, words.addresses, None)

    def synchronize(self, stream: int = 0) -> None:
        """Wait for a stream."""
        self.call("cuStreamSynchronize", stream)
