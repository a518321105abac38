"""Addresses of the functions that compiled code calls: libc, libm, NumPy's libraries, CPython,
registered ones."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

from ..errors import DeviceError
from . import fourier, lapack, reporting, sorting

__all__ = ["address", "register"]

_SYSTEM_LIBRARIES = {
    "linux": ("libm.so.6", "libc.so.6", "libgcc_s.so.1"),
    "darwin": ("libSystem.B.dylib",),
}
_registered: dict[str, int] = {}


def register(name: str, where: int) -> None:
    """Have compiled code that calls `name` reach the address `where`."""
    _registered[name] = where


def address(name: str) -> int:
    """The address of the function or variable `name`."""
    if name in _registered:
        return _registered[name]
    if name.startswith(lapack.PREFIX):
        return lapack.routine(name.removeprefix(lapack.PREFIX))
    if name.startswith(fourier.PREFIX):
        return fourier.address(name.removeprefix(fourier.PREFIX))
    if name.startswith(sorting.PREFIX):
        return sorting.address(name.removeprefix(sorting.PREFIX))
    if name == reporting.NAME:
        return reporting.address()
    found = _search(name)
    if found is None:
        raise DeviceError(
            f"compiled code calls {name!r}, which this process does not have",
            fix="install the library that defines it, or compile for this machine",
        )
    return found


@cache
def _search(name: str) -> int | None:
    for library in _libraries():
        try:
            function = library[name]
        except AttributeError:
            continue
        return ctypes.cast(function, ctypes.c_void_p).value
    return None


@cache
def _libraries() -> tuple[ctypes.CDLL, ...]:
    found: list[ctypes.CDLL] = [ctypes.CDLL(None), ctypes.pythonapi]
    for name in _SYSTEM_LIBRARIES.get(sys.platform, ()):
        try:
            found.append(ctypes.CDLL(name))
        except OSError:
            continue
    return tuple(found)
