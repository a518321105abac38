"""Questions about element types: finfo, iinfo, result_type, can_cast, isdtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType, promoted

from ..tracing.dispatch import numpy_like
from ..tracing.tracer import Tracer
from .shared import common_dtype

__all__ = ["can_cast", "common_type", "finfo", "iinfo", "isdtype", "result_type"]


class FloatLimits:
    """The limits of a floating-point type as `numpy.finfo` has them, in Python's numbers."""

    def __init__(self, dtype: DType) -> None:
        self.dtype, self._limits = dtype.numpy, dtype.limits

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        value = getattr(self._limits, name)
        return value if isinstance(value, int | str) else float(value)

    def __repr__(self) -> str:
        return f"finfo({self.dtype}: {self.min} ... {self.max}, eps {self.eps})"


def finfo(type: Any, /) -> Any:
    """The limits of a floating-point type, or of that of an array; of bfloat16 and of the parts
    of complex numbers too.

    >>> import symfuse as sf
    >>> sf.numpy.finfo("float32").bits
    32
    """
    return FloatLimits(DType.of(type).real)


def iinfo(type: Any, /) -> Any:
    """The limits of an integer type, or of that of an array."""
    return np.iinfo(DType.of(type).numpy)


def _plain(value: Any) -> Any:
    """What stands for a value in promotion: an element type, or a number, which gives way."""
    if type(value) in (bool, int, float, complex):
        return value
    if not isinstance(value, Tracer) or not value._weak:
        try:
            return DType.of(value).numpy
        except TypeError:
            return value  # NumPy's error is the better one, or it knows the type
    return (False, 0, 0.0, 0j)[common_dtype(value).order]


def result_type(*arrays_and_dtypes: Any) -> Any:
    """The element type that these arrays, numbers and element types meet in."""
    plain = [_plain(value) for value in arrays_and_dtypes]
    if any(isinstance(value, np.dtype) and value.name == "bfloat16" for value in plain):
        known = (DType.of(x) if isinstance(x, np.dtype) else x for x in plain)
        return promoted(*known).numpy
    return np.result_type(*plain)


def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """Whether every value of one element type is one of the other."""
    if isinstance(from_, Tracer):
        from_ = from_.dtype
    return np.can_cast(from_, to, casting)


def common_type(*arrays: Any) -> Any:
    """The floating-point type that arrays meet in, as a class of NumPy's; of integers float64."""
    return np.common_type(*(np.empty(0, common_dtype(x).numpy) for x in arrays))


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether an element type is of a kind, as "integral", or is another one."""
    return np.isdtype(np.dtype(dtype), kind)


numpy_like(np.result_type, view=True)(result_type)
numpy_like(np.can_cast, view=True)(can_cast)
numpy_like(np.common_type, view=True)(common_type)
