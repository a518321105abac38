"""Graph → Program: simplify, group, lower, order and plan, emit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata

import numpy as np

from symfuse.runtime.cache import key, store
from symfuse.runtime.host.features import host_features
from symfuse.runtime.host.image import Image
from symfuse.runtime.log import log
from symfuse.runtime.program import Argument, Launch, Program, Result

from .ir.dims import Dim
from .ir.graph import Graph
from .ir.node import Node
from .ir.printer import name_nodes
from .kernel.lower import Buffers, Order, lower_group
from .kernel.phases import Buffer, Kernel
from .kernel.schedule import Width
from .passes.group_kernels import Grouping, group_kernels
from .passes.manager import PassRecord
from .passes.order_launches import order_launches
from .passes.pipeline import run_pipeline
from .passes.plan_memory import MemoryPlan, plan_memory
from .passes.separate_outputs import separate_outputs
from .targets.llvm.kernels import Place
from .targets.llvm.link import link
from .targets.llvm.machine import Level, host_machine
from .targets.llvm.program import Layout, module_text
from .targets.llvm.support import load_support

__all__ = ["Compilation", "compile_graph"]


@dataclass(frozen=True, slots=True, eq=False)
class Compilation:
    """A program and how it came about, stage by stage."""

    program: Program
    traced: Graph
    graph: Graph
    passes: tuple[PassRecord, ...]
    grouping: Grouping
    launches: tuple[Kernel, ...]
    memory: MemoryPlan
    text: str
    from_cache: bool
    seconds: Mapping[str, float] = field(default_factory=dict)


class _Clock:
    """How long each stage takes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - start


def compile_graph(
    graph: Graph, *, numerics: str = "strict", level: Level = "default"
) -> Compilation:
    """Compile for the processor that this runs on."""
    clock = _Clock()
    with clock.time("simplify"):
        simplified, passes = run_pipeline(graph, numerics=numerics)
        simplified = separate_outputs(simplified)
    with clock.time("group"):
        grouping = group_kernels(simplified)
    buffers = Buffers(name_nodes(simplified))
    with clock.time("lower"):
        kernels = _lower(simplified, grouping, buffers)
    with clock.time("plan"):
        aliases = _aliases(simplified, kernels, buffers)
        launches = _named(order_launches(kernels, aliases))
        aliases = _safe_aliases(launches, aliases)
        plan = plan_memory(launches, _external(simplified, buffers))
    with clock.time("emit"):
        layout = _layout(simplified, buffers, plan)
        text = module_text(launches, layout, "")
    with clock.time("generate"):
        load_support()
        image, from_cache = _image(text, level)
    program = _program(simplified, buffers, launches, plan, aliases, image)
    log("passes", "compiled %s: %s", graph.name, clock.seconds)
    return Compilation(
        program,
        graph,
        simplified,
        passes,
        grouping,
        launches,
        plan,
        text,
        from_cache,
        clock.seconds,
    )


def _lower(graph: Graph, grouping: Grouping, buffers: Buffers) -> list[Kernel]:
    features = host_features()
    width = Width(features.vector_bytes, 32 if features.vector_bytes == 64 else 16)
    kernels: list[Kernel] = []
    for number, group in enumerate(grouping.groups):
        order = Order(group.kind, group.nodes, group.outputs, group.domain, group.anchor)
        last = group.nodes[-1].op.name
        name = f"k{number}_{group.kind}_{last}"
        kernels += lower_group(order, name, grouping.sees_through, buffers, width)
    return kernels


def _named(launches: tuple[Kernel, ...]) -> tuple[Kernel, ...]:
    names = [launch.name for launch in launches]
    if len(set(names)) != len(names):
        raise AssertionError(f"two kernels have one name: {names}")
    return launches


# donation


def _aliases(graph: Graph, kernels: list[Kernel], buffers: Buffers) -> dict[Buffer, Buffer]:
    """Result → the donated input whose memory it takes: one that its own kernel reads, if any."""
    aliases: dict[Buffer, Buffer] = {}
    free = [p for p in graph.parameters if p in graph.donated]
    for output in graph.outputs:
        writer = next((k for k in kernels if buffers(output) in k.writes), None)
        same = [p for p in free if p.type == output.type]
        best = [p for p in same if writer is not None and buffers(p) in writer.reads]
        for parameter in best[:1]:
            aliases[buffers(output)] = buffers(parameter)
            free.remove(parameter)
    return aliases


