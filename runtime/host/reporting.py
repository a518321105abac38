"""The function that compiled code calls to report to Python."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from ..dtypes import DType
from ..reports import note, report, understood

__all__ = ["NAME", "address"]

NAME = "symfuse_report"


def address() -> int:
    """Where `void report(text, operands, dims)` lies; the code behind it is kept."""
    return ctypes.cast(_function(), ctypes.c_void_p).value or 0


@cache
def _function() -> Any:
    sizes, pointers = ctypes.POINTER(ctypes.c_int64), ctypes.POINTER(ctypes.c_void_p)
    return ctypes.CFUNCTYPE(None, ctypes.c_char_p, pointers, sizes)(_called)


def _called(text: bytes, operands: Any, dims: Any) -> None:
    """The dims are those of all operands, one after the other; errors cannot pass native code."""
    try:
        _report(text, operands, dims)
    except Exception as error:
        note(error)


def _report(text: bytes, operands: Any, dims: Any) -> None:
    kind, message, place, types = understood(text.decode())
    values, at = [], 0
    for number, (dtype, rank) in enumerate(types):
        shape = tuple(dims[at : at + rank])
        values.append(_copied(operands[number], DType(dtype), shape))
        at += rank
    report(kind, message, place, values)


def _copied(pointer: int | None, dtype: DType, shape: tuple[int, ...]) -> Any:
    count = int(np.prod(shape))
    if not count or not pointer:
        return np.empty(shape, dtype.numpy)
    return np.frombuffer(ctypes.string_at(pointer, count * dtype.itemsize), dtype.numpy).reshape(
        shape
    )
