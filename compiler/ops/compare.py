"""Comparisons, and choices that follow from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError

from ..ir.node import Node
from ..ir.op import Op, Sample
from ..ir.types import TensorType
from . import complex_functions as of_complex
from .alignment import as_choice, as_comparison
from .kinds import checked, like, mapped, not_differentiable
from .logic import logical_and
from .pairs import formula, partwise
from .sampling import ALL, COMPLEX, NUMBERS, draw, numbers

__all__ = [
    "clip",
    "equal",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "maximum",
    "minimum",
    "not_equal",
    "select",
    "signbit",
]

_STEP = "a truth value is piecewise constant"
_MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}


def _comparison(
    name: str,
    instruction: str,
    doc: str,
    equation: str,
    reference: Any,
    parts: Callable[..., Any] | None = None,
) -> Op:
    takes = (*ALL, *COMPLEX) if parts else ALL

    def result_type(x: TensorType, y: TensorType) -> TensorType:
        is_mixed = {x.dtype, y.dtype} == {DType.I64, DType.U64}
        same = (x, y.with_dtype(x.dtype)) if is_mixed else (x, y)
        return checked(name, same, takes).with_dtype(DType.BOOL)

    def body(s: Any, x: Any, y: Any) -> Any:
        if x.dtype is y.dtype:
            return s.emit(instruction, (x, y))
        if x.dtype.is_unsigned:
            return _signed_first(s, _MIRRORED[instruction], y, x)
        return _signed_first(s, instruction, x, y)

    return not_differentiable(
        name,
        _STEP,
        doc=doc,
        formula=equation,
        takes=ALL,
        parts=parts,
        result_type=result_type,
        align=as_comparison,
        body=body,
        reference=reference,
        samples=numbers(2),
    )


def _signed_first(s: Any, instruction: str, x: Any, y: Any) -> Any:
    """Compares i64 with u64: a negative number is below all of the others."""
    is_negative = s.lt(x, s.const(0, DType.I64))
    among_unsigned = s.emit(instruction, (s.convert(x, DType.U64), y))
    if instruction in ("lt", "le", "ne"):
        return s.bitor(is_negative, among_unsigned)
    return s.bitand(s.bitnot(is_negative), among_unsigned)


equal = _comparison("equal", "eq", "x = y", "Eq(x, y)", np.equal, formula(of_complex.equal))
not_equal = _comparison(
    "not_equal", "ne", "x ≠ y", "Ne(x, y)", np.not_equal, formula(of_complex.not_equal)
)
less = _comparison("less", "lt", "x < y", "x < y", np.less)
less_equal = _comparison("less_equal", "le", "x ≤ y", "x <= y", np.less_equal)
greater = _comparison("greater", "gt", "x > y", "x > y", np.greater)
greater_equal = _comparison("greater_equal", "ge", "x ≥ y", "x >= y", np.greater_equal)


def _property(name: str, doc: str, of_integers: bool, **facts: Any) -> Op:
    def body(s: Any, x: Any) -> Any:
        return s.emit(name, (x,)) if x.dtype.is_float else s.const(of_integers, DType.BOOL)

    return not_differentiable(
        name, _STEP, doc=doc, takes=ALL, gives=DType.BOOL, body=body, samples=numbers(), **facts
    )


isnan = _property("isnan", "whether x is not a number", False, reference=np.isnan)
isinf = _property("isinf", "whether x is infinite", False, reference=np.isinf)
isfinite = _property(
    "isfinite", "whether x is neither infinite nor NaN", True, reference=np.isfinite
)

signbit = not_differentiable(
    "signbit",
    _STEP,
    doc="whether the sign bit is set, as in -0.0",
    gives=DType.BOOL,
    body=lambda s, x: s.signbit(x),
    reference=np.signbit,
    samples=numbers(),
)


def _halved_at_ties(wins: Callable[..., Any], x: Any, y: Any) -> tuple[Any, ...]:
    """Where both operands are equal each has the subderivative ½, so that the two sum to 1."""

    def partial(one: Any, other: Any) -> Any:
        ties = select(equal(one, other), like(0.5, one), like(0, one))
        return select(wins(one, other), like(1, one), ties)

    return lambda: partial(x, y), lambda: partial(y, x)


maximum: Op = mapped(
    "maximum",
    doc="the greater of x and y; NaN if one is",
    formula="Max(x, y)",
    takes=ALL,
    body=lambda s, x, y: s.max(x, y),
    partials=lambda x, y, out: _halved_at_ties(greater, x, y),
    reference=np.maximum,
    samples=numbers(2),
)

minimum: Op = mapped(
    "minimum",
    doc="the lesser of x and y; NaN if one is",
    formula="Min(x, y)",
    takes=ALL,
    body=lambda s, x, y: s.min(x, y),
    partials=lambda x, y, out: _halved_at_ties(less, x, y),
    reference=np.minimum,
    samples=numbers(2),
)


def _clip_partials(x: Any, low: Any, high: Any, out: Any) -> tuple[Any, ...]:
    """One operand lets the tangent through: x where it lies within, bounds included."""
    return (
        lambda: logical_and(less_equal(low, x), less_equal(x, high)),
        lambda: logical_and(less(x, low), less_equal(low, high)),
        lambda: less(high, maximum(x, low)),
    )


clip: Op = mapped(
    "clip",
    doc="x, but not below low, and then not above high",
    formula="Min(Max(x, y), z)",
    takes=NUMBERS,
    body=lambda s, x, low, high: s.min(s.max(x, low), high),
    partials=_clip_partials,
    reference=lambda x, low, high: np.minimum(np.maximum(x, low), high),
    samples=numbers(3),
)


def _select_type(condition: TensorType, x: TensorType, y: TensorType) -> TensorType:
    if not condition.dtype.is_bool:
        raise DTypeError(f"the condition is {condition}", fix="compare it with something")
    checked("select", (condition, x.with_dtype(DType.BOOL)), ALL)
    return checked("select", (x, y), (*ALL, *COMPLEX))


def _select_jvp(tangents: Any, inputs: Any, out: Node, attrs: Any) -> Any:
    _, x, y = tangents
    if x is None and y is None:
        return None
    zero = like(0, out)
    return select(inputs[0], zero if x is None else x, zero if y is None else y)


def _select_transpose(ct: Node, which: int, inputs: Any, attrs: Any) -> Any:
    zero = like(0, ct)
    return select(inputs[0], ct, zero) if which == 1 else select(inputs[0], zero, ct)


def _choices(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    def drawn(shape: tuple[int, ...]) -> Sample:
        kinds = (DType.BOOL, dtype, dtype)
        return Sample(tuple(draw(rng, kind, shape) for kind in kinds))

    return [drawn((3, 4)), drawn(())]


select: Op = mapped(
    "select",
    doc="x where the condition holds, else y",
    formula="Piecewise((y, x), (z, True))",
    takes=ALL,
    result_type=_select_type,
    align=as_choice,
    body=lambda s, condition, x, y: s.select(condition, x, y),
    jvp=_select_jvp,
    transpose=_select_transpose,
    parts=partwise,
    reference=np.where,
    samples=_choices,
)
