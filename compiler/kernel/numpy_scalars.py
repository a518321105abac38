"""The scalar instructions in plain NumPy: what every target is compared with."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType

from .scalar import Scalars

__all__ = ["NumpyScalars"]

Array = np.ndarray[Any, np.dtype[Any]]


class NumpyScalars(Scalars):
    """Computes instructions at once; values are arrays (or NumPy scalars) of one element type."""

    def emit(self, name: str, operands: tuple[Any, ...]) -> Array:
        """The value of one instruction of the table."""
        arrays = tuple(np.asarray(operand) for operand in operands)
        with np.errstate(all="ignore"):
            if name not in _MOVING and _is_half(arrays[0]):
                return _in_single(name, arrays)
            return np.asarray(_FUNCTIONS[name](*arrays))

    def const(self, value: float | int | bool, dtype: DType) -> Array:
        """The number as an array without axes."""
        if dtype.is_integer:
            span = 1 << dtype.bits
            wrapped = int(value) % span
            value = wrapped - span if dtype.is_signed and wrapped >= span // 2 else wrapped
        with np.errstate(all="ignore"):
            return np.asarray(value, dtype.numpy)

    def convert(self, value: Any, dtype: DType) -> Array:
        """The value in another element type; NaN and what is out of range go through i32 or i64."""
        array = np.asarray(value)
        with np.errstate(all="ignore"):
            if _is_half(array):
                array = array.astype(np.float32)
            # NumPy's own u32 differs here between short and long arrays.
            if array.dtype.kind == "f" and dtype is DType.U32:
                array = array.astype(np.int64)
            return array.astype(dtype.numpy)

    def bitcast(self, value: Any, dtype: DType) -> Array:
        """The same bits read as another element type of the same width."""
        return np.asarray(value).view(dtype.numpy)


# Of halves these need no arithmetic.
_MOVING = ("select", "nextafter")


def _is_half(array: Array) -> bool:
    return array.dtype.itemsize == 2 and DType.of(array.dtype).is_half


def _in_single(name: str, arrays: tuple[Array, ...]) -> Array:
    """An instruction on halves: its value in f32, rounded."""
    if name in ("min", "max") and arrays[0].dtype == np.float16:
        arrays = arrays[::-1]  # of equal zeros NumPy gives the first, of other types the second
    found = np.asarray(_FUNCTIONS[name](*(array.astype(np.float32) for array in arrays)))
    return found.astype(arrays[0].dtype) if found.dtype == np.float32 else found


def _each(function: Callable[..., Any]) -> Callable[..., Array]:
    """A function of Python numbers on every element; the result has the operands' type."""

    def applied(*arrays: Array) -> Array:
        outputs = np.frompyfunc(function, len(arrays), 1)(*(a.astype(object) for a in arrays))
        return np.asarray(outputs, arrays[0].dtype)

    return applied


def _fma(x: Array, y: Array, z: Array) -> Array:
    if x.dtype.kind != "f":
        return np.asarray(x * y + z)
    plain = np.asarray(x * y + z)
    exact = np.frompyfunc(lambda a, b, c, p: _fused(a, b, c, p, x.dtype.type), 4, 1)
    return np.asarray(exact(*(v.astype(object) for v in (x, y, z, plain))), x.dtype)


def _fused(x: float, y: float, z: float, plain: float, kind: type[np.floating[Any]]) -> Any:
    """x y + z rounded once; where that is not finite or is zero, as rounded twice."""
    if not all(map(math.isfinite, (x, y, z))):
        return plain
    exact = Fraction(x) * Fraction(y) + Fraction(z)
    if not exact:
        return plain
    try:
        double = float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf
    if kind is np.float64:
        return double
    return _rounded_once(exact, double)


def _rounded_once(exact: Fraction, double: float) -> np.float32:
    """The nearest f32: a double halfway between two of them is first moved to its exact side."""
    if Fraction(double) != exact:
        double = _odd_neighbour(exact, double)
    with np.errstate(all="ignore"):
        return np.float32(double)


def _odd_neighbour(exact: Fraction, double: float) -> float:
    if np.float64(double).view(np.int64) & 1:
        return double
    towards = math.inf if exact > Fraction(double) else -math.inf
    return math.nextafter(double, towards)


def _minimum(x: Array, y: Array) -> Array:
    return np.where((x < y) | np.not_equal(x, x), x, y)


def _maximum(x: Array, y: Array) -> Array:
    return np.where((x > y) | np.not_equal(x, x), x, y)


def _power(x: Array, y: Array) -> Array:
    """NumPy's power; it refuses negative exponents of integers, which truncate 1 / x**-y here."""
    if x.dtype.kind != "i":
        return np.asarray(np.power(x, y))
    whole = np.power(x, np.maximum(y, 0))
    reciprocal = np.where(x == 1, 1, np.where(x == -1, np.where(y % 2 == 0, 1, -1), 0))
    return np.where(y < 0, reciprocal, whole).astype(x.dtype)


def _rsqrt(x: Array) -> Array:
    return np.asarray(x.dtype.type(1) / np.sqrt(x))


def _sign_bit(x: Array) -> Array:
    return np.asarray(np.signbit(x) if x.dtype.kind == "f" else x < 0)


def _on_floats(function: Callable[..., Any]) -> Callable[[Array], Array]:
    """For floats the function, for others the operand: it is already whole, or of that sign."""

    def applied(x: Array) -> Array:
        return np.asarray(function(x)) if x.dtype.kind == "f" else x

    return applied


def _absolute(x: Array) -> Array:
    return x if x.dtype.kind == "b" else np.asarray(np.abs(x))


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": lambda x, y: x ^ y if x.dtype.kind == "b" else x - y,
    "mul": np.multiply,
    "div": np.true_divide,
    "floordiv": np.floor_divide,
    "mod": np.mod,
    "fmod": np.fmod,
    "neg": np.negative,
    "abs": _absolute,
    "fma": _fma,
    "min": _minimum,
    "max": _maximum,
    "floor": _on_floats(np.floor),
    "ceil": _on_floats(np.ceil),
    "trunc": _on_floats(np.trunc),
    "rint": _on_floats(np.rint),
    "copysign": np.copysign,
    "signbit": _sign_bit,
    "isnan": lambda x: np.not_equal(x, x),
    "isinf": np.isinf,
    "isfinite": np.isfinite,
    "nextafter": np.nextafter,
    "sqrt": np.sqrt,
    "rsqrt": _rsqrt,
    "cbrt": np.cbrt,
    "pow": _power,
    "hypot": np.hypot,
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "erf": _each(math.erf),
    "erfc": _each(math.erfc),
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "bitand": np.bitwise_and,
    "bitor": np.bitwise_or,
    "bitxor": np.bitwise_xor,
    "bitnot": np.invert,
    "shl": np.left_shift,
    "shr": np.right_shift,
    "select": np.where,
}
