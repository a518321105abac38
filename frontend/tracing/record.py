"""Calls a function on tracers and keeps the graph with the trees of its inputs and outputs."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from symfuse.compiler.ir import graph as ir
from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.node import Node
from symfuse.runtime.errors import SymfuseError, TraceError

from .. import numpy as functions
from ..capture.attempt import capturing
from .places import raised_at
from .refusals import about_value
from .specs import Described, describe
from .trace import Trace
from .tracer import Tracer
from .tree import Structure, containers, flatten

assert functions  # tracers find the meaning of their operators there

__all__ = ["Arguments", "Recorded", "arguments", "function_name", "record", "record_flat"]


class Arguments(Struct, frozen=True):
    """The arguments of one call: traced leaves with their names, and the static ones."""

    leaves: list[Any]
    tree: Structure  # of (positional, keyword) arguments without the static ones
    static: tuple[tuple[int, Any], ...] = ()
    static_names: tuple[tuple[str, Any], ...] = ()

    def call(self, function: Callable[..., Any], leaves: Iterable[Any]) -> Any:
        """The function on these leaves and the static arguments."""
        given = args, kwargs = self.tree.unflatten(leaves)
        held = list(containers(given))
        result = function(*self.positional(args), **kwargs, **dict(self.static_names))
        _expect_unchanged(held, result, function)
        return result

    def positional(self, args: Iterable[Any]) -> list[Any]:
        """All positional arguments, of which the traced ones are given."""
        found = list(args)
        for position, value in self.static:
            found.insert(position, value)
        return found

    def position_of(self, leaf: int) -> int:
        """The position of the argument that a leaf belongs to; -1 for keyword arguments."""
        parts = self.tree.children()[0].children()
        static = {position for position, _ in self.static}
        free = (n for n in range(len(static) + len(parts)) if n not in static)
        end = 0
        for position, part in zip(free, parts, strict=False):
            end += part.count
            if leaf < end:
                return position
        return -1

    def names(self, function: Callable[..., Any]) -> list[str]:
        """How the user writes each leaf: `params['w1']`."""
        parts = self.tree.children()
        taken = {position for position, _ in self.static}
        free = [name for at, name in enumerate(_parameter_names(function)) if at not in taken]
        names: list[str] = []
        for at, part in enumerate(parts[0].children()):
            names += part.paths(free[at] if at < len(free) else f"args[{at}]")
        if parts[1].count:
            for key, part in zip(parts[1].spec.entries(), parts[1].children(), strict=True):
                names += part.paths(str(key))
        return names


class Recorded(Struct, frozen=True, eq=False):
    """A graph with what is needed to call it with the user's own containers."""

    graph: ir.Graph
    arguments: Arguments
    names: tuple[str, ...]
    out_tree: Structure
    function: Callable[..., Any] | None = None


def arguments(
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    static_argnums: Sequence[int] = (),
    static_argnames: Sequence[str] = (),
) -> Arguments:
    """Part the arguments of a call into traced leaves and static values."""
    static = {n % len(args) if n < 0 else n for n in static_argnums} if args else set()
    dynamic = [arg for at, arg in enumerate(args) if at not in static]
    named = {key: value for key, value in kwargs.items() if key not in static_argnames}
    leaves, tree = flatten((tuple(dynamic), named))
    return Arguments(
        leaves,
        tree,
        tuple((at, args[at]) for at in sorted(static) if at < len(args)),
        tuple((key, kwargs[key]) for key in sorted(kwargs) if key in static_argnames),
    )


def record(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    *,
    static_argnums: Sequence[int] = (),
    static_argnames: Sequence[str] = (),
) -> Recorded:
    """Trace a function for arguments like these: arrays, specs, numbers, trees of them."""
    found = arguments(args, kwargs or {}, static_argnums, static_argnames)
    return record_flat(function, found, describe_named(function, found))


def describe_named(function: Callable[..., Any], found: Arguments) -> list[Described]:
    """The types of the leaves; an error names the leaf."""
    try:
        return describe(found.leaves)
    except SymfuseError:
        for name, leaf in zip(found.names(function), found.leaves, strict=True):
            try:
                describe([leaf])
            except SymfuseError as error:
                raise type(error)(
                    f"{function_name(function)}: {name}: {error.what}",
                    fix=error.fix,
                    loc=error.loc,
                ) from None
        raise


