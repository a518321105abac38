"""Convolutions among contractions: sums over windows of an image, and their derivatives.

A contraction with windows is a convolution where it sums over the places in each window, and the
derivative by the kernel where it sums over the windows. The derivative by the image is a
convolution with the kernel turned around; where windows begin `stride` apart, the elements of what
it convolves stand apart as well, with zeros between.
"""

from __future__ import annotations

from msgspec import Struct

from ...ir.dims import Dim
from ...ir.node import Node
from ...ops.contract import contract, free_axes
from ...ops.shape import reverse, transpose
from ...ops.slicing import pad
from ...ops.windows import reach, windows

__all__ = ["Axes", "Space", "Windowed", "canonical", "windowed"]

Axes = tuple[int, ...]


class Space(Struct, frozen=True):
    """One axis of space: its windows, and the zeros before, behind and between its elements."""

    size: int  # places of a window
    stride: int
    dilation: int
    low: Dim
    high: Dim
    between: int

    @property
    def span(self) -> int:
        """How many elements a window reaches over."""
        return reach(self.size, self.dilation)


class Windowed(Struct, frozen=True, eq=False):
    """A contraction over windows of an image, with the roles of all axes.

    `kind` is that of cuDNN's operation. `image` is what lies below the padding, `other` what its
    windows are multiplied by: the kernel, or for `filter_gradient` what the derivative comes from.
    Axes are those of batches, of space and of channels; of `other` those in the order of the
    canonical contraction: of a kernel the output channels of the convolution come first.
    """

    kind: str
    anchor: Node
    image: Node
    image_axes: tuple[Axes, Axes, Axes]
    padded: Node  # the image, or the node that pads it
    other: Node
    other_axes: tuple[Axes, Axes, Axes]
    space: tuple[Space, ...]
    order: Axes  # axis i of the anchor is axis order[i] of the canonical contraction


class _Walked(Struct):
    """An operand seen through views: of each axis, what it is of the image's axis."""

    base: Node
    axes: list[tuple[str, int]]
    steps: dict[int, tuple[int, int]]  # stride and dilation of the windows along an axis


def windowed(anchor: Node) -> Windowed | str | None:
    """The convolution that a contraction is, why it is none, or None if it has no windows."""
    walked = [_walked(x) for x in anchor.inputs]
    sides = [side for side, one in enumerate(walked) if one is not None and one.steps]
    if not sides:
        return None
    if len(sides) == 2:
        return "both operands are windows"
    (side,) = sides
    found = walked[side]
    assert found is not None
    if anchor.attr("batch")[side]:
        return "it is several with kernels of their own, in groups or by vmap, and cuDNN gets one"
    return _roles(anchor, side, found)


def canonical(seen: Windowed, image: Node, other: Node, padded: Node | None = None) -> Node:
    """The same contraction of an image with channels last, and of a kernel whose output channels
    come first; `padded` is the image if that is not to be padded by this."""
    batch, count = len(seen.image_axes[0]), len(seen.space)
    x = padded or _padded(seen, image)
    for number, axis in enumerate(seen.space):
        at = batch + 2 * number
        x = windows(x, axis=at, size=axis.size, stride=axis.stride, dilation=axis.dilation)
    outer = tuple(range(batch))
    of_windows = tuple(range(batch, batch + 2 * count, 2))
    places = tuple(at + 1 for at in of_windows)
    channels = tuple(range(batch + 2 * count, x.rank))
    own, rest = len(seen.other_axes[2 if seen.kind == "filter_gradient" else 0]), other.rank
    if seen.kind == "filter_gradient":
        summed = tuple(range(rest - own))
        y = contract(other, x, batch=((), ()), contracting=(summed, (*outer, *of_windows)))
    elif seen.kind == "data_gradient":
        first = len(seen.other_axes[0])
        space = tuple(range(first, first + count))
        turned = reverse(other, axes=space)
        pairs = ((*places, *channels), (*space, *range(first)))
        y = contract(x, turned, batch=((), ()), contracting=pairs)
    else:
        pairs = ((*places, *channels), tuple(range(own, rest)))
        y = contract(x, other, batch=((), ()), contracting=pairs)
    found: Node = y if seen.order == tuple(range(y.rank)) else transpose(y, axes=seen.order)
    return found


def _padded(seen: Windowed, image: Node) -> Node:
    """The image, channels last, with its zeros."""
    batch, _, channels = map(len, seen.image_axes)
    if all((axis.low, axis.high, axis.between) == (0, 0, 0) for axis in seen.space):
        return image

    def spread(*values: Dim) -> tuple[Dim, ...]:
        return ((0,) * batch) + values + ((0,) * channels)

    found: Node = pad(
        image,
        low=spread(*(axis.low for axis in seen.space)),
        high=spread(*(axis.high for axis in seen.space)),
        interior=spread(*(axis.between for axis in seen.space)),
        value=0,
    )
    return found


