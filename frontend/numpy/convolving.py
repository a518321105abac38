"""Products of one sequence with another that moves along it.

A sequence of a size that is a number moves along the other one. Two of symbolic sizes are
transformed, multiplied and transformed back, so that the work grows as n·log n; errors are then
those of the largest sum, in every place.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import is_at_most, maximum, minimum
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError, UnsupportedError

from .. import numpy as snp
from ..tracing.dispatch import numpy_like
from .shared import call, common_dtype, convert, traced

__all__ = ["convolve", "correlate"]


@numpy_like(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """Σ a[n − m]·v[m] for each n: "full", "same" size as the longer one, or "valid" overlap."""
    a, v = _sequences(a, v, "convolve")
    if not _is_longer(a, v):
        a, v = v, a
    if not isinstance(v.shape[0], int):
        return _transformed(a, v, mode, "convolve")
    return _slid(a, call("reverse", v, axes=(0,)), mode)


@numpy_like(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """Σ a[n + m]·v[m] for each n, of complex numbers with the conjugate of v."""
    a, v = _sequences(a, v, "correlate")
    v = call("conjugate", v) if common_dtype(v).is_complex else v
    is_longer = _is_longer(a, v)
    if not isinstance((v if is_longer else a).shape[0], int):
        return _transformed(a, call("reverse", v, axes=(0,)), mode, "correlate")
    if is_longer:
        return _slid(a, v, mode)
    return call("reverse", _slid(v, a, mode), axes=(0,))


def _sequences(a: Any, v: Any, name: str) -> tuple[Any, Any]:
    a, v = traced(a), traced(v)
    dtype = common_dtype(a, v)
    a, v = (call("reshape", x, shape=(1,)) if x.ndim == 0 else x for x in (a, v))
    if a.ndim != 1 or v.ndim != 1 or 0 in (*a.shape, *v.shape):
        raise ShapeError(
            f"{name} of arrays of shapes {tuple(a.shape)} and {tuple(v.shape)}",
            fix="both must be sequences of at least one element",
            loc=user_location(),
        )
    return convert(a, dtype), convert(v, dtype)


def _is_longer(a: Any, v: Any) -> bool:
    """Whether v moves along a, and not the other way round."""
    longer = is_at_most(v.shape[0], a.shape[0])
    return isinstance(v.shape[0], int) if longer is None else longer


def _transformed(a: Any, v: Any, mode: str, name: str) -> Any:
    """By Fourier transforms, of any two sizes."""
    dtype = common_dtype(a, v)
    if not dtype.is_inexact:
        raise UnsupportedError(
            f"{name} of integers of symbolic sizes {a.shape[0]} and {v.shape[0]}",
            fix="convert them to floats, or give the size of the shorter one as a number",
            loc=user_location(),
        )
    n, m = a.shape[0], v.shape[0]
    size, longer = n + m - 1, maximum(n, m)
    there, back = (snp.fft.fft, snp.fft.ifft) if dtype.is_complex else (snp.fft.rfft, snp.fft.irfft)
    whole = convert(back(snp.multiply(there(a, size), there(v, size)), size), dtype)
    middle = minimum((m - 1) // 2, n // 2 if name == "correlate" else (n - 1) // 2)
    ranges = {
        "full": (0, size),
        "same": (middle, middle + longer),
        "valid": (minimum(n, m) - 1, longer),
    }
    start, stop = ranges[_known(mode)]
    return call("slice", whole, starts=(start,), stops=(stop,), steps=(1,))


def _as_long(a: Any, size: int) -> Any:
    """The sequence in two parts, of which the first has so many elements: a program is then for no
    shorter ones, where NumPy would have the other sequence give the size."""
    parts = ((0, size), (size, a.shape[0]))
    cuts = [call("slice", a, starts=(b,), stops=(e,), steps=(1,)) for b, e in parts]
    return call("concatenate", *cuts, axis=0)


def _known(mode: str) -> str:
    if mode not in ("full", "same", "valid"):
        raise UnsupportedError(
            f"there is no mode {mode!r}", fix='use "full", "same" or "valid"', loc=user_location()
        )
    return mode


def _slid(a: Any, v: Any, mode: str) -> Any:
    size = v.shape[0]
    ends = {
        "full": (size - 1, size - 1),
        "same": (size // 2, size - size // 2 - 1),
        "valid": (0, 0),
    }
    low, high = ends[_known(mode)]
    if mode == "same" and is_at_most(size, a.shape[0]) is None:
        a = _as_long(a, size)
    padded = call("pad", a, low=(low,), high=(high,), interior=(0,), value=0)
    windowed = call("windows", padded, axis=0, size=size, stride=1, dilation=1)
    return snp.matmul(windowed, v)
