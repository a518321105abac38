"""Which convolutions cuDNN computes, how their operands have to lie for that, and why not others.

The library wants channels last, and kernels with their output channels first. So the graph is
changed where operands lie otherwise: they are copied, as a part of the graph like any other, so
that one copy of a kernel serves the convolution and its derivative. What the library takes after
that is decided on the groups, as with products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from ...ir.dims import Dim, is_at_most, product
from ...ir.graph import Graph
from ...ir.node import Node
from ...passes.group_kernels import Group, Grouping
from .epilogues import Surroundings, steps_from
from .library import Convolution, Feature, computed_in, is_below, told
from .matrices import View, is_row_major, view_of
from .windowed import Axes, Space, Windowed, windowed

__all__ = ["Convolutions", "choose_convolutions", "convolution_of", "why_small"]

WORTH_A_CALL = 1 << 21  # multiplications from which the library is worth a launch of its own
FUSED = ("half", "tf32")  # the library has engines for these that go on behind a convolution

_TIMED = "it is large; on the device its plans are timed beside the generated kernel"
_OPEN = "it is large; its sizes are open, so the first plan is taken"
_ALWAYS = 'the option cudnn is "always"'

Seen = Callable[[Node], bool]


class Convolutions(Struct, frozen=True):
    """The convolutions that cuDNN computes, by their contractions, and every decision."""

    calls: Mapping[Node, Convolution] = {}
    decided: frozenset[Node] = frozenset()
    reasons: tuple[str, ...] = ()

    @property
    def closed(self) -> dict[Node, Node]:
        """What the library computes, with the contraction that it belongs to."""
        return {node: anchor for anchor, call in self.calls.items() for node in call.nodes}

    def named(self, grouping: Grouping) -> Grouping:
        """The grouping, its groups with a convolution of the library called so."""
        groups = (
            replace(g, kind="convolution") if g.anchor in self.calls else g for g in grouping.groups
        )
        return replace(grouping, groups=tuple(groups))

    @property
    def repeated(self) -> frozenset[Node]:
        """Zeros around images, which are not stored."""
        return frozenset(node for call in self.calls.values() for node in call.hidden)


def choose_convolutions(
    graph: Graph, grouping: Grouping, numerics: str, missing: str, *, always: bool
) -> Convolutions:
    """Who computes each convolution: cuDNN, unless it is `missing` for the reason given, or the
    convolution is too small and it is not asked for `always`."""
    groups = {g.anchor: g for g in grouping.groups if g.anchor is not None}
    found = [one for node in groups if (one := _seen(node)) is not None]
    taken: dict[Node, Convolution] = {}
    refused: dict[Node, str] = {}
    stored: frozenset[Node] = frozenset()
    while True:
        for node, seen in found:
            call = missing or _taken(seen, grouping.sees_through, numerics, stored, always=always)
            if isinstance(call, str):
                refused[node] = call
            else:
                taken[node] = call
        needed = frozenset(x for x in _hidden(taken) if not _is_hidden(graph, x, taken))
        if needed <= stored:
            break
        stored, taken, refused = stored | needed, {}, {}
    calls, reasons = {}, [told(node, _name(node), "", why) for node, why in refused.items()]
    for node, call in taken.items():
        group = groups[node]
        whole = _with_steps(graph, group, call, grouping.sees_through, numerics)
        calls[node] = whole
        why = _why(whole, group, always=always)
        reasons.append(told(node, _name(node), f"cuDNN ({whole})", why))
    return Convolutions(calls, frozenset(node for node, _ in found), tuple(reasons))


def convolution_of(
    seen: Windowed,
    sees_through: Seen,
    numerics: str,
    stored: frozenset[Node] = frozenset(),
) -> Convolution | str:
    """The convolution as the library computes it, or why it cannot; padding that is `stored` is a
    part of the image."""
    compute = computed_in(seen.anchor.dtype, numerics)
    if compute is None:
        return f"cuDNN has no convolutions of {seen.anchor.dtype}"
    if seen.order != tuple(range(len(seen.order))) or not _is_canonical(seen):
        return "its channels are not the last axis"
    found = _placed(seen, sees_through, compute) if seen.padded not in stored else ""
    apart = any(one.between for one in seen.space)  # most of what is stored would be zeros
    if isinstance(found, str) and seen.padded is not seen.image and not apart:
        return _placed(_stored(seen), sees_through, compute)
    return found or "others read the image with zeros between its elements"


def why_small(anchor: Node) -> str:
    """Why a contraction is not worth a launch of the library; empty if it is."""
    summed = product(anchor.inputs[0].shape[axis] for axis in anchor.attr("contracting")[0])
    small = is_below(product(anchor.shape) * summed, WORTH_A_CALL)
    return "it is small, and small kernels run side by side" if small else ""


def _seen(node: Node) -> tuple[Node, Windowed | str] | None:
    if not node.op.contraction:
        return None
    found = windowed(node)
    return None if found is None else (node, found)


def _name(node: Node) -> str:
    found = windowed(node)
    return (
        "convolution" if found is None or isinstance(found, str) else found.kind.replace("_", " ")
    )


def _taken(
    seen: Windowed | str,
    sees_through: Seen,
    numerics: str,
    stored: frozenset[Node],
    *,
    always: bool,
) -> Convolution | str:
    if isinstance(seen, str):
        return seen
    small = "" if always else why_small(seen.anchor)
    return small or convolution_of(seen, sees_through, numerics, stored)


def _hidden(taken: Mapping[Node, Convolution]) -> Iterator[Node]:
    return (node for call in taken.values() for node in call.hidden)


def _is_hidden(graph: Graph, padded: Node, taken: Mapping[Node, Convolution]) -> bool:
    """Whether nothing but the library reads a padded image, which it pads itself."""
    stack = [padded]
    while stack:
        node = stack.pop()
        if node in graph.outputs:
            return False
        for user in graph.users[node]:
            if user.op.moves is not None:
                stack.append(user)
            elif user not in taken or padded not in taken[user].hidden:
                return False
    return True


# how operands lie


def _is_canonical(seen: Windowed) -> bool:
    """Whether axes of the image and of the kernel are in the order of the library."""
    return all(
        tuple(axis for axes in groups for axis in axes) == tuple(range(node.rank))
        for node, groups in ((seen.image, seen.image_axes), (seen.other, seen.other_axes))
    )


def _stored(seen: Windowed) -> Windowed:
    """The same convolution of the padded image, which is then padded no more."""
    space = tuple(Space(o.size, o.stride, o.dilation, 0, 0, 0) for o in seen.space)
    return replace(seen, image=seen.padded, space=space)


def _placed(seen: Windowed, sees_through: Seen, compute: str) -> Convolution | str:
    image = _feature(seen.image, seen.image_axes, sees_through)
    other = _feature(seen.other, seen.other_axes, sees_through)
    if image is None or other is None:
        return "an operand is computed on the way, or has gaps"
    result = _split(seen.anchor, 0, _lengths(seen))
    strides, paddings = [], []
    turned = seen.kind == "data_gradient"
    for at, one in enumerate(seen.space):
        stride = one.between + 1 if turned else one.stride
        padding = one.span - 1 - one.low if turned else one.low
        large, count = (result, image) if turned else (image, result)
        if seen.kind == "filter_gradient":
            count = other
        if not isinstance(padding, int) or padding < 0:
            return f"its padding is {padding}"
        if not _fits(large.space[at], padding, one, count.space[at], stride):
            return "it has unlike padding on both sides"
        strides.append(stride)
        paddings.append(padding)
    roles = {
        "convolution": (image, other, result),
        "data_gradient": (result, other, image),
        "filter_gradient": (image, result, other),
    }[seen.kind]
    hidden = frozenset({seen.padded} if seen.padded is not seen.image else ())
    dilation = tuple(one.dilation for one in seen.space)
    return Convolution(
        seen.kind, seen.anchor, (seen.anchor,), seen.anchor, *roles,
        tuple(paddings), tuple(strides), dilation, compute, hidden,
    )  # fmt: skip


def _lengths(seen: Windowed) -> tuple[int, int]:
    """How many axes of the result are batches (for a kernel: output channels), and of space."""
    if seen.kind == "filter_gradient":
        return len(seen.other_axes[2]), len(seen.space)
    return len(seen.image_axes[0]), len(seen.space)


def _feature(node: Node, groups: tuple[Axes, Axes, Axes], sees_through: Seen) -> Feature | None:
    view = view_of(node, sees_through)
    if view is None or not is_row_major(view):
        return None
    found = _split(node, view.offset, (len(groups[0]), len(groups[1])))
    return replace(found, node=view.node)


def _split(node: Node, offset: Dim, lengths: tuple[int, int]) -> Feature:
    """The axes of a node in their order as batches, space and channels."""
    first, last = lengths[0], sum(lengths)
    shape = node.shape
    return Feature(node, offset, product(shape[:first]), shape[first:last], product(shape[last:]))


def _fits(size: Dim, padding: int, space: Space, count: Dim, stride: int) -> bool:
    """Whether so many windows go into an axis with so much padding on both sides."""
    left = size + 2 * padding - space.span - (count - 1) * stride
    return is_at_most(0, left) is True and is_at_most(left, stride - 1) is True


# what follows a convolution


def _with_steps(
    graph: Graph, group: Group, call: Convolution, sees_through: Seen, numerics: str
) -> Convolution:
    """The convolution with a bias along the channels and a relu, if these follow."""
    around = Surroundings(graph, group)
    while call.kind == "convolution" and call.compute in FUSED and not call.relu:
        longer = _longer(around, call, sees_through, numerics)
        if longer is None:
            break
        call = longer
    return call


def _why(call: Convolution, group: Group, *, always: bool) -> str:
    """Why the library computes a convolution, and what becomes of the rest of its group."""
    sizes = [(one.batch, *one.space, one.channels) for one in (call.image, call.kernel)]
    settled = all(isinstance(size, int) for some in sizes for size in some)
    why = _ALWAYS if always else _TIMED if settled else _OPEN
    if any(node not in call.nodes for node in group.nodes):
        return f"{why}; a second kernel does what follows"
    return f"{why}; it does what follows as well" if len(call.nodes) > 1 else why


def _longer(
    around: Surroundings, call: Convolution, sees_through: Seen, numerics: str
) -> Convolution | None:
    z = call.output
    for form, node, found in steps_from(z, around.group.nodes):
        taken = around.taken(node, found)
        allowed = form.numerics != "fast" or numerics == "fast" or call.compute == "half"
        if taken is None or not allowed:
            continue
        members = {*call.nodes, *taken}
        if around.is_read_elsewhere(z, members):
            continue
        nodes = tuple(n for n in around.group.nodes if n in members)
        if form.name in ("rectified", "at_least_zero"):
            return replace(call, nodes=nodes, output=node, relu=True)
        if form.name == "added" and call.bias is None:
            bias = _bias(view_of(found["term"], sees_through), call)
            if bias is not None and bias.node not in around.group.nodes:
                return replace(call, nodes=nodes, output=node, bias=bias)
    return None


def _bias(view: View | None, call: Convolution) -> View | None:
    """A vector along the channels of the result, the same at every place."""
    if view is None or view.node.dtype is not call.anchor.dtype or len(view.shape) < 2:
        return None
    *outer, last = view.strides
    sizes = view.shape[:-1]
    repeated = all(step == 0 or size == 1 for step, size in zip(outer, sizes, strict=True))
    whole = view.shape[-1] == call.kernel.batch
    return view if repeated and last == 1 and whole else None
