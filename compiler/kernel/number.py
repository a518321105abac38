"""Numbers in formulas: operators over a scalar emitter, and the layout of the float formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeAlias

from msgspec import Struct

from symfuse.runtime.dtypes import DType

from .scalar import Scalars

__all__ = [
    "FORMATS",
    "Format",
    "Number",
    "Table",
    "fma",
    "formula",
    "horner",
    "polynomial",
    "select",
]

Table: TypeAlias = Mapping[DType, tuple[float, ...]]
"""Coefficients for each working precision, lowest power first."""

_LONG = 10  # coefficients from which a polynomial is limited by waiting rather than by work
_EXACT = 4  # of its first terms, whose roundings show in the result


class Format(Struct, frozen=True):
    """How a float is laid out. Adding `magic` rounds to an integer, which is then its low bits."""

    integer: DType
    mantissa: int
    bias: int
    magic: float
    magic_bits: int
    least_normal: float
    suffix: str

    @property
    def width(self) -> int:
        return self.integer.bits

    @property
    def epsilon(self) -> float:
        """The distance from one to the next number."""
        return float(2.0**-self.mantissa)


FORMATS: Mapping[DType, Format] = {
    DType.F32: Format(DType.I32, 23, 127, 1.5 * 2.0**23, 0x4B400000, 2.0**-126, "f"),
    DType.F64: Format(DType.I64, 52, 1023, 1.5 * 2.0**52, 0x4338000000000000, 2.0**-1022, ""),
}


class Number(Struct, frozen=True, eq=False):
    """A value of the emitter `s`, with the operators of Python; plain numbers take its type."""

    s: Scalars
    value: Any

    @property
    def dtype(self) -> DType:
        dtype: Any = self.value.dtype
        return dtype if isinstance(dtype, DType) else DType.of(dtype)

    @property
    def format(self) -> Format:
        return FORMATS[self.dtype]

    @property
    def plain(self) -> Number:
        """The number without its derivatives, where it has some."""
        return self

    def of(self, other: Number | float) -> Number:
        """The plain number as a constant of this type."""
        if isinstance(other, Number):
            return other
        return Number(self.s, self.s.const(other, self.dtype))

    def chosen(self, condition: Number, then: Number | float, otherwise: Number | float) -> Number:
        """What `select` gives of values of this kind."""
        return condition.emit("select", self.of(then), self.of(otherwise))

    def emit(self, name: str, *operands: Number | float) -> Number:
        """One instruction with this as its first operand."""
        values = (self.value, *(self.of(operand).value for operand in operands))
        return Number(self.s, self.s.emit(name, values))

    def __add__(self, other: Number | float) -> Number:
        return self.emit("add", other)

    def __radd__(self, other: float) -> Number:
        return self.of(other) + self

    def __sub__(self, other: Number | float) -> Number:
        return self.emit("sub", other)

    def __rsub__(self, other: float) -> Number:
        return self.of(other) - self

    def __mul__(self, other: Number | float) -> Number:
        return self.emit("mul", other)

    def __rmul__(self, other: float) -> Number:
        return self.of(other) * self

    def __truediv__(self, other: Number | float) -> Number:
        return self.emit("div", other)

    def __rtruediv__(self, other: float) -> Number:
        return self.of(other) / self

    def __neg__(self) -> Number:
        return self.emit("neg")

    def __abs__(self) -> Number:
        return self.emit("abs")

    def __and__(self, other: Number | int) -> Number:
        return self.emit("bitand", other)

    def __or__(self, other: Number | int) -> Number:
        return self.emit("bitor", other)

    def __xor__(self, other: Number | int) -> Number:
        return self.emit("bitxor", other)

    def __invert__(self) -> Number:
        return self.emit("bitnot")

    def __lshift__(self, other: Number | int) -> Number:
        return self.emit("shl", other)

    def __rshift__(self, other: Number | int) -> Number:
        return self.emit("shr", other)

    def __lt__(self, other: Number | float) -> Number:
        return self.emit("lt", other)

    def __le__(self, other: Number | float) -> Number:
        return self.emit("le", other)

    def __gt__(self, other: Number | float) -> Number:
        return self.emit("gt", other)

    def __ge__(self, other: Number | float) -> Number:
        return self.emit("ge", other)

    def equals(self, other: Number | float) -> Number:
        return self.emit("eq", other)

    def differs(self, other: Number | float) -> Number:
        return self.emit("ne", other)

    def isnan(self) -> Number:
        return self.emit("isnan")

    def sqrt(self) -> Number:
        return self.emit("sqrt")

    def with_sign_of(self, other: Number | float) -> Number:
        """This magnitude with the other's sign."""
        return self.emit("copysign", other)

    def convert(self, dtype: DType) -> Number:
        return Number(self.s, self.s.convert(self.value, dtype))

    def bits(self) -> Number:
        """The bits of a float as a signed integer."""
        return Number(self.s, self.s.bitcast(self.value, self.format.integer))

    def as_float(self, dtype: DType) -> Number:
        """The float that has these bits."""
        return Number(self.s, self.s.bitcast(self.value, dtype))

    def rounded(self, factor: float | None = None) -> tuple[Number, Number]:
        """The nearest integer as a float and as an integer, for small numbers; of a product with
        a factor, without another rounding."""
        magic = self.of(self.format.magic)
        shifted = self + magic if factor is None else fma(self, factor, magic)
        return shifted - magic, shifted.bits() - self.format.magic_bits

    def small_to_float(self, dtype: DType) -> Number:
        """A small integer as a float, without the slow conversion of 64-bit integers."""
        layout = FORMATS[dtype]
        if dtype is DType.F32:
            return self.convert(dtype)
        return (self + layout.magic_bits).as_float(dtype) - layout.magic

    def power_of_two(self, dtype: DType) -> Number:
        """2**n for an exponent n of normal numbers."""
        layout = FORMATS[dtype]
        return ((self + layout.bias) << layout.mantissa).as_float(dtype)


