"""The CUDA driver by ctypes: one table of entry points, and errors that say which call failed."""

from __future__ import annotations

import ctypes
import os
from ctypes import c_char_p, c_int, c_size_t, c_ubyte, c_uint, c_uint64, c_void_p
from functools import cache
from typing import Any, Self

from ..errors import DeviceError, Loc
from .libraries import Entries, driver_candidates

__all__ = [
    "OLDEST",
    "SIGNATURES",
    "CallFailed",
    "Driver",
    "OutOfMemory",
    "driver",
    "version_text",
    "why_no_driver",
]

OLDEST = 13000
_ADDRESS, _STREAM = c_uint64, c_void_p

# Names as the driver exports them, with the suffixes that cuda.h adds; every result is a status.
SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (c_void_p,),
    "cuDeviceGetCount": (c_void_p,),
    "cuDeviceGet": (c_void_p, c_int),
    "cuDeviceGetName": (c_char_p, c_int, c_int),
    "cuDeviceGetAttribute": (c_void_p, c_int, c_int),
    "cuDevicePrimaryCtxRetain": (c_void_p, c_int),
    "cuCtxGetCurrent": (c_void_p,),
    "cuCtxSetCurrent": (c_void_p,),
    "cuCtxPushCurrent_v2": (c_void_p,),
    "cuCtxPopCurrent_v2": (c_void_p,),
    "cuCtxSynchronize": (),
    "cuMemGetInfo_v2": (c_void_p, c_void_p),
    "cuMemAlloc_v2": (c_void_p, c_size_t),
    "cuMemFree_v2": (_ADDRESS,),
    "cuMemHostAlloc": (c_void_p, c_size_t, c_uint),
    "cuMemFreeHost": (c_void_p,),
    "cuMemcpyHtoDAsync_v2": (_ADDRESS, c_void_p, c_size_t, _STREAM),
    "cuMemcpyDtoHAsync_v2": (c_void_p, _ADDRESS, c_size_t, _STREAM),
    "cuMemcpyDtoDAsync_v2": (_ADDRESS, _ADDRESS, c_size_t, _STREAM),
    "cuMemsetD8Async": (_ADDRESS, c_ubyte, c_size_t, _STREAM),
    "cuMemsetD32Async": (_ADDRESS, c_uint, c_size_t, _STREAM),
    "cuModuleLoadData": (c_void_p, c_char_p),
    "cuModuleUnload": (c_void_p,),
    "cuModuleGetFunction": (c_void_p, c_void_p, c_char_p),
    "cuFuncSetAttribute": (c_void_p, c_int, c_int),
    "cuLaunchKernel": (c_void_p, *[c_uint] * 7, _STREAM, c_void_p, c_void_p),
    "cuStreamCreate": (c_void_p, c_uint),
    "cuStreamDestroy_v2": (_STREAM,),
    "cuStreamSynchronize": (_STREAM,),
    "cuStreamWaitEvent": (_STREAM, c_void_p, c_uint),
    "cuStreamBeginCapture_v2": (_STREAM, c_int),
    "cuStreamEndCapture": (_STREAM, c_void_p),
    "cuStreamGetCaptureInfo_v3": (_STREAM, *[c_void_p] * 6),
    "cuGraphInstantiateWithFlags": (c_void_p, c_void_p, c_uint64),
    "cuGraphUpload": (c_void_p, _STREAM),
    "cuGraphLaunch": (c_void_p, _STREAM),
    "cuGraphDestroy": (c_void_p,),
    "cuGraphExecDestroy": (c_void_p,),
    "cuGraphExecKernelNodeSetParams_v2": (c_void_p, c_void_p, c_void_p),
    "cuEventCreate": (c_void_p, c_uint),
    "cuEventDestroy_v2": (c_void_p,),
    "cuEventRecord": (c_void_p, _STREAM),
    "cuEventQuery": (c_void_p,),
    "cuEventSynchronize": (c_void_p,),
    "cuEventElapsedTime_v2": (c_void_p, c_void_p, c_void_p),
    "cuPointerGetAttribute": (c_void_p, c_int, _ADDRESS),
    "cuGetErrorName": (c_int, c_void_p),
    "cuGetErrorString": (c_int, c_void_p),
}

