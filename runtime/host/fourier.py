"""The Fourier transforms that NumPy brings, pocketfft's, whose loops compiled code calls.

They are generalised ufuncs. A loop takes tables of pointers, of sizes and of distances, and what
stands beside it in the record of its ufunc, which is that of NumPy's C interface.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import import_module
from typing import Any

from ..errors import DeviceError

__all__ = ["PREFIX", "address"]

PREFIX = "symfuse_fourier_"

_LETTERS = {"c": "fF", "z": "dD"}  # of single and double precision here, and in NumPy
_DATA = "_data"


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
    """Where the loop of `zfft` lies, or of `zfft_data` what it takes beside its tables."""
    letter, loop = name[0], name[1:].removesuffix(_DATA)
    ufunc = _ufunc(loop)
    record = _Loops.from_address(id(ufunc) + object.__basicsize__)
    table = record.data if name.endswith(_DATA) else record.functions
    if not table:
        return 0  # these loops take nothing
    kinds = {*"->", *_LETTERS[letter]}
    return table[next(n for n, one in enumerate(ufunc.types) if kinds.issuperset(one))] or 0


@cache
def _ufunc(name: str) -> Any:
    try:
        return getattr(import_module("numpy.fft._pocketfft_umath"), name)
    except (ImportError, AttributeError):
        raise DeviceError(
            "the code calls the Fourier transforms of NumPy, which this NumPy does not have",
            fix="install a version of NumPy from 2.0 on",
        ) from None
