"""Maps an image into memory as callable code; memory is never writable and executable at once."""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import sys
from collections.abc import Mapping

from ..errors import ArtifactError, DeviceError
from . import library
from .image import POINTER_BYTES, Image

__all__ = ["LoadedImage", "architecture", "load_image"]

_ARCHITECTURES = {"AMD64": "x86_64", "amd64": "x86_64", "arm64": "aarch64"}


def architecture() -> str:
    """The instruction set of this machine as images name it: `x86_64` or `aarch64`."""
    name = platform.machine()
    return _ARCHITECTURES.get(name, name)


class LoadedImage:
    """Code in memory; it is unmapped when this object goes, unless it was loaded as resident."""

    __slots__ = ("_memory", "_view", "base", "symbols")

    def __init__(self, memory: mmap.mmap, symbols: Mapping[str, int]) -> None:
        self._memory = memory
        self._view = ctypes.c_char.from_buffer(memory)
        self.base = ctypes.addressof(self._view)
        self.symbols = symbols

    def address(self, symbol: str) -> int:
        """Where the function or variable `symbol` lies."""
        if symbol not in self.symbols:
            raise ArtifactError(
                f"the code has no symbol {symbol!r}; it has {', '.join(sorted(self.symbols))}",
                fix="compile the program again with this version of symfuse",
            )
        return self.base + self.symbols[symbol]


def load_image(image: Image, *, resident: bool = False) -> LoadedImage:
    """Map `image` and bind its externals; resident code stays until the process ends.

    Code that threads may be inside of when the interpreter shuts down must be resident.
    """
    if image.architecture != architecture():
        raise ArtifactError(
            f"the code is for {image.architecture}, this machine is {architecture()}",
            fix="compile the program on this machine",
        )
    memory = _map(image.size)
    memory.write(image.code)
    loaded = LoadedImage(memory, image.symbols)
    table = (
        loaded.base + image.symbols[name] if name in image.symbols else library.address(name)
        for name in image.externals
    )
    for slot, where in enumerate(table):
        memory[slot * POINTER_BYTES : (slot + 1) * POINTER_BYTES] = where.to_bytes(8, "little")
    _make_executable(loaded.base, image.data_offset)
    if resident:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(memory))
    return loaded


def _map(size: int) -> mmap.mmap:
    # Private, or a forked child would share the writable part with its parent.
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    return mmap.mmap(-1, max(size, 1), flags=flags, prot=mmap.PROT_READ | mmap.PROT_WRITE)


def _make_executable(base: int, size: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    protection = mmap.PROT_READ | mmap.PROT_EXEC
    if libc.mprotect(ctypes.c_void_p(base), ctypes.c_size_t(size), protection):
        # A hardened process on Apple silicon may only execute MAP_JIT memory; CPython's may not.
        reason = os.strerror(ctypes.get_errno())
        raise DeviceError(
            f"the operating system refuses to make {size} bytes of code executable: {reason}",
            fix="allow this process to map executable memory",
        )
    if sys.platform == "darwin":
        # Linux makes the instruction cache coherent itself when a page becomes executable.
        libc.sys_icache_invalidate(ctypes.c_void_p(base), ctypes.c_size_t(size))
