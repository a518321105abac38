"""The types that the carry of a loop keeps from turn to turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.types import TensorType
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import TraceError

from ..tracing.specs import Described
from ..tracing.tracer import Tracer
from ..tracing.tree import Structure
from .regions import Region, fitted, trace_region

__all__ = ["COUNTER", "carried", "pair_of"]

Function = Callable[..., Any]
COUNTER = Described(TensorType((), DType.I64), True)
"""The number of the turn, which is what the body of a counted loop gets first."""


def carried(
    what: str,
    function: Function,
    tree: Structure,
    starts: list[Described],
    others: list[Described],
    turn: Callable[[Function, Any, list[Tracer]], Any],
) -> tuple[Region, list[Described]]:
    """The body of a loop, traced in types that its carry keeps, and these types.

    Numbers among the starts take the types of what the body makes of them.
    """
    size, split = len(starts), 1 if others and others[0] is COUNTER else 0

    def call(body: Function, leaves: list[Tracer]) -> Any:
        carry = tree.unflatten(leaves[split : split + size])
        return turn(body, carry, [*leaves[:split], *leaves[split + size :]])

    names = [*(["i"] if split else []), *tree.paths("carry")]
    for _ in range(size + 2):
        types = [*others[:split], *starts, *others[split:]]
        region = trace_region(function, types, call, [_plain_name(name) for name in names])
        _same_tree(what, region, tree)
        better = [_met(*pair) for pair in zip(starts, region.results, strict=False)]
        if better == starts:
            break
        starts = better
    return fitted(region, starts, what, "the carry began as"), starts


def pair_of(found: Any) -> tuple[Any, Any]:
    """What the function of a scan returns, which has to be a pair."""
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise TraceError(
            "scan: f returns no pair of carry and output",
            fix="return (carry, y); y may be None",
            loc=user_location(),
        )
    return found[0], found[1]


def _met(start: Described, result: Described) -> Described:
    """The type of a carry that began as a number, and became something else."""
    if not start.weak or start.type.shape != result.type.shape:
        return start
    if start.type == result.type:
        return start if result.weak else result
    return start if result.weak and start.type.dtype.order >= result.type.dtype.order else result


def _same_tree(what: str, region: Region, tree: Structure) -> None:
    found = region.tree.children()[0]
    if found != tree:
        raise TraceError(
            f"{what}: {region.name} returns the carry {found}, but it began as {tree}",
            fix="return the same containers and keys as the carry has",
            loc=user_location(),
        )


def _plain_name(path: str) -> str:
    """A name for the tracer of a leaf, from how the user writes it."""
    return "".join(c if c.isalnum() else "_" for c in path).strip("_")
