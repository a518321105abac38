"""The CUDA column of the scalar instructions: C++ expressions over the helpers of scalars.cu."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import numpy as np
from msgspec import Struct

from symfuse.runtime.dtypes import DType

from ...kernel.scalar import Scalars, result_dtype

__all__ = ["CudaScalars", "Value", "c_type", "helpers", "literal"]


def helpers() -> str:
    """The C++ functions that expressions and accesses call, to stand behind the preamble."""
    folder = files(__package__)
    texts = (folder.joinpath(name) for name in ("scalars.cu", "access.cu", "tensor_cores.cu"))
    return "\n".join(text.read_text(encoding="utf-8") for text in texts)


class Value(Struct, frozen=True):
    """A C++ expression; `atom`: it can stand anywhere without parentheses."""

    text: str
    dtype: DType
    atom: bool = True

    @property
    def operand(self) -> str:
        """The text as an operand of any operator."""
        return self.text if self.atom else f"({self.text})"

    @property
    def is_fixed(self) -> bool:
        """Whether no assignment changes this: it is a name or a literal."""
        return "[" not in self.text

    def __str__(self) -> str:
        return self.text


# Instruction to its spelling for floats, signed and unsigned integers, and bool: a function, an
# operator, a format, or `=` for the operand itself.
_SPELLINGS: dict[str, tuple[str, str, str, str]] = {
    "add": ("+", "sf_add", "sf_add", "||"),
    "sub": ("-", "sf_subtract", "sf_subtract", "!="),
    "mul": ("*", "sf_multiply", "sf_multiply", "&&"),
    "div": ("/", "", "", ""),
    "floordiv": ("sf_floor_divide", "sf_floor_divide", "sf_floor_divide", ""),
    "mod": ("sf_remainder", "sf_remainder", "sf_remainder", ""),
    "fmod": ("sf_truncated_remainder",) * 3 + ("",),
    "neg": ("-{0}", "sf_negative", "sf_negative", ""),
    "abs": ("sf_abs", "sf_abs", "=", "="),
    "fma": ("sf_fma", "sf_fma", "sf_fma", "{0} && {1} || {2}"),
    "min": ("sf_min", "sf_min", "sf_min", "&&"),
    "max": ("sf_max", "sf_max", "sf_max", "||"),
    "floor": ("sf_floor", "=", "=", "="),
    "ceil": ("sf_ceil", "=", "=", "="),
    "trunc": ("sf_trunc", "=", "=", "="),
    "rint": ("sf_rint", "=", "=", "="),
    "copysign": ("sf_copysign", "", "", ""),
    "nextafter": ("sf_nextafter", "", "", ""),
    "signbit": ("sf_sign_bit", "{0} < 0", "false", "false"),
    "isnan": ("sf_is_nan", "false", "false", "false"),
    "isinf": ("sf_is_infinite", "false", "false", "false"),
    "isfinite": ("sf_is_finite", "true", "true", "true"),
    "pow": ("sf_pow", "sf_pow", "sf_pow", ""),
    "lt": ("<", "<", "<", "<"),
    "le": ("<=", "<=", "<=", "<="),
    "gt": (">", ">", ">", ">"),
    "ge": (">=", ">=", ">=", ">="),
    "eq": ("==", "==", "==", "=="),
    "ne": ("!=", "!=", "!=", "!="),
    "bitand": ("", "&", "&", "&&"),
    "bitor": ("", "|", "|", "||"),
    "bitxor": ("", "^", "^", "!="),
    "bitnot": ("", "~{0}", "~{0}", "!{0}"),
    "shl": ("", "sf_shift_left", "sf_shift_left", ""),
    "shr": ("", "sf_shift_right", "sf_shift_right", ""),
}
_MATHEMATICS = """
    sqrt rsqrt cbrt hypot exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan atan2
    sinh cosh tanh asinh acosh atanh erf erfc
