"""An attention that one kernel computes without storing its scores, and its derivatives another."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from ...ir.node import Node
from ...kernel.attention import build_attention
from ...kernel.attention_form import AttentionForm
from ...kernel.attention_slopes import build_slopes
from ...kernel.device.attention import plan_attention, schedule_attention
from ...kernel.device.attention_slopes import plan_slopes, schedule_slopes
from ...kernel.lower import Buffers, Order, scheduled_kernel
from ...kernel.phases import Kernel, Part
from ...kernel.processor import Device
from ...passes.group_kernels import Group, Grouping
from .attention_network import AttentionNetwork, attention_call
from .attention_slopes import Slopes
from .dnn_launches import dnn_kernel

__all__ = ["Attentions", "FusedAttention", "attention_kernel"]


class FusedAttention(Struct, frozen=True, eq=False):
    """An attention for one kernel, and perhaps its derivatives for another.

    With a diagonal, keys that far ahead are not looked at. `beside` are masks and the like, of the
    size of scores, that are cheaper computed than read. `nodes` are computed by the kernel of each
    anchor, in the order of the graph: those inside by both of them. With a `network` cuDNN is asked
    first, and the kernel computes what it cannot.
    """

    form: AttentionForm
    slopes: Slopes | None
    diagonal: int | None
    beside: frozenset[Node]
    nodes: dict[Node, tuple[Node, ...]]
    network: AttentionNetwork | None = None

    @property
    def anchors(self) -> tuple[Node, ...]:
        """The product with the values, and the first of the derivatives."""
        return tuple(self.nodes)

    @property
    def stored(self) -> dict[Node, Node]:
        """The nodes that others can read, each with its anchor."""
        anchor, *others = self.anchors
        found = dict.fromkeys((anchor, self.form.root, *self.form.rows), anchor)
        if self.slopes is not None:
            found |= dict.fromkeys(self.slopes.roots, others[0])
        return found


class Attentions(Struct, frozen=True):
    """Those that are fused, by the anchors of their kernels, and a sentence for each seen."""

    fused: dict[Node, FusedAttention] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()

    @property
    def every(self) -> tuple[FusedAttention, ...]:
        """Each of them once."""
        return tuple(dict.fromkeys(self.fused.values()))

    @property
    def closed(self) -> Mapping[Node, Node]:
        """Every node that one of the kernels stores, with its anchor."""
        return {node: anchor for fused in self.every for node, anchor in fused.stored.items()}

    @property
    def repeated(self) -> frozenset[Node]:
        """What each kernel computes for itself, and nothing else reads."""
        found: set[Node] = set()
        for fused in self.every:
            found |= fused.beside
            found |= {n for nodes in fused.nodes.values() for n in nodes} - set(fused.stored)
        return frozenset(found)

    def named(self, grouping: Grouping) -> Grouping:
        """The grouping, its groups with an attention called so, and with all that they compute."""

        def named(group: Group) -> Group:
            fused = None if group.anchor is None else self.fused.get(group.anchor)
            if fused is None or group.anchor is None:
                return group
            return replace(group, kind="attention", nodes=fused.nodes[group.anchor])

        return replace(grouping, groups=tuple(map(named, grouping.groups)))


def attention_kernel(
    fused: FusedAttention,
    group: Group,
    name: str,
    sees_through: Callable[[Node], bool],
    buffers: Buffers,
    device: Device,
    *,
    is_fast: bool,
) -> Kernel:
    """The kernel of an attention, or that of its derivatives; or cuDNN's launch in its place."""
    if group.anchor is fused.anchors[0]:
        parts = _parts(fused, sees_through, buffers, device)
    else:
        parts = _parts_of_slopes(fused, sees_through, buffers, device)
    order = Order("attention", group.nodes, group.outputs, group.domain, group.anchor)
    kernel = scheduled_kernel(order, name, *parts)
    if fused.network is None:
        return kernel
    call = attention_call(fused.network, name, buffers, (kernel,), fast=is_fast)
    return dnn_kernel(name, "attention", call, kernel.parts)


def _parts(
    fused: FusedAttention, sees_through: Callable[[Node], bool], buffers: Buffers, device: Device
) -> tuple[Part, ...]:
    draft = build_attention(fused.form, sees_through, buffers)
    tiling = plan_attention(draft, device)
    assert not isinstance(tiling, str)
    return (schedule_attention(draft, tiling, device, fused.diagonal),)


def _parts_of_slopes(
    fused: FusedAttention, sees_through: Callable[[Node], bool], buffers: Buffers, device: Device
) -> tuple[Part, ...]:
    assert fused.slopes is not None
    draft = build_slopes(fused.slopes.form, sees_through, buffers)
    tilings = plan_slopes(draft, device)
    assert not isinstance(tilings, str)
    diagonal = None if fused.slopes.form.merged else fused.diagonal
    return schedule_slopes(draft, tilings, device, diagonal)
