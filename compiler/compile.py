"""Graph → Program, from the disk cache when the same graph has been compiled before."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct

from symfuse.runtime import options
from symfuse.runtime.artifact import Artifact, from_bytes, to_bytes
from symfuse.runtime.cache import Key, key, store
from symfuse.runtime.errors import ArtifactError
from symfuse.runtime.host import layout
from symfuse.runtime.log import log, warn
from symfuse.runtime.program import Launch, Program

from .clock import Clock
from .explain.text import numbered
from .fingerprint import fingerprint
from .ir.graph import Graph
from .progress import shown
from .targets import TARGETS, resolve

if TYPE_CHECKING:
    from .kernel.phases import Kernel
    from .passes.group_kernels import Grouping
    from .passes.manager import PassRecord
    from .passes.plan_memory import MemoryPlan
    from .stages import Stages
    from .targets.llvm.machine import Level
    from .targets.target import Written

__all__ = ["Compilation", "compile_graph"]


class Compilation(Struct, frozen=True, eq=False, dict=True):
    """A program and how it came about; what came from the cache is worked out when asked for.

    `machine` is the target and its architecture.
    """

    program: Program
    traced: Graph
    numerics: str
    machine: tuple[str, str]
    from_cache: bool
    seconds: Mapping[str, float]

    @cached_property
    def stages(self) -> Stages:
        """All that lies between the traced graph and the machine code."""
        done: Stages = _part("stages").run_stages(self.traced, self.numerics, Clock(), self.machine)
        return done

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
    def inner(self) -> tuple[tuple[Graph, Grouping], ...]:
        """The graphs inside of loops and branches, grouped."""
        return self.stages.inner

    @property
    def reasons(self) -> tuple[str, ...]:
        return self.stages.reasons

    @property
    def launches(self) -> tuple[Kernel, ...]:
        return self.stages.launches

    @property
    def tree(self) -> tuple[Kernel, ...]:
        """The launches with loops and branches as such."""
        return self.stages.tree

    @property
    def memory(self) -> MemoryPlan:
        return self.stages.memory

    @property
    def records(self) -> tuple[Launch, ...]:
        """What each kernel computes, and for which lines; a cached program knows other lines."""
        found: tuple[Launch, ...] = _part("generate").launch_records(self.launches)
        return found

    @property
    def written(self) -> Written:
        """The program as the text that its target writes."""
        return self.stages.written


def compile_graph(
    graph: Graph,
    *,
    numerics: str = "strict",
    level: Level = "default",
    target: str = "cpu",
    arch: str | None = None,
) -> Compilation:
    """Compile for a target, and for the architecture of this machine where none is named."""
    clock, chosen = Clock(), resolve(target, arch)
    with clock.time("look up"):
        entry = _key(graph, numerics, level, chosen)
        kept = _kept(entry, graph)
    if kept is not None:
        log("cache", "%s comes from the cache", graph.name)
        return _told(Compilation(kept, graph, numerics, chosen, True, clock.seconds))
    TARGETS[target].begin()
    with shown(graph.name):
        stages = _part("stages").run_stages(graph, numerics, clock, chosen)
        with clock.time("generate"):
            program: Program = _part("generate").generate(stages, level)
    store().put(entry, to_bytes(Artifact(program)))
    log("passes", "compiled %s: %s", graph.name, clock.seconds)
    program = _with_captured(program, graph)
    made = Compilation(program, graph, numerics, chosen, False, clock.seconds)
    made.__dict__["stages"] = stages
    return _told(made)


def _told(made: Compilation) -> Compilation:
    """The compilation, after as much of it has been printed as `debug` asks for."""
    level = options.get("debug")
    if level >= 1:
        total = 1e3 * sum(made.seconds.values())
        source = "from the cache" if made.from_cache else "compiled"
        kernels = len(made.program.launches)
        counted = numbered(kernels, "kernel")
        line = f"symfuse: {made.traced.name} {source} in {total:.1f} ms, {counted}"
        print(line, file=sys.stderr)
    texts = TARGETS[made.machine[0]].texts
    shown = ((3, "optimized"), (3, "schedule"), (4, "kernels"), (4, texts[0]), (5, texts[-1]))
    for wanted, stage in shown:
        if level >= wanted:
            print(_part("explain.stages").as_text(made, stage), file=sys.stderr)
    return made


def _part(name: str) -> Any:
    """A module of the compiler proper, which is loaded when something is not in the cache."""
    return importlib.import_module(f".{name}", __package__)


# the cache: everything but the values of captured arrays, which belong to the caller


def _key(graph: Graph, numerics: str, level: Level, chosen: tuple[str, str]) -> Key:
    target, arch = chosen
    return key(
        graph.name,
        {
            "graph": graph.text(locations=False),
            "captured": str([n for n, p in enumerate(graph.parameters) if p in graph.captured]),
            "arguments": str([p.source.name for p in graph.parameters]),
            "options": f"{numerics} {level}",
            "target": target,
            "processor": TARGETS[target].identity(arch),
            "layout": layout.fingerprint(),
            "compiler": fingerprint(),
        },
    )


def _kept(entry: Key, graph: Graph) -> Program | None:
    data = store().get(entry)
    if data is None:
        return None
    try:
        program = from_bytes(data, graph.name).program
    except ArtifactError as error:
        warn("cache", "a cached program is not used: %s", error)
        return None
    return _with_captured(program, graph)


def _with_captured(program: Program, graph: Graph) -> Program:
    inputs = tuple(
        argument._replace(hidden=parameter in graph.captured)
        for argument, parameter in zip(program.inputs, graph.parameters, strict=True)
    )
    return replace(program, inputs=inputs, hidden=_captured(graph))


def _captured(graph: Graph) -> tuple[np.ndarray[Any, Any], ...]:
    return tuple(
        np.asarray(graph.captured[p], p.dtype.numpy)
        for p in graph.parameters
        if p in graph.captured
    )
