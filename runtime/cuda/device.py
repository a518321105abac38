"""A device: its facts, its memory, and the one stream on which symfuse works."""

from __future__ import annotations

import ctypes
import re
import threading
from collections import deque
from dataclasses import dataclass
from functools import cached_property

from .. import options
from ..errors import DeviceError
from .driver import Driver, OutOfMemory, driver
from .memory import Pool

__all__ = ["LEGACY", "STREAM", "Device", "Facts", "count", "device", "device_arch", "runs_on"]

# The legacy default stream. Work on it is ordered with that of other libraries on their default
# streams, so arrays can be handed over without waiting.
STREAM = 0
LEGACY = 1  # the name of that stream in the protocols for sharing arrays

_NOT_READY = 600
_PINNED_LIMIT = 4 << 30
_ATTRIBUTES = {
    "major": 75,
    "minor": 76,
    "multiprocessors": 16,
    "l2_bytes": 38,
    "shared_bytes": 97,
    "multiprocessor_shared_bytes": 81,
    "multiprocessor_registers": 82,
    "multiprocessor_threads": 39,
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What schedules, explanations and messages depend on; sizes are in bytes."""

    name: str
    major: int
    minor: int
    memory_bytes: int
    multiprocessors: int
    l2_bytes: int
    shared_bytes: int
    multiprocessor_shared_bytes: int
    multiprocessor_registers: int
    multiprocessor_threads: int

    @property
    def capability(self) -> tuple[int, int]:
        return self.major, self.minor

    @property
    def arch(self) -> str:
        """The architecture that code for exactly this device is compiled for."""
        return f"sm_{self.major}{self.minor}"


class Device:
    """One device. Inside `with device:` it is the one that the driver works on."""

    def __init__(self, found: Driver, ordinal: int, *, is_only: bool) -> None:
        self.driver, self.ordinal = found, ordinal
        self._handle = found.number("cuDeviceGet", ordinal)
        self.context = found.handle("cuDevicePrimaryCtxRetain", self._handle)
        self._is_only, self._thread = is_only, threading.local()
        self.memory = Pool(self._allocate, self._free)
        self._discarded: deque[tuple[str, int]] = deque()
        self._held: deque[tuple[int, tuple[object, ...]]] = deque()
        self._tidying = threading.Lock()
        self.pinned = Pool(self._allocate_pinned, self._free_pinned, _PINNED_LIMIT)

    def __repr__(self) -> str:
        return f"<{self.label}: {self.facts.name}>"

    def __enter__(self) -> Device:
        thread = self._thread
        if not (thread.stays if hasattr(thread, "stays") else self._enter_first()):
            self.driver.call("cuCtxPushCurrent_v2", self.context)
        return self

    def __exit__(self, *_: object) -> None:
        if not self._thread.stays:
            self.driver.handle("cuCtxPopCurrent_v2")

    @property
    def label(self) -> str:
        """`cuda:0`, as other libraries call it."""
        return f"cuda:{self.ordinal}"

    @cached_property
    def facts(self) -> Facts:
        """What the driver tells of the device."""
        name = ctypes.create_string_buffer(256)
        self.driver.call("cuDeviceGetName", name, len(name), self._handle)
        told = {field: self._attribute(number) for field, number in _ATTRIBUTES.items()}
        return Facts(name.value.decode(), memory_bytes=self.room()[1], **told)

    def room(self) -> tuple[int, int]:
        """The bytes of device memory that are free, and all there are."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        with self:
            self.driver.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value, total.value

    def synchronize(self) -> None:
        """Wait until all work of symfuse is done."""
        with self:
            self.driver.call("cuStreamSynchronize", STREAM)

    def discard(self, destroyer: str, handle: int) -> None:
        """Have a handle destroyed once nothing can be using it; safe in any thread, at any time."""
        self._discarded.append((destroyer, handle))

    def hold(self, *owners: object) -> None:
        """Keep memory of other libraries until all work so far is done."""
        with self._tidying:
            event = self.driver.handle("cuEventCreate", 2)
            self.driver.call("cuEventRecord", event, STREAM)
            self._held.append((event, owners))
        self.release()

    def release(self) -> None:
        """Let go of memory of other libraries that no work uses any more."""
        if not self._held:
            return
        query, done = self.driver.function("cuEventQuery"), []
        with self._tidying:
            while self._held and query(self._held[0][0]) != _NOT_READY:
                done.append(self._held.popleft())
                self.driver.call("cuEventDestroy_v2", done[-1][0])

    def sweep(self) -> None:
        """Destroy what has been discarded, after the work that may use it."""
        if not self._discarded:
            return
        with self, self._tidying:
            count = len(self._discarded)  # what comes later may be used by work that comes later
            self.driver.call("cuStreamSynchronize", STREAM)
            for _ in range(count):
                self.driver.call(*self._discarded.popleft())

    def fill(self, address: int, byte: int, nbytes: int) -> None:
        """Set device memory to a byte, in the order of the stream."""
        if nbytes:
            self.driver.call("cuMemsetD8Async", address, byte, nbytes, STREAM)

    def copy(self, target: int, source: int, nbytes: int) -> None:
        """Copy between places of the device, in the order of the stream."""
        if nbytes:
            self.driver.call("cuMemcpyDtoDAsync_v2", target, source, nbytes, STREAM)

    def _enter_first(self) -> bool:
        """Whether the thread keeps the context from now on: where there is one device, and no other
        library has a context of its own, nothing has to be put back."""
        others = self.driver.handle("cuCtxGetCurrent") not in (0, self.context)
        stays = self._thread.stays = self._is_only and not others
        if stays:
            self.driver.call("cuCtxSetCurrent", self.context)
        return stays

    def _attribute(self, number: int) -> int:
        return self.driver.number("cuDeviceGetAttribute", number, self._handle)

    def _allocate(self, nbytes: int) -> int:
        with self:
            try:
                return self.driver.handle("cuMemAlloc_v2", nbytes)
            except OutOfMemory as error:
                raise self._full(nbytes) from error

    def _full(self, nbytes: int) -> OutOfMemory:
        free, total = self.room()
        held = self.memory.usage
        return OutOfMemory(
            f"{self.label} ({self.facts.name}) has no {_bytes(nbytes)} left: {_bytes(free)} of "
            f"{_bytes(total)} are free, and arrays of symfuse hold {_bytes(held.live)}",
            fix="drop arrays that are not needed, make the sizes smaller, or donate arguments",
        )

    def _free(self, address: int) -> None:
        with self:
            self.driver.call("cuMemFree_v2", address)

    def _allocate_pinned(self, nbytes: int) -> int:
        with self:
            return self.driver.handle("cuMemHostAlloc", nbytes, 1)  # for every device

    def _free_pinned(self, address: int) -> None:
        with self:
            self.driver.call("cuMemFreeHost", address)


_devices: dict[tuple[str, int], Device] = {}
_lock = threading.Lock()


def count() -> int:
    """How many devices there are; DeviceError without a driver."""
    return driver().number("cuDeviceGetCount")


def device(ordinal: int | None = None) -> Device:
    """A device, by default the one that the option `cuda_device` names."""
    found = driver()
    number = int(options.get("cuda_device")) if ordinal is None else ordinal
    with _lock:
        if (known := _devices.get((found.path, number))) is not None:
            return known
        total = found.number("cuDeviceGetCount")
        if not total:
            raise DeviceError(
                "there is no CUDA device",
                fix='run on a machine with an NVIDIA GPU, or use target="cpu"; '
                "CUDA_VISIBLE_DEVICES may hide it",
            )
        if not 0 <= number < total:
            plural = "device" if total == 1 else "devices"
            raise DeviceError(
                f"there is no device cuda:{number}; this machine has {total} {plural}",
                fix=f"use one of cuda:0 to cuda:{total - 1}" if total > 1 else "use cuda:0",
            )
        made = Device(found, number, is_only=total == 1)
        return _devices.setdefault((found.path, number), made)


def device_arch() -> str | None:
    """What code for the device in use is compiled for, as `sm_90`; None where there is none."""
    try:
        return device().facts.arch
    except DeviceError:
        return None


def runs_on(arch: str, capability: tuple[int, int]) -> bool:
    """Whether code for an architecture, as `sm_90`, runs on a device of this capability.

    Code for `sm_90a` runs on 9.0 alone; other code on the same first and no smaller second number.
    """
    parsed = re.fullmatch(r"sm_(\d+)(\d)([af]?)", arch)
    if parsed is None:
        return False
    major, minor = int(parsed[1]), int(parsed[2])
    if parsed[3] == "a":
        return capability == (major, minor)
    return capability[0] == major and capability[1] >= minor


def _bytes(count: int) -> str:
    """The count in the unit that suits it."""
    size, units = float(count), ["bytes", "KiB", "MiB", "GiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.1f} {units[0]}" if units[0] != "bytes" else f"{count} bytes"
