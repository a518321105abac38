"""Accumulators of folds: their start, their way through loops, and how copies and lanes combine.

The order in which things are combined is fixed by sizes alone, so that results do not depend on
how many threads there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symfuse.runtime.dtypes import DType

from ...ir.dims import Symbol
from ...ir.op import Reduction
from ...kernel.phases import Instr
from .scalars import LlvmScalars
from .writer import Value

__all__ = ["Key", "Totals", "across_lanes", "identity", "renamed", "tree"]

Key = tuple[tuple[Symbol, int], ...]  # which copy of each unrolled axis
Totals = dict[tuple[Instr, Key], tuple[Value, ...]]


def identity(s: LlvmScalars, reduction: Reduction, dtype: DType, lanes: int) -> tuple[Value, ...]:
    """The state of a fold over nothing."""
    numbers = zip(reduction.identity(dtype), reduction.dtypes(dtype), strict=True)
    return tuple(s.splat(s.const(number, kind), lanes) for number, kind in numbers)


def tree(
    s: LlvmScalars, reduction: Reduction, states: list[tuple[Value, ...]]
) -> tuple[Value, ...]:
    """All states in one, neighbours first."""
    while len(states) > 1:
        pairs = zip(states[::2], states[1::2], strict=False)
        odd = states[-1:] if len(states) % 2 else []
        states = [reduction.combine(s, a, b) for a, b in pairs] + odd
    return states[0]


def across_lanes(
    s: LlvmScalars, reduction: Reduction, state: tuple[Value, ...]
) -> tuple[Value, ...]:
    """The lanes of a state in one, by halves."""
    lanes = state[0].lanes
    while lanes > 1:
        lanes //= 2
        low = tuple(s.part(value, 0, lanes) for value in state)
        high = tuple(s.part(value, lanes, lanes) for value in state)
        state = reduction.combine(s, low, high)
    return state


def renamed(totals: Totals, keys: Sequence[Any], names: Sequence[str]) -> Totals:
    """The same totals under the names that they have on the other side of a loop's edge."""
    fresh = {key: list(state) for key, state in totals.items()}
    for (key, n), name in zip(keys, names, strict=True):
        old = fresh[key][n]
        fresh[key][n] = Value(name, old.dtype, old.lanes)
    return {key: tuple(state) for key, state in fresh.items()}
