"""Identities of windows: transposes of convolutions are convolutions."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from ..ir.dims import Dim, is_at_most
from ..ir.node import Node
from ..ops.contract import contract, free_axes
from ..ops.shape import reshape, reverse, transpose
from ..ops.slicing import pad
from ..ops.windows import windows
from ..rewrite.rule import RuleSet, step

__all__ = ["RULES", "joined_windows", "narrowed_windows"]

Axes = tuple[int, ...]


class _Product(Struct, frozen=True):
    """A contraction whose axes may stand in another order: axis i is its axis order[i]."""

    node: Node
    order: Axes

    @classmethod
    def of(cls, x: Node) -> _Product | None:
        order: Axes | None = tuple(range(x.rank))
        if x.op is transpose:
            order, (x,) = x.attr("axes"), x.inputs
        elif x.op is reshape:
            order, (x,) = _moved_ones(x), x.inputs
        return cls(x, order) if x.op is contract and order is not None else None

    def source(self, axis: int) -> tuple[int, int] | None:
        """The operand and its axis that an axis comes from, if it is free."""
        shared = len(self.node.attr("batch")[0])
        at = self.order[axis] - shared
        for which in (0, 1):
            free = self.free(which)
            if 0 <= at < len(free):
                return which, free[at]
            at -= len(free)
        return None

    def free(self, which: int) -> Axes:
        taken = (self.node.attr(role)[which] for role in ("batch", "contracting"))
        return free_axes(self.node.inputs[which].rank, *taken)

    def ordered(self, product: Node) -> Any:
        """Another contraction with the axes in this one's order."""
        if self.order == tuple(range(len(self.order))):
            return product
        return transpose(product, axes=self.order)


def _moved_ones(x: Node) -> Axes | None:
    """The order of axes that makes a reshape of a transpose, if it only moves those of size 1."""
    before, after = x.inputs[0].shape, x.shape
    ones, others = (
        iter([a for a, n in enumerate(before) if (n == 1) is one]) for one in (True, False)
    )
    if [n for n in before if n != 1] != [n for n in after if n != 1] or len(before) != len(after):
        return None
    return tuple(next(ones if n == 1 else others) for n in after)


@step("overlap_add", numerics="accurate")
def added_windows_of_products(node: Node) -> Any:
    """Σ over windows o of a[o]·b[i − o] is Σ over places k of a[i − k]·b[k]: the windows of
    products, many times as large as their sum, are not computed one by one.

    Only where windows begin at every element: products with zeros between would be many.
    """
    return joined_windows(node) if node.attr("stride") == 1 else None


def joined_windows(node: Node) -> Any:
    """The same for windows that begin `stride` apart: the elements of a then stand apart, too."""
    (x,), axis, dilation = node.inputs, node.attr("axis"), node.attr("dilation")
    product, apart = _Product.of(x), node.attr("stride")
    if product is None:
        return None
    window, place = product.source(axis), product.source(axis + 1)
    if window is None or place is None or window[0] == place[0]:
        return None
    which, at = window
    size = x.shape[axis + 1]
    assert isinstance(size, int)
    low, high = (size - 1) * dilation, node.attr("length") - (x.shape[axis] - 1) * apart - 1
    wide = _widened(product.node.inputs[which], at, low, high, apart - 1)
    moved = windows(wide, axis=at, size=size, stride=1, dilation=dilation)
    turned = reverse(product.node.inputs[1 - which], axes=(place[1],))
    return _without(
        product, axis + 1, _contracted(product.node, which, at, moved, place[1], turned)
    )


def _contracted(node: Node, which: int, at: int, moved: Node, place: int, turned: Node) -> Node:
    """The contraction with one more pair of axes, that of windows outermost."""
    attrs: dict[str, list[Axes]] = {"batch": [(), ()], "contracting": [(), ()]}
    for role, pair in attrs.items():
        given = node.attr(role)
        pair[which] = tuple(a + (a > at) for a in given[which])
        pair[1 - which] = given[1 - which]
    attrs["contracting"][which] = (at + 1, *attrs["contracting"][which])
    attrs["contracting"][1 - which] = (place, *attrs["contracting"][1 - which])
    operands = (moved, turned) if which == 0 else (turned, moved)
    found: Node = contract(*operands, **{role: tuple(pair) for role, pair in attrs.items()})
    return found


