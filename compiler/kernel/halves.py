"""Arithmetic on f16 and bf16: done in f32, and each result rounded.

f32 has more than twice their digits, so a sum, product, quotient or root that is rounded twice is
the one that is rounded once. This is also what NumPy and `ml_dtypes` compute.
"""

from __future__ import annotations

from typing import Any

from symfuse.runtime.dtypes import DType

from .scalar import Scalars

__all__ = ["EXACT", "emit_in_single", "is_on_halves"]

EXACT = frozenset({"neg", "abs", "min", "max", "copysign", "floor", "ceil", "trunc", "rint"})
"""Instructions whose result, of operands that a half holds, is one that it holds."""


def is_on_halves(name: str, operands: tuple[Any, ...]) -> bool:
    """Whether an instruction computes with halves; a choice between two only moves them."""
    for operand in operands:  # plainly, as it is asked for every instruction that is written
        if operand.dtype.is_half:
            return name != "select"
    return False


def emit_in_single(s: Scalars, name: str, operands: tuple[Any, ...]) -> Any:
    """The value of an instruction on halves."""
    if name == "nextafter":
        return _neighbour(s, *operands)
    dtype = operands[0].dtype
    if name in ("min", "max") and dtype is DType.F16:
        operands = operands[::-1]  # of equal zeros NumPy gives the first, of other types the second
    found = s.emit(name, tuple(s.convert(x, DType.F32) for x in operands))
    return s.convert(found, dtype) if found.dtype is DType.F32 else found


def _neighbour(s: Any, x: Any, y: Any) -> Any:
    """The next half from x towards y: its bits are the next integer, towards 0 the one before."""
    wide, towards = (s.convert(value, DType.F32) for value in (x, y))
    zero, one = s.const(0.0, DType.F32), s.const(1, DType.I16)
    away = s.bitxor(s.lt(wide, towards), s.lt(wide, zero))
    step = s.select(away, one, s.const(-1, DType.I16))
    stepped = s.bitcast(s.add(s.bitcast(x, DType.I16), step), x.dtype)
    least = s.copysign(s.bitcast(one, x.dtype), y)
    stepped = s.select(s.eq(wide, zero), least, stepped)
    # As for extremes: the first of two equal zeros of f16.
    stepped = s.select(s.eq(wide, towards), x if x.dtype is DType.F16 else y, stepped)
    undefined = s.bitor(s.isnan(wide), s.isnan(towards))
    return s.select(undefined, s.const(float("nan"), x.dtype), stepped)
