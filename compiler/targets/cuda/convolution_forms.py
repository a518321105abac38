"""Puts convolutions into the form in which a library takes them: channels last, kernels packed."""

from __future__ import annotations

from functools import cache, partial

from ...ir.graph import Graph
from ...ir.node import Node
from ...ir.regions import with_inner
from ...ops.contract import contract
from ...ops.copying import copy
from ...ops.shape import reshape, transpose
from ...ops.slicing import slice as slice_
from ...ops.windows import overlap_add
from ...passes.inlining import inlined_nodes, is_free
from ...passes.window_rules import joined_windows, narrowed_windows
from .convolutions import convolution_of, why_small
from .library import Convolution
from .matrices import is_row_major, view_of
from .windowed import Axes, Windowed, canonical, windowed

__all__ = ["in_library_form"]


def in_library_form(graph: Graph, *, always: bool) -> Graph:
    """The graph in which convolutions that a library can compute have the form that it takes; those
    inside loops and branches, too. `always`: the small ones as well."""
    if not any(_has_windows(node) for node in graph.nodes):
        return graph
    graph = graph.with_each(partial(_joined, always=always))
    graph = graph.with_each(_Forms(graph, always).changed)
    if not any(node.op.regional for node in graph.nodes):
        return graph
    better = cache(partial(in_library_form, always=always))
    return graph.with_each(lambda node: with_inner(graph.builder, node, better))


def _has_windows(node: Node) -> bool:
    return node.op.regional is not None or node.op.name in ("windows", "overlap_add")


def _joined(node: Node, *, always: bool) -> Node:
    """Windows of products that are added up a stride apart, as a contraction of windows."""
    if node.op is not overlap_add:
        return node
    (x,), axis = node.inputs, node.attr("axis")
    attrs = dict(x.attrs) if x.op is slice_ else None
    if attrs is not None:  # of an axis that has been added up before
        whole = all(
            (attrs["starts"][a], attrs["stops"][a], attrs["steps"][a]) == (0, x.shape[a], 1)
            and x.shape[a] == x.inputs[0].shape[a]
            for a in (axis, axis + 1)
        )
        if not whole:
            return node
        node = overlap_add(x.inputs[0], **node.attrs)
    if _is_worth_it(node.inputs[0], always=always):
        found = joined_windows(node)
        node = node if found is None else found
    if attrs is None:
        return node
    parts = {name: (*values[:axis], *values[axis + 1 :]) for name, values in attrs.items()}
    parts["stops"] = (*parts["stops"][:axis], node.shape[axis], *parts["stops"][axis + 1 :])
    found_: Node = slice_(node, **parts)
    return found_


def _is_worth_it(node: Node, *, always: bool) -> bool:
    """Whether a value is a contraction, perhaps transposed, that is worth a call."""
    while node.op in (transpose, reshape):
        (node,) = node.inputs
    return node.op is contract and (always or not why_small(node))


class _Forms:
    """The new form of each contraction of a graph, if a library takes it then."""

    def __init__(self, graph: Graph, always: bool) -> None:
        self.inlined, self.always = inlined_nodes(graph), always

    def changed(self, node: Node) -> Node:
        if node.op is slice_:
            narrow = narrowed_windows(node)
            return node if narrow is None else self._taken(narrow) or node
        return (self._taken(node) or node) if node.op is contract else node

    def _taken(self, node: Node) -> Node | None:
        """The form that a library takes, if it takes one."""
        order: Axes | None = None
        if node.op is transpose:
            order, (node,) = node.attr("axes"), node.inputs
        seen = windowed(node) if node.op is contract else None
        if not isinstance(seen, Windowed) or not _is_worth_it(node, always=self.always):
            return None
        image = self._packed(seen.image, seen.image_axes)
        other = self._packed(seen.other, seen.other_axes)
        found = canonical(seen, image, other)
        bare = found.inputs[0] if found.op is transpose else found
        again = windowed(bare)
        assert isinstance(again, Windowed)
        call = convolution_of(again, self._sees_through, "strict")
        if not isinstance(call, Convolution):
            return None
        return found if order is None else transpose(found, axes=order)

    def _packed(self, node: Node, axes: tuple[Axes, Axes, Axes]) -> Node:
        """The value with its axes in this order, and so in memory."""
        order = tuple(axis for some in axes for axis in some)
        turned = node if order == tuple(range(node.rank)) else transpose(node, axes=order)
        view = view_of(turned, self._sees_through)
        found: Node = turned if view is not None and is_row_major(view) else copy(turned)
        return found

    def _sees_through(self, node: Node) -> bool:
        return node in self.inlined or node.op.moves is not None or is_free(node)
