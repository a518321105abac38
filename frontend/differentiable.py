"""What a function has to return, and be given, for its derivatives to mean something."""

from __future__ import annotations

from collections.abc import Sequence

from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.node import Node
from symfuse.runtime.errors import DTypeError, ShapeError, TraceError

from .tracing.record import Recorded, function_name
from .tracing.tree import Structure

__all__ = ["expect_kind", "expect_scalar", "pair_of"]


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
