"""Fourier transforms under the names of `numpy.fft`; traced, they are compiled for any length.

All are made of one operation, the complex transform along one axis (`compiler/ops/fourier.py`).
`n` and `s` cut axes or fill them with zeros first, `norm` says which direction is divided: the
inverse ("backward", the default), the other one ("forward"), or both by the root ("ortho"). Single
precision stays single. The processor transforms axes of symbolic size, a device those whose size is
a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import Expr, is_equal, maximum
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError, DTypeError, ShapeError

from ..tracing.dispatch import FUNCTIONS, numpy_like
from ..tracing.sizes import whole
from ..tracing.trace import constant
from .shared import (
    DEVICE,
    call,
    common_dtype,
    convert,
    element_type,
    expect_rank,
    normal_axis,
    size_number,
    traced,
)

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift",
    "ihfft", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip

_NORMS = ("backward", "ortho", "forward")


# along one axis


@numpy_like(np.fft.fft)
def fft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: None = None) -> Any:
    """The discrete Fourier transform: c128[...] or c64[...] of any numbers.

    >>> import numpy as np, symfuse as sf
    >>> sf.numpy.fft.fft(np.array([1.0, 2.0, 3.0])).round(3)
    array([ 6. +0.j   , -1.5+0.866j, -1.5-0.866j])
    """
    return _transformed(traced(a), n, axis, norm, inverse=False)


@numpy_like(np.fft.ifft)
def ifft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: None = None) -> Any:
    """The inverse of `fft`."""
    return _transformed(traced(a), n, axis, norm, inverse=True)


@numpy_like(np.fft.rfft)
def rfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: None = None) -> Any:
    """The first n // 2 + 1 elements of the transform of real numbers; the others mirror them."""
    x = traced(a)
    if common_dtype(x).is_complex:
        raise DTypeError(
            f"rfft of {common_dtype(x)}: its input is real",
            fix="use fft, or take the real part",
            loc=user_location(),
        )
    at = normal_axis(axis, x.ndim)
    size = _size("rfft", x, n, at)
    whole = _resized(convert(x, _complex_type(x).real), at, size)
    return _divided(call("rfft", whole, axis=at), size, norm, inverse=False)


@numpy_like(np.fft.irfft)
def irfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: None = None) -> Any:
    """The inverse of `rfft`: n real numbers, 2·(m - 1) of m where n is not given."""
    x = _complex(traced(a))
    at = normal_axis(axis, x.ndim)
    size = 2 * (x.shape[at] - 1) if n is None else whole(n)
    _expect_elements("irfft", size)
    half = _resized(x, at, size // 2 + 1)
    return _divided(call("irfft", half, axis=at, size=size), size, norm, inverse=True)


@numpy_like(np.fft.hfft)
def hfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: None = None) -> Any:
    """The real transform of a signal of which the second half mirrors the first."""
    return irfft(call("conjugate", _complex(traced(a))), n, axis, _other(norm))


@numpy_like(np.fft.ihfft)
def ihfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: None = None) -> Any:
    """The inverse of `hfft`."""
    return call("conjugate", rfft(a, n, axis, _other(norm)))


# along several axes


@numpy_like(np.fft.fftn)
def fftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: None = None) -> Any:
    """`fft` along several axes, all of them where none are named."""
    return _along(fft, traced(a), s, axes, norm)


@numpy_like(np.fft.ifftn)
def ifftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: None = None) -> Any:
    """The inverse of `fftn`."""
    return _along(ifft, traced(a), s, axes, norm)


@numpy_like(np.fft.rfftn)
def rfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: None = None) -> Any:
    """`rfft` along the last of the axes, and `fft` along the others."""
    x = traced(a)
    sizes, chosen = _sizes(x, s, axes, 1)
    found = rfft(x, sizes[-1], chosen[-1], norm)
    return _along(fft, found, sizes[:-1], chosen[:-1], norm)


@numpy_like(np.fft.irfftn)
def irfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: None = None) -> Any:
    """The inverse of `rfftn`."""
    x = traced(a)
    sizes, chosen = _sizes(x, s, axes, 1)
    found = _along(ifft, x, sizes[:-1], chosen[:-1], norm)
    return irfft(found, None if s is None else sizes[-1], chosen[-1], norm)


@numpy_like(np.fft.fft2)
def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: None = None) -> Any:
    """`fft` along two axes."""
    return fftn(a, s, axes, norm)


@numpy_like(np.fft.ifft2)
def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: None = None) -> Any:
    """The inverse of `fft2`."""
    return ifftn(a, s, axes, norm)


@numpy_like(np.fft.rfft2)
def rfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: None = None) -> Any:
    """`rfftn` along two axes."""
    return rfftn(a, s, axes, norm)


@numpy_like(np.fft.irfft2)
def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: None = None) -> Any:
    """The inverse of `rfft2`."""
    return irfftn(a, s, axes, norm)


# frequencies, and the order of them


