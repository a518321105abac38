"""Functions of single elements that are made of others: clip, where, round, isclose."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType

from ..tracing.dispatch import FUNCTIONS, numpy_like
from ..tracing.sizes import whole
from .shared import (
    DEVICE,
    as_reals,
    call,
    common_dtype,
    convert,
    element_type,
    expect,
    rounded_once,
    traced,
)

__all__ = [
    "allclose", "array_equal", "array_equiv", "astype", "clip", "deg2rad", "degrees",
    "fmax", "fmin", "heaviside", "isclose", "isneginf", "isposinf", "nan_to_num",
    "rad2deg", "radians", "round", "select", "sinc", "where",
]  # fmt: skip


def _eager_astype(
    x: Any, dtype: Any, /, *, copy: bool = True, casting: str = "unsafe", device: Any = None
) -> Any:
    return np.asarray(x).astype(element_type(dtype).numpy, copy=copy)


@numpy_like(
    np.astype,
    eager=_eager_astype,
    idle={**DEVICE, "copy": (True, False), "casting": ("unsafe",)},
)
def astype(
    x: Any, dtype: Any, /, *, copy: bool = True, casting: str = "unsafe", device: Any = None
) -> Any:
    """The values in another element type."""
    return convert(x, element_type(dtype))


@numpy_like(np.where)
def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """Elements of x where the condition holds, of y elsewhere."""
    if x is None or y is None:
        return FUNCTIONS["nonzero"](condition)
    dtype, numbers = common_dtype(x, y), (int, float, complex)
    parts = [part if type(part) in numbers else convert(traced(part), dtype) for part in (x, y)]
    if all(type(part) in numbers for part in parts):
        parts = [convert(traced(part), dtype) for part in parts]
    return call("select", _truth(condition), *parts)


def _truth(condition: Any) -> Any:
    condition = traced(condition)
    return condition if common_dtype(condition).is_bool else call("not_equal", condition, 0)


@numpy_like(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """The choice of the first condition that holds, else the default."""
    counts = (len(condlist), len(choicelist))
    expect(counts[0] == counts[1], f"select: {counts[0]} conditions and {counts[1]} choices",
           "give one choice for each condition")  # fmt: skip
    are_truths = all(common_dtype(condition).is_bool for condition in condlist)
    expect(are_truths, "conditions that are no truth values", "compare them: x != 0")
    dtype = common_dtype(*choicelist, default)
    result = convert(traced(default), dtype)
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = FUNCTIONS["where"](condition, convert(traced(choice), dtype), result)
    return result


@numpy_like(np.clip)
def clip(
    a: Any,
    /,
    min: Any = None,
    max: Any = None,
    out: None = None,
    *,
    a_min: Any = None,
    a_max: Any = None,
) -> Any:
    """The nearest values between two bounds; None leaves that side open."""
    low = min if min is not None else a_min
    high = max if max is not None else a_max
    if common_dtype(a).is_integer:  # what bounds nothing may be any number
        limits = np.iinfo(common_dtype(a).numpy)
        low = None if type(low) is int and low <= limits.min else low
        high = None if type(high) is int and high >= limits.max else high
    if low is not None and high is not None:
        return _between(a, low, high)
    if low is None and high is None:
        return traced(a)
    return call("maximum", a, low) if high is None else call("minimum", a, high)


def _between(x: Any, low: Any, high: Any) -> Any:
    """x within its bounds: where it equals one that is a number x itself, as NumPy has it.

    That is a matter of the sign of zeros, of which `maximum` gives the second, of halves the first.
    """
    are_numbers = not traced(low).ndim and not traced(high).ndim
    if are_numbers and common_dtype(x, low, high) is not DType.F16:
        return call("minimum", high, call("maximum", low, x))
    return call("minimum", call("maximum", x, low), high)


@numpy_like(np.round, np.around)
def round(a: Any, decimals: int = 0, out: None = None) -> Any:
    """The nearest multiples of 10^-decimals, halves to even."""
    x, decimals = traced(a), whole(decimals)
    if common_dtype(x).is_complex:
        return call("complex", *(round(call(part, x), decimals) for part in ("real", "imag")))
    if common_dtype(x).is_bool:
        return call("round", convert(x, DType.F16))
    if not common_dtype(x).is_float:
        if decimals >= 0:
            return x
        return convert(round(convert(x, DType.F64), decimals), common_dtype(x))
    if decimals == 0:
        return call("round", x)
    scale = 10.0 ** (decimals if decimals > 0 else -decimals)
    if decimals > 0:
        return call("divide", call("round", call("multiply", x, scale)), scale)
    return call("multiply", call("round", call("divide", x, scale)), scale)


@numpy_like(np.isclose)
def isclose(
    a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Any:
    """Whether |a - b| <= atol + rtol * |b|."""
    a, b = FUNCTIONS["divide"](a, 1), FUNCTIONS["divide"](b, 1)
    bound = call("add", call("multiply", FUNCTIONS["abs"](b), rtol), atol)
    near = call("less_equal", FUNCTIONS["abs"](call("subtract", a, b)), bound)
    near = call("logical_and", near, FUNCTIONS["isfinite"](b))
    result = call("logical_or", near, call("equal", a, b))
    if not equal_nan:
        return result
    both = call("logical_and", FUNCTIONS["isnan"](a), FUNCTIONS["isnan"](b))
    return call("logical_or", result, both)


@numpy_like(np.allclose)
def allclose(
    a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Any:
    """Whether all elements are close."""
    return FUNCTIONS["all"](isclose(a, b, rtol, atol, equal_nan))


@numpy_like(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """Whether shapes and elements are equal."""
    a1, a2 = traced(a1), traced(a2)
    if a1.shape != a2.shape:
        return False
    same = call("equal", a1, a2)
    if equal_nan:
        unknown = call("logical_and", FUNCTIONS["isnan"](a1), FUNCTIONS["isnan"](a2))
        same = call("logical_or", same, unknown)
    return FUNCTIONS["all"](same)


@numpy_like(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Any:
    """Whether elements are equal after broadcasting."""
    return FUNCTIONS["all"](call("equal", traced(a1), traced(a2)))


@numpy_like(np.nan_to_num, idle={"copy": (True,)})
def nan_to_num(
    x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """NaN as zero, infinities as the largest numbers."""
    x = traced(x)
    if common_dtype(x).is_complex:
        parts = (call(part, x) for part in ("real", "imag"))
        return call("complex", *(nan_to_num(part, True, nan, posinf, neginf) for part in parts))
    if not common_dtype(x).is_float:
        return x
    limits = common_dtype(x).limits
    high = float(limits.max) if posinf is None else posinf
    low = float(limits.min) if neginf is None else neginf
    x = call("select", call("isnan", x), nan, x)
    x = call("select", call("equal", x, math.inf), high, x)
    return call("select", call("equal", x, -math.inf), low, x)


@numpy_like(np.fmax)
def fmax(x1: Any, x2: Any, /) -> Any:
    """The larger of two elements, ignoring NaN."""
    best = FUNCTIONS["where"](call("isnan", x2), x1, call("maximum", x1, x2))
    return FUNCTIONS["where"](call("isnan", x1), x2, best)


@numpy_like(np.fmin)
def fmin(x1: Any, x2: Any, /) -> Any:
    """The smaller of two elements, ignoring NaN."""
    best = FUNCTIONS["where"](call("isnan", x2), x1, call("minimum", x1, x2))
    return FUNCTIONS["where"](call("isnan", x1), x2, best)


@numpy_like(np.heaviside)
def heaviside(x1: Any, x2: Any, /) -> Any:
    """0 for negative elements, 1 for positive ones, x2 at zero."""
    x, at_zero = as_reals(x1, x2)
    side = call("add", 0.5, call("multiply", 0.5, call("sign", x)))
    return FUNCTIONS["where"](call("equal", x, 0), at_zero, side)


@numpy_like(np.sinc)
def sinc(x: Any) -> Any:
    """sin(pi x) / (pi x), 1 at zero."""
    scaled = FUNCTIONS["multiply"](FUNCTIONS["divide"](x, 1), math.pi)
    is_near = call("less", FUNCTIONS["abs"](scaled), 0.1)  # the quotient's derivatives cancel
    far = call("select", is_near, 1.0, scaled)
    square = call("square", call("select", is_near, scaled, 0.0))
    series: Any = 1.0
    for k in (4, 3, 2, 1):
        series = 1.0 - square / (2 * k * (2 * k + 1)) * series
    return call("select", is_near, series, call("divide", call("sin", far), far))


@rounded_once
def _scaled(x: Any, factor: float) -> Any:
    return call("multiply", x, factor)


@numpy_like(np.deg2rad, np.radians)
def deg2rad(x: Any, /) -> Any:
    """Degrees as radians."""
    return _scaled(*as_reals(x), math.pi / 180)


@numpy_like(np.rad2deg, np.degrees)
def rad2deg(x: Any, /) -> Any:
    """Radians as degrees."""
    return _scaled(*as_reals(x), 180 / math.pi)


radians, degrees = deg2rad, rad2deg


@numpy_like(np.isposinf)
def isposinf(x: Any) -> Any:
    """Whether each element is positive infinity."""
    return call("equal", *as_reals(x), math.inf)


@numpy_like(np.isneginf)
def isneginf(x: Any) -> Any:
    """Whether each element is negative infinity."""
    return call("equal", *as_reals(x), -math.inf)
