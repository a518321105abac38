"""What is differentiated in what, and what a function has to return and be given for that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace

from symfuse.compiler.ir import graph as ir
from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.node import Node
from symfuse.compiler.passes.pipeline import DERIVATIVE_PASSES, run_pipeline
from symfuse.runtime.errors import DTypeError, ShapeError, TraceError

from .tracing.record import Recorded, function_name
from .tracing.tree import Structure

__all__ = [
    "Argnums", "expect_kind", "expect_scalar", "pair_of", "parted", "selected", "stable",
]  # fmt: skip

Argnums = int | Sequence[int]


def expect_scalar(recorded: Recorded, has_aux: bool) -> None:
    """Refuse a function that returns anything but one number, and auxiliary data if it may."""
    name = function_name(recorded.function) if recorded.function else "the function"
    main = recorded.out_tree
    if has_aux:
        main = pair_of(recorded).children()[0]
    if not main.is_leaf:
        raise TraceError(
            f"grad: {name} returns {recorded.out_tree}, not one number",
            fix="return one number, or use has_aux=True to return (number, anything else)",
            loc=user_location(),
        )
    output = recorded.graph.outputs[0]
    if output.shape or not output.dtype.is_inexact:
        raise (ShapeError if output.shape else DTypeError)(
            f"grad: {name} returns {output.type}, but a gradient is of one floating-point number",
            fix="return the sum or the mean, or use jacrev for all derivatives",
            loc=output.source.loc or user_location(),
        )


def expect_kind(what: str, side: str, nodes: Sequence[Node], holomorphic: bool) -> None:
    """Refuse complex values where derivatives are of real ones, or real ones where they are not."""
    for node in nodes:
        if node.dtype.is_complex == holomorphic:
            continue
        kind, fix = ("real", "take its real part, or pass holomorphic=True")
        if holomorphic:
            kind, fix = ("complex", "leave out holomorphic=True")
        raise DTypeError(
            f"{what}: an {side} is {node.type}, but has to be {kind} here",
            fix=fix,
            loc=node.source.loc or user_location(),
        )


def pair_of(recorded: Recorded) -> Structure:
    """The containers of a value and auxiliary data, which have to be a pair."""
    tree = recorded.out_tree
    if tree.is_leaf or tree.spec.type is not tuple or len(tree.children()) != 2:
        raise TraceError(
            f"has_aux=True: the function returns {tree}, not a pair",
            fix="return (value, auxiliary data)",
            loc=user_location(),
        )
    return tree


def stable(recorded: Recorded) -> Recorded:
    """The function in numerically stable form, whose derivatives are stable too."""
    graph, _ = run_pipeline(recorded.graph, passes=DERIVATIVE_PASSES)
    return replace(recorded, graph=graph)


def selected(
    recorded: Recorded, argnums: Argnums, what: str
) -> tuple[list[int], Callable[[list[Any]], Any]]:
    """The leaves that `argnums` names, and what gives derivatives their containers."""
    parts = recorded.arguments.tree.children()[0].children()
    several = isinstance(argnums, Sequence) and not isinstance(argnums, str)
    chosen: list[Any] = list(argnums) if several else [argnums]  # type: ignore[arg-type]
    starts = np.cumsum([0, *(part.count for part in parts)]).tolist()
    if not all(isinstance(n, int) and -len(parts) <= n < len(parts) for n in chosen):
        raise TraceError(
            f"{what}: argnums is {argnums!r}, but there are {len(parts)} positional arguments",
            fix="pass the arguments to differentiate in by position",
            loc=user_location(),
        )
    chosen = [n % len(parts) for n in chosen]
    leaves = [at for n in chosen for at in range(starts[n], starts[n + 1])]
    for at in leaves:
        type_ = recorded.graph.parameters[at].type
        if not type_.dtype.is_inexact:
            raise DTypeError(
                f"{what} in {recorded.names[at]}, which is {type_}: only floating-point numbers "
                "can change a little",
                fix="pass a float, or choose other arguments by argnums",
                loc=user_location(),
            )

    def rebuild_tree(values: list[Any]) -> Any:
        rest = iter(values)
        found = tuple(
            parts[n].unflatten([next(rest) for _ in range(parts[n].count)]) for n in chosen
        )
        return found if several else found[0]

    return leaves, rebuild_tree


def parted(recorded: Recorded, has_aux: bool) -> tuple[ir.Graph, tuple[Any, ...]]:
    """The graph of what is differentiated, and the nodes of the auxiliary data."""
    graph = recorded.graph
    if not has_aux:
        return graph, ()
    count = pair_of(recorded).children()[0].count
    return graph.with_outputs(graph.outputs[:count]), graph.outputs[count:]
