"""The sorts of NumPy for its own element types, which compiled code calls.

They are entries of a record that NumPy has for each type: after as many conversions as it has had
types at first, twelve other functions, sorts and then those of positions, of three kinds each.
"""

from __future__ import annotations

import ctypes

import numpy as np

from ..dtypes import DType
from .numpy_functions import numpy_functions

__all__ = ["PREFIX", "address"]

PREFIX = "symfuse_sort_"

_FUNCTIONS_SLOT = 365  # `PyDataType_GetArrFuncs`, since NumPy 2.0
_KINDS = ("quick", "heap", "stable")
_SORTS = 21 + 12
_POSITIONS = "_positions"


def address(name: str) -> int:
    """Where the sort `f32_quick` lies, or of positions `f32_quick_positions`."""
    letters, kind = name.removesuffix(_POSITIONS).split("_")
    find = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object)(numpy_functions()[_FUNCTIONS_SLOT])
    record = ctypes.cast(find(np.dtype(DType(letters).numpy)), ctypes.POINTER(ctypes.c_void_p))
    first = _SORTS + len(_KINDS) * name.endswith(_POSITIONS)
    return record[first + _KINDS.index(kind)] or 0