def _walked(node: Node) -> _Walked | None:
    """An operand below its windows and transposes; None if windows are of windows."""
    found = _Walked(node, [("axis", axis) for axis in range(node.rank)], {})
    while found.base.op in (transpose, windows):
        base = found.base
        if base.op is transpose:
            order = base.attr("axes")
            found.axes = [(kind, order[axis]) for kind, axis in found.axes]
            found.steps = {order[axis]: steps for axis, steps in found.steps.items()}
        else:
            at = base.attr("axis")
            if at in found.steps or at + 1 in found.steps:
                return None
            found.axes = [_below(kind, axis, at) for kind, axis in found.axes]
            found.steps = {axis - (axis > at): steps for axis, steps in found.steps.items()}
            found.steps[at] = base.attr("stride"), base.attr("dilation")
        found.base = base.inputs[0]
    return found


def _below(kind: str, axis: int, at: int) -> tuple[str, int]:
    """What an axis is of the operand of windows along the axis `at`."""
    if axis == at:
        return "window", at
    if axis == at + 1:
        return "place", at
    return kind, axis - (axis > at)


def _roles(anchor: Node, side: int, walked: _Walked) -> Windowed | str:
    summed, others = (anchor.attr("contracting")[which] for which in (side, 1 - side))
    partner = dict(zip(summed, others, strict=True))
    at = {what: axis for axis, what in enumerate(walked.axes)}
    along = sorted(walked.steps, key=lambda axis: at["window", axis])
    over = {(at["window", a] in partner, at["place", a] in partner) for a in along}
    if over not in ({(False, True)}, {(True, False)}):
        return "its windows are summed over in part"
    by_kernel = over == {(True, False)}
    plain = [axis for kind, axis in walked.axes if kind == "axis"]
    batch = tuple(a for a in plain if (at["axis", a] in partner) is by_kernel)
    channels = tuple(a for a in plain if a not in batch)
    space = tuple(partner[at["window" if by_kernel else "place", a]] for a in along)
    shared = tuple(partner[at["axis", a]] for a in (batch if by_kernel else channels))
    operand = anchor.inputs[1 - side]
    own = free_axes(operand.rank, (), others)
    turned, other, order = _turned(operand)
    long = {axis for axis in space if operand.shape[axis] != 1}
    if turned and (by_kernel or turned & long != long or not turned <= set(space)):
        return "the kernel is turned around in part"
    kind = "filter_gradient" if by_kernel else "data_gradient" if turned else "convolution"
    padded = walked.base
    image = padded.inputs[0] if _is_padding(padded, along) else padded
    sizes = [anchor.inputs[side].shape[at["place", axis]] for axis in along]
    spaces = tuple(
        _space(size, walked.steps[axis], padded if image is not padded else None, axis)
        for size, axis in zip(sizes, along, strict=True)
    )
    if any(o.stride != 1 if kind == "data_gradient" else o.between for o in spaces):
        return "there are zeros between its elements"
    groups = {
        "convolution": (own, space, shared),
        "data_gradient": (shared, space, own),
        "filter_gradient": (shared, space, own),
    }[kind]
    of_other = tuple(tuple(order[axis] for axis in axes) for axes in groups)
    middle = [("place" if by_kernel else "window", a) for a in along]
    mine = [("own", a) for a in own]
    rest = [("axis", a) for a in (channels if by_kernel else batch)]
    names = [*mine, *middle, *rest] if by_kernel else [*rest, *middle, *mine]
    free = [what for axis, what in enumerate(walked.axes) if axis not in partner]
    there = [*free, *mine] if side == 0 else [*mine, *free]
    lying = tuple(names.index(what) for what in there)
    return Windowed(
        kind, anchor, image, (batch, tuple(along), channels), padded, other,
        (of_other[0], of_other[1], of_other[2]), spaces, lying,
    )  # fmt: skip


def _space(size: Dim, steps: tuple[int, int], padding: Node | None, axis: int) -> Space:
    assert isinstance(size, int)
    if padding is None:
        return Space(size, *steps, 0, 0, 0)
    low, high, between = (padding.attr(name)[axis] for name in ("low", "high", "interior"))
    return Space(size, *steps, low, high, between)


def _is_padding(node: Node, along: list[int]) -> bool:
    """Whether a node puts zeros around the elements along these axes, and no others."""
    if node.op is not pad or node.attr("value") != 0:
        return False
    rest = [axis for axis in range(node.rank) if axis not in along]
    return all(node.attr(name)[axis] == 0 for name in ("low", "high", "interior") for axis in rest)


def _turned(node: Node) -> tuple[set[int], Node, Axes]:
    """The axes along which a value is turned around, what it is a view of, and of each axis of it
    that of what it is a view of."""
    turned: set[int] = set()
    order: Axes = tuple(range(node.rank))
    while node.op in (reverse, transpose):
        if node.op is reverse:
            turned ^= {at for at, axis in enumerate(order) if axis in node.attr("axes")}
        else:
            order = tuple(node.attr("axes")[axis] for axis in order)
        node = node.inputs[0]
    return turned, node, order
