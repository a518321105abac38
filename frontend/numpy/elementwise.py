"""Functions of single elements: NumPy's ufuncs, with NumPy's promotion."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, UnsupportedError

from ..tracing.dispatch import FUNCTIONS, numpy_like
from ..tracing.tracer import Tracer
from .shared import (
    LAYOUT,
    as_numbers,
    as_reals,
    call,
    common_dtype,
    convert,
    element_type,
    expect,
    traced,
)

__all__: list[str] = []

_Build = Callable[..., Any]
_Prepare = Callable[[str, tuple[Any, ...]], Any]


def _define(name: str, ufunc: Any, op: str, prepare: _Prepare, aliases: str) -> None:
    """Put a function of one, two or three arrays under its names into this module."""

    def build(
        *args: Any, dtype: Any = None, where: Any = True, casting: str = "same_kind",
        order: Any = "K", subok: bool = True,
    ) -> Any:  # fmt: skip
        if where is not True:
            raise _no_where(name)
        is_layout = order in LAYOUT["order"] and subok in (True, False)
        expect(is_layout, f"order={order!r}, subok={subok!r}", "leave them out")
        expect(casting == "same_kind", f"casting={casting!r}", "convert first, by x.astype(dtype)")
        if dtype is not None:
            args = tuple(convert(a, element_type(dtype)) for a in args)
        expect(len(args) == ufunc.nin, f"{len(args)} arrays", f"it takes {ufunc.nin}")
        return prepare(op, args)

    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"{_first_line(ufunc)} As `numpy.{ufunc.__name__}`."
    function = numpy_like(ufunc)(build)
    for known in (name, *aliases.split()):
        globals()[known] = function
        FUNCTIONS[known] = FUNCTIONS[name]
        __all__.append(known)
    if ufunc.nin == 2:
        FUNCTIONS[f"{ufunc.__name__}.outer"] = lambda x, y: _outer(build, traced(x), traced(y))


def _first_line(ufunc: Any) -> str:
    lines = [line.strip() for line in (ufunc.__doc__ or "").split("\n\n")]
    return next((line.replace("\n", " ") for line in lines[1:] if line), "")


def _outer(build: _Build, x: Any, y: Any) -> Any:
    return build(FUNCTIONS["reshape"](x, (*x.shape, *(1,) * y.ndim)), y)


def _no_where(name: str) -> UnsupportedError:
    return UnsupportedError(
        f"{name}(..., where=...) cannot be traced",
        fix="use symfuse.numpy.where(condition, result, other)",
        loc=user_location(),
    )


def _plain(op: str, args: tuple[Any, ...]) -> Any:
    return call(op, *args)


def _number(op: str, args: tuple[Any, ...]) -> Any:
    """Truth values are small integers."""
    return call(op, *as_numbers(*args))


def _nearest(op: str, args: tuple[Any, ...]) -> Any:
    """Of complex numbers each part by itself."""
    is_complex = common_dtype(*args).is_complex
    return FUNCTIONS["round"](*args) if is_complex else _real(op, args)


def _real(op: str, args: tuple[Any, ...]) -> Any:
    """Integers become floating-point numbers first."""
    if any(isinstance(a, Tracer) and a._node.dtype.is_inexact for a in args):
        return call(op, *args)
    if common_dtype(*args).is_inexact:
        return call(op, *args)
    if op == "divide":
        return call(op, *(convert(traced(a), DType.F64) for a in args))
    return call(op, *as_reals(*args))


def _whole(op: str, args: tuple[Any, ...]) -> Any:
    """Integers are their own result."""
    dtype = common_dtype(*args)
    return call(op, *args) if dtype.is_inexact else convert(args[0], dtype)


def _logical(op: str, args: tuple[Any, ...]) -> Any:
    """Numbers become truth values first."""
    return call(op, *(as_bool(a) for a in args))


def _numeric(instead: str) -> _Prepare:
    """Truth values have another operation, or none."""

    def prepare(op: str, args: tuple[Any, ...]) -> Any:
        if any(isinstance(a, Tracer) and not a._node.dtype.is_bool for a in args):
            return call(op, *args)
        if not common_dtype(*args).is_bool:
            return call(op, *args)
        if instead:
            return call(instead, *args)
        raise DTypeError(
            f"{op} of truth values is not defined",
            fix="use ^ or logical_not, or convert with .astype first",
            loc=user_location(),
        )

    return prepare


def _bits(op: str, args: tuple[Any, ...]) -> Any:
    """Only integers and truth values have bits."""
    dtype = common_dtype(*args)
    if dtype.is_float:
        raise DTypeError(
            f"{op} of {dtype}: floating-point numbers have no such operation",
            fix="combine truth values: write (a > 0) & (b > 0) with the parentheses",
            loc=user_location(),
        )
    logical = {"bitwise_and": "logical_and", "bitwise_or": "logical_or",
               "bitwise_xor": "logical_xor", "bitwise_invert": "logical_not"}  # fmt: skip
    if dtype.is_bool and op in logical:
        return call(logical[op], *args)
    return call(op, *as_numbers(*args))


def as_bool(x: Any) -> Any:
    """Whether each element is not zero."""
    if common_dtype(x).is_bool:
        return x
    return call("not_equal", x, 0)


def _reciprocal(op: str, args: tuple[Any, ...]) -> Any:
    """Of integers the whole part, which is 0 but for 1 and -1; truth values are small integers."""
    dtype = common_dtype(*args)
    if dtype.is_inexact:
        return call(op, *args)
    (x,) = as_numbers(traced(args[0]))
    is_unit = call("logical_or", call("equal", x, 1), call("equal", x, -1))
    return call("select", is_unit, x, 0)


def _power(op: str, args: tuple[Any, ...]) -> Any:
    """The exponents that NumPy computes otherwise, too; truth values are small integers."""
    x, exponent = as_numbers(*args)
    if type(exponent) in (int, float) and isinstance(x, Tracer) and x._node.dtype.is_inexact:
        if exponent == 2:
            return call("square", x)
        if exponent == 0.5:
            return call("sqrt", x)
        if exponent == -1:
            return call("reciprocal", x)
    if type(exponent) is int and exponent == 2:
        x = convert(x, common_dtype(x, exponent))
        return call("multiply", x, x)
    if isinstance(exponent, np.ndarray | list) and common_dtype(x, exponent).is_integer:
        what = f"integers to the powers {exponent} are no integers"
        expect((np.asarray(exponent) >= 0).all(), what, "convert the base to a float type")
    return call(op, x, exponent)


def _test(op: str, args: tuple[Any, ...]) -> Any:
    """Questions about floating-point numbers, answered for integers without looking."""
    if (dtype := common_dtype(*args)).is_complex and op != "signbit":
        return (_complexes().both if op == "isfinite" else _complexes().either)(op, *args)
    if dtype.is_inexact:
        return call(op, *args)
    x = traced(args[0])
    if op == "signbit":
        return call("less", x, 0)
    return call("equal" if op == "isfinite" else "not_equal", x, x)


def _of_complex(name: str) -> _Prepare:
    """Complex numbers have another function, which may have a real result."""

    def prepare(op: str, args: tuple[Any, ...]) -> Any:
        is_complex = common_dtype(*args).is_complex
        return getattr(_complexes(), name)(*args) if is_complex else call(op, *args)

    return prepare


def _complexes() -> Any:
    return import_module("symfuse.numpy.complexes")


_TABLE: tuple[tuple[str, Any, str, _Prepare, str], ...] = (
    ("add", np.add, "add", _numeric("logical_or"), ""),
    ("subtract", np.subtract, "subtract", _numeric(""), ""),
    ("multiply", np.multiply, "multiply", _numeric("logical_and"), ""),
    ("divide", np.divide, "divide", _real, "true_divide"),
    ("floor_divide", np.floor_divide, "floor_divide", _number, ""),
    ("remainder", np.remainder, "remainder", _number, "mod"),
    ("fmod", np.fmod, "fmod", _number, ""),
    ("power", np.power, "power", _power, "pow"),
    ("maximum", np.maximum, "maximum", _numeric("logical_or"), ""),
    ("minimum", np.minimum, "minimum", _numeric("logical_and"), ""),
    ("negative", np.negative, "negative", _numeric(""), ""),
    ("positive", np.positive, "positive", _numeric(""), ""),
    ("abs", np.absolute, "abs", _of_complex("size"), "absolute"),
    ("fabs", np.fabs, "abs", _real, ""),
    ("sign", np.sign, "sign", _of_complex("direction"), ""),
    ("square", np.square, "square", _number, ""),
    ("reciprocal", np.reciprocal, "reciprocal", _reciprocal, ""),
    ("sqrt", np.sqrt, "sqrt", _real, ""),
    ("cbrt", np.cbrt, "cbrt", _real, ""),
    ("hypot", np.hypot, "hypot", _real, ""),
    ("exp", np.exp, "exp", _real, ""),
    ("exp2", np.exp2, "exp2", _real, ""),
    ("expm1", np.expm1, "expm1", _real, ""),
    ("log", np.log, "log", _real, ""),
    ("log2", np.log2, "log2", _real, ""),
    ("log10", np.log10, "log10", _real, ""),
    ("log1p", np.log1p, "log1p", _real, ""),
    ("logaddexp", np.logaddexp, "logaddexp", _real, ""),
    ("sin", np.sin, "sin", _real, ""),
    ("cos", np.cos, "cos", _real, ""),
    ("tan", np.tan, "tan", _real, ""),
    ("arcsin", np.arcsin, "asin", _real, "asin"),
    ("arccos", np.arccos, "acos", _real, "acos"),
    ("arctan", np.arctan, "atan", _real, "atan"),
    ("arctan2", np.arctan2, "atan2", _real, "atan2"),
    ("sinh", np.sinh, "sinh", _real, ""),
    ("cosh", np.cosh, "cosh", _real, ""),
    ("tanh", np.tanh, "tanh", _real, ""),
    ("arcsinh", np.arcsinh, "asinh", _real, "asinh"),
    ("arccosh", np.arccosh, "acosh", _real, "acosh"),
    ("arctanh", np.arctanh, "atanh", _real, "atanh"),
    ("copysign", np.copysign, "copysign", _real, ""),
    ("nextafter", np.nextafter, "nextafter", _real, ""),
    ("floor", np.floor, "floor", _whole, ""),
    ("ceil", np.ceil, "ceil", _whole, ""),
    ("trunc", np.trunc, "trunc", _whole, ""),
    ("rint", np.rint, "round", _nearest, ""),
    ("equal", np.equal, "equal", _plain, ""),
    ("not_equal", np.not_equal, "not_equal", _plain, ""),
    ("less", np.less, "less", _plain, ""),
    ("less_equal", np.less_equal, "less_equal", _plain, ""),
    ("greater", np.greater, "greater", _plain, ""),
    ("greater_equal", np.greater_equal, "greater_equal", _plain, ""),
    ("isnan", np.isnan, "isnan", _test, ""),
    ("isinf", np.isinf, "isinf", _test, ""),
    ("isfinite", np.isfinite, "isfinite", _test, ""),
    ("signbit", np.signbit, "signbit", _test, ""),
    ("logical_and", np.logical_and, "logical_and", _logical, ""),
    ("logical_or", np.logical_or, "logical_or", _logical, ""),
    ("logical_xor", np.logical_xor, "logical_xor", _logical, ""),
    ("logical_not", np.logical_not, "logical_not", _logical, ""),
    ("bitwise_and", np.bitwise_and, "bitwise_and", _bits, ""),
    ("bitwise_or", np.bitwise_or, "bitwise_or", _bits, ""),
    ("bitwise_xor", np.bitwise_xor, "bitwise_xor", _bits, ""),
    ("bitwise_invert", np.invert, "bitwise_invert", _bits, "invert bitwise_not"),
    ("bitwise_left_shift", np.left_shift, "bitwise_left_shift", _bits, "left_shift"),
    ("bitwise_right_shift", np.right_shift, "bitwise_right_shift", _bits, "right_shift"),
)
for _row in _TABLE:
    _define(*_row)


def _raised(x: Any, exponent: Any) -> Any:
    """`x ** exponent`, which of truth values and 2 is `numpy.square`, and not `numpy.power`."""
    is_square = type(exponent) is int and exponent == 2 and common_dtype(x).is_bool
    return FUNCTIONS["square"](x) if is_square else FUNCTIONS["power"](x, exponent)


FUNCTIONS["**"] = _raised
