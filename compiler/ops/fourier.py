"""The discrete Fourier transform.

It stays whole until its target is known, which has it computed by a library, or expands it
(`passes/expand_transforms.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import UnsupportedError

from ..ir.dims import product
from ..ir.library import Memory, Plan, Transform
from ..ir.op import Op, Sample
from ..ir.types import TensorType
from .alignment import as_is
from .complex import by_library
from .kinds import linear
from .sampling import COMPLEX, draw
from .shape import checked_axes

__all__ = ["fft"]

WORK = 32  # scalar additions that one element is worth, in transforms of usual lengths


def _fft_type(x: TensorType, *, axis: int, inverse: bool = False) -> TensorType:
    checked_axes(x, (axis,))
    if not x.dtype.is_complex:
        raise UnsupportedError(f"{x} has no transform", fix="convert it to complex numbers")
    return x


def _reference(x: Any, *, axis: int, inverse: bool = False) -> Any:
    values = np.asarray(x)
    if not values.shape[axis]:
        return values
    if inverse:
        return np.fft.ifft(values, axis=axis, norm="forward")
    return np.fft.fft(values, axis=axis)


def _samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    lengths = (1, 2, 3, 8, 12, 45, 64, 67)
    drawn = [
        Sample((draw(rng, dtype, (2, n)),), {"axis": 1, "inverse": bool(n % 2)}) for n in lengths
    ]
    return [*drawn, Sample((draw(rng, dtype, (6, 2, 3)),), {"axis": 0})]


def _plan(inputs: tuple[TensorType, ...], out: TensorType, attrs: Any) -> Plan:
    """All transforms along the last axis at once; along another one, those beside each other."""
    axis, inverse = attrs["axis"], bool(attrs.get("inverse"))
    size, beside = out.shape[axis], product(out.shape[axis + 1 :])
    is_last = axis == out.rank - 1
    rows, between, apart = (product(out.shape[:axis]), 1, size) if is_last else (beside, beside, 1)
    step = Transform(Memory("0"), Memory("out"), size, between, apart, inverse)
    rank = out.rank if is_last else out.rank - axis
    return Plan((step,), rank=rank, rows=rows, work=size * rows * WORK)


fft: Op = linear(
    "fft",
    doc="Σ x·exp(∓2πi·jk/n) along an axis, not divided by anything; its own transpose",
    align=as_is,
    result_type=_fft_type,
    parts=by_library,
    library=_plan,
    transpose=lambda ct, which, inputs, attrs: fft(ct, **attrs),
    batch=lambda inputs, batched, attrs: fft(inputs[0], **{**attrs, "axis": attrs["axis"] + 1}),
    reference=_reference,
    samples=_samples,
    dtypes=COMPLEX,
    ulp=64,
)
