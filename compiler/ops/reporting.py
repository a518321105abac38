"""Operations that tell Python something while a program runs, and the one that keeps them.

Their result is a token: the next one takes it, so that they come in the order of the program; and
`after` takes it beside a value, so that who needs the value has them run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError
from symfuse.runtime.reports import described, failure, report

from ..ir.library import Memory, Plan, Report, Zeros
from ..ir.op import Op, Sample, operations
from ..ir.types import TensorType
from .alignment import as_is
from .kinds import stretch
from .pairs import partwise
from .sampling import MOVED, Samples, draw

__all__ = ["after", "debug_check", "debug_order", "debug_print"]

TOKEN = TensorType((), DType.I32)
_MADE = Zeros(Memory("out"), 1)


def _token_type(
    *operands: TensorType, text: str, filename: str = "", line: int = 0, count: int = 0
) -> TensorType:
    return TOKEN


def _plan(kind: str) -> Callable[..., Plan]:
    def plan(inputs: Any, out: TensorType, attrs: Any) -> Plan:
        told = inputs[: attrs["count"]]
        types = [(str(type_.dtype.value), type_.rank) for type_ in told]
        text = described(kind, attrs["text"], (attrs["filename"], attrs["line"]), types)
        memory = tuple(Memory(str(number)) for number in range(len(told)))
        dims = tuple(size for type_ in told for size in type_.shape)
        return Plan((Report(text, memory, dims), _MADE), rank=0)

    return plan


def _reference(kind: str) -> Callable[..., Any]:
    def told(*operands: Any, text: str, filename: str = "", line: int = 0, count: int = 0) -> Any:
        values = [np.asarray(x) for x in operands[:count]]
        if kind == "check" and (error := failure(text, (filename, line), values)) is not None:
            raise error
        if kind == "print":
            report(kind, text, (filename, line), values)
        return np.int32(0)

    return told


def _batch(name: str) -> Callable[..., Any]:
    """All elements of a batch are told of at once."""

    def batched(inputs: Any, batched: Any, attrs: Any) -> Any:
        values, tokens = inputs[: attrs["count"]], inputs[attrs["count"] :]
        flags = batched[attrs["count"] :]
        tokens = tuple(_one(x) if flag else x for x, flag in zip(tokens, flags, strict=True))
        size = next(x.shape[0] for x, flag in zip(inputs, batched, strict=True) if flag)
        return stretch(operations[name](*values, *tokens, **attrs), size)

    return batched


def _one(tokens: Any) -> Any:
    """One token for those of a batch."""
    return operations["reduce_max"](tokens, axes=(0,))


def _samples(condition: bool) -> Samples:
    def samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        told = np.ones((2, 3), bool) if condition else draw(rng, dtype, (2, 0))
        attrs = {"text": "", "count": 1}
        return [Sample((told,), attrs), Sample((told, np.int32(0)), attrs)]

    return samples


def _telling(name: str, kind: str, doc: str, dtypes: tuple[DType, ...]) -> Op:
    return Op(
        name=name,
        doc=doc,
        result_type=_token_type,
        align=as_is,
        reference=_reference(kind),
        library=_plan(kind),
        batch=_batch(name),
        not_differentiable="it tells of values and has none",
        samples=_samples(kind == "check"),
        dtypes=dtypes,
    )


def _order_type(*operands: TensorType) -> TensorType:
    return TOKEN


def _order_batch(inputs: Any, batched: Any, attrs: Any) -> Any:
    size = next(x.shape[0] for x, flag in zip(inputs, batched, strict=True) if flag)
    return stretch(debug_order(*inputs), size)


debug_print: Op = _telling(
    "debug_print", "print", "prints a message with the values of the operands", MOVED
)
debug_check: Op = _telling(
    "debug_check",
    "check",
    "notes a failure, with a message, where the first operand does not hold",
    (DType.BOOL,),
)


# Its token is of whatever its first operand waits for, such as a loop that tells of its turns.
debug_order: Op = Op(
    name="debug_order",
    doc="a token that is there when the operands are",
    result_type=_order_type,
    align=as_is,
    reference=lambda *operands: np.int32(0),
    library=lambda inputs, out, attrs: Plan((_MADE,), rank=0),
    parts=lambda node, operands: debug_order(*(getattr(x, "re", x) for x in operands)),
    batch=_order_batch,
    not_differentiable="it is no value",
    samples=lambda rng, dtype: [Sample((draw(rng, dtype, (2, 3)),))],
    dtypes=MOVED,
)


def _after_type(x: TensorType, token: TensorType) -> TensorType:
    if token != TOKEN:
        raise DTypeError(f"{token} is no token", fix="give the result of a debug operation")
    return x


def _after_batch(inputs: Any, batched: Any, attrs: Any) -> Any:
    x, token = inputs
    if not batched[0]:
        x = stretch(x, token.shape[0])
    return after(x, _one(token) if batched[1] else token)


def _after_samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [Sample((draw(rng, dtype, shape), np.int32(0))) for shape in ((3, 4), ())]


after: Op = Op(
    name="after",
    doc="the first operand, once what the second is a token of has been told",
    result_type=_after_type,
    align=as_is,
    reference=lambda x, token: np.array(x),
    element=lambda s, index, readers, out, attrs: readers[0](index),
    jvp=lambda tangents, inputs, out, attrs: tangents[0],
    transpose=lambda ct, which, inputs, attrs: ct,
    batch=_after_batch,
    parts=partwise,
    samples=_after_samples,
    dtypes=MOVED,
    errors=(((TensorType((3,), DType.F32), TensorType((), DType.F32)), {}, DTypeError),),
)
