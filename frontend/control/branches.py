"""Choices between functions: cond and switch, and checkpoint, where there is nothing to choose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.node import Node
from symfuse.compiler.ir.types import TensorType
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, TraceError

from ..tracing.specs import Described
from ..tracing.trace import call
from ..tracing.tracer import Tracer
from ..tracing.tree import flatten
from .regions import (
    Region,
    described,
    expect_function,
    fitted,
    regional_results,
    trace_region,
    with_common_captures,
)

__all__ = ["alike", "branched", "chosen", "cond", "switch"]

Function = Callable[..., Any]


def cond(pred: Any, true_fun: Function, false_fun: Function, *operands: Any) -> Any:
    """`true_fun(*operands)` where `pred` holds, else `false_fun(*operands)`; only one is computed.

    Both return the same containers, shapes and element types.

    >>> import symfuse as sf
    >>> float(sf.cond(True, lambda x: x + 1, lambda x: x - 1, 1.0))
    2.0
    """
    expect_function("cond", "true_fun", true_fun)
    expect_function("cond", "false_fun", false_fun)
    (one,) = _scalar("cond", "pred", pred)
    truth = pred if one.type.dtype.is_bool else call("not_equal", pred, 0)
    index = call("convert", truth, dtype=DType.I32)
    return branched("cond", index, (false_fun, true_fun), operands)


def switch(index: Any, branches: Sequence[Function], *operands: Any) -> Any:
    """`branches[index](*operands)`; an index out of range is clamped. Only one is computed.

    >>> import symfuse as sf
    >>> float(sf.switch(2, [lambda x: x, lambda x: -x, lambda x: x * x], 3.0))
    9.0
    """
    every = tuple(branches)
    if not every:
        raise TraceError(
            "switch: there are no branches", fix="pass a list of functions", loc=user_location()
        )
    for at, one in enumerate(every):
        expect_function("switch", f"branches[{at}]", one)
    (found,) = _scalar("switch", "index", index)
    if not found.type.dtype.is_integer:
        raise DTypeError(
            f"switch: index is {found.type}", fix="pass an integer", loc=user_location()
        )
    clamped = call("clip", index, 0, len(every) - 1)
    return branched("switch", call("convert", clamped, dtype=DType.I32), every, operands)


def branched(
    what: str,
    index: Any,
    functions: Sequence[Function],
    operands: Sequence[Any],
    policy: Function | None = None,
) -> Any:
    """What the function of this number returns for the operands; `policy` names further values
    that a derivative finds kept."""
    leaves, tree = flatten(tuple(operands))
    types = described(leaves, tree.paths("operands"), what)

    def traced(function: Function) -> Region:
        return trace_region(function, types, lambda f, given: f(*tree.unflatten(given)))

    regions = alike(what, [traced(function) for function in functions])
    return regions[0].tree.unflatten(chosen(index, regions, leaves, types, policy))


def chosen(
    index: Any,
    regions: Sequence[Region],
    leaves: Sequence[Any],
    types: Sequence[Described],
    policy: Function | None = None,
) -> list[Any]:
    """The results of the region of this number for the given leaves."""
    graphs, captured = with_common_captures(regions)
    values = [index, *leaves, *captured]
    wanted = [TensorType((), DType.I32), *(one.type for one in types)]
    attrs: dict[str, Any] = {"branches": tuple(graphs)}
    if policy is not None:
        kept = _kept(graphs[0], policy)
        graphs[0] = graphs[0].with_outputs((*graphs[0].outputs, *kept))
        attrs = {"branches": tuple(graphs), "kept": len(kept)}
    found = regional_results("branch", values, wanted, attrs)[: len(regions[0].weak)]
    for at, result in enumerate(found):
        if isinstance(result, Tracer):
            result._weak = all(region.weak[at] for region in regions)
    return found


def _kept(graph: Graph, policy: Function) -> list[Node]:
    """The values of a function that its derivative is to find kept."""
    return [
        node
        for node in graph.nodes
        if node.inputs
        and node not in graph.outputs
        and policy(node.op.name, *(x.type for x in node.inputs), **node.attrs)
    ]


def alike(what: str, regions: list[Region]) -> list[Region]:
    """The branches with results of one type each."""
    first = regions[0]
    for region in regions[1:]:
        if region.tree != first.tree:
            raise TraceError(
                f"{what}: {_told(region, 'one branch')} returns {region.tree}, "
                f"{_told(first, 'another')} returns {first.tree}",
                fix="return the same containers and keys from every branch",
                loc=user_location(),
            )
    columns = zip(*(region.results for region in regions), strict=True)
    wanted = [_common(column) for column in columns]
    return [fitted(region, wanted, what, "another branch returns") for region in regions]


def _common(column: Sequence[Described]) -> Described:
    """The first result that is no bare number; of numbers, the widest."""
    strong = [one for one in column if not one.weak]
    return strong[0] if strong else max(column, key=lambda one: one.type.dtype.order)


def _told(region: Region, unnamed: str) -> str:
    return unnamed if region.name == "f" else region.name


def _scalar(what: str, name: str, value: Any) -> list[Described]:
    found = described([value], [name], what)
    if found[0].type.shape:
        fix = "reduce it by .any() or .all(), or choose elementwise by snp.where"
        message = f"{what}: {name} is {found[0].type}, not one value"
        raise TraceError(message, fix=fix, loc=user_location())
    return found
