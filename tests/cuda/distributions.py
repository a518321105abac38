"""Kernels of graphs, walked in ways that no schedule would choose."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np
from msgspec.structs import replace

from symfuse.compiler.ir.dims import Symbol
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.kernel.lower import Buffers, Order, lower_group
from symfuse.compiler.kernel.phases import (
    Axis,
    Buffer,
    Instr,
    Kernel,
    Local,
    Loop,
    Part,
    Phase,
    Reduce,
)
from symfuse.compiler.passes.group_kernels import group_kernels

__all__ = ["given_to", "kernels_of", "redistributed", "symbols_of"]

Array = np.ndarray[Any, Any]
MOST_THREADS = 256


def kernels_of(graph: Graph, schedules: Any) -> tuple[tuple[Kernel, ...], Buffers]:
    """The kernels of a graph as it is, and its buffers."""
    grouping = group_kernels(graph)
    buffers = Buffers({}, grouping.reshaped)
    kernels: list[Kernel] = []
    for number, group in enumerate(grouping.groups):
        order = Order(group.kind, group.nodes, group.outputs, group.domain, group.anchor)
        kernels += lower_group(order, f"k{number}", grouping.sees_through, buffers, schedules)
    return tuple(kernels), buffers


def given_to(graph: Graph, buffers: Buffers, arrays: Iterable[Array]) -> dict[Buffer, Array]:
    """What lies in memory before the kernels run."""
    pairs = zip(graph.parameters, arrays, strict=True)
    given = {buffers(p): np.asarray(x, p.dtype.numpy) for p, x in pairs}
    return given | {buffer: literal.array() for literal, buffer in buffers.literals()}


def redistributed(kernel: Kernel, rng: np.random.Generator) -> Kernel:
    """The same kernel with tiles and loops drawn by lot."""
    return replace(kernel, parts=tuple(_part(part, rng) for part in kernel.parts))


def _part(part: Part, rng: np.random.Generator) -> Part:
    alone = {symbol for symbol, most in _single_tiles(part).items() if not most}
    axes = tuple(
        replace(axis, tile=int(rng.choice([1, 3, 8]))) if axis.symbol in alone else axis
        for axis in part.axes
    )
    alike = {axis.symbol: _loop(axis.symbol, rng) for axis in axes}
    phases = tuple(
        _phase(item, axes, alike if rng.random() < 0.5 else None, rng)
        for item in part.phases
        if isinstance(item, Phase)
    )
    return Part(axes, phases)


def _single_tiles(part: Part) -> dict[Symbol, bool]:
    """The axes whose tiles have one index; whether their tiles are numbered."""
    return {a.symbol: a.number is not None for a in part.axes if a.tile == 1}


def _loop(symbol: Symbol, rng: np.random.Generator) -> Loop:
    lanes, copies = int(rng.choice([1, 2, 4])), int(rng.choice([1, 1, 2, 3]))
    return Loop(symbol, lanes, copies, int(rng.choice([1, 2, 3, 8, 32, 64])))


def _phase(
    phase: Phase, axes: tuple[Axis, ...], alike: dict[Symbol, Loop] | None, rng: np.random.Generator
) -> Phase:
    used = symbols_of(phase.body)
    loops = [
        alike[axis.symbol] if alike else _loop(axis.symbol, rng)
        for axis in axes
        if axis.symbol in used and axis.tile != 1
    ]
    if not alike and rng.random() < 0.5:
        loops.reverse()
    while prod(loop.threads for loop in loops) > MOST_THREADS:
        at = int(np.argmax([loop.threads for loop in loops]))
        loops[at] = replace(loops[at], threads=max(1, loops[at].threads // 2))
    room = MOST_THREADS // prod(loop.threads for loop in loops)
    same = int(rng.choice([n for n in (1, 1, 2, 32) if n <= room]))
    if prod(loop.threads for loop in loops) == 1:
        loops, same = [replace(loop, lanes=1) for loop in loops], 1
    return Phase(tuple(loops), phase.body, same)


def symbols_of(body: Iterable[Instr]) -> set[Symbol]:
    """The axes that a body has to walk."""
    found: set[Symbol] = set()
    for instr in body:
        found |= instr.axes
        if isinstance(instr.detail, Local):
            found |= set(instr.detail.axes)
        elif isinstance(instr.detail, Reduce):
            found |= instr.detail.over | set(instr.detail.local.axes)
    return found