def _without(product: _Product, axis: int, found: Node) -> Any:
    """The axes in the old order, one of which is gone."""
    gone = product.order[axis]
    order = tuple(a - (a > gone) for a in product.order if a != gone)
    return _Product(found, order).ordered(found)


def _widened(x: Node, axis: int, low: Dim, high: Dim, between: int) -> Any:
    """Zeros before, behind and between the elements of an axis, below the windows of other axes."""
    if x.op is transpose:
        order: Axes = x.attr("axes")
        inner = _widened(x.inputs[0], order[axis], low, high, between)
        return transpose(inner, axes=order)
    if x.op is windows and axis not in (x.attr("axis"), x.attr("axis") + 1):
        at = axis - (axis > x.attr("axis"))
        return windows(_widened(x.inputs[0], at, low, high, between), **x.attrs)
    zeros, source = (0,) * x.rank, x
    attrs: dict[str, Any] = {"low": zeros, "high": zeros, "interior": zeros, "value": 0}
    if x.op is pad and x.attr("value") == 0 and _may_widen(x, axis, between):
        attrs, (source,) = dict(x.attrs), x.inputs
    for name, by in (("low", low), ("high", high), ("interior", between)):
        attrs[name] = _changed(attrs[name], axis, by)
    return pad(source, **attrs)


def _may_widen(x: Node, axis: int, between: int) -> bool:
    """Whether more zeros along an axis can be those of the same node."""
    around = any(x.attr(name)[axis] != 0 for name in ("low", "high"))
    return x.attr("interior")[axis] == 0 and not (between and around)


def _changed(dims: tuple[Dim, ...], axis: int, by: Dim) -> tuple[Dim, ...]:
    return (*dims[:axis], dims[axis] + by, *dims[axis + 1 :])


@step("slice", numerics="accurate")
def slice_of_padded_windows(node: Node) -> Any:
    """Of a convolution what only padding has made larger is not computed."""
    return narrowed_windows(node)


def narrowed_windows(node: Node) -> Any:
    """A slice of a convolution as that of an image with less padding; None if it is no such."""
    product = _Product.of(node.inputs[0])
    if product is None or any(by != 1 for by in node.attr("steps")):
        return None
    operands = list(product.node.inputs)
    ranges = zip(node.attr("starts"), node.attr("stops"), node.inputs[0].shape, strict=True)
    for axis, (start, stop, size) in enumerate(ranges):
        if start == 0 and stop == size:
            continue
        source = product.source(axis)
        if source is None:
            return None
        narrow = _narrowed(operands[source[0]], source[1], start, size - stop)
        if narrow is None:
            return None
        operands[source[0]] = narrow
    return product.ordered(contract(*operands, **product.node.attrs))


def _narrowed(x: Node, axis: int, before: Dim, behind: Dim) -> Any:
    """Less padding below windows, or None where there is not as much."""
    if x.op is transpose:
        order: Axes = x.attr("axes")
        inner = _narrowed(x.inputs[0], order[axis], before, behind)
        return None if inner is None else transpose(inner, axes=order)
    if x.op is windows:
        at: int = x.attr("axis")
        if axis == at + 1 or (axis == at and x.attr("stride") != 1):
            return None
        inner = _narrowed(x.inputs[0], axis - (axis > at), before, behind)
        return None if inner is None else windows(inner, **x.attrs)
    if x.op is not pad:
        return None
    attrs = dict(x.attrs)
    enough = is_at_most(before, attrs["low"][axis]) and is_at_most(behind, attrs["high"][axis])
    if not enough:
        return None
    attrs["low"] = _changed(attrs["low"], axis, -before)
    attrs["high"] = _changed(attrs["high"], axis, -behind)
    return pad(x.inputs[0], **attrs)


RULES = RuleSet.stated_in(globals())
