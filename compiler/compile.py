"""Graph → Program, from the disk cache when the same graph has been compiled before."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from symfuse.runtime.artifact import Artifact, from_bytes, required_features, to_bytes
from symfuse.runtime.cache import Key, key, store
from symfuse.runtime.errors import ArtifactError
from symfuse.runtime.host.features import host_features
from symfuse.runtime.log import log
from symfuse.runtime.program import Argument, Launch, Program, Result

from .ir.dims import Dim
from .ir.graph import Graph
from .ir.node import Node
from .ir.printer import name_nodes
from .kernel.phases import Buffer, Kernel
from .passes.group_kernels import Grouping
from .passes.manager import PassRecord
from .passes.plan_memory import MemoryPlan
from .stages import Clock, Stages, run_stages
from .targets.llvm.link import link
from .targets.llvm.machine import Level, host_machine
from .targets.llvm.support import load_support

__all__ = ["Compilation", "compile_graph"]


@dataclass(frozen=True, eq=False)
class Compilation:
    """A program and how it came about; what came from the cache is worked out when asked for."""

    program: Program
    traced: Graph
    numerics: str
    from_cache: bool
    seconds: Mapping[str, float]

    @cached_property
    def stages(self) -> Stages:
        """All that lies between the traced graph and the machine code."""
        return run_stages(self.traced, self.numerics, Clock())

    @property
    def graph(self) -> Graph:
        """The simplified graph that kernels were made from."""
        return self.stages.graph

    @property
    def passes(self) -> tuple[PassRecord, ...]:
        return self.stages.passes

    @property
    def grouping(self) -> Grouping:
        return self.stages.grouping

    @property
    def launches(self) -> tuple[Kernel, ...]:
        return self.stages.launches

    @property
    def memory(self) -> MemoryPlan:
        return self.stages.memory

    @property
    def records(self) -> tuple[Launch, ...]:
        """What each kernel computes, and for which lines; a cached program knows other lines."""
        return tuple(map(_launch, self.launches))

    @property
    def text(self) -> str:
        """The LLVM module, without the attributes of the processor."""
        return self.stages.text


def compile_graph(
    graph: Graph, *, numerics: str = "strict", level: Level = "default"
) -> Compilation:
    """Compile for the processor that this runs on."""
    clock = Clock()
    load_support()
    with clock.time("look up"):
        entry = _key(graph, numerics, level)
        kept = _kept(entry, graph)
    if kept is not None:
        log("cache", "%s comes from the cache", graph.name)
        return Compilation(kept, graph, numerics, True, clock.seconds)
    stages = run_stages(graph, numerics, clock)
    with clock.time("generate"):
        program = _program(stages, level)
    store().put(entry, to_bytes(Artifact(_without_captured(program))))
    log("passes", "compiled %s: %s", graph.name, clock.seconds)
    compilation = Compilation(program, graph, numerics, False, clock.seconds)
    compilation.__dict__["stages"] = stages
    return compilation


# the cache: everything but the values of captured arrays, which belong to the caller


def _key(graph: Graph, numerics: str, level: Level) -> Key:
    features = host_features()
    return key(
        graph.name,
        {
            "graph": graph.text(locations=False),
            "captured": str([n for n, p in enumerate(graph.parameters) if p in graph.captured]),
            "arguments": str([p.source.name for p in graph.parameters]),
            "options": f"{numerics} {level}",
            "processor": f"{features.cpu} {features.vector_bytes}",
            "versions": f"{metadata.version('symfuse')} {metadata.version('llvmlite')}",
            "compiler": _fingerprint(),
        },
    )


@cache
def _fingerprint() -> str:
    """What changes whenever a file of the compiler does."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return str([(file.name, file.stat().st_mtime_ns) for file in files])


def _kept(entry: Key, graph: Graph) -> Program | None:
    data = store().get(entry)
    if data is None:
        return None
    try:
        program = from_bytes(data, graph.name).program
    except ArtifactError as error:
        logging.getLogger("symfuse.cache").warning("a cached program is not used: %s", error)
        return None
    return _with_captured(program, graph)


def _without_captured(program: Program) -> Program:
    inputs = tuple(replace(argument, hidden=False) for argument in program.inputs)
    return replace(program, inputs=inputs, hidden=())


def _with_captured(program: Program, graph: Graph) -> Program:
    inputs = tuple(
        replace(argument, hidden=parameter in graph.captured)
        for argument, parameter in zip(program.inputs, graph.parameters, strict=True)
    )
    return replace(program, inputs=inputs, hidden=_captured(graph))


def _captured(graph: Graph) -> tuple[np.ndarray[Any, Any], ...]:
    return tuple(
        np.asarray(graph.captured[p], p.dtype.numpy)
        for p in graph.parameters
        if p in graph.captured
    )


# the program


def _program(stages: Stages, level: Level) -> Program:
    machine = host_machine()
    image = link(machine.emit_object(stages.text + machine.attributes + "\n", level=level))
    graph, buffers, aliases = stages.graph, stages.buffers, stages.aliases
    numbers = {buffers(p): n for n, p in enumerate(graph.parameters)}
    donated = set(aliases.values())
    names = name_nodes(graph)
    inputs = tuple(
        Argument(
            p.source.name or names[p].lstrip("%"),
            p.dtype,
            _dims(p),
            donated=buffers(p) in donated,
            hidden=p in graph.captured,
        )
        for p in graph.parameters
    )
    outputs = tuple(
        Result(names[o].lstrip("%"), o.dtype, _dims(o), _alias(numbers, aliases.get(buffers(o))))
        for o in graph.outputs
    )
    arena = stages.memory.arena
    return Program(
        target="cpu",
        image=image,
        inputs=inputs,
        outputs=outputs,
        symbols=tuple(symbol.name for symbol in graph.symbols),
        hidden=_captured(graph),
        constants=tuple(literal.array() for literal, _ in buffers.literals()),
        arena=arena if isinstance(arena, int) else str(arena),
        launches=tuple(map(_launch, stages.launches)),
        features=required_features(machine.features),
        work=_work(stages.launches),
        metadata={"name": graph.name},
    )


def _alias(numbers: Mapping[Buffer, int], source: Buffer | None) -> int | None:
    return None if source is None else numbers[source]


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
