"""Arguments of the cases on the host, and how results are compared with float64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import ml_dtypes
import numpy as np

from .cases import Case

__all__ = ["TOLERANCE", "dtype_of", "error_of", "host_inputs", "pieces"]

DRAWN = 1 << 21  # numbers that are drawn; larger arrays repeat them
HUGE = 1e30  # in place of infinity, which JSON has no word for
PIECE = 4  # rows, columns or heads that are compared
# Largest difference over largest value; a result is rounded once, a product sums rounded factors.
TOLERANCE = {"f32": 2e-5, "f16": 2e-3, "bf16": 1.6e-2, "tf32": 3e-3}


def dtype_of(name: str) -> Any:
    """NumPy's element type."""
    known = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16}
    return np.dtype(known[name])


def host_inputs(case: Case) -> list[Any]:
    """Normal numbers for every argument."""
    return [
        _drawn(int(np.prod(shape)), case.dtype, number).reshape(shape)
        for number, shape in enumerate(case.shapes)
    ]


@lru_cache(maxsize=6)  # the next case often has as many elements
def _drawn(count: int, dtype: str, number: int) -> Any:
    rng = np.random.default_rng(number)
    drawn = rng.standard_normal(min(count, DRAWN), np.float32).astype(dtype_of(dtype))
    return np.resize(drawn, count)


def error_of(found: Any, wanted: Any) -> float:
    """The largest difference over the largest value; huge where something is no number."""
    wanted = np.asarray(wanted, np.float64)
    found = np.asarray(found).astype(np.float64)
    if found.shape != wanted.shape:
        raise AssertionError(f"the result has shape {found.shape} instead of {wanted.shape}")
    if not np.isfinite(found).all():
        return HUGE
    scale = float(np.max(np.abs(wanted), initial=0.0)) or 1.0
    return float(np.max(np.abs(found - wanted), initial=0.0)) / scale


def pieces(case: Case, arrays: Sequence[Any], found: Any) -> Iterator[tuple[list[Any], Any]]:
    """The first and the last piece: the arguments that it depends on, and what was found."""
    if case.work == "LSTM" and found.size > 1 << 12:
        return  # five hundred products on the host take longer than everything else
    if case.part == "all":
        if sum(x.size for x in arrays) <= DRAWN or case.work == "sum":
            yield list(arrays), found
        return
    for ends in (slice(0, PIECE), slice(-PIECE, None)):
        yield _given(case, arrays, ends), found[ends]


def _given(case: Case, arrays: Sequence[Any], ends: slice) -> list[Any]:
    first, *rest = arrays
    if case.part == "columns":
        return [first[:, ends], *rest]
    if case.part == "heads":
        return [x[ends] for x in arrays]
    if case.work in ("residual", "recurrence"):
        return [first[ends], *rest[:-1], rest[-1][ends]]
    return [first[ends], *rest]