@numpy_like(idle=DEVICE)
def fftfreq(n: int, d: float = 1.0, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies that belong to the elements of a transform of samples d apart."""
    if not isinstance(n, Expr):
        return constant(np.fft.fftfreq(n, d), _real_type(dtype))
    place = _places(n, dtype)
    negative = call("greater_equal", place, size_number((n + 1) // 2))
    return call("select", negative, place - size_number(n), place) / (size_number(n) * d)


@numpy_like(idle=DEVICE)
def rfftfreq(n: int, d: float = 1.0, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies that belong to the elements of `rfft`."""
    if not isinstance(n, Expr):
        return constant(np.fft.rfftfreq(n, d), _real_type(dtype))
    return _places(n // 2 + 1, dtype) / (size_number(n) * d)


def _places(count: Any, dtype: Any) -> Any:
    """0, 1, ... as real numbers."""
    return FUNCTIONS["arange"](count, dtype=_real_type(dtype) or np.float64)


@numpy_like(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    """The elements with frequency zero in the middle."""
    return _shifted(traced(x), axes, lambda size: size // 2)


@numpy_like(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    """The inverse of `fftshift`."""
    return _shifted(traced(x), axes, lambda size: -(size // 2))


def _shifted(x: Any, axes: Any, by: Any) -> Any:
    expect_rank(x, 1)
    named = range(x.ndim) if axes is None else axes if isinstance(axes, tuple | list) else [axes]
    chosen = tuple(normal_axis(axis, x.ndim) for axis in named)
    return FUNCTIONS["roll"](x, tuple(by(x.shape[axis]) for axis in chosen), chosen)


def _real_type(dtype: Any) -> Any:
    return None if dtype is None else element_type(dtype).numpy


# what they are made of


def _transformed(x: Any, n: Any, axis: int, norm: Any, *, inverse: bool) -> Any:
    """The complex transform along one axis, cut or filled to n elements and divided as asked."""
    at = normal_axis(axis, x.ndim)
    size = _size("ifft" if inverse else "fft", x, n, at)
    found = call("fft", _resized(_complex(x), at, size), axis=at, inverse=inverse)
    return _divided(found, size, norm, inverse=inverse)


def _divided(found: Any, size: Any, norm: Any, *, inverse: bool) -> Any:
    if _normal(norm) == ("forward" if inverse else "backward"):
        return found
    total = convert(traced(size_number(size)), common_dtype(found).real)
    share = call("divide", 1, call("sqrt", total) if norm == "ortho" else total)
    return call("multiply", found, share)


def _normal(norm: Any) -> str:
    if norm is None:
        return "backward"
    if norm not in _NORMS:
        raise ArgumentError(
            f"there is no norm {norm!r}", fix=f"use one of {', '.join(_NORMS)}", loc=user_location()
        )
    return str(norm)


def _other(norm: Any) -> str:
    """The norm for the opposite direction."""
    return {"backward": "forward", "forward": "backward"}.get(_normal(norm), "ortho")


def _complex(x: Any) -> Any:
    return convert(x, _complex_type(x))


def _complex_type(x: Any) -> Any:
    return common_dtype(x, 1.0).complex


def _size(what: str, x: Any, n: Any, axis: int) -> Any:
    """How many elements are transformed."""
    size = x.shape[axis] if n is None else whole(n)
    _expect_elements(what, size)
    return size


def _expect_elements(what: str, size: Any) -> None:
    if isinstance(size, int) and size < 1:
        raise ShapeError(
            f"{what}: a transform of {size} elements",
            fix="transform at least one",
            loc=user_location(),
        )


def _resized(x: Any, axis: int, size: Any) -> Any:
    """The axis cut, or filled with zeros, so that it has this size."""
    has = x.shape[axis]
    if is_equal(has, size) is True:
        return x
    missing = maximum(size - has, 0)
    zeros = (0,) * x.ndim
    high = tuple(missing if at == axis else 0 for at in range(x.ndim))
    filled = x if missing == 0 else call("pad", x, low=zeros, high=high, interior=zeros, value=0)
    return _cut(filled, axis, size)


def _cut(x: Any, axis: int, size: Any) -> Any:
    stops = tuple(size if at == axis else n for at, n in enumerate(x.shape))
    return call("slice", x, starts=(0,) * x.ndim, stops=stops, steps=(1,) * x.ndim)


def _sizes(x: Any, s: Any, axes: Any, least: int = 0) -> tuple[list[Any], list[int]]:
    """The sizes that are asked for, and the axes that they belong to."""
    given = [None] * (x.ndim if axes is None else len(axes)) if s is None else list(s)
    last = range(max(x.ndim - len(given), 0), x.ndim)
    chosen = [normal_axis(axis, x.ndim) for axis in (last if axes is None else axes)]
    if len(given) != len(chosen) or len(given) < least:
        raise ShapeError(
            f"{len(given)} sizes for {len(chosen)} axes",
            fix="give a size for each axis, and at least one axis",
            loc=user_location(),
        )
    return [_size_of(x, n, at) for n, at in zip(given, chosen, strict=True)], chosen


def _size_of(x: Any, n: Any, axis: int) -> Any:
    """The size that is asked for; -1 is that of the array."""
    return None if n is None else x.shape[axis] if whole(n) == -1 else whole(n)


def _along(transform: Any, x: Any, s: Any, axes: Sequence[int] | None, norm: Any) -> Any:
    sizes, chosen = _sizes(x, s, axes)
    found = _complex(x)
    for size, axis in reversed(list(zip(sizes, chosen, strict=True))):
        found = transform(found, size, axis, norm)
    return found
