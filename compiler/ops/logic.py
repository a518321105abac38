"""Logic of truth values and of bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType

from ..ir.op import Op, Sample
from .alignment import as_truths
from .kinds import not_differentiable
from .sampling import BITS, INTEGERS, draw, numbers

__all__ = [
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
]

_DISCRETE = "its operands are discrete"
_BOOL = (DType.BOOL,)


def _logical(name: str, doc: str, formula: str, body: Any, reference: Any) -> Op:
    return not_differentiable(
        name,
        _DISCRETE,
        doc=doc,
        formula=formula,
        takes=_BOOL,
        align=as_truths,
        body=body,
        reference=reference,
        samples=numbers(body.__code__.co_argcount - 1),
    )


logical_and = _logical(
    "logical_and", "x ∧ y", "And(x, y)", lambda s, x, y: s.bitand(x, y), np.logical_and
)
logical_or = _logical(
    "logical_or", "x ∨ y", "Or(x, y)", lambda s, x, y: s.bitor(x, y), np.logical_or
)
logical_xor = _logical(
    "logical_xor",
    "x or y but not both",
    "Xor(x, y)",
    lambda s, x, y: s.bitxor(x, y),
    np.logical_xor,
)
logical_not = _logical("logical_not", "¬x", "Not(x)", lambda s, x: s.bitnot(x), np.logical_not)


def _bitwise(name: str, doc: str, body: Any, reference: Any) -> Op:
    return not_differentiable(
        name,
        _DISCRETE,
        doc=doc,
        takes=BITS,
        body=body,
        reference=reference,
        samples=numbers(body.__code__.co_argcount - 1),
    )


bitwise_and = _bitwise(
    "bitwise_and", "bits set in both", lambda s, x, y: s.bitand(x, y), np.bitwise_and
)
bitwise_or = _bitwise(
    "bitwise_or", "bits set in either", lambda s, x, y: s.bitor(x, y), np.bitwise_or
)
bitwise_xor = _bitwise(
    "bitwise_xor", "bits that differ", lambda s, x, y: s.bitxor(x, y), np.bitwise_xor
)
bitwise_invert = _bitwise(
    "bitwise_invert", "every bit turned", lambda s, x: s.bitnot(x), np.bitwise_not
)


def _shift(name: str, doc: str, body: Any, reference: Any) -> Op:
    return not_differentiable(
        name,
        _DISCRETE,
        doc=doc,
        takes=INTEGERS,
        body=body,
        reference=reference,
        samples=_shifts,
    )


def _shifts(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    counts = draw(rng, dtype, (3, 4), 0, dtype.bits - 1)
    beyond = draw(rng, dtype, (3, 4), dtype.bits, 100)
    x = draw(rng, dtype, (3, 4), -100, 100)
    return [Sample((x, counts)), Sample((x, beyond))]


bitwise_left_shift = _shift(
    "bitwise_left_shift",
    "x · 2^y, wrapped around",
    lambda s, x, y: s.shl(x, y),
    np.left_shift,
)
bitwise_right_shift = _shift(
    "bitwise_right_shift",
    "⌊x / 2^y⌋",
    lambda s, x, y: s.shr(x, y),
    np.right_shift,
)
