"""Weights that fall towards the ends: bartlett, blackman, hamming, hanning, kaiser; and i0."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import Expr
from symfuse.runtime.dtypes import DType

from .. import numpy as snp
from ..tracing.dispatch import has_tracer, numpy_like
from .shared import call, common_dtype, convert, size_number, traced

__all__ = ["bartlett", "blackman", "hamming", "hanning", "i0", "kaiser"]


def _weights(plain: Callable[..., Any], build: Callable[..., Any], M: Any, *rest: Any) -> Any:
    """M weights: by NumPy, or where M is a symbolic size or a number traced, from -1..1."""
    if not isinstance(M, Expr) and not has_tracer(rest):
        return plain(M, *rest)
    span = size_number(M) - 1
    return build((2.0 * snp.arange(M) - span) / snp.maximum(span, 1), *rest)


def hanning(M: Any) -> Any:
    """M weights 0.5 + 0.5 cos(πt), for t from -1 to 1. M may be a symbolic size."""
    return _weights(np.hanning, lambda t: 0.5 + 0.5 * snp.cos(math.pi * t), M)


def hamming(M: Any) -> Any:
    """M weights 0.54 + 0.46 cos(πt), for t from -1 to 1. M may be a symbolic size."""
    return _weights(np.hamming, lambda t: 0.54 + 0.46 * snp.cos(math.pi * t), M)


def blackman(M: Any) -> Any:
    """M weights 0.42 + 0.5 cos(πt) + 0.08 cos(2πt), for t from -1 to 1. M may be symbolic."""

    def build(t: Any) -> Any:
        return 0.42 + 0.5 * snp.cos(math.pi * t) + 0.08 * snp.cos(2 * math.pi * t)

    return _weights(np.blackman, build, M)


def bartlett(M: Any) -> Any:
    """M weights 1 - |t|, for t from -1 to 1. M may be a symbolic size."""
    return _weights(np.bartlett, lambda t: 1 - snp.abs(t), M)


def kaiser(M: Any, beta: Any) -> Any:
    """M weights I₀(β√(1 - t²)) / I₀(β), for t from -1 to 1. M may be symbolic and β traced."""

    def build(t: Any, slope: Any) -> Any:
        slope = convert(traced(slope), DType.F64)
        return i0(slope * snp.sqrt(snp.maximum(1 - snp.square(t), 0))) / i0(slope)

    return _weights(np.kaiser, build, M, beta)


@numpy_like(np.i0)
def i0(x: Any) -> Any:
    """The modified Bessel function of the first kind, of order 0.

    At ±∞ it is NaN, as NumPy has it; `symfuse.special.i0` is ∞ there.
    """
    x = traced(x)
    x = x if common_dtype(x).is_float else convert(x, DType.F64)
    return snp.where(snp.isinf(x), math.nan, call("i0", x))
