"""Accumulators of folds: their start, their way through loops, and how copies and lanes combine.

The order in which things are combined is fixed by sizes alone, so that results do not depend on
how many threads there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from symfuse.runtime.dtypes import DType

from ...ir.dims import Symbol
from ...ir.op import Reduction
from ...kernel.phases import Instr
from .scalars import LlvmScalars
from .writer import Value

__all__ = ["Key", "State", "Totals", "across_lanes", "identity", "renamed", "tree"]

State = tuple[Value, ...]
Key = tuple[tuple[Symbol, int], ...]  # which copy of each unrolled axis
Totals = dict[tuple[Instr, Key], State]


def identity(s: LlvmScalars, reduction: Reduction, dtype: DType, lanes: int) -> State:
    """The state of a fold over nothing."""
    numbers = zip(reduction.identity(dtype), reduction.dtypes(dtype), strict=True)
    return tuple(s.splat(s.const(number, kind), lanes) for number, kind in numbers)


def tree(s: LlvmScalars, reduction: Reduction, states: list[State]) -> State:
    """All states in one, neighbours first."""
    while len(states) > 1:
        pairs = zip(states[::2], states[1::2], strict=False)
        odd = states[-1:] if len(states) % 2 else []
        states = [reduction.combine(s, a, b) for a, b in pairs] + odd
    return states[0]


def across_lanes(s: LlvmScalars, reduction: Reduction, states: Sequence[State]) -> list[State]:
    """The lanes of each state in one, by halves; on their way states share vectors."""
    lanes, vectors = states[0][0].lanes, list(states)
    while lanes > 1:
        vectors = [_halved(s, reduction, some, lanes) for some in _pairs(vectors)]
        lanes //= 2
    return [
        tuple(s.part(value, lane, 1) for value in state)
        for state in vectors
        for lane in range(state[0].lanes)
    ]


def _pairs(vectors: Sequence[State]) -> Iterator[Sequence[State]]:
    """Neighbours of one width; what has no such neighbour stays alone."""
    at = 0
    while at < len(vectors):
        two = vectors[at : at + 2]
        some = two if two[0][0].lanes == two[-1][0].lanes else two[:1]
        yield some
        at += len(some)


def _halved(s: LlvmScalars, reduction: Reduction, vectors: Sequence[State], lanes: int) -> State:
    """In one vector: of every `lanes` lanes the first half combined with the second."""
    half = lanes // 2
    every = range(0, sum(state[0].lanes for state in vectors), lanes)
    low, high = (
        tuple(
            s.chosen(
                values, [lane for block in every for lane in range(block + at, block + at + half)]
            )
            for values in zip(*vectors, strict=True)
        )
        for at in (0, half)
    )
    return reduction.combine(s, low, high)


def renamed(totals: Totals, keys: Sequence[Any], names: Sequence[str]) -> Totals:
    """The same totals under the names that they have on the other side of a loop's edge."""
    fresh = {key: list(state) for key, state in totals.items()}
    for (key, n), name in zip(keys, names, strict=True):
        old = fresh[key][n]
        fresh[key][n] = Value(name, old.dtype, old.lanes)
    return {key: tuple(state) for key, state in fresh.items()}