def _safe_aliases(
    launches: tuple[Kernel, ...], aliases: Mapping[Buffer, Buffer]
) -> dict[Buffer, Buffer]:
    """Those where nothing reads the input once it is overwritten, and each element is read
    in its own kernel only at the place where the result is stored."""
    safe = {}
    for result, source in aliases.items():
        at = next(n for n, launch in enumerate(launches) if result in launch.writes)
        later = any(source in launch.reads for launch in launches[at + 1 :])
        if not later and launches[at].reads_in_place(source, result):
            safe[result] = source
    return safe


# memory


def _external(graph: Graph, buffers: Buffers) -> set[Buffer]:
    outside = {buffers(node) for node in (*graph.parameters, *graph.outputs)}
    return outside | {buffer for _, buffer in buffers.literals()}


def _layout(graph: Graph, buffers: Buffers, plan: MemoryPlan) -> Layout:
    numbers: dict[Buffer, int] = {}
    for node in (*graph.parameters, *graph.outputs):
        numbers[buffers(node)] = len(numbers)
    for _, buffer in buffers.literals():
        numbers[buffer] = len(numbers)
    offsets = {life.buffer: life.offset for life in plan.lifetimes}

    def place(buffer: Buffer) -> Place:
        if buffer in numbers:
            return Place(number=numbers[buffer])
        return Place(offset=offsets[buffer])

    return Layout(
        place,
        graph.symbols,
        tuple(dim for p in graph.parameters for dim in p.shape),
        tuple(dim for o in graph.outputs for dim in o.shape),
        plan.arena,
    )


# code


def _image(text: str, level: Level) -> tuple[Image, bool]:
    """The machine code of a module, from disk if the same was compiled before."""
    features = host_features()
    parts = {
        "code": text,
        "processor": f"{features.cpu} {features.vector_bytes}",
        "llvmlite": metadata.version("llvmlite"),
        "level": level,
    }
    entry = key("program", parts)
    if (kept := store().get(entry)) is not None:
        return Image.from_bytes(kept), True
    machine = host_machine()
    image = link(machine.emit_object(text + machine.attributes + "\n", level=level))
    store().put(entry, image.to_bytes())
    return image, False


# the result


def _program(
    graph: Graph,
    buffers: Buffers,
    launches: tuple[Kernel, ...],
    plan: MemoryPlan,
    aliases: Mapping[Buffer, Buffer],
    image: Image,
) -> Program:
    numbers = {buffers(p): n for n, p in enumerate(graph.parameters)}
    donated = set(aliases.values())
    names = name_nodes(graph)
    inputs = tuple(
        Argument(
            names[p].lstrip("%"),
            p.dtype,
            _dims(p),
            donated=buffers(p) in donated,
            hidden=p in graph.captured,
        )
        for p in graph.parameters
    )
    outputs = tuple(
        Result(
            names[o].lstrip("%"),
            o.dtype,
            _dims(o),
            numbers[aliases[buffers(o)]] if buffers(o) in aliases else None,
        )
        for o in graph.outputs
    )
    return Program(
        target="cpu",
        image=image,
        inputs=inputs,
        outputs=outputs,
        symbols=tuple(symbol.name for symbol in graph.symbols),
        hidden=tuple(
            np.asarray(graph.captured[p], p.dtype.numpy)
            for p in graph.parameters
            if p in graph.captured
        ),
        constants=tuple(literal.array() for literal, _ in buffers.literals()),
        arena=plan.arena if isinstance(plan.arena, int) else str(plan.arena),
        launches=tuple(map(_launch, launches)),
        work=_work(launches),
        metadata={"name": graph.name},
    )


def _dims(node: Node) -> tuple[int | str, ...]:
    return tuple(dim if isinstance(dim, int) else str(dim) for dim in node.shape)


def _launch(kernel: Kernel) -> Launch:
    lines = dict.fromkeys(str(n.source.loc) for n in kernel.nodes if n.source.loc is not None)
    sentence = ", ".join(dict.fromkeys(node.op.name for node in kernel.nodes))
    return Launch(kernel.name, kernel.kind, sentence, tuple(lines))


def _work(launches: tuple[Kernel, ...]) -> int:
    """Work beyond the inputs, by which the call decides whether to release the GIL."""
    total: Dim = 0
    for launch in launches:
        total = total + launch.work
    return total if isinstance(total, int) else 0
