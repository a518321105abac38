"""Operations that change no value: they put it into memory of its own, label it, or ask that sizes
fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.runtime.errors import ShapeError

from ..ir.dims import Dim, is_at_most
from ..ir.op import Op
from ..ir.types import Guard, TensorType
from .alignment import as_is
from .kinds import linear, mapped
from .pairs import partwise
from .sampling import ALL, arrays, numbers

__all__ = ["copy", "named", "required"]


def _copy_type(x: TensorType, *, number: int = 0) -> TensorType:
    return x


copy: Op = mapped(
    "copy",
    doc="the same values in memory of their own; `number` tells copies of one value apart",
    formula="x",
    takes=ALL,
    align=as_is,
    result_type=_copy_type,
    body=lambda s, x, *, number=0: x,
    partials=lambda x, out, *, number=0: (1,),
    transpose=lambda ct, which, inputs, attrs: ct,
    parts=partwise,
    reference=lambda x, *, number=0: np.array(x),
    samples=numbers(),
)


def _named_type(x: TensorType, *, label: str = "") -> TensorType:
    return x


named: Op = mapped(
    "named",
    doc="x itself; `label` is what policies of checkpoints know it by",
    formula="x",
    takes=ALL,
    align=as_is,
    result_type=_named_type,
    body=lambda s, x, *, label="": x,
    partials=lambda x, out, *, label="": (1,),
    transpose=lambda ct, which, inputs, attrs: ct,
    parts=partwise,
    reference=lambda x, *, label="": np.array(x),
    samples=numbers(),
)


def _required_type(x: TensorType, *, low: Dim, high: Dim) -> TensorType:
    if is_at_most(low, high) is False:
        raise ShapeError(
            f"{low} ≤ {high} is asked for, which never holds", fix="ask for what some sizes satisfy"
        )
    return x


def _required_guards(x: TensorType, *, low: Dim, high: Dim) -> tuple[Guard, ...]:
    return () if is_at_most(low, high) else ((low, "≤", high),)


def _required_transpose(ct: Any, which: int, inputs: Any, attrs: Any) -> Any:
    return required(ct, **attrs)


required: Op = linear(
    "required",
    doc="x itself, for sizes of which low ≤ high holds; with others nothing is run",
    result_type=_required_type,
    guards=_required_guards,
    moves=lambda index, x, attrs: index,
    transpose=_required_transpose,
    batch=lambda inputs, batched, attrs: required(inputs[0], **attrs),
    reference=lambda x, *, low, high: np.asarray(x),
    samples=arrays((2, 3), low=1, high=2),
    errors=(((TensorType((2,), ALL[0]),), {"low": 3, "high": 2}, ShapeError),),
)
