"""Instructions of a body that targets emit as one: sums of products, stores of pairs."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.dims import Dim
from .phases import Buffer, Instr

__all__ = ["fused_products", "paired_stores"]


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


def paired_stores(body: Sequence[Instr]) -> dict[Instr, Instr]:
    """Stores of the second part of a pair, each with that of the first part."""
    first: dict[tuple[Buffer, Dim], Instr] = {}
    found: dict[Instr, Instr] = {}
    for instr in body:
        if instr.op != "store" or (part := instr.detail.part) is None:
            continue
        place = (instr.detail.buffer, instr.detail.pair)
        if part == 0:
            first[place] = instr
        elif place in first:
            found[instr] = first[place]
    return found


def _is_sum(instr: Instr) -> bool:
    return instr.op == "reduce" and instr.detail.reduction.instruction == "add"
