"""Products that targets add without rounding in between."""

from __future__ import annotations

from collections.abc import Sequence

from .phases import Instr

__all__ = ["fused_products"]


def fused_products(body: Sequence[Instr]) -> frozenset[Instr]:
    """Products of floats that only a sum reads."""
    readers: dict[Instr, list[Instr]] = {}
    for instr in body:
        for arg in instr.args:
            readers.setdefault(arg, []).append(instr)
    return frozenset(
        instr
        for instr in body
        if instr.op == "mul" and instr.dtype.is_float and all(map(_is_sum, readers.get(instr, ())))
    )


def _is_sum(instr: Instr) -> bool:
    return instr.op == "reduce" and instr.detail.reduction.instruction == "add"
