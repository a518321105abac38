"""The sorts of NumPy for its own element types, which compiled code calls.

They are entries of a record that NumPy has for each type: after as many conversions as it has had
types at first, twelve other functions, sorts and then those of positions, of three kinds each.
"""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np

from ..dtypes import DType
from ..errors import DeviceError
from .numpy_functions import numpy_functions

__all__ = ["PREFIX", "address", "are_there"]

PREFIX = "symfuse_sort_"

_FUNCTIONS_SLOT = 365  # `PyDataType_GetArrFuncs`, since NumPy 2.0
_KINDS = ("quick", "heap", "stable")
_SORTS = 21 + 12
_POSITIONS = "_positions"


@cache
def are_there() -> bool:
    """Whether this NumPy has sorts at these places, as all releases have had so far."""
    return all(_entry(f"f64_{kind}{suffix}") for kind in _KINDS for suffix in ("", _POSITIONS))


def address(name: str) -> int:
    """Where the sort `f32_quick` lies, or of positions `f32_quick_positions`."""
    found = _entry(name)
    if not found:
        raise DeviceError(
            f"NumPy {np.__version__} has no sort {name!r} that compiled code could call",
            fix="empty the cache, or compile the program again: it will compare elements itself",
        )
    return found


def _entry(name: str) -> int:
    letters, kind = name.removesuffix(_POSITIONS).split("_")
    find = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object)(numpy_functions()[_FUNCTIONS_SLOT])
    record = ctypes.cast(find(np.dtype(DType(letters).numpy)), ctypes.POINTER(ctypes.c_void_p))
    first = _SORTS + len(_KINDS) * name.endswith(_POSITIONS)
    return record[first + _KINDS.index(kind)] or 0
