"""Changes of element type, and the end of derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType

from ..ir.node import Node
from ..ir.op import Op, Sample
from ..ir.types import TensorType
from .alignment import as_is
from .kinds import mapped, not_differentiable
from .sampling import ALL, draw, numbers

__all__ = ["convert", "stop_gradient"]


def _convert_jvp(tangents: Any, inputs: Any, out: Node, attrs: Any) -> Any:
    (t,) = tangents
    if t is None or not attrs["dtype"].is_float:
        return None
    return convert(t, **attrs)


def _conversions(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    x = draw(rng, dtype, (3, 4), 0, 100)
    return [Sample((x,), {"dtype": to}, smooth=to is DType.F64) for to in DType]


def _convert_type(x: TensorType, *, dtype: DType) -> TensorType:
    return x.with_dtype(dtype)


def _converted(x: Any, dtype: DType) -> Any:
    """By way of f32 from one half: NumPy's own differs for numbers out of range."""
    wide = x.astype(np.float32) if DType.of(x.dtype).is_half else x
    return wide.astype(dtype.numpy)


convert: Op = mapped(
    "convert",
    doc="the same numbers in another element type, as NumPy's astype",
    takes=ALL,
    align=as_is,
    result_type=_convert_type,
    body=lambda s, x, *, dtype: s.convert(x, dtype),
    jvp=_convert_jvp,
    transpose=lambda ct, which, inputs, attrs: convert(ct, dtype=inputs[0].dtype),
    reference=lambda x, *, dtype: _converted(np.asarray(x), dtype),
    samples=_conversions,
)

stop_gradient: Op = not_differentiable(
    "stop_gradient",
    "it is there to have none",
    doc="x itself, with derivative 0",
    takes=ALL,
    body=lambda s, x: x,
    reference=lambda x: np.asarray(x),
    samples=numbers(),
)
