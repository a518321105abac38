"""NumPy's table of C functions, by numbers that stay the same from release to release."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

__all__ = ["numpy_functions"]


def numpy_functions() -> Any:
    """NumPy's table of C functions."""
    pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    of_capsule = pointer(("PyCapsule_GetPointer", ctypes.pythonapi))
    table = of_capsule(np._core._multiarray_umath._ARRAY_API, None)  # type: ignore[attr-defined]
    return ctypes.cast(table, ctypes.POINTER(ctypes.c_void_p))
