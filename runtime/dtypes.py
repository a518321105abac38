"""The closed set of element types, shared by every layer."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np

__all__ = ["DType"]


class DType(enum.StrEnum):
    """An element type; its value is the spelling used in printed graphs."""

    BOOL = "bool"
    I8 = "i8"
    I16 = "i16"
    I32 = "i32"
    I64 = "i64"
    U8 = "u8"
    U16 = "u16"
    U32 = "u32"
    U64 = "u64"
    F32 = "f32"
    F64 = "f64"

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy element type of the same values."""
        return _NUMPY[self]

    @property
    def bits(self) -> int:
        """Bits of one element in memory."""
        return 8 * _NUMPY[self].itemsize

    @property
    def itemsize(self) -> int:
        """Bytes of one element in memory."""
        return _NUMPY[self].itemsize

    @property
    def is_float(self) -> bool:
        return self[0] == "f"

    @property
    def is_signed(self) -> bool:
        """Whether the values include negative integers."""
        return self[0] == "i"

    @property
    def is_unsigned(self) -> bool:
        return self[0] == "u"

    @property
    def is_integer(self) -> bool:
        return self[0] in "iu"

    @property
    def is_bool(self) -> bool:
        return self is DType.BOOL

    @classmethod
    def of(cls, value: object) -> DType:
        """The element type of an array, a NumPy dtype, a scalar type or a spelling of one."""
        if isinstance(value, DType):
            return value
        if isinstance(value, str) and value in _SPELLED:
            return _SPELLED[value]
        dtype: Any = value if isinstance(value, type) else getattr(value, "dtype", value)
        if isinstance(dtype, DType):
            return dtype
        try:
            return _FROM_NUMPY[np.dtype(dtype)]
        except (KeyError, TypeError):
            known = ", ".join(_NUMPY[d].name for d in cls)
            raise TypeError(f"symfuse has no element type {dtype!r}; it has {known}") from None


_NUMPY: dict[DType, np.dtype[Any]] = {
    DType.BOOL: np.dtype(np.bool_),
    DType.I8: np.dtype(np.int8),
    DType.I16: np.dtype(np.int16),
    DType.I32: np.dtype(np.int32),
    DType.I64: np.dtype(np.int64),
    DType.U8: np.dtype(np.uint8),
    DType.U16: np.dtype(np.uint16),
    DType.U32: np.dtype(np.uint32),
    DType.U64: np.dtype(np.uint64),
    DType.F32: np.dtype(np.float32),
    DType.F64: np.dtype(np.float64),
}
_FROM_NUMPY = {numpy: dtype for dtype, numpy in _NUMPY.items()}
_SPELLED = {dtype.value: dtype for dtype in DType}
