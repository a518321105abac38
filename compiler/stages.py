"""Everything between a graph and its machine code, each stage kept for those who look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from symfuse.runtime.log import is_wanted, log

from .clock import Clock
from .ir.graph import Graph
from .ir.printer import name_nodes
from .ir.types import Guard
from .kernel.lower import Buffers, Order, lower_group
from .kernel.phases import Buffer, Kernel
from .passes.group_kernels import Grouping, group_kernels
from .passes.manager import PassRecord
from .passes.order_launches import order_launches
from .passes.pipeline import run_pipeline
from .passes.plan_memory import MemoryPlan, plan_memory
from .passes.separate_outputs import separate_outputs
from .targets import load_target
from .targets.layout import Layout, Place
from .targets.target import Assignment, Target, Written

__all__ = ["Stages", "run_stages"]


@dataclass(frozen=True, slots=True, eq=False)
class Stages:
    """A graph on its way to code: simplified, grouped, lowered, planned, written as text.

    `reasons` tells of choices between kernels and libraries, `aliases` which results take the
    memory of which donated inputs.
    """

    target: Target
    graph: Graph
    passes: tuple[PassRecord, ...]
    grouping: Grouping
    reasons: tuple[str, ...]
    launches: tuple[Kernel, ...]
    memory: MemoryPlan
    aliases: Mapping[Buffer, Buffer]
    buffers: Buffers
    layout: Layout
    written: Written


def run_stages(
    traced: Graph, numerics: str, clock: Clock, machine: tuple[str, str] | None = None
) -> Stages:
    """All stages in order, for a target and its architecture; without, for this processor."""
    target = load_target(*machine or ("cpu", ""))
    with clock.time("simplify"):
        simplified, passes = run_pipeline(traced, numerics=numerics)
        graph = separate_outputs(simplified)
    with clock.time("group"):
        assignment = target.assign(graph, group_kernels(graph), numerics)
        grouping = assignment.grouping
    if is_wanted("fusion"):
        for verdict in (*grouping.verdicts, *assignment.reasons):
            log("fusion", "%s", verdict)
    with clock.time("lower"):
        buffers = Buffers(name_nodes(graph), grouping.reshaped)
        kernels = _lower(assignment, buffers, target)
    with clock.time("plan"):
        wanted = _donations(graph, kernels, buffers)
        launches = order_launches(kernels, wanted)
        aliases = _safe_donations(launches, wanted)
        memory = plan_memory(launches, _external(graph, buffers), target.alignment)
    with clock.time("emit"):
        layout = _layout(graph, buffers, memory, _guards(traced))
        written = assignment.write(launches, layout, buffers)
    return Stages(
        target,
        graph,
        passes,
        grouping,
        tuple(assignment.reasons),
        launches,
        memory,
        aliases,
        buffers,
        layout,
        written,
    )


def _guards(traced: Graph) -> tuple[Guard, ...]:
    """What the operations, as the user wrote them, need of symbolic sizes and cannot know."""
    found: dict[Guard, None] = {}
    for node in traced.nodes if traced.symbols else ():
        if node.op.guards is not None:
            types = (source.type for source in node.inputs)
            found.update(dict.fromkeys(node.op.guards(*types, **node.attrs)))
    return tuple(found)


def _lower(assignment: Assignment, buffers: Buffers, target: Target) -> list[Kernel]:
    kernels: list[Kernel] = []
    sees_through = assignment.grouping.sees_through
    for number, group in enumerate(assignment.grouping.groups):
        name = f"k{number}_{group.kind}_{group.nodes[-1].op.name}"
        ready = assignment.library_kernel(group, name, buffers)
        if ready is not None:
            kernels.append(ready)
            continue
        order = Order(group.kind, group.nodes, group.outputs, group.domain, group.anchor)
        kernels += lower_group(order, name, sees_through, buffers, target.schedules)
    return kernels


def _donations(graph: Graph, kernels: list[Kernel], buffers: Buffers) -> dict[Buffer, Buffer]:
    """Result → the donated input whose memory it takes: one that its own kernel reads, if any."""
    chosen: dict[Buffer, Buffer] = {}
    free = [p for p in graph.parameters if p in graph.donated]
    writers = {buffer: kernel for kernel in kernels for buffer in kernel.writes}
    for output in graph.outputs:
        writer = writers.get(buffers(output))
        for parameter in free:
            same = parameter.type == output.type
            if same and writer is not None and buffers(parameter) in writer.reads:
                chosen[buffers(output)] = buffers(parameter)
                free.remove(parameter)
                break
    return chosen


def _safe_donations(
    launches: tuple[Kernel, ...], wanted: Mapping[Buffer, Buffer]
) -> dict[Buffer, Buffer]:
    """Those where nothing reads the input once it is overwritten, and each element is read
    in its own kernel only at the place where the result is stored."""
    safe = {}
    for result, source in wanted.items():
        at = next(n for n, launch in enumerate(launches) if result in launch.writes)
        later = any(source in launch.reads for launch in launches[at + 1 :])
        if not later and launches[at].reads_in_place(source, result):
            safe[result] = source
    return safe


def _external(graph: Graph, buffers: Buffers) -> set[Buffer]:
    outside = {buffers(node) for node in (*graph.parameters, *graph.outputs)}
    return outside | {buffer for _, buffer in buffers.literals()}


def _layout(
    graph: Graph, buffers: Buffers, memory: MemoryPlan, guards: tuple[Guard, ...]
) -> Layout:
    """The call passes pointers to inputs, then outputs, then constants; the rest is the arena."""
    numbers: dict[Buffer, int] = {}
    for node in (*graph.parameters, *graph.outputs):
        numbers[buffers(node)] = len(numbers)
    for _, buffer in buffers.literals():
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
    )
