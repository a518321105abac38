"""The function that compiled code calls to report to Python."""

from __future__ import annotations

import ctypes
import json
from functools import cache
from typing import Any

import numpy as np

from ..dtypes import DType
from ..reports import report

__all__ = ["NAME", "address"]

NAME = "symfuse_report"

_Kind = ctypes.CFUNCTYPE(
    None, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int64)
)


def address() -> int:
    """Where `void report(text, operands, dims)` lies; the code behind it is kept."""
    return ctypes.cast(_function(), ctypes.c_void_p).value or 0


@cache
def _function() -> Any:
    return _Kind(_called)


def _called(text: bytes, operands: Any, dims: Any) -> None:
    """The text is JSON: what to do, the message, the user's line, and [type, rank] of operands."""
    kind, message, filename, line, types = json.loads(text)
    values, at = [], 0
    for number, (dtype, rank) in enumerate(types):
        shape = tuple(dims[at : at + rank])
        values.append(_copied(operands[number], DType(dtype), shape))
        at += rank
    report(kind, message, (filename, line), values)


def _copied(pointer: int | None, dtype: DType, shape: tuple[int, ...]) -> Any:
    count = int(np.prod(shape))
    if not count or not pointer:
        return np.empty(shape, dtype.numpy)
    return np.frombuffer(ctypes.string_at(pointer, count * dtype.itemsize), dtype.numpy).reshape(
        shape
    )
