"""The closed set of element types, shared by every layer."""

from __future__ import annotations

import enum
from functools import cache
from typing import Any

import numpy as np

__all__ = ["SCALARS", "DType", "is_numeric", "native", "promoted"]


class DType(enum.StrEnum):
    """An element type; its value is the spelling used in printed graphs.

    The halves, f16 and bf16, are stored in 16 bits and computed in f32: each result is rounded.
    Complex numbers are stored as two floats, the real part first, and computed as these.
    """

    BOOL = "bool"
    I8 = "i8"
    I16 = "i16"
    I32 = "i32"
    I64 = "i64"
    U8 = "u8"
    U16 = "u16"
    U32 = "u32"
    U64 = "u64"
    F16 = "f16"
    BF16 = "bf16"
    F32 = "f32"
    F64 = "f64"
    C64 = "c64"
    C128 = "c128"

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy element type of the same values."""
        found = _NUMPY.get(self)
        return _bfloat16() if found is None else found

    @property
    def bits(self) -> int:
        """Bits of one element in memory."""
        return 8 * _BYTES[self]

    @property
    def itemsize(self) -> int:
        """Bytes of one element in memory."""
        return _BYTES[self]

    @property
    def is_float(self) -> bool:
        return self[0] == "f" or self is DType.BF16

    @property
    def is_complex(self) -> bool:
        return self[0] == "c"

    @property
    def is_inexact(self) -> bool:
        """Whether the values can change a little: floats and complex numbers."""
        return self.is_float or self.is_complex

    @property
    def order(self) -> int:
        """Which kinds hold which: 0 for bools, 1 integers, 2 floats, 3 complex numbers."""
        return 3 if self.is_complex else 2 if self.is_float else 1 if self.is_integer else 0

    @property
    def real(self) -> DType:
        """The type of the parts of complex numbers; this one if it has no parts."""
        return _REAL.get(self, self)

    @property
    def complex(self) -> DType:
        """The complex type that holds these values, as NumPy chooses it."""
        if self.is_complex:
            return self
        return (
            DType.C128 if self is DType.F64 or (self.is_integer and self.bits > 16) else DType.C64
        )

    @property
    def is_half(self) -> bool:
        """Whether this is a float of 16 bits, which is computed in f32."""
        return self is DType.F16 or self is DType.BF16

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

    @property
    def computed(self) -> DType:
        """The type that arithmetic on these values is done in: f32 for halves, else this one."""
        return DType.F32 if self.is_half else self

    @property
    def limits(self) -> Any:
        """The limits of a float type, as `numpy.finfo` gives them."""
        return _bfloat16_limits() if self is DType.BF16 else np.finfo(self.numpy)

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
            return _of_numpy(np.dtype(dtype))
        except (KeyError, TypeError):
            known = ", ".join(_spelling(d) for d in cls)
            raise TypeError(f"symfuse has no element type {dtype!r}; it has {known}") from None


def promoted(*operands: DType | complex) -> DType:
    """What operands meet in: NumPy 2's promotion, by which Python numbers are weak.

    NumPy does not know bf16. With integers it stays itself, with any other float it meets in f32
    at least, with complex numbers in these: neither half holds the other.
    """
    if DType.BF16 not in operands:
        given = (x.numpy if isinstance(x, DType) else x for x in operands)
        return DType.of(np.result_type(*given))
    if any((isinstance(x, DType) and x.is_complex) or type(x) is complex for x in operands):
        return promoted(*(DType.F32 if x is DType.BF16 else x for x in operands))
    floats = {x for x in operands if isinstance(x, DType) and x.is_float}
    if floats == {DType.BF16}:
        return DType.BF16
    return DType.F64 if DType.F64 in floats else DType.F32


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
    DType.F16: np.dtype(np.float16),
    DType.F32: np.dtype(np.float32),
    DType.F64: np.dtype(np.float64),
    DType.C64: np.dtype(np.complex64),
    DType.C128: np.dtype(np.complex128),
}
_REAL = {DType.C64: DType.F32, DType.C128: DType.F64}
_BYTES = {**{dtype: numpy.itemsize for dtype, numpy in _NUMPY.items()}, DType.BF16: 2}
SCALARS = tuple(dtype for dtype in DType if dtype not in _REAL)
"""The element types that kernels compute with: all but the complex ones."""

_FROM_NUMPY = {numpy: dtype for dtype, numpy in _NUMPY.items()}
_BFLOAT16 = "bfloat16"
_SPELLED = {**{dtype.value: dtype for dtype in DType}, _BFLOAT16: DType.BF16}


def _of_numpy(dtype: np.dtype[Any]) -> DType:
    found = _FROM_NUMPY.get(dtype)
    if found is None and dtype.name == _BFLOAT16:
        return DType.BF16
    return _FROM_NUMPY[dtype] if found is None else found


def _spelling(dtype: DType) -> str:
    return _BFLOAT16 if dtype is DType.BF16 else _NUMPY[dtype].name


# NumPy has no bfloat16 of its own. The package that adds it takes longer to import than all of
# the runtime, so only who meets such an array pays for it.


@cache
def _bfloat16() -> np.dtype[Any]:
    found: np.dtype[Any] = np.dtype(_ml_dtypes().bfloat16)
    return found


@cache
def _bfloat16_limits() -> Any:
    return _ml_dtypes().finfo(_bfloat16())


def _ml_dtypes() -> Any:
    try:
        import ml_dtypes
    except ImportError as error:
        raise ImportError("bfloat16 arrays need the package ml_dtypes: install it") from error
    return ml_dtypes


def is_numeric(dtype: np.dtype[Any]) -> bool:
    """Whether these are numbers or truth values, of any width."""
    return dtype.kind in "biufc" or dtype.name == _BFLOAT16


def native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The same element type in the byte order of this machine."""
    # A type from outside NumPy has one order; asked for another, it turns into plain bytes.
    return dtype if dtype.isnative else dtype.newbyteorder("=")
