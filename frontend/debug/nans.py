"""Finds the line that the first NaN comes from.

A program says nothing of what is in between, so its graph is run once more by NumPy, operation by
operation: the first that makes NaN of operands without any has the user's line, in a gradient that
of the forward function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from symfuse.compiler.ir import graph as ir
from symfuse.compiler.ir.interpret import interpret
from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.node import Node
from symfuse.runtime import options
from symfuse.runtime.errors import CheckError

from ..staging import backend
from ..staging.jit import unrouted

__all__ = ["inspect", "nans", "watched"]

Array = np.ndarray[Any, Any]
Test = Callable[[Any], bool]


@contextmanager
def nans(enabled: bool = True) -> Iterator[None]:
    """Raise CheckError in the block where a compiled function or a gradient returns NaN.

    The error names the line whose operation made the first NaN, and that of the first infinity
    where it was made of one. Functions that were compiled before take part. The option
    `debug_nans`, or SYMFUSE_DEBUG_NANS=1, does the same for the whole program.

    >>> import symfuse as sf
    >>> with sf.debug.nans():
    ...     float(sf.jit(lambda x: x - 1, target="interpret")(3.0))
    2.0
    """
    before = [(one, one.entry, one.is_watched) for one in list(backend.LIVE)]
    for one in list(backend.LIVE) if enabled else ():
        watched(one)
    unrouted()
    try:
        with options.using(debug_nans=enabled):
            yield
    finally:
        for one, entry, was_watched in before:
            one.entry, one.is_watched = entry, was_watched
        unrouted()


def watched(loaded: backend.Loaded) -> backend.Loaded:
    """Have the results of some code inspected, each time that it has run."""
    entry, graph = loaded.entry, loaded.graph
    if loaded.is_watched:
        return loaded

    def checked(*arrays: Any) -> Any:
        kept = [np.array(a) for a in arrays] if graph.donated else arrays
        result = entry(*arrays)
        inspect(graph, kept, result if isinstance(result, tuple) else (result,))
        return result

    loaded.entry, loaded.is_watched = checked, True
    return loaded


def inspect(graph: ir.Graph, arrays: Sequence[Any], results: Sequence[Any]) -> None:
    """Raise if a result of a graph for these arguments has NaN."""
    if not any(map(_has_nan, results)):
        return
    made = _first(graph, arrays, _has_nan)
    if made is None:
        raise _unexplained(graph, arrays)
    node, operands, value = made
    raise CheckError(
        f"debug_nans: {_told(node)} gives NaN at {np.count_nonzero(np.isnan(value))} of "
        f"{value.size} elements{_operands(operands)}{_infinity(graph, arrays, operands)}",
        fix="keep its operands where it is defined, or choose by snp.where before it",
        loc=node.source.loc or user_location(),
    )


class _Made(Exception):
    """Stops the run at the operation that was looked for."""

    def __init__(self, node: Node, operands: Sequence[Any], value: Array) -> None:
        self.found = node, operands, value


def _first(graph: ir.Graph, arrays: Sequence[Any], has: Test) -> Any:
    """The first operation that gives what no operand of it has."""

    def watch(node: Node, operands: Sequence[Any], value: Any) -> None:
        if node.op.regional is None and has(value) and not any(map(has, operands)):
            raise _Made(node, operands, np.asarray(value))

    try:
        interpret(graph, arrays, watch)
    except _Made as made:
        return made.found
    return None


def _has_nan(value: Any) -> bool:
    array = np.asarray(value)
    return array.dtype.kind in "fcV" and bool(np.isnan(array).any())


def _has_infinity(value: Any) -> bool:
    array = np.asarray(value)
    return array.dtype.kind in "fcV" and bool(np.isinf(array).any())


def _told(node: Node) -> str:
    name = node.source.variable() or ""
    return f"{node.op}, of the derivative," if name.startswith("d_") else str(node.op)


def _operands(operands: Sequence[Any]) -> str:
    shown = [str(np.asarray(x)) for x in operands if np.asarray(x).ndim == 0]
    if not operands or len(shown) != len(operands):
        return ""
    return f", of {', '.join(shown)}"


def _infinity(graph: ir.Graph, arrays: Sequence[Any], operands: Sequence[Any]) -> str:
    """Where the first infinity comes from, if one is among the operands."""
    if not any(map(_has_infinity, operands)):
        return ""
    made = _first(graph, arrays, _has_infinity)
    loc = made[0].source.loc if made else None
    place = f" ({loc.source()})" if loc and loc.source() else ""
    return f"; the first infinity comes from {made[0].op} at {loc}{place}" if loc else ""


def _unexplained(graph: ir.Graph, arrays: Sequence[Any]) -> CheckError:
    """The error where the arguments have NaN, or only the compiled code makes it."""
    visible = [p for p in graph.parameters if p not in graph.captured]
    for parameter, array in zip(visible, arrays, strict=True):
        if _has_nan(array):
            what = f"the argument {parameter.source.variable() or parameter.type} has NaN"
            return CheckError(f"debug_nans: {what}", loc=user_location())
    return CheckError(
        f"debug_nans: {graph.name} returns NaN, which NumPy does not make of the same arguments",
        fix="the rounding of compiled code differs: look for differences of nearly equal numbers",
        loc=user_location(),
    )
