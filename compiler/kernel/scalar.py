"""The scalar instructions a kernel may use: one row each; targets are columns elsewhere.

A row names an instruction, its arity and the rule for its result type. What it means in NumPy is
in `numpy_scalars.py`; how LLVM and CUDA spell it is one column in the folder of the target.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from symfuse.runtime.dtypes import DType

__all__ = ["INSTRUCTIONS", "Instruction", "Scalars", "result_dtype"]

Rule = Callable[..., DType]


def _same(first: DType, *_: DType) -> DType:
    return first


def _truth(*_: DType) -> DType:
    return DType.BOOL


def _second(_: DType, second: DType, *__: DType) -> DType:
    return second


class Instruction(Struct, frozen=True):
    """One scalar instruction. `cost` is in units of one addition, for the grouping's estimates."""

    name: str
    arity: int
    result: Rule = _same
    cost: int = 1


_ROWS = (
    # arithmetic; integers wrap around, `div` is for floats, `floordiv`/`mod` have Python's sign
    Instruction("add", 2),
    Instruction("sub", 2),
    Instruction("mul", 2),
    Instruction("div", 2, cost=8),
    Instruction("floordiv", 2, cost=16),
    Instruction("mod", 2, cost=16),
    Instruction("fmod", 2, cost=16),
    Instruction("neg", 1),
    Instruction("abs", 1),
    Instruction("fma", 3),
    # NaN-propagating for floats
    Instruction("min", 2),
    Instruction("max", 2),
    # rounding
    Instruction("floor", 1),
    Instruction("ceil", 1),
    Instruction("trunc", 1),
    Instruction("rint", 1),
    # bits and signs of floats
    Instruction("copysign", 2),
    Instruction("signbit", 1, _truth),
    Instruction("isnan", 1, _truth),
    Instruction("isinf", 1, _truth),
    Instruction("isfinite", 1, _truth),
    Instruction("nextafter", 2, cost=8),
    # roots and powers
    Instruction("sqrt", 1, cost=8),
    Instruction("rsqrt", 1, cost=16),
    Instruction("cbrt", 1, cost=30),
    Instruction("pow", 2, cost=40),
    Instruction("hypot", 2, cost=20),
    # exponentials and logarithms
    Instruction("exp", 1, cost=14),
    Instruction("exp2", 1, cost=14),
    Instruction("expm1", 1, cost=20),
    Instruction("log", 1, cost=18),
    Instruction("log2", 1, cost=18),
    Instruction("log10", 1, cost=18),
    Instruction("log1p", 1, cost=22),
    # circular and hyperbolic functions
    Instruction("sin", 1, cost=18),
    Instruction("cos", 1, cost=18),
    Instruction("tan", 1, cost=26),
    Instruction("asin", 1, cost=20),
    Instruction("acos", 1, cost=20),
    Instruction("atan", 1, cost=20),
    Instruction("atan2", 2, cost=30),
    Instruction("sinh", 1, cost=22),
    Instruction("cosh", 1, cost=22),
    Instruction("tanh", 1, cost=22),
    Instruction("asinh", 1, cost=30),
    Instruction("acosh", 1, cost=30),
    Instruction("atanh", 1, cost=30),
    # error function
    Instruction("erf", 1, cost=24),
    Instruction("erfc", 1, cost=34),
    # comparison: false when an operand is NaN, except `ne`
    Instruction("lt", 2, _truth),
    Instruction("le", 2, _truth),
    Instruction("gt", 2, _truth),
    Instruction("ge", 2, _truth),
    Instruction("eq", 2, _truth),
    Instruction("ne", 2, _truth),
    # bitwise on integers, logical on bool; shifts by the width or more give 0 or the sign
    Instruction("bitand", 2),
    Instruction("bitor", 2),
    Instruction("bitxor", 2),
    Instruction("bitnot", 1),
    Instruction("shl", 2),
    Instruction("shr", 2),
    # choice: condition, value if true, value if false
    Instruction("select", 3, _second),
)

INSTRUCTIONS: dict[str, Instruction] = {row.name: row for row in _ROWS}


def result_dtype(name: str, operands: tuple[DType, ...]) -> DType:
    """The element type that an instruction gives for operands of these types."""
    return INSTRUCTIONS[name].result(*operands)


class Scalars:
    """`s` in an operation's body: what `s.add(x, y)` means is the target's to say.

    A value is opaque to the body but for its `dtype`.
    """

    def emit(self, name: str, operands: tuple[Any, ...]) -> Any:
        """The value of one instruction of the table."""
        raise AssertionError(f"{type(self).__name__} does not emit {name}")

    def const(self, value: float | int | bool, dtype: DType) -> Any:
        """The same number in every lane."""
        raise AssertionError(f"{type(self).__name__} has no constants for {value}: {dtype}")

    def convert(self, value: Any, dtype: DType) -> Any:
        """The value in another element type, as NumPy's `astype`."""
        raise AssertionError(f"{type(self).__name__} does not convert {value} to {dtype}")

    def bitcast(self, value: Any, dtype: DType) -> Any:
        """The same bits read as another element type of the same width."""
        raise AssertionError(f"{type(self).__name__} does not bitcast {value} to {dtype}")

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in INSTRUCTIONS:
            raise AttributeError(f"no scalar instruction is called {name!r}")
        return lambda *operands: self.emit(name, operands)
