"""Which attentions one kernel computes that never stores the scores, and why not the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf

from msgspec import Struct, field
from msgspec.structs import replace

from symfuse.runtime.dtypes import DType

from ...ir.dims import is_at_most, product
from ...ir.graph import Graph
from ...ir.node import Node
from ...kernel.attention import AttentionForm, build_attention
from ...kernel.device.attention import plan_attention, schedule_attention
from ...kernel.domain import element_cost
from ...kernel.lower import Buffers, Order, scheduled_kernel
from ...kernel.phases import Kernel
from ...kernel.processor import Device
from ...passes.group_kernels import Group, Grouping
from .attention import Attention, Sighting, find_attention

__all__ = ["Attentions", "FusedAttention", "attention_kernel", "choose_attention"]

AFFORDABLE = 1 << 30  # bytes of scores in halves that are stored where that is faster
CHEAP = 48  # cost up to which a mask is computed for each score rather than read
FEW = 8  # queries or keys up to which the scores are small
COMPUTED = (DType.F16, DType.BF16, DType.F32, DType.F64)
LARGE_FILL = -1e30  # a mask's number that leaves nothing of a key beside one that is seen


class FusedAttention(Struct, frozen=True, eq=False):
    """An attention for one kernel; with a diagonal, keys that far ahead are not looked at."""

    attention: Attention
    form: AttentionForm
    diagonal: int | None
    beside: frozenset[Node]

    @property
    def anchor(self) -> Node:
        """The product with the values."""
        return _product_of(self.attention)


class Attentions(Struct, frozen=True):
    """Those that are fused, by their product with the values, and a sentence for each seen."""

    fused: dict[Node, FusedAttention] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()

    @property
    def closed(self) -> Mapping[Node, Node]:
        """Every node of one of them, with its anchor."""
        found = self.fused.items()
        return {node: anchor for anchor, fused in found for node in fused.attention.nodes}

    @property
    def repeated(self) -> frozenset[Node]:
        """Masks and the like, of the size of scores, that are cheaper computed than read."""
        return frozenset().union(*(fused.beside for fused in self.fused.values()))

    def named(self, grouping: Grouping) -> Grouping:
        """The grouping, its groups with an attention called so."""
        groups = tuple(
            replace(group, kind="attention") if group.anchor in self.fused else group
            for group in grouping.groups
        )
        return replace(grouping, groups=groups)


def choose_attention(
    graph: Graph, grouping: Grouping, numerics: str, device: Device, *, available: bool
) -> Attentions:
    """Every attention of a graph, and whether one kernel computes it; `available`: the library
    would compute its products."""
    fused: dict[Node, FusedAttention] = {}
    reasons = []
    for sighting in find_attention(graph):
        reason = _why_not(sighting, grouping.sees_through, device)
        if not reason and available and sighting.attention is not None:
            reason = _why_library(sighting.attention)
        reasons.append(str(sighting) if sighting.attention is None else _told(sighting, reason))
        if sighting.attention is not None and not reason:
            seen = sighting.attention
            beside = _beside(graph, seen)
            found = FusedAttention(seen, _form(seen), _diagonal(seen, numerics), beside)
            fused[found.anchor] = found
    return Attentions(fused, tuple(reasons))


def _told(sighting: Sighting, reason: str) -> str:
    if reason:
        return f"{sighting}; the scores are stored: {reason}"
    return f"{sighting}; one kernel computes it block by block and stores no scores"


def _why_not(sighting: Sighting, sees_through: Callable[[Node], bool], device: Device) -> str:
    """The first reason to store the scores; empty if there is none."""
    found = sighting.attention
    if found is None:
        return sighting.reason
    if found.read_elsewhere:
        first = found.read_elsewhere[0]
        place = f" ({first.source.loc})" if first.source.loc else ""
        return f"{first.op}{place} is also read elsewhere"
    if found.root.dtype not in COMPUTED or found.modified.dtype not in COMPUTED:
        return f"{found.root.dtype} is no float"
    of_q, of_k, of_v = found.roles
    if not all(len(r) == 1 for r in (of_q.summed, of_k.own, of_v.own)) or not of_q.own:
        return "queries, keys and width are not one axis each"
    q, k, _ = found.operands
    sizes = {"queries": q.shape[of_q.own[-1]], "keys": k.shape[of_k.own[0]]}
    for name, size in sizes.items():
        if isinstance(size, int) and size <= FEW:
            return f"there are only {size} {name}"
    if 1 in (q.shape[of_q.summed[0]], found.operands[2].shape[of_v.own[0]]):
        return "a head has one element"
    draft = build_attention(_form(found), sees_through, Buffers({}, {}))
    tiling = plan_attention(draft, device)
    return tiling if isinstance(tiling, str) else ""


def _why_library(found: Attention) -> str:
    """Why the scores are rather stored between two products of the library."""
    nbytes = product(found.scores.shape) * found.scores.dtype.itemsize
    if found.scores.dtype.is_half and is_at_most(nbytes, AFFORDABLE) is True:
        return "they are few, and only the library multiplies halves by matrices"
    return ""


def _product_of(found: Attention) -> Node:
    return found.root if found.root.op.contraction else found.root.inputs[0]


def _form(found: Attention) -> AttentionForm:
    product = _product_of(found)
    return AttentionForm(
        found.root,
        found.operands,
        found.roles,
        found.scores,
        found.modified,
        found.nodes,
        product.attr("batch")[found.turned],
        product.attr("contracting")[found.turned][0] != found.scores.rank - 1,
        found.turned,
    )


def _beside(graph: Graph, found: Attention) -> frozenset[Node]:
    """The maps of the size of scores that follow cheaply from what is smaller, as masks do from
    positions."""
    chosen: set[Node] = set()
    for step in found.between:
        for source in step.inputs:
            maps = None if source in found.nodes else _maps_from_less(source)
            if maps is None or any(user.op.regional for n in maps for user in graph.users[n]):
                continue
            if sum(map(element_cost, maps)) <= CHEAP:
                chosen |= maps
    return frozenset(chosen)


def _maps_from_less(node: Node) -> set[Node] | None:
    """The maps behind views that lead to a value from others of fewer axes; None if some do not."""
    maps: set[Node] = set()
    ends: set[Node] = set()
    seen: set[Node] = set()
    stack = [node]
    while stack:
        one = stack.pop()
        if one in seen or one.op.name == "iota" or one.number is not None:
            continue
        seen.add(one)
        if one.op.body is not None and not one.is_parameter:
            maps.add(one)
            stack.extend(one.inputs)
        elif one.op.moves is not None:
            stack.extend(one.inputs)
        else:
            ends.add(one)
    most = max(map(_long_axes, maps), default=0)
    return maps if all(_long_axes(one) < most for one in ends) else None


def _long_axes(node: Node) -> int:
    return sum(size != 1 for size in node.shape)


def _diagonal(found: Attention, numerics: str) -> int | None:
    """How far ahead a query sees, if nothing can come of keys behind that.

    A masked value that is not finite makes the whole result so; that is lost with it.
    """
    masks = [step for step in found.steps or () if step.kind == "mask"]
    diagonal = found.diagonal
    if numerics != "fast" or diagonal is None or _form(found).keys_first:
        return None
    fill = masks[0].number
    return diagonal if fill == -inf or (fill <= LARGE_FILL and diagonal >= 0) else None


def attention_kernel(
    fused: FusedAttention,
    group: Group,
    name: str,
    sees_through: Callable[[Node], bool],
    buffers: Buffers,
    device: Device,
) -> Kernel:
    """The kernel of an attention."""
    draft = build_attention(fused.form, sees_through, buffers)
    tiling = plan_attention(draft, device)
    assert not isinstance(tiling, str)
    part = schedule_attention(draft, tiling, device, fused.diagonal)
    order = Order("attention", group.nodes, group.outputs, group.domain, group.anchor)
    return scheduled_kernel(order, name, part)
