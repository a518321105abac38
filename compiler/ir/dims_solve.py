"""Which symbol is found from which input dimension, and what is left to be checked."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from symfuse.runtime.errors import ShapeError

from .dims_expr import Dim, Expr, Symbol
from .dims_walk import coefficient, symbols, without

__all__ = ["SolvePlan", "solve_plan"]

Assignment = tuple[Symbol, int, int, int]


class SolvePlan(Struct, frozen=True):
    """symbol = (size of dimension `index` - offset) / divisor, and the dimensions to compare.

    An assignment with a divisor other than 1 is checked too: the division must leave no rest.
    Dimensions that are numbers belong to the input's type and are in neither list.
    """

    assignments: tuple[tuple[Symbol, int, int, int], ...]
    checks: tuple[tuple[int, Expr], ...]


def solve_plan(dims: Sequence[Dim]) -> SolvePlan:
    """The plan for dimensions such as N, 2*N and N + 1; the simplest one gives each symbol."""
    chosen: dict[Symbol, Assignment] = {}
    needed: dict[Symbol, Expr] = {}
    for index, dim in enumerate(dims):
        if not isinstance(dim, Expr):
            continue
        for symbol in symbols(dim):
            needed.setdefault(symbol, dim)
        found = _assignment(index, dim)
        if found and (found[0] not in chosen or _effort(found) < _effort(chosen[found[0]])):
            chosen[found[0]] = found
    for symbol, dim in needed.items():
        if symbol not in chosen:
            raise _undetermined(symbol, dim)
    solved = {index for _, index, _, divisor in chosen.values() if divisor == 1}
    checks = [(i, d) for i, d in enumerate(dims) if isinstance(d, Expr) and i not in solved]
    return SolvePlan(tuple(chosen[symbol] for symbol in needed), tuple(checks))


def _assignment(index: int, dim: Expr) -> Assignment | None:
    """How a dimension that is affine in its one symbol gives it."""
    if len(names := symbols(dim)) != 1:
        return None
    slope, offset = coefficient(dim, names[0]), without(dim, names[0])
    if not isinstance(slope, int) or not isinstance(offset, int):
        return None
    return names[0], index, offset, slope


def _effort(assignment: Assignment) -> tuple[bool, bool]:
    _, _, offset, divisor = assignment
    return divisor != 1, offset != 0


def _undetermined(symbol: Symbol, dim: Expr) -> ShapeError:
    return ShapeError(
        f"no input has a size that determines {symbol.name}: it appears only in {dim}",
        fix=f"pass an input that has {symbol.name}, or {symbol.name} plus or times a number, "
        "as one of its sizes",
    )
