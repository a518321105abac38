"""Functions given to loops and branches, as graphs: closures become values that they are handed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from symfuse.compiler.ir import graph as ir
from symfuse.compiler.ir.dims import Expr
from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.node import Node
from symfuse.compiler.ir.op import operations
from symfuse.compiler.ir.types import TensorType
from symfuse.compiler.ops.control import is_same_type
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, ShapeError, SymfuseError, TraceError

from ..capture.attempt import capturing
from ..tracing.record import function_name, located
from ..tracing.specs import Described, describe
from ..tracing.trace import Trace, current
from ..tracing.tracer import Tracer
from ..tracing.tree import Structure, flatten

__all__ = [
    "Region",
    "described",
    "expect_function",
    "fitted",
    "identity",
    "kind_of_mismatch",
    "regional_results",
    "trace_region",
    "with_common_captures",
]


class Region(Struct, frozen=True):
    """A traced function: its graph, the values it closes over, and the container of its results.

    The parameters of the graph are the arguments, then one for each of `captured`.
    """

    graph: ir.Graph
    captured: tuple[Any, ...]
    tree: Structure
    weak: tuple[bool, ...]
    name: str
    labels: tuple[str, ...] = ()  # of the results, where these have names

    @property
    def results(self) -> tuple[Described, ...]:
        pairs = zip(self.graph.outputs, self.weak, strict=True)
        return tuple(Described(node.type, weak) for node, weak in pairs)

    @property
    def paths(self) -> list[str]:
        """How the user would write each result."""
        return list(self.labels) or self.tree.paths("result")


def trace_region(
    function: Callable[..., Any],
    types: Sequence[Described],
    call: Callable[[Callable[..., Any], list[Tracer]], Any],
    names: Iterable[str] = (),
) -> Region:
    """The graph of what `call` does with the function and tracers of these types."""
    return capturing(function, lambda known: _traced(known, types, call, names))


def _traced(
    function: Callable[..., Any],
    types: Sequence[Described],
    call: Callable[[Callable[..., Any], list[Tracer]], Any],
    names: Iterable[str],
) -> Region:
    trace = Trace(function_name(function))
    known = [*names, *("" for _ in types)]
    with trace.recording(), located():
        tracers = [
            trace.parameter(name, one.type, weak=one.weak)
            for name, one in zip(known, types, strict=False)
        ]
        leaves, tree = flatten(call(function, tracers))
        paths = tree.paths("result")
        outputs = [_output(trace, *pair) for pair in zip(leaves, paths, strict=True)]
    graph = trace.finish(outputs)
    captured = tuple(graph.captured[p] for p in graph.parameters if p in graph.captured)
    weak = tuple(map(_is_weak, leaves))
    return Region(replace(graph, captured={}), captured, tree, weak, trace.name)


def described(leaves: Sequence[Any], paths: Sequence[str], what: str) -> list[Described]:
    """The types of leaves; an error says which one is no array."""
    found = []
    for leaf, path in zip(leaves, paths, strict=True):
        try:
            if isinstance(leaf, Expr):
                found.append(Described(TensorType((), DType.I64), True))
            else:
                found += describe([leaf])
        except SymfuseError as error:
            raise type(error)(
                f"{what}: {path}: {error.what}", fix=error.fix, loc=user_location()
            ) from None
    return found


def expect_function(what: str, name: str, value: Any) -> None:
    """Raise at the user's line if an argument that has to be a function is none."""
    if not callable(value):
        raise TraceError(
            f"{what}: {name} is of type {type(value).__name__}, which is no function",
            fix="pass a function, such as lambda x: x + 1; it is called once, to trace it",
            loc=user_location(),
        )


def fitted(region: Region, wanted: Sequence[Described], what: str, came: str) -> Region:
    """The region with its first results in the types wanted; numbers take them, others must fit."""
    outputs = list(region.graph.outputs)
    for at, (found, want) in enumerate(zip(region.results, wanted, strict=False)):
        if is_same_type(found.type, want.type):
            continue
        if not found.weak or not _takes(found.type, want.type):
            raise kind_of_mismatch(
                f"{what}: {region.paths[at]} is {found.type}{_made_at(outputs[at])}, "
                f"but {came} {want.type}",
                found.type,
                want.type,
            )
        builder = region.graph.builder
        with builder.deriving(outputs[at].source):
            attrs = {"dtype": want.type.dtype}
            outputs[at] = builder.apply(operations["convert"], (outputs[at],), attrs)
    return replace(region, graph=region.graph.with_outputs(outputs))


