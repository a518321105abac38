"""Division of integers without traps: a zero divisor gives 0, and the least integer wraps.

Processors have no vector division of integers. Up to 32 bits a float quotient is exact enough to
truncate; 64 bits are left to LLVM, lane by lane.
"""

from __future__ import annotations

from collections.abc import Callable

from symfuse.runtime.dtypes import DType

from ...kernel.number import Number, select
from .vectors import Vectors
from .writer import Value

__all__ = ["DIVISIONS"]


def _divide(s: Vectors, x: Value, y: Value) -> tuple[Number, Number, Number]:
    """The quotient towards zero, the remainder, and whether the divisor is not zero."""
    dividend, divisor = Number(s, x), Number(s, y)
    defined = divisor.differs(0)
    safe = defined
    if x.dtype.is_signed:
        least = -(1 << (x.dtype.bits - 1))
        safe = defined & (dividend.differs(least) | divisor.differs(-1))
    by = select(safe, divisor, 1)
    quotient = Number(s, _truncated_quotient(s, x, by.value))
    return quotient, dividend - quotient * by, defined


def _truncated_quotient(s: Vectors, x: Value, y: Value) -> Value:
    kind = "s" if x.dtype.is_signed else "u"
    if x.dtype.bits == 64 or max(x.lanes, y.lanes) == 1:
        return s.instruction(f"{kind}div", x.dtype, x, y)
    through = DType.F32 if x.dtype.bits <= 16 else DType.F64
    floats = [s.cast(f"{kind}itofp", value, through) for value in s.aligned(x, y)]
    return s.cast(f"fpto{kind}i", s.instruction("fdiv", through, *floats), x.dtype)


def _moves_down(rest: Number, divisor: Number) -> Number:
    """Whether the quotient towards zero is above the one towards minus infinity."""
    return ((rest < 0) ^ (divisor < 0)) & rest.differs(0)


def _floordiv(s: Vectors, x: Value, y: Value) -> Value:
    quotient, rest, defined = _divide(s, x, y)
    if x.dtype.is_signed:
        quotient = select(_moves_down(rest, Number(s, y)), quotient - 1, quotient)
    value: Value = select(defined, quotient, 0).value
    return value


def _mod(s: Vectors, x: Value, y: Value) -> Value:
    _, rest, defined = _divide(s, x, y)
    if x.dtype.is_signed:
        divisor = Number(s, y)
        rest = select(_moves_down(rest, divisor), rest + divisor, rest)
    value: Value = select(defined, rest, 0).value
    return value


def _fmod(s: Vectors, x: Value, y: Value) -> Value:
    _, rest, defined = _divide(s, x, y)
    value: Value = select(defined, rest, 0).value
    return value


DIVISIONS: dict[str, Callable[[Vectors, Value, Value], Value]] = {
    "floordiv": _floordiv,
    "mod": _mod,
    "fmod": _fmod,
}
