"""Stages → Program: machine code, its signature, and the record of its launches."""

from __future__ import annotations

from collections.abc import Mapping

from symfuse.runtime.artifact import required_features
from symfuse.runtime.program import Argument, Launch, Program, Result

from .ir.dims import Dim
from .ir.guards import conditions
from .ir.node import Node
from .ir.printer import name_nodes
from .kernel.phases import Buffer, Kernel
from .stages import Stages
from .targets.llvm.machine import Level

__all__ = ["generate", "launch_records"]


def generate(stages: Stages, level: Level) -> Program:
    """The program, without the values of captured arrays."""
    code = stages.written.generate(level)
    graph, layout = stages.graph, stages.layout
    buffers, aliases = stages.buffers, stages.aliases
    numbers = {buffers(p): n for n, p in enumerate(graph.parameters)}
    donated = set(aliases.values())
    names = name_nodes(graph)
    inputs = tuple(
        Argument(
            p.source.name or names[p].lstrip("%"),
            p.dtype,
            _dims(p),
            donated=buffers(p) in donated,
        )
        for p in graph.parameters
    )
    outputs = tuple(
        Result(names[o].lstrip("%"), o.dtype, _dims(o), _alias(numbers, aliases.get(buffers(o))))
        for o in graph.outputs
    )
    return Program(
        target=stages.target.name,
        image=code.image,
        inputs=inputs,
        outputs=outputs,
        symbols=tuple(symbol.name for symbol in graph.symbols),
        guards=tuple(map(str, conditions(layout.input_dims, layout.guards))),
        constants=tuple(literal.array() for literal, _ in buffers.literals()),
        arena=_plain(stages.memory.arena),
        peak=_plain(_peak(stages)),
        launches=launch_records(stages.launches),
        features=required_features(code.features),
        work=_work(stages.tree),
        metadata={"name": graph.name},
        device=code.device,
    )


def launch_records(launches: tuple[Kernel, ...]) -> tuple[Launch, ...]:
    """What each kernel computes, and for which lines."""
    return tuple(map(_launch, launches))


def _alias(numbers: Mapping[Buffer, int], source: Buffer | None) -> int | None:
    return None if source is None else numbers[source]


def _dims(node: Node) -> tuple[int | str, ...]:
    return tuple(map(_plain, node.shape))


def _peak(stages: Stages) -> Dim:
    """The bytes that one call takes: the arena, and results that are in no input's memory."""
    made = (o for o in stages.graph.outputs if stages.buffers(o) not in stages.aliases)
    return sum((node.type.nbytes for node in made), stages.memory.arena)


def _plain(dim: Dim) -> int | str:
    return dim if isinstance(dim, int) else str(dim)


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
