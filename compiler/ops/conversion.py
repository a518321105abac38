"""Changes of element type, and the end of derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.runtime.dtypes import SCALARS, DType
from symfuse.runtime.errors import DTypeError

from ..ir.node import Node
from ..ir.op import Op, Sample, operations
from ..ir.types import TensorType
from .alignment import as_is
from .complex_functions import not_equal
from .kinds import filled, like, mapped, not_differentiable
from .pairs import Pair, partwise
from .sampling import ALL, COMPLEX, draw, numbers

__all__ = ["convert", "stop_gradient"]


def _convert_jvp(tangents: Any, inputs: Any, out: Node, attrs: Any) -> Any:
    (t,) = tangents
    if t is None or not attrs["dtype"].is_inexact:
        return None
    return convert(t, **attrs)


def _conversions(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    x = draw(rng, dtype, (3, 4), 0, 100)
    targets = COMPLEX if dtype.is_complex else SCALARS
    return [Sample((x,), {"dtype": to}, smooth=to in (DType.F64, DType.C128)) for to in targets]


def _convert_type(x: TensorType, *, dtype: DType) -> TensorType:
    if x.dtype.is_complex and not (dtype.is_complex or dtype.is_bool):
        raise DTypeError(
            f"{x} cannot be converted to {dtype}, which has no imaginary part",
            fix="take the real part or the absolute value, and convert that",
        )
    return x.with_dtype(dtype)


def _convert_parts(node: Node, operands: tuple[Any, ...]) -> Any:
    (x,), dtype = operands, node.dtype
    if dtype.is_bool:
        return not_equal(x, Pair(like(0, x.re), like(0, x.im)))
    if isinstance(x, Pair):
        return x.each(lambda part: convert(part, dtype=dtype.real))
    return Pair(convert(x, dtype=dtype.real), filled(0, node.type.with_dtype(dtype.real)))


def _convert_transpose(ct: Node, which: int, inputs: Any, attrs: Any) -> Any:
    """Of a real operand that has become complex the real part alone counts."""
    is_widened = ct.dtype.is_complex and not inputs[0].dtype.is_complex
    return convert(operations["real"](ct) if is_widened else ct, dtype=inputs[0].dtype)


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
    parts=_convert_parts,
    transpose=_convert_transpose,
    reference=lambda x, *, dtype: _converted(np.asarray(x), dtype),
    samples=_conversions,
)

hold: Op = mapped(
    "hold",
    doc="x itself, of which no derivative may be taken: what follows is no smooth function of it",
    formula="x",
    takes=ALL,
    body=lambda s, x: x,
    partials=lambda x, out: (None,),
    constant_in={0: "random draws that may be rejected are no smooth function of it"},
    reference=lambda x: np.asarray(x),
    samples=numbers(),
)

stop_gradient: Op = not_differentiable(
    "stop_gradient",
    "it is there to have none",
    doc="x itself, with derivative 0",
    takes=ALL,
    body=lambda s, x: x,
    parts=partwise,
    reference=lambda x: np.asarray(x),
    samples=numbers(),
)
