"""Rounding, division with remainder, and the grid of floating-point numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType

from ..ir.op import Op
from .arithmetic import sign
from .kinds import like, mapped, not_differentiable
from .sampling import ALL, NUMBERS, numbers

__all__ = [
    "ceil",
    "copysign",
    "floor",
    "floor_divide",
    "fmod",
    "nextafter",
    "remainder",
    "round",
    "trunc",
]

_STEPS = "piecewise constant"


def _rounding(
    name: str, instruction: str, doc: str, formula: str, reference: Callable[..., Any]
) -> Op:
    return not_differentiable(
        name,
        _STEPS,
        doc=f"{doc}; integers stay as they are",
        formula=formula,
        takes=ALL,
        body=lambda s, x: s.emit(instruction, (x,)) if x.dtype.is_float else x,
        reference=lambda x: _unless_whole(reference, x),
        samples=numbers(),
    )


def _unless_whole(reference: Callable[..., Any], x: Any) -> Any:
    values = np.asarray(x)
    return reference(values) if DType.of(values.dtype).is_float else values


floor = _rounding("floor", "floor", "the greatest integer ≤ x", "floor(x)", np.floor)
ceil = _rounding("ceil", "ceil", "the least integer ≥ x", "ceiling(x)", np.ceil)
trunc = _rounding("trunc", "trunc", "x towards 0", "sign(x)*floor(Abs(x))", np.trunc)
round = _rounding(
    "round",
    "rint",
    "the nearest integer, the even one of two",
    "floor(x + 1/2) - Piecewise((1, Eq(Mod(x + 1/2, 2), 1)), (0, True))",
    np.rint,
)

floor_divide: Op = not_differentiable(
    "floor_divide",
    _STEPS,
    doc="⌊x / y⌋; an integer by 0 gives 0",
    formula="floor(x/y)",
    takes=NUMBERS,
    body=lambda s, x, y: s.floordiv(x, y),
    reference=np.floor_divide,
    samples=numbers(2),
)

remainder: Op = mapped(
    "remainder",
    doc="x - y·⌊x / y⌋, with the sign of y; an integer by 0 leaves 0",
    formula="x - y*floor(x/y)",
    takes=NUMBERS,
    body=lambda s, x, y: s.mod(x, y),
    partials=lambda x, y, out: (1, -floor_divide(x, y)),
    reference=np.remainder,
    samples=numbers(2, 0.5),
)

fmod: Op = mapped(
    "fmod",
    doc="x - y·trunc(x / y), with the sign of x; an integer by 0 leaves 0",
    formula="x - y*sign(x/y)*floor(Abs(x/y))",
    takes=NUMBERS,
    body=lambda s, x, y: s.fmod(x, y),
    partials=lambda x, y, out: (1, -trunc(x / y)),
    reference=np.fmod,
    samples=numbers(2, 0.5),
)

# The subderivative at x = 0 is 0.
copysign: Op = mapped(
    "copysign",
    doc="|x| with the sign bit of y",
    formula="Abs(x)*sign(y)",
    body=lambda s, x, y: s.copysign(x, y),
    partials=lambda x, y, out: (sign(x) * copysign(like(1, x), y), None),
    reference=np.copysign,
    samples=numbers(2, 0.5),
)

nextafter: Op = not_differentiable(
    "nextafter",
    "it follows the grid of floating-point numbers",
    doc="the floating-point number next to x on the way to y",
    body=lambda s, x, y: s.nextafter(x, y),
    widens=False,
    reference=np.nextafter,
    samples=numbers(2),
)
