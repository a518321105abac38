"""Products of one sequence with another that moves along it."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import is_at_most
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError, UnsupportedError

from ..tracing.dispatch import numpy_like
from .shared import call, common_dtype, convert, traced

__all__ = ["convolve", "correlate"]


@numpy_like(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """Σ a[n − m]·v[m] for each n: "full", "same" size as the longer one, or "valid" overlap."""
    a, v = _sequences(a, v, "convolve")
    if not _is_longer(a, v):
        a, v = v, a
    return _slid(a, call("reverse", v, axes=(0,)), mode, "convolve")


@numpy_like(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """Σ a[n + m]·v[m] for each n."""
    a, v = _sequences(a, v, "correlate")
    if _is_longer(a, v):
        return _slid(a, v, mode, "correlate")
    return call("reverse", _slid(v, a, mode, "correlate"), axes=(0,))


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


def _slid(a: Any, v: Any, mode: str, name: str) -> Any:
    size = v.shape[0]
    if not isinstance(size, int):
        raise UnsupportedError(
            f"{name} with a sequence of {size} elements",
            fix="the size of the shorter one must be a number",
            loc=user_location(),
        )
    ends = {
        "full": (size - 1, size - 1),
        "same": (size // 2, size - size // 2 - 1),
        "valid": (0, 0),
    }
    if mode not in ends:
        raise UnsupportedError(
            f"{name}: mode={mode!r}", fix='use "full", "same" or "valid"', loc=user_location()
        )
    low, high = ends[mode]
    padded = call("pad", a, low=(low,), high=(high,), interior=(0,), value=0)
    windowed = call("windows", padded, axis=0, size=size, stride=1, dilation=1)
    return call("contract", windowed, v, batch=((), ()), contracting=((1,), (0,)))
