"""Schedules graphs for a graphics processor, and runs and checks what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from running import Array, assert_near

from symfuse.compiler.ir.dims import Symbol, coefficient, evaluate
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.interpret import interpret
from symfuse.compiler.ir.printer import name_nodes
from symfuse.compiler.kernel.device.schedules import DeviceSchedules
from symfuse.compiler.kernel.interpret import interpret_kernels
from symfuse.compiler.kernel.lower import Buffers, Order, lower_group
from symfuse.compiler.kernel.phases import Access, Axis, Buffer, Kernel, Local, Part, Phase, Serial
from symfuse.compiler.kernel.processor import Device
from symfuse.compiler.kernel.verify import verify_kernel
from symfuse.compiler.passes.group_kernels import group_kernels
from symfuse.compiler.passes.order_launches import order_launches
from symfuse.compiler.passes.pipeline import run_pipeline
from symfuse.compiler.passes.separate_outputs import separate_outputs

__all__ = ["Scheduled", "is_coalesced"]


class Scheduled:
    """The launches of a graph on a device; each is verified and fits the device."""

    def __init__(
        self, graph: Graph, device: Device | None = None, numerics: str = "strict"
    ) -> None:
        self.traced, self.device = graph, device or Device()
        simplified, _ = run_pipeline(graph, numerics=numerics)
        schedules = DeviceSchedules(self.device, numerics == "fast")
        self.graph = separate_outputs(simplified)
        grouping = group_kernels(self.graph)
        self.buffers = Buffers(name_nodes(self.graph), grouping.reshaped)
        self.kernels: list[Kernel] = []
        for number, group in enumerate(grouping.groups):
            order = Order(group.kind, group.nodes, group.outputs, group.domain, group.anchor)
            name = f"k{number}_{group.kind}"
            self.kernels += lower_group(order, name, grouping.sees_through, self.buffers, schedules)
        self.launches = order_launches(self.kernels, {})
        for kernel in self.launches:
            verify_kernel(kernel)
            for part in kernel.parts:
                _Facts(part, self.device).check()

    @property
    def part(self) -> Part:
        """The only part of the only kernel."""
        (kernel,) = self.kernels
        (part,) = kernel.parts
        return part

    @property
    def shared(self) -> list[Local]:
        """The locals of the only part that threads hand on to others."""
        facts = _Facts(self.part, self.device)
        return [local for local in facts.locals() if not facts.is_in_registers(local)]

    def check(
        self, *arrays: Array, tolerance: float = 2e-5, sizes: Mapping[str, int] | None = None
    ) -> None:
        """The kernels give what the graph gives."""
        with np.errstate(all="ignore"):
            wanted = interpret(self.traced, arrays)
        assert_near(self.run(arrays, sizes or {}), wanted, tolerance)

    def given(self, arrays: Sequence[Array]) -> dict[Buffer, Array]:
        """What is in memory before the first launch."""
        values = zip(self.graph.parameters, arrays, strict=True)
        given = {self.buffers(p): np.asarray(x, p.dtype.numpy) for p, x in values}
        return given | {buffer: literal.array() for literal, buffer in self.buffers.literals()}

    def run(self, arrays: Sequence[Array], sizes: Mapping[str, int]) -> list[Array]:
        """The results of the kernels on NumPy."""
        memory = interpret_kernels(self.launches, self.given(arrays), sizes)
        pairs = zip(self.graph.outputs, self.traced.outputs, strict=True)
        return [
            memory[self.buffers(stored)].reshape([_number(n, sizes) for n in output.shape])
            for stored, output in pairs
        ]


def _number(size: Any, sizes: Mapping[str, int]) -> int:
    return size if isinstance(size, int) else evaluate(size, sizes)


Mapped = tuple[int, int, int, int]  # lanes, copies, threads, distance of neighbouring threads


class _Facts:
    """What a device demands of a part: threads, shared memory, registers."""

    def __init__(self, part: Part, device: Device) -> None:
        self.part, self.device = part, device
        self.axes = {axis.symbol: axis for axis in part.axes}
        self.blocks = {s.symbol: s.block for s in part.phases if isinstance(s, Serial)}

    def check(self) -> None:
        assert self.part.threads <= self.device.most_threads
        for phase in self.part.every_phase():
            for loop in phase.loops:
                assert loop.threads & (loop.threads - 1) == 0
        shared = [local for local in self.locals() if not self.is_in_registers(local)]
        assert sum(map(self.bytes_of, shared)) <= self.device.most_shared_bytes
        held = [local for local in self.locals() if self.is_in_registers(local)]
        assert max(map(self.words_of, held), default=0) <= self.device.registers_of_thread

    def locals(self) -> list[Local]:
        found = {
            getattr(i.detail, "local", i.detail): None
            for i in self.part.instructions()
            if isinstance(i.detail, Local) or i.op == "reduce"
        }
        return list(found)

    def is_in_registers(self, local: Local) -> bool:
        """Whether all phases that touch the local map its axes alike, and it is no large one."""
        phases = [p for p in self.part.every_phase() if _touches(p, local)]
        if self.words_of(local) > self.device.registers_for(self.part.threads):
            return False
        return len({tuple(self.mapped(p, a) for a in local.axes) for p in phases}) == 1

    def mapped(self, phase: Phase, axis: Symbol) -> Mapped | None:
        distance = phase.same
        for loop in reversed(phase.loops):
            if loop.symbol == axis:
                stride = distance if loop.threads > 1 else 0
                return loop.lanes, loop.copies, loop.threads, stride
            distance *= loop.threads
        return None

    def bytes_of(self, local: Local) -> int:
        return local.dtype.itemsize * prod(self.length(a) for a in local.axes)

    def length(self, symbol: Symbol) -> int:
        """How many indices of an axis there are in a tile, which must be a number."""
        axis: Axis = self.axes[symbol]
        found = self.blocks.get(symbol) or axis.tile or axis.extent
        assert isinstance(found, int), f"{symbol} has any number of indices in a tile"
        return found

    def words_of(self, local: Local) -> int:
        phase = next(p for p in self.part.every_phase() if _touches(p, local))
        each = [
            -(-self.length(a) // mapped[2])
            for a in local.axes
            if (mapped := self.mapped(phase, a)) is not None
        ]
        return prod(each) * max(1, local.dtype.itemsize // 4)


def _touches(phase: Phase, local: Local) -> bool:
    return any(getattr(i.detail, "local", i.detail) is local for i in phase.body)


def is_coalesced(part: Part, op: str) -> bool:
    """Whether neighbouring threads touch neighbouring elements in all accesses of a kind."""
    return all(
        _is_coalesced(phase, i.detail)
        for phase in part.every_phase()
        for i in phase.body
        if i.op == op
    )


def _is_coalesced(phase: Phase, access: Access) -> bool:
    threaded = [loop for loop in phase.loops if loop.threads > 1]
    return not threaded or coefficient(access.offset, threaded[-1].symbol) in (0, 1)
