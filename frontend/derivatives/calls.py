"""One call of a function with a derivative of its own: which arguments change, and their types."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.node import Node
from symfuse.compiler.ir.types import TensorType
from symfuse.compiler.ir.walk import rebuild, topological
from symfuse.compiler.ops.custom import Rule
from symfuse.runtime.errors import ArgumentError, SymfuseError, TraceError

from ..control.regions import (
    Region,
    described,
    identity,
    kind_of_mismatch,
    regional_results,
    trace_region,
)
from ..tracing.specs import Described
from ..tracing.trace import call, current
from ..tracing.tracer import Tracer
from ..tracing.tree import Structure, flatten

__all__ = [
    "Call",
    "expect_containers",
    "expect_types",
    "results_of",
    "rule_graph",
    "rule_of",
    "zeros_of",
]

Function = Callable[..., Any]


class Call(Struct, frozen=True):
    """The arguments of a call: leaves that may change, and those that a rule is given as they are.

    `fixed` are the arguments of `nondiff_argnums` by their position.
    """

    what: str
    leaves: list[Any]
    tree: Structure
    types: list[Described]
    fixed: tuple[tuple[int, Any], ...]

    @classmethod
    def of(
        cls, what: str, function: Function, fixed: Sequence[int], args: Any, kwargs: Any
    ) -> Call:
        """The call with keyword arguments and defaults in their positions."""
        given = _positional(what, function, args, kwargs)
        numbers = {n % len(given) for n in fixed if -len(given) <= n < len(given)}
        changing = tuple(arg for at, arg in enumerate(given) if at not in numbers)
        leaves, tree = flatten(changing)
        types = described(leaves, tree.paths("args"), what) if current(leaves) else []
        return cls(what, leaves, tree, types, tuple((at, given[at]) for at in sorted(numbers)))

    @property
    def is_traced(self) -> bool:
        return bool(self.types)

    @property
    def inexact(self) -> list[int]:
        """The leaves that can change a little."""
        return [at for at, one in enumerate(self.types) if one.type.dtype.is_inexact]

    def arguments(self, leaves: Sequence[Any]) -> list[Any]:
        """All arguments, with these leaves."""
        args = list(self.tree.unflatten(leaves))
        for position, value in self.fixed:
            args.insert(position, value)
        return args

    def first(self) -> list[Any]:
        """What rules are given before all else."""
        return [value for _, value in self.fixed]

    def region(self, function: Function) -> Region:
        """The graph of a function of the arguments."""
        return trace_region(function, self.types, lambda f, leaves: f(*self.arguments(leaves)))


def rule_of(rule: Function | None, what: str, name: str) -> Function:
    """The rule, which has to be there by now."""
    if rule is None:
        raise TraceError(
            f"{what}: no derivative has been defined", fix=f"call {name}", loc=user_location()
        )
    return rule


def zeros_of(type_: TensorType) -> Any:
    """Zeros of a type, for the change of what cannot change or does not."""
    return call("broadcast", type_.dtype.numpy.type(0), shape=type_.shape, axes=())


def results_of(op: str, called: Call, body: Region, rule: Rule) -> Any:
    """What the function returns, as results of one operation that holds its derivative."""
    values = [*called.leaves, *body.captured]
    types = [one.type for one in called.types]
    attrs = {"body": body.graph, "rule": rule, "primals": len(types)}
    found = regional_results(op, values, types, attrs)
    for tracer, weak in zip(found, body.weak, strict=True):
        if isinstance(tracer, Tracer):
            tracer._weak = weak
    return body.tree.unflatten(found)


def rule_graph(what: str, found: Region, body: Region, known: int) -> Graph:
    """The graph of a rule, of which `known` parameters come before what the function closes over.

    What only the rule closes over has to be constant.
    """
    graph = found.graph
    own, hidden = _parted(graph.parameters, len(found.captured))
    held = {identity(value): value for value in body.captured}
    places = dict(zip(map(identity, found.captured), hidden, strict=True))
    constants = {}
    for value, node in zip(found.captured, hidden, strict=True):
        if identity(value) in held:
            continue
        if isinstance(value, Tracer):
            raise TraceError(
                f"{what}: a rule closes over {value!r}, which the function does not use",
                fix="pass it as an argument, or keep it among the residuals",
                loc=user_location(),
            )
        constants[node] = graph.builder.constant(np.asarray(value))
    parameters = body.graph.parameters[len(body.graph.parameters) - len(held) :]
    rest = tuple(
        places.get(key) or graph.builder.parameter("", one.type)
        for key, one in zip(held, parameters, strict=True)
    )
    outputs = graph.outputs
    if constants:
        new = rebuild(topological(outputs), graph.builder, constants)
        outputs = tuple(new[output] for output in outputs)
    return replace(graph, parameters=(*own[:known], *rest, *own[known:]), outputs=outputs)


def _parted(nodes: tuple[Node, ...], last: int) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    return nodes[: len(nodes) - last], nodes[len(nodes) - last :]


def expect_containers(
    what: str, names: tuple[str, str], found: Structure, wanted: Structure
) -> None:
    """Raise at the user's line if a rule gives other containers than it should."""
    if found != wanted:
        raise TraceError(
            f"{what}: {names[0]} is {found}, but {names[1]} is {wanted}",
            fix="give the same containers, in the same order",
            loc=user_location(),
        )


def expect_types(
    what: str, names: tuple[str, str], found: Sequence[Any], wanted: Sequence[Any]
) -> None:
    """Raise at the user's line if a rule gives other shapes or element types than it should."""
    for at, (one, other) in enumerate(zip(found, wanted, strict=True)):
        if one.shape != other.shape or one.dtype is not other.dtype:
            error: SymfuseError = kind_of_mismatch(
                f"{what}: {names[0]} {at} is {one}, but {names[1]} {at} is {other}", one, other
            )
            raise error


def _positional(what: str, function: Function, args: Any, kwargs: Any) -> tuple[Any, ...]:
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        raise ArgumentError(f"{what}: {error}", loc=user_location()) from None
    except ValueError:  # a built-in function without a signature
        return tuple(args)
    bound.apply_defaults()
    if by_name := [name for name in bound.kwargs if name in kwargs]:
        raise ArgumentError(
            f"{what}: {', '.join(by_name)} can be given by name only",
            fix="make it a positional argument, listed in nondiff_argnums if it is no array",
            loc=user_location(),
        )
    return bound.args
