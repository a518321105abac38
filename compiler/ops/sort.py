"""The order of elements: positions, from which `take_along_axis` makes sorted values."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError

from ..ir.op import Op
from ..ir.types import TensorType
from .alignment import as_is
from .sampling import ALL, arrays, exact, several

__all__ = ["argsort"]


def _result_type(x: TensorType, *, descending: bool = False) -> TensorType:
    if not x.shape:
        raise ShapeError(f"{x} has no axis to sort along", fix="reshape it to (1,)")
    return x.with_dtype(DType.I64)


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


argsort: Op = Op(
    name="argsort",
    doc="the positions along the last axis in the order of the elements, equal ones as they are; "
    "NaN counts as the greatest",
    align=as_is,
    result_type=_result_type,
    sorts=True,
    batch=lambda inputs, batched, attrs: argsort(inputs[0], **attrs),
    reference=_reference,
    not_differentiable="a position is an integer",
    dtypes=ALL,
    samples=_samples,
    errors=(((TensorType((), DType.F32),), {}, ShapeError),),
)
