"""The Fourier transforms that NumPy brings, pocketfft's, whose loops compiled code calls.

They are generalised ufuncs. A loop takes tables of pointers, of sizes and of distances, and what
stands beside it in the record of its ufunc, which is that of NumPy's C interface.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from ..errors import DeviceError

__all__ = ["PREFIX", "address"]

PREFIX = "symfuse_fourier_"

_TYPES = {"c": "Ff->F", "z": "Dd->D"}


class _Loops(ctypes.Structure):
    """`PyUFuncObject` behind the header that all objects have, as far as loops are concerned."""

    _fields_ = (
        ("nin", ctypes.c_int),
        ("nout", ctypes.c_int),
        ("nargs", ctypes.c_int),
        ("identity", ctypes.c_int),
        ("functions", ctypes.POINTER(ctypes.c_void_p)),
        ("data", ctypes.POINTER(ctypes.c_void_p)),
    )


def address(name: str) -> int:
    """Where the loop `fft_z` lies, or with `_data` what it takes beside its tables."""
    transform, letter, *data = name.split("_")
    ufunc = _ufunc(transform)
    loops = _Loops.from_address(id(ufunc) + object.__basicsize__)
    number = ufunc.types.index(_TYPES[letter])
    return (loops.data if data else loops.functions)[number] or 0


@cache
def _ufunc(name: str) -> Any:
    try:
        from numpy.fft import _pocketfft_umath

        return getattr(_pocketfft_umath, name)
    except (ImportError, AttributeError):
        raise DeviceError(
            "the code calls the Fourier transforms of NumPy, which this NumPy does not have",
            fix="install a version of NumPy from 2.0 on",
        ) from None
