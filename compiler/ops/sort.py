"""The order of elements: themselves in it, and their positions.

The processor has the library of NumPy sort; a device runs a loop of comparisons
(`passes/expand_sorts.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError

from ..ir.dims import product
from ..ir.library import Memory, Plan, Sort
from ..ir.op import Op
from ..ir.types import TensorType
from .alignment import as_is
from .indexing import take_along_axis
from .sampling import ALL, arrays, exact, several

__all__ = ["argsort", "sort"]

WORK = 256  # scalar additions that one element is worth, in rows of usual lengths


def _same_type(x: TensorType) -> TensorType:
    if not x.shape:
        raise ShapeError(f"{x} has no axis to sort along", fix="reshape it to (1,)")
    return x


def _result_type(x: TensorType, *, descending: bool = False) -> TensorType:
    return _same_type(x).with_dtype(DType.I64)


def _plan(out: TensorType, positions: bool) -> Plan:
    """All rows at once, which threads share."""
    step = Sort(Memory("0"), Memory("out"), out.shape[-1], positions)
    work = product(out.shape) * WORK
    return Plan((step,), rank=out.rank, rows=product(out.shape[:-1]), work=work)


def _sorted_jvp(tangents: Any, inputs: Any, out: Any, attrs: Any) -> Any:
    return take_along_axis(tangents[0], argsort(inputs[0]), axis=out.rank - 1)


def _sorted_reference(x: Any) -> Any:
    values = np.asarray(x)
    if values.dtype.name == "bfloat16":  # NumPy knows no order of them that has NaN in it
        return np.sort(values.astype(np.float32), axis=-1).astype(values.dtype)
    return np.sort(values, axis=-1)


def _reference(x: Any, *, descending: bool = False) -> Any:
    values = np.asarray(x)
    if values.dtype.name == "bfloat16":  # NumPy knows no order of them that has NaN in it
        values = values.astype(np.float32)
    if not descending:
        return np.argsort(values, axis=-1, kind="stable")
    backwards = np.argsort(np.flip(values, -1), axis=-1, kind="stable")
    return np.flip(values.shape[-1] - 1 - backwards, -1)


def _samples(rng: np.random.Generator, dtype: DType) -> Any:
    nan = [np.nan] if dtype.is_float else []
    zeros = [0.0, -0.0, -np.inf, np.inf] if dtype.is_float else [0]
    parts = several(
        arrays((3, 7)),
        arrays((2, 1)),
        arrays((2, 0)),
        arrays((2, 5), descending=True),
        exact([1, *nan, 0, *zeros, *nan, 1, 1]),
        exact([1, *nan, 0, *zeros, *nan, 1, 1], descending=True),
    )
    return parts(rng, dtype)


def _sorted_samples(rng: np.random.Generator, dtype: DType) -> Any:
    return [sample for sample in _samples(rng, dtype) if not sample.attrs]


sort: Op = Op(
    name="sort",
    doc="the elements in ascending order along the last axis; NaN counts as the greatest",
    align=as_is,
    result_type=_same_type,
    sorts=True,
    library=lambda inputs, out, attrs: _plan(out, positions=False),
    jvp=_sorted_jvp,
    batch=lambda inputs, batched, attrs: sort(inputs[0]),
    reference=_sorted_reference,
    dtypes=ALL,
    samples=_sorted_samples,
    errors=(((TensorType((), DType.F32),), {}, ShapeError),),
)

argsort: Op = Op(
    name="argsort",
    doc="the positions along the last axis in the order of the elements, equal ones as they are; "
    "NaN counts as the greatest",
    align=as_is,
    result_type=_result_type,
    sorts=True,
    library=lambda inputs, out, attrs: _plan(out, positions=True),
    batch=lambda inputs, batched, attrs: argsort(inputs[0], **attrs),
    reference=_reference,
    not_differentiable="a position is an integer",
    dtypes=ALL,
    samples=_samples,
    errors=(((TensorType((), DType.F32),), {}, ShapeError),),
)
