"""Discrete Fourier transforms, none of which divides by anything.

They stay whole until their target is known, which has them computed by a library, or expands them
(`passes/expand_transforms.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError, UnsupportedError

from ..ir.dims import Dim, is_at_most, is_equal, product
from ..ir.library import Line, Memory, Plan, Transform
from ..ir.node import Node
from ..ir.op import Op, Sample
from ..ir.types import Guard, TensorType
from .complex import by_library, complex, conjugate, whole_of
from .kinds import filled, linear
from .sampling import COMPLEX, draw
from .shape import broadcast, checked_axes
from .slicing import pad

__all__ = ["fft", "irfft", "length_of", "rfft"]

WORK = 32  # scalar additions that one element is worth, in transforms of usual lengths
LENGTHS = (1, 2, 3, 8, 12, 45, 64, 67)  # that the samples have

Types = tuple[TensorType, ...]


def length_of(node: Node) -> Dim:
    """How many elements are transformed together: for real ones, half of them are given or come."""
    whole = node.inputs[0] if node.op is rfft else node
    size: Dim = whole.shape[node.attr("axis")]
    return size


# types


def _complex_type(x: TensorType, *, axis: int, inverse: bool = False) -> TensorType:
    if not x.dtype.is_complex:
        raise UnsupportedError(f"{x} has no transform", fix="convert it to complex numbers")
    _require_elements(x, axis)
    return x


def _require_elements(x: TensorType, axis: int) -> None:
    checked_axes(x, (axis,))
    if is_at_most(1, x.shape[axis]) is False:
        raise ShapeError(f"axis {axis} of {x} is empty", fix="transform at least one element")


def _half_type(x: TensorType, *, axis: int) -> TensorType:
    _require_elements(x, axis)
    if x.dtype not in (DType.F32, DType.F64):
        raise UnsupportedError(f"{x} has no real transform", fix="convert it to f32 or f64")
    return _resized(x, axis, x.shape[axis] // 2 + 1).with_dtype(x.dtype.complex)


def _whole_type(x: TensorType, *, axis: int, size: Dim) -> TensorType:
    _complex_type(x, axis=axis)
    if is_equal(x.shape[axis], size // 2 + 1) is not True:
        raise ShapeError(
            f"{x} is not half of the transform of {size} real numbers",
            fix=f"cut or fill axis {axis} so that it has {size // 2 + 1} elements",
        )
    return _resized(x, axis, size).with_dtype(x.dtype.real)


def _resized(x: TensorType, axis: int, size: Dim) -> TensorType:
    return x.with_shape((*x.shape[:axis], size, *x.shape[axis + 1 :]))


def _guards(x: TensorType, *, axis: int, size: Dim | None = None, **_: Any) -> tuple[Guard, ...]:
    """There is no transform of no element."""
    length = x.shape[axis] if size is None else size
    return () if is_at_most(1, length) else ((1, "≤", length),)


# by a library


def _plan(name: str, source: TensorType, out: TensorType, axis: int) -> Plan:
    """All transforms along the last axis at once; along another one, those beside each other."""
    beside = product(out.shape[axis + 1 :])
    is_last = axis == out.rank - 1
    rows = product(out.shape[:axis]) if is_last else beside
    lines = (
        Line(x.shape[axis], 1, x.shape[axis]) if is_last else Line(x.shape[axis], beside, 1)
        for x in (source, out)
    )
    step = Transform(name, Memory("0"), Memory("out"), *lines)
    rank = out.rank if is_last else out.rank - axis
    return Plan((step,), rank=rank, rows=rows, work=out.shape[axis] * rows * WORK)


def _plan_complex(inputs: Types, out: TensorType, attrs: Any) -> Plan:
    return _plan("ifft" if attrs.get("inverse") else "fft", inputs[0], out, attrs["axis"])


def _plan_half(inputs: Types, out: TensorType, attrs: Any) -> Plan:
    return _plan("rfft", inputs[0], out, attrs["axis"])


def _plan_whole(inputs: Types, out: TensorType, attrs: Any) -> Plan:
    return _plan("irfft", inputs[0], out, attrs["axis"])


# transposes


def _half_transpose(ct: Node, which: int, inputs: Any, attrs: Any) -> Any:
    """What stands for two elements, of which one is not there, comes back halved."""
    axis, size = attrs["axis"], inputs[0].shape[attrs["axis"]]
    return irfft(conjugate(ct) * _weights(ct.type, axis, size, 0.5), axis=axis, size=size)


def _whole_transpose(ct: Node, which: int, inputs: Any, attrs: Any) -> Any:
    axis, size = attrs["axis"], attrs["size"]
    return conjugate(rfft(ct, axis=axis)) * _weights(inputs[0].type, axis, size, 2.0)


def _weights(half: TensorType, axis: int, size: Dim, inner: float) -> Any:
    """A number for each element of half a transform: 1 for those that have no mirror image, which
    are the first, and of an even size the last."""
    between = (size - 1) // 2
    numbers = filled(inner, TensorType((between,), half.dtype.real))
    last = size // 2 - between
    ends = pad(numbers, low=(1,), high=(last,), interior=(0,), value=1)
    weights = broadcast(ends, shape=half.shape, axes=(axis,))
    return complex(weights, 0 * weights)


# references and samples


def _complex_reference(x: Any, *, axis: int, inverse: bool = False) -> Any:
    if inverse:
        return np.fft.ifft(x, axis=axis, norm="forward")
    return np.fft.fft(x, axis=axis)


def _samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    drawn = [
        Sample((draw(rng, dtype, (2, n)),), {"axis": 1, "inverse": bool(n % 2)}) for n in LENGTHS
    ]
    return [*drawn, Sample((draw(rng, dtype, (6, 2, 3)),), {"axis": 0})]


def _half_samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    drawn = [Sample((draw(rng, dtype.real, (2, n)),), {"axis": 1}) for n in LENGTHS]
    return [*drawn, Sample((draw(rng, dtype.real, (6, 2, 3)),), {"axis": 0})]


def _whole_samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    rows = [Sample((draw(rng, dtype, (2, n // 2 + 1)),), {"axis": 1, "size": n}) for n in LENGTHS]
    columns = [Sample((draw(rng, dtype, (4, 2, 3)),), {"axis": 0, "size": n}) for n in (6, 7)]
    return [*rows, *columns]


def _beside(attrs: Any) -> dict[str, Any]:
    """The attributes where an axis for batches stands in front."""
    return {**attrs, "axis": attrs["axis"] + 1}


fft: Op = linear(
    "fft",
    doc="Σ x·exp(∓2πi·jk/n) along an axis, not divided by anything; its own transpose",
    result_type=_complex_type,
    guards=_guards,
    parts=by_library,
    library=_plan_complex,
    transpose=lambda ct, which, inputs, attrs: fft(ct, **attrs),
    batch=lambda inputs, batched, attrs: fft(inputs[0], **_beside(attrs)),
    reference=_complex_reference,
    samples=_samples,
    dtypes=COMPLEX,
    ulp=64,
)

rfft: Op = linear(
    "rfft",
    doc="the first n // 2 + 1 elements of the transform of n real numbers",
    result_type=_half_type,
    guards=_guards,
    parts=by_library,
    library=_plan_half,
    transpose=_half_transpose,
    batch=lambda inputs, batched, attrs: rfft(inputs[0], **_beside(attrs)),
    reference=lambda x, *, axis: np.fft.rfft(x, axis=axis),
    samples=_half_samples,
    dtypes=COMPLEX,
    ulp=64,
)

irfft: Op = linear(
    "irfft",
    doc="the real numbers whose inverse transform, not divided by anything, begins so; parts that"
    " have to be zero count as zero",
    result_type=_whole_type,
    guards=_guards,
    parts=lambda node, operands: irfft(whole_of(operands[0]), **node.attrs),
    library=_plan_whole,
    transpose=_whole_transpose,
    batch=lambda inputs, batched, attrs: irfft(inputs[0], **_beside(attrs)),
    reference=lambda x, *, axis, size: np.fft.irfft(x, size, axis=axis, norm="forward"),
    samples=_whole_samples,
    dtypes=COMPLEX,
    ulp=64,
)