_OUT_OF_MEMORY, _NO_DEVICE = 2, 100
_LOST = (
    "run with SYMFUSE_VERIFY=1 to find the kernel; restart the process, because after this error "
    "the device serves it no longer"
)
_OTHER = (
    "leave the context of the device current in this thread: another library has put its own in "
    "its place"
)
_FIXES = {
    1: "compile the program again with this version of symfuse",
    _NO_DEVICE: "run on a machine with an NVIDIA GPU that this process may use; "
    "CUDA_VISIBLE_DEVICES may hide it",
    101: "use a device that is there",
    200: "compile the program again for this device",
    201: _OTHER,
    209: "compile the program again for this device",
    222: "update the driver to 580 or newer",
    400: _OTHER,
    700: _LOST,
    701: "compile for this device: the kernel needs more registers or shared memory than it has",
    715: _LOST,
    716: _LOST,
    717: _LOST,
    718: _LOST,
    719: _LOST,
    803: "restart the machine, so that the driver's two parts have the same version",
}


class CallFailed(DeviceError):
    """A call of the driver that failed; `status` is CUDA's number of the error."""

    status = 0

    @classmethod
    def with_status(cls, what: str, status: int) -> Self:
        """The error, with the advice for this status."""
        error = cls(what, fix=_FIXES.get(status, ""))
        error.status = status
        return error

    def at(self, loc: Loc | None, *, prefix: str = "") -> Self:
        """Return the same error once it is known which of the user's lines caused it."""
        error = super().at(loc, prefix=prefix)
        error.status = self.status
        return error


class OutOfMemory(CallFailed):
    """A device without room for what was asked of it."""


class Driver(Entries):
    """The loaded library; an error comes with the message of CUDA."""

    __slots__ = ("_process",)

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
        self.path, self._process = path, os.getpid()
        self._functions = {name: _bound(library, name) for name in SIGNATURES}
        self.version = 0
        self.call("cuInit", 0)
        version = c_int()
        self.call("cuDriverGetVersion", ctypes.byref(version))
        self.version = version.value

    def number(self, name: str, *args: Any) -> int:
        """The whole number that an entry point writes to its first parameter."""
        found = c_int()
        self.call(name, ctypes.byref(found), *args)
        return found.value

    def failure(self, name: str, status: int) -> CallFailed:
        """The error that this status of that entry point means."""
        if os.getpid() != self._process:
            what = "CUDA cannot be used in a process forked from one that used it"
            return CallFailed(what, fix='start processes by "spawn" or "forkserver"')
        text = f"{name} failed: {self._told('cuGetErrorString', status)}"
        kind = OutOfMemory if status == _OUT_OF_MEMORY else CallFailed
        return kind.with_status(f"{text} ({self._told('cuGetErrorName', status)})", status)

    def _told(self, name: str, status: int) -> str:
        text = c_char_p()
        if self._functions[name](status, ctypes.byref(text)) or not text.value:
            return f"status {status}"
        return text.value.decode()


def driver() -> Driver:
    """The driver of this process, loaded at first use; DeviceError where there is none."""
    candidates = driver_candidates()
    found = _driver(candidates)
    if isinstance(found, Driver):
        return found
    raise DeviceError(
        f"there is no CUDA driver: {found}",
        fix='install the NVIDIA driver, 580 or newer, or use target="cpu"',
    )


def why_no_driver() -> str | None:
    """Why there is no driver to use; None if there is one."""
    try:
        driver()
    except DeviceError as error:
        return error.what
    return None


def version_text(version: int) -> str:
    """`13.0` for 13000."""
    return f"{version // 1000}.{version % 1000 // 10}"


@cache
def _driver(candidates: tuple[str, ...]) -> Driver | str:
    """The first that loads, or the reason why none does."""
    reasons = []
    for path in candidates:
        try:
            return _checked(Driver(path))
        except OSError as error:
            reasons.append(str(error))
    return reasons[0]


def _checked(found: Driver) -> Driver:
    if found.version < OLDEST:
        raise DeviceError(
            f"the CUDA driver {found.path} is for CUDA {version_text(found.version)}, and symfuse "
            f"needs one for CUDA {version_text(OLDEST)}",
            fix="update the NVIDIA driver to 580 or newer",
        )
    return found


def _bound(library: ctypes.CDLL, name: str) -> Any:
    function = getattr(library, name, None)
    if function is None:
        return _absent(name, library)
    function.argtypes, function.restype = SIGNATURES[name], c_int
    return function


def _absent(name: str, library: ctypes.CDLL) -> Any:
    def refuse(*_: Any) -> int:
        raise DeviceError(
            f"the CUDA driver {library._name} has no {name}",
            fix="update the NVIDIA driver to 580 or newer",
        )

    return refuse
