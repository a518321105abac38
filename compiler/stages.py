"""Everything between a graph and its machine code, each stage kept for those who look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from msgspec import Struct

from symfuse.runtime.log import is_wanted, log

from .clock import Clock
from .ir.graph import Graph
from .ir.guards import guards_of
from .ir.node import Node
from .ir.printer import name_nodes
from .ir.types import Guard
from .kernel.lower import Buffers
from .kernel.phases import Buffer, Kernel
from .kernel.regions import leaves
from .passes.drop_copies import drop_copies, handed_on
from .passes.group_kernels import Grouping, group_kernels
from .passes.manager import PassRecord
from .passes.order_launches import order_launches
from .passes.pipeline import run_pipeline
from .passes.plan_memory import MemoryPlan, plan_memory, region_slots
from .passes.separate_operands import separate_operands
from .passes.separate_outputs import separate_outputs
from .sequence import Sequencer, safely_overwritten
from .targets import load_target
from .targets.layout import Layout, Place
from .targets.target import Target, Written

__all__ = ["Stages", "run_stages"]


_FAR = 8  # operations from which on inputs count as equally far from a result


class Stages(Struct, frozen=True, eq=False):
    """A graph on its way to code: simplified, grouped, lowered, planned, written as text.

    `reasons` tells of choices between kernels and libraries, `aliases` which results take the
    memory of which donated inputs. `tree` are the launches with loops and branches as such, `inner`
    the graphs inside of these, grouped.
    """

    target: Target
    graph: Graph
    passes: tuple[PassRecord, ...]
    grouping: Grouping
    inner: tuple[tuple[Graph, Grouping], ...]
    reasons: tuple[str, ...]
    tree: tuple[Kernel, ...]
    memory: MemoryPlan
    aliases: Mapping[Buffer, Buffer]
    buffers: Buffers
    layout: Layout
    written: Written

    @property
    def launches(self) -> tuple[Kernel, ...]:
        """All kernels in order, those inside loops and branches once."""
        return tuple(leaves(self.tree))


def run_stages(
    traced: Graph, numerics: str, clock: Clock, machine: tuple[str, str] | None = None
) -> Stages:
    """All stages in order, for a target and its architecture; without, for this processor."""
    target = load_target(*machine or ("cpu", ""))
    with clock.time("simplify"):
        simplified, passes = run_pipeline(traced, numerics=numerics)
        expanded = target.prepared(simplified)
        graph = separate_operands(separate_outputs(expanded))
    with clock.time("group"):
        assignment = target.assign(graph, group_kernels(graph), numerics)
        grouping = assignment.grouping
    with clock.time("lower"):
        buffers = Buffers(
            name_nodes(graph), {**grouping.reshaped, **handed_on(graph, grouping.sees_through)}
        )
        sequencer = Sequencer(target, numerics)
        kernels = sequencer.lower(assignment, buffers)
    assigned = [assignment, *(one for _, one in sequencer.bodies)]
    reasons = tuple(dict.fromkeys(reason for one in assigned for reason in one.reasons))
    if is_wanted("fusion"):
        for said in (*(v for one in assigned for v in one.grouping.verdicts), *reasons):
            log("fusion", "%s", said)
    with clock.time("plan"):
        wanted = _donations(graph, kernels, buffers)
        tree = order_launches(kernels, wanted)
        aliases = safely_overwritten(tree, wanted)
        memory = plan_memory(tree, _external(graph, buffers), target.alignment, target.rest)
        tree = drop_copies(tree, _in_one_place(aliases, memory))
    with clock.time("emit"):
        layout = _layout(graph, buffers, memory, region_slots(tree), guards_of(traced))
        written = assignment.write(tree, layout, buffers)
    return Stages(
        target,
        graph,
        passes,
        grouping,
        tuple((inside, one.grouping) for inside, one in sequencer.bodies),
        reasons,
        tree,
        memory,
        aliases,
        buffers,
        layout,
        written,
    )


def _donations(graph: Graph, kernels: list[Kernel], buffers: Buffers) -> dict[Buffer, Buffer]:
    """Result → the donated input whose memory it takes: the nearest that its own kernel reads in
    its place, or another if so more results have one."""
    fitting = _may_overwrite(graph, kernels, buffers)
    taken: dict[Buffer, Buffer] = {}
    settled: set[Buffer] = set()
    pairs = ((far, result, source) for result in fitting for far, source in fitting[result])
    for _, result, source in sorted(pairs, key=lambda pair: pair[0]):
        if source not in taken and result not in settled:
            taken[source] = result
            settled.add(result)

    def find(result: Buffer, tried: set[Buffer]) -> bool:
        for _, source in fitting[result]:
            if source not in tried:
                tried.add(source)
                if source not in taken or find(taken[source], tried):
                    taken[source] = result
                    return True
        return False

    for result in fitting:
        if result not in settled:
            find(result, set())
    return {result: source for source, result in taken.items()}


def _may_overwrite(
    graph: Graph, kernels: list[Kernel], buffers: Buffers
) -> dict[Buffer, list[tuple[int, Buffer]]]:
    """Result → the donated inputs whose memory it may take, and how far they are from it. A single
    number that other kernels read as well is none: waiting for those would cost a launch."""
    writers = {buffer: kernel for kernel in reversed(kernels) for buffer in kernel.writes}
    readers = Counter(buffer for kernel in kernels for buffer in kernel.reads)
    given = [
        p for p in graph.parameters
        if p in graph.donated and (p.type.shape or readers[buffers(p)] == 1)
    ]  # fmt: skip
    found: dict[Buffer, list[tuple[int, Buffer]]] = {}
    for output in graph.outputs:
        result = buffers(output)
        writer = writers.get(result)
        near = _distances(output) if writer is not None and given else {}
        found[result] = [
            (near.get(p, _FAR), buffers(p))
            for p in given
            if writer is not None and p.type == output.type and buffers(p) in writer.reads
            if writer.reads_in_place(buffers(p), result)
        ]
    return found


def _distances(output: Node) -> dict[Node, int]:
    """How many operations lie between a result and what it is computed from, up to some."""
    found, layer = {output: 0}, [output]
    for far in range(1, _FAR):
        inner = dict.fromkeys(source for node in layer for source in node.inputs)
        layer = [node for node in inner if node not in found]
        found.update(dict.fromkeys(layer, far))
    return found


def _in_one_place(aliases: dict[Buffer, Buffer], memory: MemoryPlan) -> Callable[..., bool]:
    """Whether two buffers are one in memory, where one ends as the other begins."""
    offsets = {life.buffer: life.offset for life in memory.lifetimes}

    def is_same(source: Buffer, result: Buffer) -> bool:
        if aliases.get(result) is source:
            return True
        return source in offsets and offsets[source] == offsets.get(result)

    return is_same


def _external(graph: Graph, buffers: Buffers) -> set[Buffer]:
    outside = {buffers(node) for node in (*graph.parameters, *graph.outputs)}
    return outside | {buffer for _, buffer in buffers.literals()}


def _layout(
    graph: Graph,
    buffers: Buffers,
    memory: MemoryPlan,
    slots: tuple[Buffer, ...],
    guards: tuple[Guard, ...],
) -> Layout:
    """The call passes pointers to inputs, then outputs, then constants; slots of loops follow,
    and the rest is the arena."""
    numbers: dict[Buffer, int] = {}
    for node in (*graph.parameters, *graph.outputs):
        numbers[buffers(node)] = len(numbers)
    for _, buffer in buffers.literals():
        numbers[buffer] = len(numbers)
    pointers = len(numbers)
    for buffer in slots:
        numbers[buffer] = len(numbers)
    offsets = {life.buffer: life.offset for life in memory.lifetimes}

    def place(buffer: Buffer) -> Place:
        if buffer in numbers:
            return Place(number=numbers[buffer])
        return Place(offset=offsets[buffer])

    return Layout(
        place,
        graph.symbols,
        tuple(dim for p in graph.parameters for dim in p.shape),
        tuple(dim for o in graph.outputs for dim in o.shape),
        memory.arena,
        guards,
        pointers=pointers,
        slots=len(slots),
    )