"""
_SUFFIX = {DType.I64: "ll", DType.U32: "u", DType.U64: "ull", DType.F32: "f"}
_HALVES = {DType.F16: "sf_f16", DType.BF16: "sf_bf16"}


def c_type(dtype: DType) -> str:
    """The C++ type of an element."""
    return _HALVES.get(dtype, dtype.value)


def literal(number: float | int | bool, dtype: DType) -> Value:
    """A number as a C++ constant of the type."""
    if dtype.is_bool:
        return Value("true" if number else "false", dtype)
    if dtype.is_half:
        wide = literal(float(dtype.numpy.type(number)), DType.F32)
        return Value(f"sf_from_f32<{c_type(dtype)}>({wide})", dtype)
    if dtype.is_float:
        return _float_literal(float(number), dtype)
    return _integer_literal(int(number), dtype)


def _float_literal(number: float, dtype: DType) -> Value:
    if math.isnan(number):
        return Value(f"sf_nan<{c_type(dtype)}>()", dtype)
    negative = math.copysign(1.0, number) < 0
    with np.errstate(over="ignore"):
        size = abs(dtype.numpy.type(number))
    if np.isinf(size):
        text = f"sf_infinity<{c_type(dtype)}>()"
    else:
        digits = str(size)
        whole = "." not in digits and "e" not in digits
        text = f"{digits}{'.0' if whole else ''}{_SUFFIX.get(dtype, '')}"
    return Value(f"-{text}" if negative else text, dtype, not negative)


def _integer_literal(number: int, dtype: DType) -> Value:
    span = 1 << dtype.bits
    number %= span
    if dtype.is_signed and number >= span // 2:
        number -= span
    suffix = _SUFFIX.get(dtype, "")
    if dtype.bits < 32:
        return Value(f"({c_type(dtype)}){number}", dtype)
    if number < 0 and number == -(span // 2):
        return Value(f"-{-(number + 1)}{suffix} - 1", dtype, False)
    return Value(f"{number}{suffix}", dtype, number >= 0)


class CudaScalars(Scalars):
    """Writes scalar instructions; each that `emit` gives has a name, so that it is computed once.

    `named(text, dtype)` declares a constant and gives its name.
    """

    def __init__(self, named: Callable[[Value], Value]) -> None:
        self._named = named

    def emit(self, name: str, operands: tuple[Any, ...]) -> Value:
        """The value of one instruction of the table, under a name."""
        return self._named(self.expression(name, operands))

    def const(self, value: float | int | bool, dtype: DType) -> Value:
        return literal(value, dtype)

    def convert(self, value: Value, dtype: DType) -> Value:
        """The value in another element type, as NumPy's `astype` on x86-64."""
        if value.dtype is dtype:
            return value
        return Value(f"sf_convert<{c_type(dtype)}>({value})", dtype)

    def bitcast(self, value: Value, dtype: DType) -> Value:
        """The same bits read as another element type of the same width."""
        if value.dtype is dtype:
            return value
        return Value(f"sf_bits_as<{c_type(dtype)}>({value})", dtype)

    def expression(self, name: str, operands: tuple[Value, ...]) -> Value:
        """The value of one instruction as an expression of its operands."""
        dtype = result_dtype(name, tuple(x.dtype for x in operands))
        if name == "select":
            condition, then, otherwise = operands
            text = f"{condition.operand} ? {then.operand} : {otherwise.operand}"
            return Value(text, dtype, False)
        spelling = _spelling(name, operands[0].dtype)
        if spelling == "=":
            return operands[0]
        narrow = dtype.is_integer and dtype.bits < 32
        if "{" in spelling or not spelling[0].isalpha():
            text = _with_operators(spelling, operands)
            return (
                Value(f"({c_type(dtype)})({text})", dtype) if narrow else Value(text, dtype, False)
            )
        if spelling in ("true", "false"):
            return Value(spelling, dtype)
        return Value(f"{spelling}({', '.join(map(str, operands))})", dtype)


def _with_operators(spelling: str, operands: tuple[Value, ...]) -> str:
    texts = [x.operand for x in operands]
    return spelling.format(*texts) if "{" in spelling else f" {spelling} ".join(texts)


def _spelling(name: str, dtype: DType) -> str:
    if name in _MATHEMATICS.split() and dtype.is_float:
        return f"sf_{name}"
    column = 0 if dtype.is_float else 1 if dtype.is_signed else 2 if dtype.is_unsigned else 3
    found = _SPELLINGS[name][column] if name in _SPELLINGS else ""
    if not found or dtype.is_half:
        raise AssertionError(f"{name} has no meaning for {dtype}")
    return found
