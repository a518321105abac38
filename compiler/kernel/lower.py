"""Groups of graph nodes → scheduled kernels over named buffers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from symfuse.runtime import options

from ..ir.dims import Dim, Symbol, product
from ..ir.node import Literal, Node
from .build import build_contraction, build_rows
from .domain import Domain, own_domain
from .merge import merge_axes
from .phases import Access, Buffer, Kernel, Part, Phase, Serial, body_cost
from .scan import build_scan
from .scatter import build_scatter
from .schedules import Schedules, Step
from .update import build_copy, build_update
from .verify import verify_kernel

__all__ = ["Buffers", "Order", "copy_kernels", "lower_group", "scheduled_kernel"]


class Order(Struct, frozen=True):
    """What one kernel is to compute: nodes over a domain, and which of them are stored."""

    kind: str
    nodes: tuple[Node, ...]
    outputs: tuple[Node, ...]
    domain: Domain
    anchor: Node | None


class Buffers:
    """The memory of each stored node, made when it is first asked for.

    `shared` names nodes that lie in the memory of another, its elements in the same order; views
    lie in that of their operands. Complex numbers lie in memory as pairs of reals.
    """

    def __init__(self, names: Mapping[Node, str], shared: Mapping[Node, Node]) -> None:
        self._names, self._shared = names, shared
        self._of: dict[Node, Buffer] = {}
        self.lasting: frozenset[Buffer] = frozenset()  # what is the same in every turn of a loop
        self._count = 0
        self._inner: list[Buffers] = []

    def inner(self, names: Mapping[Node, str], shared: Mapping[Node, Node]) -> Buffers:
        """Those of a graph inside this one."""
        self._inner.append(Buffers(names, shared))
        return self._inner[-1]

    def adopt(self, node: Node, buffer: Buffer) -> None:
        """Let a node lie in memory that exists."""
        self._of[self._owner(node)] = buffer

    def __call__(self, node: Node) -> Buffer:
        node = self._owner(node)
        if node not in self._of:
            name = self._names.get(node, "").lstrip("%") or f"t{len(self._of)}"
            shape = (*node.shape, 2) if node.dtype.is_complex else node.shape
            self._of[node] = Buffer(name, node.dtype.real, shape)
        return self._of[node]

    def _owner(self, node: Node) -> Node:
        """The node whose memory this one lies in."""
        node = self._shared.get(node, node)
        while node.op.is_view:
            node = node.inputs[0]
        return node

    def scratch(self, like: Buffer, shape: tuple[Dim, ...]) -> Buffer:
        """New memory that belongs to no node."""
        self._count += 1
        return Buffer(f"{like.name}_part{self._count}", like.dtype, shape)

    def literals(self) -> tuple[tuple[Literal, Buffer], ...]:
        """Arrays that stand in the graph and are read from memory."""
        own = [(n.attr("value"), b) for n, b in self._of.items() if n.is_constant]
        return (*own, *(pair for inner in self._inner for pair in inner.literals()))


def lower_group(
    order: Order,
    name: str,
    sees_through: Callable[[Node], bool],
    buffers: Buffers,
    schedules: Schedules,
) -> tuple[Kernel, ...]:
    """The kernels of one group: usually one, two when one has to prepare what the other does."""
    kernels = []
    for step in _steps(order, sees_through, buffers, schedules):
        own = replace(order, kind=step.kind or order.kind)
        kernel = scheduled_kernel(own, f"{name}{step.suffix}", step.part)
        kernels.append(replace(kernel, why=step.why))
    return tuple(kernels)


def copy_kernels(
    name: str,
    source: Buffer,
    result: Buffer,
    nodes: tuple[Node, ...],
    buffers: Buffers,
    schedules: Schedules,
) -> list[Kernel]:
    """The launch that puts what lies in one buffer into another."""
    order = Order("copy", nodes, (), own_domain(nodes[0]), None)
    steps = schedules.rows(merge_axes(build_copy(source, result)), buffers.scratch)
    return [scheduled_kernel(order, f"{name}{step.suffix}", step.part) for step in steps]


def _steps(
    order: Order, sees_through: Callable[[Node], bool], buffers: Buffers, schedules: Schedules
) -> tuple[Step, ...]:
    anchor = order.anchor
    if anchor is not None and anchor.op.contraction:
        draft = build_contraction(anchor, order.nodes, order.outputs, sees_through, buffers)
        draft = replace(merge_axes(draft), lasting=buffers.lasting)
        return schedules.contraction(draft, buffers.scratch)
    if anchor is not None and order.kind == "scatter":
        return (schedules.scatter(build_scatter(anchor, sees_through, buffers)),)
    if anchor is not None and order.kind == "update":
        copy, piece = (merge_axes(one) for one in build_update(anchor, sees_through, buffers))
        before = [
            replace(s, kind="copy", suffix="_copy") for s in schedules.rows(copy, buffers.scratch)
        ]
        return (*before, *schedules.rows(piece, buffers.scratch))
    if anchor is not None and order.kind == "scan":
        draft = build_scan(anchor, sees_through, buffers)
        return schedules.scan(merge_axes(draft), buffers.scratch)
    draft = build_rows(order.nodes, order.outputs, order.domain, sees_through, buffers)
    return schedules.rows(merge_axes(draft), buffers.scratch)


def scheduled_kernel(order: Order, name: str, *parts: Part) -> Kernel:
    """The launch of parts that do not wait for each other, usually one."""
    reads, writes = _buffers(parts)
    work: Dim = 0
    for part in parts:
        work = work + _work(part)
    kernel = Kernel(name, order.kind, parts, work, order.nodes, reads, writes)
    if options.get("verify"):
        verify_kernel(kernel)
    return kernel


def beside(name: str, kernels: Iterable[Kernel]) -> Kernel:
    """Kernels that do not wait for each other, as one launch."""
    every = tuple(kernels)
    if len(every) == 1:
        return every[0]
    parts = tuple(part for kernel in every for part in kernel.parts)
    work: Dim = 0
    for kernel in every:
        work = work + kernel.work
    reads, writes = _buffers(parts)
    nodes = tuple(node for kernel in every for node in kernel.nodes)
    why = "; ".join(dict.fromkeys(kernel.why for kernel in every if kernel.why))
    return Kernel(name, "horizontal", parts, work, nodes, reads, writes, why=why)


def _buffers(parts: tuple[Part, ...]) -> tuple[tuple[Buffer, ...], tuple[Buffer, ...]]:
    reads: dict[Buffer, None] = {}
    writes: dict[Buffer, None] = {}
    for part in parts:
        for instr in part.instructions():
            if isinstance(instr.detail, Access):
                (writes if instr.is_effect else reads)[instr.detail.buffer] = None
    return tuple(reads), tuple(writes)


def _work(part: Part) -> Dim:
    """Scalar additions that all points of all phases are worth, and what they move: a byte from
    beyond the nearest cache counts as one, about 30 ps."""
    total: Dim = 0
    extents = {axis.symbol: axis.extent for axis in part.axes}
    cut = [a.symbol for a in part.axes if a.tile is not None and a.tiles != 1]
    for item in part.phases:
        inner = item.phases if isinstance(item, Serial) else (item,)
        own = {item.symbol: item.most(extents[item.symbol])} if isinstance(item, Serial) else {}
        for phase in inner:
            walked = {*cut, *(loop.symbol for loop in phase.loops)}
            counts = {**extents, **own}
            points = product(tuple(counts[symbol] for symbol in counts if symbol in walked))
            total = total + points * max(1, body_cost(phase.body)) + _bytes(phase, counts)
    return total


def _bytes(phase: Phase, extents: Mapping[Symbol, Dim]) -> Dim:
    """Bytes that a phase reads and writes, each once for all points that share it."""
    moved = (
        product(tuple(extents[s] for s in extents if s in instr.axes))
        * instr.detail.buffer.dtype.itemsize
        for instr in phase.body
        if isinstance(instr.detail, Access)
    )
    return sum(moved, 0)
