"""Operations that change no value: one puts it into memory of its own, one labels it."""

from __future__ import annotations

import numpy as np

from ..ir.op import Op
from ..ir.types import TensorType
from .alignment import as_is
from .kinds import mapped
from .pairs import partwise
from .sampling import ALL, numbers

__all__ = ["copy", "named"]


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