def record_flat(
    function: Callable[..., Any], found: Arguments, types: Sequence[Described]
) -> Recorded:
    """Trace a function for leaves of the given types."""
    return capturing(function, lambda known: _recorded(known, found, types))


def _recorded(
    function: Callable[..., Any], found: Arguments, types: Sequence[Described]
) -> Recorded:
    check_signature(function, found)
    names = found.names(function)
    trace = Trace(function_name(function))
    with trace.recording(), located():
        tracers = [
            trace.parameter(name, one.type, weak=one.weak)
            for name, one in zip(names, types, strict=True)
        ]
        result = found.call(function, tracers)
        leaves, out_tree = flatten(result)
        outputs = [_output(trace, leaf, at, out_tree) for at, leaf in enumerate(leaves)]
    graph = trace.finish(outputs)
    return Recorded(graph, found, tuple(names), out_tree, function)


@contextmanager
def located() -> Iterator[None]:
    """Name the user's line in errors that do not, and explain sizes that have no number yet."""
    try:
        yield
    except SymfuseError as error:
        if error.loc is None:
            raise error.at(raised_at(error)) from None
        raise
    except (TypeError, ValueError) as error:
        known = about_value(error)
        if known is None:
            raise
        raise known from None


def check_signature(function: Callable[..., Any], found: Arguments) -> None:
    """Raise at the user's line if it is no function, or does not take this many arguments."""
    if not callable(function):
        raise TraceError(
            f"what is traced is of type {type(function).__name__}, which is no function",
            fix="pass a function, such as lambda x: x + 1, and its arguments behind it",
            loc=user_location(),
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    args, kwargs = found.tree.unflatten(found.leaves)
    try:
        signature.bind(*found.positional(args), **kwargs, **dict(found.static_names))
    except TypeError as error:
        raise TraceError(
            f"{function_name(function)}{signature}: {error}",
            fix="give one argument or spec for each parameter",
            loc=user_location(),
        ) from None


def _expect_unchanged(
    held: Sequence[tuple[Any, list[Any]]], result: Any, function: Callable[..., Any]
) -> None:
    """Raise where a function has changed a container that its caller gave, and does not return it.

    The caller would not see that: what is traced gets copies.
    """
    changed = [one for one, before in held if not _is_same(before, next(containers(one))[1])]
    returned = {id(one) for one, _ in containers(result)} if changed else set()
    for one in changed:
        if id(one) not in returned:
            raise TraceError(
                f"{function_name(function)} changes the {type(one).__name__} that its caller gave "
                "it, which the caller would not see of a traced function",
                fix="return it as well, or change a copy of it",
                loc=user_location(),
            )


def _is_same(before: Sequence[Any], after: Sequence[Any]) -> bool:
    return len(before) == len(after) and all(map(operator.is_, before, after))


def function_name(function: Callable[..., Any]) -> str:
    """The name a graph of this function carries; `f` for a lambda."""
    name = str(getattr(function, "__name__", type(function).__name__))
    return name if name.isidentifier() else "f"


def _output(trace: Trace, leaf: Any, at: int, tree: Structure) -> Node:
    if isinstance(leaf, Tracer) or hasattr(leaf, "_spread"):  # x[mask] tells why it is no array
        return trace.lift(leaf)
    try:
        describe([leaf])
    except SymfuseError:
        raise TraceError(
            f"{trace.name} returns {tree.paths('result')[at]} of type {type(leaf).__name__}, "
            "which is no array",
            fix="return arrays, numbers and containers of them",
            loc=user_location(),
        ) from None
    return trace.lift(leaf)


def _parameter_names(function: Callable[..., Any]) -> list[str]:
    """A name for each positional argument; *rest gives rest[0], rest[1], ..."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    names = []
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}[{at}]" for at in range(256)]
        elif parameter.kind is not parameter.VAR_KEYWORD:
            names.append(parameter.name)
    return names
