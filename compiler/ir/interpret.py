"""Runs a graph on arrays by the NumPy reference of each operation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symfuse.runtime.errors import GuardError, SymfuseError

from .dataflow import Dataflow
from .dims import Dim, Expr, evaluate, solve_plan
from .guards import expect_sizes
from .node import Literal, Node
from .regions import Bound, bundle_key

__all__ = ["bind_sizes", "concrete", "evaluate_node", "interpret", "run"]

Array = np.ndarray[Any, Any]
Watch = Callable[[Node, Sequence[Any], Array], None]


def interpret(
    graph: Dataflow, arrays: Iterable[Any], watch: Watch | None = None
) -> tuple[Array, ...]:
    """The outputs for values of the visible parameters; captured values fill the hidden ones.

    `watch(node, operands, value)` sees every value when it is there, those inside loops too.
    """
    from_user = iter(arrays)
    values: dict[Node, Any] = {}
    for parameter in graph.parameters:
        held = graph.captured.get(parameter)
        given = next(from_user) if held is None else held
        values[parameter] = np.asarray(given, parameter.dtype.numpy)
    shapes = [values[p].shape for p in graph.parameters]
    sizes = bind_sizes(graph.parameters, shapes)
    expect_sizes(graph, [size for shape in shapes for size in shape], sizes)
    return run(graph, values, sizes, watch)


def run(
    graph: Dataflow,
    values: dict[Node, Any],
    sizes: Mapping[str, int],
    watch: Watch | None = None,
) -> tuple[Array, ...]:
    """The outputs, given the values of all parameters and of the sizes."""
    together: dict[Any, tuple[Array, ...]] = {}
    for node in graph.nodes:
        if node in values:
            continue
        inputs = [values[i] for i in node.inputs]
        if node.op.regional is None:
            values[node] = evaluate_node(node, inputs, sizes)
            if watch is not None:
                watch(node, inputs, values[node])
            continue
        key = bundle_key(node)
        if key not in together:
            together[key] = _results(node, inputs, sizes, watch)
        values[node] = together[key][node.attr("result")]
    return tuple(np.asarray(values[output]) for output in graph.outputs)


def _results(
    node: Node, inputs: list[Any], sizes: Mapping[str, int], watch: Watch | None
) -> tuple[Array, ...]:
    """All results of a loop or branch."""

    def run_inner(region: Dataflow, arrays: Any) -> tuple[Array, ...]:
        given = zip(region.parameters, arrays, strict=True)
        return run(region, {p: np.asarray(x, p.dtype.numpy) for p, x in given}, sizes, watch)

    def bound(value: Any) -> Any:
        if isinstance(value, Dataflow):
            return Bound(value, run_inner, lambda size: concrete(size, sizes))
        return tuple(map(bound, value)) if isinstance(value, tuple) else concrete(value, sizes)

    attrs = {name: bound(value) for name, value in node.attributes}
    try:
        found: tuple[Array, ...] = node.op.regional.results(inputs, attrs)
    except SymfuseError as error:
        raise error.at(node.source.loc, prefix=node.op.name) from None
    return found


def bind_sizes(parameters: Iterable[Node], shapes: Iterable[tuple[int, ...]]) -> dict[str, int]:
    """The value of every symbolic size, given the shapes that the parameters really have."""
    dims: list[Dim] = []
    seen: list[int] = []
    for parameter, shape in zip(parameters, shapes, strict=True):
        if len(shape) != parameter.rank:
            raise GuardError(
                f"expected {parameter.type}, got an array of shape {shape}",
                fix=f"pass an array of rank {parameter.rank}",
            )
        dims.extend(parameter.shape)
        seen.extend(shape)
    plan = solve_plan(dims)
    sizes: dict[str, int] = {}
    for symbol, at, offset, divisor in plan.assignments:
        sizes[symbol.name] = (seen[at] - offset) // divisor
    for dim, size in zip(dims, seen, strict=True):
        expected = dim if isinstance(dim, int) else evaluate(dim, sizes)
        if expected != size:
            raise GuardError(
                f"a size is {size} where {dim} = {expected} is needed",
                fix="pass arrays whose sizes agree with the specs",
            )
    return sizes


def evaluate_node(node: Node, inputs: list[Any], sizes: Mapping[str, int]) -> Array:
    """One node by its operation's reference."""
    if node.is_constant:
        value = node.attr("value")
        return value.array() if isinstance(value, Literal) else np.asarray(value, node.dtype.numpy)
    attrs = {name: concrete(value, sizes) for name, value in node.attributes}
    try:
        with np.errstate(all="ignore"):
            return np.asarray(node.op.reference(*inputs, **attrs))
    except SymfuseError as error:
        raise error.at(node.source.loc, prefix=node.op.name) from None


def concrete(value: Any, sizes: Mapping[str, int]) -> Any:
    """An attribute with its symbolic sizes replaced by numbers."""
    if isinstance(value, Expr):
        return evaluate(value, sizes)
    if isinstance(value, tuple):
        return tuple(concrete(part, sizes) for part in value)
    return value
