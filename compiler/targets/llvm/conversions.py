"""Conversions between element types, with the results of NumPy's `astype` on x86-64.

Out of range and for NaN, a float becomes the least i32 or i64; narrower integers and u32 keep the
low bits of that, where NumPy does the same or differs from one array length to the next.
"""

from __future__ import annotations

from symfuse.runtime.dtypes import DType

from .halves import convert_half
from .vectors import Vectors
from .writer import Value

__all__ = ["convert"]

_TOP = 2.0**63


def convert(s: Vectors, value: Value, dtype: DType) -> Value:
    """The value in another element type."""
    source = value.dtype
    if source is dtype:
        return value
    if source.is_half or dtype.is_half:
        return convert_half(s, value, dtype)
    if dtype.is_bool:
        nonzero: Value = s.emit("ne", (value, s.const(0, source)))
        return nonzero
    if source.is_float:
        return _from_float(s, value, dtype)
    if dtype.is_float:
        return s.cast("sitofp" if source.is_signed else "uitofp", value, dtype)
    return _between_integers(s, value, dtype)


def _between_integers(s: Vectors, value: Value, dtype: DType) -> Value:
    source = value.dtype
    if source.is_bool or dtype.bits > source.bits:
        return s.cast("sext" if source.is_signed else "zext", value, dtype)
    return s.cast("trunc", value, dtype)


def _from_float(s: Vectors, value: Value, dtype: DType) -> Value:
    if dtype.is_float:
        return s.cast("fpext" if dtype is DType.F64 else "fptrunc", value, dtype)
    if dtype is DType.U64:
        return _to_u64(s, value)
    if dtype in (DType.I64, DType.U32):
        return _between_integers(s, _to_signed(s, value, DType.I64), dtype)
    return _between_integers(s, _to_signed(s, value, DType.I32), dtype)


def _to_signed(s: Vectors, value: Value, dtype: DType) -> Value:
    """Truncate what fits; LLVM leaves the rest undefined, so it is replaced before and after."""
    limit = 2.0 ** (dtype.bits - 1)
    above = s.emit("ge", (value, s.const(-limit, value.dtype)))
    below = s.emit("lt", (value, s.const(limit, value.dtype)))
    fits = s.emit("bitand", (above, below))
    safe = s.emit("select", (fits, value, s.const(0.0, value.dtype)))
    whole = s.cast("fptosi", safe, dtype)
    least = s.const(-(2 ** (dtype.bits - 1)), dtype)
    converted: Value = s.emit("select", (fits, whole, least))
    return converted


def _to_u64(s: Vectors, value: Value) -> Value:
    """By way of i64, with 2**63 taken off before and put back after where it is reached."""
    large = s.emit("ge", (value, s.const(_TOP, value.dtype)))
    lowered = s.emit("sub", (value, s.const(_TOP, value.dtype)))
    whole = _to_signed(s, s.emit("select", (large, lowered, value)), DType.I64)
    top = s.const(-(2**63), DType.I64)
    return s.cast(
        "bitcast", s.emit("select", (large, s.emit("bitxor", (whole, top)), whole)), DType.U64
    )
