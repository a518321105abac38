"""Numbers at equal ratios: logspace, geomspace."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType

from .. import numpy as snp
from ..tracing.dispatch import numpy_like
from .shared import broadcast_shape_to, common_dtype, convert, element_type, traced

__all__ = ["geomspace", "logspace"]


def _finished(values: Any, ends: Any, dtype: Any, axis: int) -> Any:
    own = common_dtype(*ends, 1.0) if dtype is None else element_type(dtype)
    return convert(values if axis == 0 else snp.moveaxis(values, 0, axis), own)


@numpy_like(np.logspace)
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0,
    dtype: Any = None, axis: int = 0,
) -> Any:  # fmt: skip
    """`num` numbers at equal ratios from base^start to base^stop."""
    exponents = snp.linspace(_wide(start), _wide(stop), num, endpoint=endpoint)
    return _finished(snp.power(_wide(base), exponents), (start, stop), dtype, axis)


@numpy_like(np.geomspace)
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """`num` numbers at equal ratios from start to stop, which have one sign."""
    first, last = _wide(start), _wide(stop)
    sign = snp.sign(first)
    exponents = snp.linspace(
        snp.log10(sign * first), snp.log10(sign * last), num, endpoint=endpoint
    )
    inner = sign * snp.power(10.0, exponents)
    parts = [inner[1:num - 1 if endpoint and num > 1 else num]]  # fmt: skip
    shape = (1, *inner.shape[1:])
    parts = [broadcast_shape_to(first[None], shape), *parts] if num else parts
    parts = [*parts, broadcast_shape_to(last[None], shape)] if endpoint and num > 1 else parts
    return _finished(snp.concatenate(parts), (start, stop), dtype, axis)


def _wide(x: Any) -> Any:
    return convert(traced(x), DType.F64)
