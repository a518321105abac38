"""`sf.vmap`: a function of one member becomes a function of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from symfuse.compiler.autodiff.batch import batch_graph
from symfuse.compiler.ir.dims import is_equal
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError

from .control.regions import expect_function
from .tracing.record import arguments, describe_named, record_flat
from .tracing.specs import Described
from .tracing.trace import call_graph
from .tracing.tree import prefix_leaves

__all__ = ["vmap"]

Function = Callable[..., Any]


def vmap(fun: Function, in_axes: Any = 0, out_axes: Any = 0, axis_size: Any = None) -> Function:
    """The function for a batch: arguments have one more axis, at `in_axes`; None shares a value.

    >>> import numpy as np, symfuse as sf
    >>> sf.vmap(lambda x: x.sum())(np.ones((2, 3)))
    array([3., 3.])
    """

    expect_function("vmap", "fun", fun)

    @wraps(fun)
    def batched(*args: Any, **kwargs: Any) -> Any:
        found = arguments(args, kwargs)
        types = describe_named(fun, found)
        tree = found.tree.children()
        axes = prefix_leaves(in_axes, tree[0], "in_axes")
        axes += [0] * tree[1].count
        names = found.names(fun)
        size = _batch_size(types, axes, names, axis_size)
        members = [_member(t, axis, n) for t, axis, n in zip(types, axes, names, strict=True)]
        recorded = record_flat(fun, found, members)
        graph = recorded.graph
        places = prefix_leaves(out_axes, recorded.out_tree, "out_axes")
        hidden = [None] * (len(graph.parameters) - len(axes))
        whole = batch_graph(graph, [*axes, *hidden], places, size)
        return recorded.out_tree.unflatten(call_graph(whole, found.leaves))

    return batched


def _axes_of(rank: int) -> str:
    between = f"an axis from {-rank} to {rank - 1}, or " if rank else ""
    return f"give in_axes {between}"


def _batch_size(types: Sequence[Described], axes: list[Any], names: list[str], given: Any) -> Any:
    """The size that all batch axes share."""
    size, first = given, "axis_size"
    for one, axis, name in zip(types, axes, names, strict=True):
        if axis is None:
            continue
        rank = one.type.rank
        if not -rank <= axis < rank:
            raise ShapeError(
                f"vmap: {name} is {one.type}, which has no axis {axis}",
                fix=_axes_of(rank) + "None for values that all members share",
                loc=user_location(),
            )
        found = one.type.shape[axis]
        if size is not None and is_equal(found, size) is False:
            raise ShapeError(
                f"vmap: the batch has size {size} in {first} and size {found} in {name}",
                fix="batch axes must have one size; give the others in_axes=None",
                loc=user_location(),
            )
        if size is None:
            size, first = found, name
    if size is None:
        raise ShapeError(
            "vmap: no argument has a batch axis",
            fix="give in_axes an axis for at least one argument, or axis_size",
            loc=user_location(),
        )
    return size


def _member(one: Described, axis: Any, name: str) -> Described:
    """The type of one member of the batch."""
    if axis is None:
        return one
    at = axis % one.type.rank
    return Described(one.type.with_shape(n for i, n in enumerate(one.type.shape) if i != at))