def fma(x: Number, y: Number | float, z: Number | float) -> Number:
    """x * y + z, rounded once."""
    return x.emit("fma", y, z)


def select(condition: Number, then: Number | float, otherwise: Number | float) -> Number:
    """One of two values; at least one of them is a Number."""
    typed = otherwise if isinstance(otherwise, Number) else then
    if not isinstance(typed, Number):
        raise TypeError("select needs a value whose type is known")
    return typed.chosen(condition, then, otherwise)


def horner(x: Number, coefficients: tuple[float, ...]) -> Number:
    """The polynomial with these coefficients, lowest power first."""
    if len(coefficients) < _LONG:
        return _chain(x, coefficients)
    # The even and odd powers of all but the first terms apart: two chains run at a time.
    square, rest = x * x, coefficients[_EXACT:]
    even, odd = (_chain(square, rest[start::2]) for start in (0, 1))
    return _chain(x, coefficients[:_EXACT], fma(x, odd, even))


def _chain(x: Number, coefficients: tuple[float, ...], end: Number | None = None) -> Number:
    """Horner's scheme; `end` stands for all that follows the last coefficient."""
    total: Number | float = coefficients[-1] if end is None else fma(x, end, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = fma(x, total, coefficient)
    return x.of(total)


def polynomial(x: Number, coefficients: tuple[float, ...]) -> Number:
    """The same of products and sums alone, which have the same bits on every target."""
    square = x * x
    even, odd = (_plain_chain(square, coefficients[start::2]) for start in (0, 1))
    return even + x * odd


def _plain_chain(x: Number, coefficients: tuple[float, ...]) -> Number:
    total = x.of(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * x + coefficient
    return total


def formula(function: Callable[..., Number]) -> Callable[..., Any]:
    """A function of numbers as one of an emitter and its values."""

    @wraps(function)
    def emitted(s: Scalars, *operands: Any) -> Any:
        return function(*(Number(s, operand) for operand in operands)).value

    return emitted
