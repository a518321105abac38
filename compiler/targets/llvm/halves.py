"""Conversions of f16 and bf16, which LLVM sees as integers of 16 bits.

For f16 there are machine instructions wherever there are wide vectors. The one for bf16 takes
small numbers for zero, so bf16 is rounded in integers: to the nearest, of two to the even one.
"""

from __future__ import annotations

from symfuse.runtime.dtypes import DType

from ...kernel.number import Number, select
from .machine import converts_f16
from .vectors import Vectors
from .writer import Value

__all__ = ["convert_half", "narrowed", "widened"]

_SIGN, _MAGNITUDE = 0x8000, 0x7FFF
_F16_INFINITY, _F16_NAN = 0x7C00, 0x7E00
_REBIAS = 127 - 15  # what the exponents of f32 and f16 differ by
_F16_LEAST_NORMAL = (_REBIAS + 1) << 23
_F16_OVERFLOW = 0x477FF000  # 65520, from which numbers round to infinity
_F32_INFINITY = 0x7F800000
_LOST = 29  # digits of f64 that f32 does not have


def convert_half(s: Vectors, value: Value, dtype: DType) -> Value:
    """From or to a half: by way of f32, where every half is exact."""
    if value.dtype.is_half:
        wide = widened(s, value)
        converted: Value = s.convert(wide, dtype)
        return converted
    if value.dtype is DType.F64 and dtype is DType.F16:
        value = _to_odd(s, value)
    return narrowed(s, s.convert(value, DType.F32), dtype)


def widened(s: Vectors, half: Value) -> Value:
    """A half in f32."""
    if half.dtype is DType.BF16:
        return (_unsigned(s, half) << 16).as_float(DType.F32).value  # type: ignore[no-any-return]
    if not converts_f16():
        return _widened_bits(s, half)
    kind = "half" if half.lanes == 1 else f"<{half.lanes} x half>"
    bits = s.writer.once(f"bitcast {half} to {kind}")
    to = Value("", DType.F32, half.lanes).type
    return Value(s.writer.once(f"fpext {kind} {bits} to {to}"), DType.F32, half.lanes)


def narrowed(s: Vectors, single: Value, dtype: DType) -> Value:
    """An f32 rounded to a half."""
    if dtype is DType.BF16:
        return _rounded_bf16(s, single)
    if not converts_f16():
        return _rounded_f16(s, single)
    kind = "half" if single.lanes == 1 else f"<{single.lanes} x half>"
    to = Value("", dtype, single.lanes).type
    rounded = s.writer.once(f"fptrunc {single} to {kind}")
    return Value(s.writer.once(f"bitcast {kind} {rounded} to {to}"), dtype, single.lanes)


def _unsigned(s: Vectors, half: Value) -> Number:
    """The bits of a half in 32 bits."""
    return Number(s, s.cast("zext", half, DType.U32))


def _bits(s: Vectors, single: Value) -> Number:
    return Number(s, s.cast("bitcast", single, DType.U32))


def _upper(s: Vectors, bits: Number, dtype: DType) -> Value:
    return s.cast("trunc", bits.value, dtype)


def _rounded_bf16(s: Vectors, single: Value) -> Value:
    bits = _bits(s, single)
    odd = (bits >> 16) & 1
    rounded = (bits + odd + 0x7FFF) >> 16
    quiet = (bits >> 16) | 0x40
    return _upper(s, select(Number(s, single).isnan(), quiet, rounded), DType.BF16)


def _widened_bits(s: Vectors, half: Value) -> Value:
    """The exponent moved by one exact product, which numbers below the normal ones need."""
    bits = _unsigned(s, half)
    size = bits & _MAGNITUDE
    number = (size << 13).as_float(DType.F32) * 2.0**_REBIAS
    number_bits = Number(s, s.cast("bitcast", number.value, DType.U32))
    special = (size << 13) | _F32_INFINITY
    found = select(size < _F16_INFINITY, number_bits, special) | ((bits & _SIGN) << 16)
    return found.as_float(DType.F32).value  # type: ignore[no-any-return]


def _rounded_f16(s: Vectors, single: Value) -> Value:
    """Numbers below the normal ones are rounded by a sum whose last digit is their last one."""
    bits = _bits(s, single)
    size = bits & 0x7FFFFFFF
    odd = (size >> 13) & 1
    normal = (size + odd + (0xFFF - (_REBIAS << 23)) % 2**32) >> 13
    sunk = size.as_float(DType.F32) + 0.5
    small = Number(s, s.cast("bitcast", sunk.value, DType.U32)) - 0x3F000000
    found = select(size < _F16_LEAST_NORMAL, small, normal)
    found = select(size < _F16_OVERFLOW, found, _F16_INFINITY)
    found = select(size > _F32_INFINITY, bits.of(_F16_NAN), found)
    return _upper(s, found | ((bits >> 16) & _SIGN), DType.F16)


def _to_odd(s: Vectors, double: Value) -> Value:
    """An f64 cut to the digits of f32, the last one odd if more were lost: so rounding it once
    more rounds as if for the first time."""
    bits = Number(s, s.cast("bitcast", double, DType.U64))
    rest = bits & ((1 << _LOST) - 1)
    odd = select(rest.differs(0), bits.of(1 << _LOST), 0)
    return (((bits >> _LOST) << _LOST) | odd).as_float(DType.F64).value  # type: ignore[no-any-return]
