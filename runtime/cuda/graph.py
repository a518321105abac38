"""All launches of a call captured in one CUDA graph, replayed by one foreign call."""

from __future__ import annotations

import ctypes
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from ctypes import c_size_t, c_void_p
from typing import Generic, TypeVar

from .device import STREAM, Device
from .launches import Enqueued, PackedKernel

__all__ = ["Captured", "Graphs"]

_NON_BLOCKING, _RELAXED, _CAPTURING = 1, 2, 1
_MOST = 16

Kept = TypeVar("Kept")


class Captured:
    """A captured sequence of launches; kernels can be given other pointers afterwards."""

    __slots__ = ("_device", "_handle", "_launch", "_nodes", "_template", "launches")

    def __init__(self, device: Device, launches: Sequence[Enqueued]) -> None:
        self._device, self.launches = device, launches
        self._nodes: list[int | None] = []
        self._template = self._capture()
        try:
            self._handle = device.driver.handle("cuGraphInstantiateWithFlags", self._template, 0)
        except BaseException:
            device.discard("cuGraphDestroy", self._template)
            raise
        self._launch = device.driver.function("cuGraphLaunch")
        device.driver.call("cuGraphUpload", self._handle, STREAM)

    def __del__(self) -> None:
        # It may still be running, and the collector may run anywhere.
        if hasattr(self, "_handle"):
            self._device.discard("cuGraphExecDestroy", self._handle)
            self._device.discard("cuGraphDestroy", self._template)

    def launch(self) -> None:
        """Put all of it on the stream."""
        if status := self._launch(self._handle, STREAM):
            raise self._device.driver.failure("cuGraphLaunch", status)

    def can_move(self, at: int) -> bool:
        """Whether launch `at` can be given other pointers."""
        return self._nodes[at] is not None

    def update(self, at: int) -> None:
        """Have launch `at` use the words that it is packed with now, from the next time on."""
        kernel = self.launches[at]
        assert isinstance(kernel, PackedKernel)
        self._device.driver.call(
            "cuGraphExecKernelNodeSetParams_v2",
            self._handle,
            self._nodes[at],
            ctypes.byref(kernel.node),
        )

    def _capture(self) -> int:
        """The graph of the launches in their order."""
        driver = self._device.driver
        stream = driver.handle("cuStreamCreate", _NON_BLOCKING)
        graph = c_void_p()
        try:
            driver.call("cuStreamBeginCapture_v2", stream, _RELAXED)
            try:
                for launch in self.launches:
                    launch.enqueue(stream)
                    is_kernel = isinstance(launch, PackedKernel)
                    self._nodes.append(self._newest(stream) if is_kernel else None)
            except BaseException:
                # The capture has to end, whatever it gives; the first error is the one to tell.
                driver.function("cuStreamEndCapture")(stream, ctypes.byref(graph))
                if graph.value:
                    driver.call("cuGraphDestroy", graph)
                raise
            driver.call("cuStreamEndCapture", stream, ctypes.byref(graph))
        finally:
            driver.call("cuStreamDestroy_v2", stream)
        return graph.value or 0

    def _newest(self, stream: int) -> int:
        """The node that was captured last."""
        status, nodes, count = ctypes.c_int(), c_void_p(), c_size_t()
        self._device.driver.call(
            "cuStreamGetCaptureInfo_v3",
            stream,
            ctypes.byref(status),
            None,
            None,
            ctypes.byref(nodes),
            None,
            ctypes.byref(count),
        )
        if status.value != _CAPTURING or count.value != 1 or not nodes.value:
            raise self._device.driver.failure("cuStreamGetCaptureInfo_v3", 901)
        return c_void_p.from_address(nodes.value).value or 0


class Graphs(Generic[Kept]):
    """The most recently used of what was captured, by sizes."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """What belongs to the key, made where it is not there."""
        if (known := self.get(key)) is not None:
            return known
        made = self._kept[key] = make()
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return made

    def get(self, key: Hashable) -> Kept | None:
        """What belongs to the key, if it is there."""
        if (known := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
        return known

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
