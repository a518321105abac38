"""Inputs that the contract tests run operations on: random ones, and the edges of a type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType

from ..ir.op import Sample

__all__ = [
    "ALL",
    "BITS",
    "COMPLEX",
    "FLOATS",
    "INTEGERS",
    "MOVED",
    "NUMBERS",
    "Samples",
    "arrays",
    "draw",
    "edges",
    "exact",
    "few",
    "numbers",
    "several",
]

Array = np.ndarray[Any, Any]
Samples = Callable[["np.random.Generator", DType], list[Sample]]  # its module loads slowly

FLOATS = (DType.F32, DType.F64, DType.F16, DType.BF16)
COMPLEX = (DType.C64, DType.C128)
INTEGERS = tuple(d for d in DType if d.is_integer)
NUMBERS = (*FLOATS, *INTEGERS)
BITS = (DType.BOOL, *INTEGERS)
ALL = (*NUMBERS, DType.BOOL)
MOVED = (*FLOATS, DType.I64, DType.U8, DType.BOOL)
"""What operations are tested on that do not look at the elements."""


def numbers(arity: int = 1, low: float = -4.0, high: float = 4.0, *, edged: bool = True) -> Samples:
    """Operands of equal shapes with elements between bounds; and each pair of edge cases."""

    def samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        drawn = [
            Sample(tuple(draw(rng, dtype, shape, low, high) for _ in range(arity)))
            for shape in ((3, 4), (), (2, 0))
        ]
        grids = np.meshgrid(*[edges(dtype)] * arity)
        return [*drawn, Sample(tuple(grids), smooth=False)] if edged else drawn

    return samples


def few(*bounds: tuple[float, float]) -> Samples:
    """Operands, each with elements between its bounds, and each pair of edge cases: for operations
    of many steps, as each sample is compiled."""

    def samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        drawn = Sample(tuple(draw(rng, dtype, (3, 4), *ends) for ends in bounds))
        grids = np.meshgrid(*[edges(dtype)] * len(bounds))
        return [drawn, Sample(tuple(grids), smooth=False)]

    return samples


def arrays(*shapes: tuple[int, ...], **attrs: Any) -> Samples:
    """One operand of each shape with random elements, and the attributes."""

    def samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        return [Sample(tuple(draw(rng, dtype, shape) for shape in shapes), attrs)]

    return samples


def several(*parts: Samples) -> Samples:
    """The samples of all parts."""

    def samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        return [sample for part in parts for sample in part(rng, dtype)]

    return samples


def exact(*inputs: Any, smooth: bool = False, **attrs: Any) -> Samples:
    """Operands with the given elements."""

    def samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        given: Mapping[str, Any] = attrs
        return [Sample(tuple(np.asarray(x, dtype.numpy) for x in inputs), given, smooth)]

    return samples


def draw(
    rng: np.random.Generator,
    dtype: DType,
    shape: tuple[int, ...],
    low: float = -4.0,
    high: float = 4.0,
) -> Array:
    """Random elements between bounds, as far as the type holds them."""
    if dtype.is_bool:
        return np.asarray(rng.integers(0, 2, shape), bool)
    if dtype.is_complex:
        re, im = (rng.uniform(low, high, shape) for _ in range(2))
        return np.asarray(re + 1j * im, dtype.numpy)
    if dtype.is_float:
        return np.asarray(rng.uniform(low, high, shape), dtype.numpy)
    least = max(int(low), 0) if dtype.is_unsigned else int(low)
    return np.asarray(rng.integers(least, int(high) + 1, shape), dtype.numpy)


def edges(dtype: DType) -> Array:
    """Zeros, ones, limits, and for floats all that is not an ordinary number."""
    if dtype.is_bool:
        return np.array([False, True])
    if dtype.is_complex:
        parts = (0.0, -0.0, 0.5, -1.0, 2.5)
        return np.array([complex(re, im) for re in parts for im in parts], dtype.numpy)
    if dtype.is_integer:
        limits = np.iinfo(dtype.numpy)
        small = (-2, -1, 0, 1, 2, 3, 7) if dtype.is_signed else (0, 1, 2, 3, 7)
        return np.array([limits.min, *small, limits.max], dtype.numpy)
    info = dtype.limits
    plain = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.5, 2.0, 2.5, -2.5, 3.0, 1e3]
    far = [info.tiny, info.max, -info.max, np.inf, -np.inf, np.nan]
    return np.array([*plain, *map(float, far)], dtype.numpy)
