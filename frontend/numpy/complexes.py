"""Complex numbers: their parts, absolute values, angles and signs, and questions about them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType

from ..tracing.dispatch import FUNCTIONS, numpy_like
from .shared import as_numbers, call, common_dtype, convert, traced

__all__ = [
    "angle", "conj", "conjugate", "imag", "iscomplex", "iscomplexobj", "isreal", "isrealobj",
    "real", "sort_complex",
]  # fmt: skip


def is_complex(x: Any) -> bool:
    """Whether the elements of an array or number are complex."""
    return common_dtype(x).is_complex


@numpy_like(np.real, view=True)
def real(val: Any) -> Any:
    """The real part; real arrays are themselves."""
    x = traced(val)
    return call("real", x) if is_complex(x) else x


@numpy_like(np.imag)
def imag(val: Any) -> Any:
    """The imaginary part: zeros for real arrays."""
    x = traced(val)
    return call("imag", x) if is_complex(x) else FUNCTIONS["zeros_like"](x)


@numpy_like(np.conj, np.conjugate)
def conj(x: Any, /) -> Any:
    """The complex conjugate; real arrays are themselves."""
    x = traced(x)
    return call("conjugate", x) if is_complex(x) else as_numbers(x)[0]


conjugate = conj
FUNCTIONS["conjugate"] = FUNCTIONS["conj"]


@numpy_like(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """The angle of complex numbers with the positive real axis, between -π and π."""
    x = traced(z)
    found = FUNCTIONS["arctan2"](*(reversed(parts(x)) if is_complex(x) else (0, x)))
    return FUNCTIONS["multiply"](found, 180 / math.pi) if deg else found


@numpy_like(np.iscomplex)
def iscomplex(x: Any) -> Any:
    """Whether the imaginary part of each element is not zero."""
    return call("not_equal", FUNCTIONS["imag"](x), 0)


@numpy_like(np.isreal)
def isreal(x: Any) -> Any:
    """Whether the imaginary part of each element is zero."""
    return call("equal", FUNCTIONS["imag"](x), 0)


@numpy_like(np.iscomplexobj, view=True)
def iscomplexobj(x: Any) -> bool:
    """Whether an array has a complex element type."""
    return is_complex(x)


@numpy_like(np.isrealobj, view=True)
def isrealobj(x: Any) -> bool:
    """Whether an array has an element type that is not complex."""
    return not is_complex(x)


def parts(x: Any) -> tuple[Any, Any]:
    """The real and the imaginary part of a complex array."""
    return call("real", x), call("imag", x)


def size(x: Any) -> Any:
    """The absolute value of complex numbers, without overflow."""
    return call("hypot", *parts(x))


def direction(x: Any) -> Any:
    """Complex numbers divided by their absolute values; every zero gives 0 + 0j, and a single
    infinite part its sign."""
    nears = [call("select", either("isinf", x), _outermost(part), part) for part in parts(x)]
    far = call("select", both("isinf", x), math.nan, call("hypot", *nears))
    is_zero = call("equal", far, 0)
    safe = call("select", is_zero, 1, far)
    found = (call("select", is_zero, 0, call("divide", part, safe)) for part in nears)
    return call("complex", *found)


def _outermost(part: Any) -> Any:
    """The sign of what is infinite, 0 of all else."""
    sign = call("copysign", convert(traced(1), common_dtype(part)), part)
    return call("select", call("isinf", part), sign, 0)


def either(test: str, x: Any) -> Any:
    """Whether a question about floats is true of one part."""
    return call("logical_or", *(call(test, part) for part in parts(x)))


def both(test: str, x: Any) -> Any:
    """Whether a question about floats is true of both parts."""
    return call("logical_and", *(call(test, part) for part in parts(x)))


@numpy_like(np.sort_complex)
def sort_complex(a: Any) -> Any:
    """The elements along the last axis by their real parts, equal ones by their imaginary parts."""
    x = traced(a)
    dtype = common_dtype(x)
    if not dtype.is_complex:
        small = dtype.is_integer and dtype.bits <= 16
        return convert(FUNCTIONS["sort"](x), DType.C64 if small else DType.C128)
    order = FUNCTIONS["lexsort"]((FUNCTIONS["imag"](x), FUNCTIONS["real"](x)))
    return FUNCTIONS["take_along_axis"](x, order, axis=-1)