def kind_of_mismatch(what: str, found: TensorType, wanted: TensorType) -> SymfuseError:
    """The error for a type that differs, with what to do about it."""
    if found.shape == wanted.shape:
        fix = f"convert one of them, say by .astype({found.dtype.numpy.name!r})"
        return DTypeError(what, fix=fix, loc=user_location())
    fix = f"start from the shape {_shape(found)}, or return the shape {_shape(wanted)}"
    return ShapeError(what, fix=fix, loc=user_location())


def with_common_captures(given: Sequence[Region]) -> tuple[list[ir.Graph], list[Any]]:
    """The graphs with one list of parameters, and the values of those that were closed over."""
    values: dict[int, Any] = {}
    for region in given:
        values |= {identity(value): value for value in region.captured}
    keys = list(values)
    return [_widened(region, keys, values) for region in given], list(values.values())


def regional_results(
    name: str, values: Sequence[Any], types: Sequence[TensorType], attrs: dict[str, Any]
) -> list[Any]:
    """All results of a loop or branch: computed on arrays, recorded in the running trace."""
    op, trace = operations[name], current(values)
    known = [*types, *(None for _ in values)]
    if trace is None:
        arrays = [_array(v, t) for v, t in zip(values, known, strict=False)]
        return [np.asarray(out)[()] for out in op.regional.results(arrays, attrs)]
    nodes = [_node(trace, v, t) for v, t in zip(values, known, strict=False)]
    count = op.regional.count(attrs)
    with trace.telling(_graphs(attrs), nodes) as made:
        given = tuple(nodes)
        made += [trace.builder.apply(op, given, {**attrs, "result": k}) for k in range(count)]
    return [Tracer(trace, node) for node in made]


def _graphs(attrs: dict[str, Any]) -> list[ir.Graph]:
    parts = (one for v in attrs.values() for one in (v if isinstance(v, tuple) else (v,)))
    return [one for one in parts if isinstance(one, ir.Graph)]


def _array(value: Any, type_: TensorType | None) -> Any:
    return np.asarray(value, type_.dtype.numpy if type_ else None)


def _node(trace: Trace, value: Any, type_: TensorType | None) -> Node:
    return trace.lift(value) if type_ is None else trace._as_dtype(value, type_.dtype)


def _widened(region: Region, keys: list[int], values: dict[int, Any]) -> ir.Graph:
    """The graph with a parameter for each captured value, in the order of the keys."""
    graph = region.graph
    count = len(graph.parameters) - len(region.captured)
    own = dict(zip(map(identity, region.captured), graph.parameters[count:], strict=True))
    hidden = [
        own[key] if key in own else graph.builder.parameter("", describe([values[key]])[0].type)
        for key in keys
    ]
    return replace(graph, parameters=(*graph.parameters[:count], *hidden))


def identity(value: Any) -> int:
    """What tells values that were closed over apart."""
    return id(value._node) if isinstance(value, Tracer) else id(value)


def _takes(number: TensorType, wanted: TensorType) -> bool:
    """Whether a Python number may take the wanted type."""
    return number.shape == wanted.shape and number.dtype.order <= wanted.dtype.order


def _is_weak(leaf: Any) -> bool:
    return leaf._weak if isinstance(leaf, Tracer) else type(leaf) in (bool, int, float, complex)


def _output(trace: Trace, leaf: Any, path: str) -> Node:
    if not isinstance(leaf, Tracer):
        described([leaf], [path], f"{trace.name} returns no array")
    return trace.lift(leaf)


def _made_at(node: Node) -> str:
    loc = node.source.loc
    return f" (made at {loc})" if loc is not None and not node.is_parameter else ""


def _shape(type_: TensorType) -> str:
    comma = "," if len(type_.shape) == 1 else ""
    return f"({', '.join(map(str, type_.shape))}{comma})"
