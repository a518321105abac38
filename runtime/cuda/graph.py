"""All launches of a call captured in one CUDA graph, replayed by one foreign call."""

from __future__ import annotations

import ctypes
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from contextlib import ExitStack
from ctypes import c_size_t, c_void_p
from functools import partial
from typing import Generic, TypeVar

from .branches import Branches
from .device import STREAM, Device
from .driver import Driver
from .launches import Enqueued, PackedKernel

__all__ = ["Captured", "Graphs"]

_NON_BLOCKING, _UNTIMED, _RELAXED, _CAPTURING = 1, 2, 2, 1
_MOST = 16

Kept = TypeVar("Kept")


class Captured:
    """Captured launches, in their order or in branches; kernels can be given other pointers
    afterwards."""

    __slots__ = ("_device", "_handle", "_launch", "_nodes", "_template", "launches")

    def __init__(
        self, device: Device, launches: Sequence[Enqueued], branches: Branches | None = None
    ) -> None:
        self._device, self.launches = device, launches
        self._nodes: list[int | None] = []
        self._template = self._capture(branches or Branches.one(len(launches)))
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

    @property
    def template(self) -> int:
        """The graph that was captured, as the driver knows it."""
        return self._template

    def _capture(self, branches: Branches) -> int:
        """The graph of the launches."""
        driver = self._device.driver
        graph = c_void_p()
        with ExitStack() as stack:
            streams = [_made(driver, stack, "Stream", _NON_BLOCKING) for _ in branches.every]
            driver.call("cuStreamBeginCapture_v2", streams[0], _RELAXED)
            try:
                self._record(branches, streams, partial(_made, driver, stack, "Event", _UNTIMED))
            except BaseException:
                # The capture has to end, whatever it gives; the first error is the one to tell.
                driver.function("cuStreamEndCapture")(streams[0], ctypes.byref(graph))
                if graph.value:
                    driver.call("cuGraphDestroy", graph)
                raise
            driver.call("cuStreamEndCapture", streams[0], ctypes.byref(graph))
        return graph.value or 0

    def _record(self, branches: Branches, streams: Sequence[int], event: Callable[[], int]) -> None:
        """Put the launches on streams that part from the first one and come back to it."""
        call = self._device.driver.call
        passed: dict[int, int] = {}  # launches that others wait for → the events behind them
        start = event() if len(streams) > 1 else 0
        if start:
            call("cuEventRecord", start, streams[0])
        for stream in streams[1:]:
            call("cuStreamWaitEvent", stream, start, 0)
        for at, launch in enumerate(self.launches):
            stream = streams[branches.streams[at]]
            for one in branches.waits[at]:
                call("cuStreamWaitEvent", stream, passed[one], 0)
            launch.enqueue(stream)
            is_kernel = isinstance(launch, PackedKernel)
            self._nodes.append(self._newest(stream) if is_kernel else None)
            if at in branches.awaited:
                passed[at] = event()
                call("cuEventRecord", passed[at], stream)
        for stream in streams[1:]:
            end = event()
            call("cuEventRecord", end, stream)
            call("cuStreamWaitEvent", streams[0], end, 0)

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


def _made(driver: Driver, stack: ExitStack, what: str, flags: int) -> int:
    """A stream or event, which is given back in the end."""
    handle = driver.handle(f"cu{what}Create", flags)
    stack.callback(driver.call, f"cu{what}Destroy_v2", handle)
    return handle


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
