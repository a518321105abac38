"""Graphs → launches in their order, those of loops and branches inside their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from symfuse.runtime.dtypes import DType

from .ir.dims import Dim
from .ir.graph import Graph
from .ir.node import Node
from .ir.printer import name_nodes
from .kernel.lower import Buffers, Order, copy_kernels, lower_group
from .kernel.phases import Buffer, Kernel
from .kernel.regions import Carry, Choice, Region, Repeat, Rows, Slot, While
from .passes.drop_copies import drop_copies, handed_on, is_copied
from .passes.group_kernels import Group, group_kernels
from .passes.order_launches import order_launches
from .passes.separate_operands import in_memory, separate_operands
from .passes.separate_outputs import separate_outputs
from .targets.target import Assignment, Target

__all__ = ["Sequencer", "safely_overwritten"]

_UNKNOWN_TURNS = 64  # of a loop whose end nobody knows, when work is estimated

Given = Mapping[Node, Buffer]


class Sequencer(Struct, frozen=True):
    """Lowers the groups of a graph, and those of the graphs inside it, which `bodies` collects."""

    target: Target
    numerics: str
    bodies: list[tuple[Graph, Assignment]] = field(default_factory=list)

    def lower(self, assignment: Assignment, buffers: Buffers, prefix: str = "") -> list[Kernel]:
        """The kernels of all groups, producers first."""
        kernels: list[Kernel] = []
        sees_through = assignment.grouping.sees_through
        schedules = self.target.schedules(self.numerics)
        for number, group in enumerate(assignment.grouping.groups):
            name = f"{prefix}k{number}_{group.kind}_{group.nodes[-1].op.name}"
            if group.anchor is not None and group.anchor.op.regional is not None:
                kernels += _Region(self, group, f"{prefix}k{number}", buffers).kernels()
                continue
            ready = assignment.library_kernel(group, name, buffers)
            if ready is not None:
                kernels.append(ready)
                continue
            order = Order(group.kind, group.nodes, group.outputs, group.domain, group.anchor)
            kernels += lower_group(order, name, sees_through, buffers, schedules)
        return kernels


def safely_overwritten(
    launches: Sequence[Kernel], wanted: Mapping[Buffer, Buffer]
) -> dict[Buffer, Buffer]:
    """Those where nothing reads the source once it is overwritten, and each element is read
    in its own kernel only at the place where the result is stored."""
    safe = {}
    for result, source in wanted.items():
        at = next(n for n, launch in enumerate(launches) if result in launch.writes)
        later = any(source in launch.reads for launch in launches[at + 1 :])
        if not later and launches[at].reads_in_place(source, result):
            safe[result] = source
    return safe


class _Region:
    """The launch of one loop or branch, from the group of its results."""

    def __init__(self, sequencer: Sequencer, group: Group, name: str, buffers: Buffers) -> None:
        self.sequencer, self.group, self.name, self.buffers = sequencer, group, name, buffers
        self.node = group.nodes[0]
        self.attrs = self.node.attrs
        self.operands = tuple(buffers(in_memory(source)) for source in self.node.inputs)
        self.results = {node.attr("result"): buffers(node) for node in group.nodes}
        self.fixed: frozenset[Buffer] = frozenset()  # what every turn sees the same
        self.before: list[Kernel] = []
        self.begun: set[int] = set()  # operands that are read before the first turn

    def kernels(self) -> list[Kernel]:
        """The region with all that it reads and writes, after what its turns need but once."""
        make = {"loop": self._repeat, "while_loop": self._while, "branch": self._choice}
        region = make[self.node.op.name]()
        turns = region.length if isinstance(region, Repeat) else 1
        if isinstance(region, While):
            turns = region.bound or _UNKNOWN_TURNS
        work: Dim = 0
        for body in region.bodies:
            for launch in body:
                work = work + launch.work * turns
        writes = tuple(dict.fromkeys((*self.results.values(), *region.own)))
        kind = self.node.op.name
        name, nodes = f"{self.name}_{kind}", self.group.nodes
        given = [b for number, b in enumerate(self.operands) if number not in self.begun]
        reads = (*given, *(made for kernel in self.before for made in kernel.writes))
        whole = Kernel(name, kind, (), work, nodes, reads, writes, region=region)
        return [*self.before, whole]

    def _repeat(self) -> Region:
        body: Graph = self.attrs["body"]
        carries, scanned = self.attrs["carries"], self.attrs["scanned"]
        turn, *values = body.parameters
        state = self._carries(body, values[:carries])
        rows = [
            Rows(whole, Slot.over(_memory(p), rows=(whole,)))
            for whole, p in zip(self.operands[carries:], values[carries:], strict=True)
        ][:scanned]
        given = dict(zip(values, (c.read for c in state), strict=False))
        given |= dict(zip(values[carries:], (row.slot for row in rows), strict=False))
        given |= self._shared(values, carries + scanned)
        counter = Buffer("turn", DType.I64, ()) if turn in body.nodes else None
        if counter is not None:
            given[turn] = counter
        slots = [
            Slot.over(_memory(output), rows=self._whole(k))
            for k, output in enumerate(body.outputs[carries:], carries)
        ]
        made = [
            Rows(self.results[k], slot)
            for k, slot in enumerate(slots, carries)
            if k in self.results
        ]
        state = self._ridden(body, state, slots)
        pairs = zip(body.outputs, (*(c.write for c in state), *slots), strict=True)
        places = {slot: output for output, slot in pairs}
        body = body.with_outputs(places.values())
        launches = self._body(body, "", given, tuple(places), state)
        length, reverse = self.attrs["length"], self.attrs["reverse"]
        launches, state = self._begun(launches, state)
        return Repeat(launches, length, reverse, tuple(state), (*rows, *made), counter)

    def _begun(
        self, launches: tuple[Kernel, ...], state: Sequence[Carry]
    ) -> tuple[tuple[Kernel, ...], list[Carry]]:
        """The launches of a turn and the carries; one that turns replace a piece of begins where it
        ends, in a copy that is made before them."""
        carries, found = _settled(launches, state), []
        for number, carry in enumerate(carries):
            alone = carry.spare is None and not carry.is_row
            if alone and is_copied(launches, carry.read, carry.write):
                name = f"{self.name}_begin{number}"
                schedules = self.sequencer.target.schedules(self.sequencer.numerics)
                copies = copy_kernels(
                    name, carry.start, carry.end, self.group.nodes[:1], self.buffers, schedules
                )
                self.before += copies
                self.begun.add(number)
                carry = replace(carry, start=carry.end)
            found.append(carry)
        same = {c.write: c.read for c in found if c.spare is None and not c.is_row}
        return drop_copies(launches, lambda one, other: same.get(other) is one), found

    def _ridden(self, body: Graph, state: list[Carry], slots: list[Slot]) -> list[Carry]:
        """The carries, those that are a row as well read where the turn before has put it."""
        found = []
        rows = dict(zip(reversed(body.outputs[len(state) :]), reversed(slots), strict=True))
        known = {k - len(state) for k in self.results}
        for number, carry in enumerate(state):
            slot = rows.get(body.outputs[number])
            if slot is not None and slots.index(slot) in known:
                last = self.results.get(number)
                carry = replace(carry, write=slot, last=last, spare=None, is_row=True)
            found.append(carry)
        return found

    def _while(self) -> Region:
        body, condition = self.attrs["body"], self.attrs["condition"]
        carries = self.attrs["carries"]
        state = self._carries(body, body.parameters[:carries])
        reads = [c.read for c in state]
        test = Buffer("test", DType.BOOL, ())
        given = dict(zip(condition.parameters, reads, strict=False))
        given |= self._shared(condition.parameters, carries)
        before = self._body(condition, "test_", given, [test], ())
        given = dict(zip(body.parameters, reads, strict=False))
        given |= self._shared(body.parameters, carries)
        launches = self._body(body, "", given, [c.write for c in state], state)
        launches, state = self._begun(launches, state)
        return While(before, launches, test, tuple(state), self.attrs["bound"])

    def _choice(self) -> Region:
        branches: tuple[Graph, ...] = self.attrs["branches"]
        wanted = [
            self.results.get(number) or _memory(output)
            for number, output in enumerate(branches[0].outputs)
        ]
        bodies = []
        for number, one in enumerate(branches):
            given = dict(zip(one.parameters, self.operands[1:], strict=True))
            bodies.append(self._body(one, f"b{number}_", given, wanted, ()))
        return Choice(self.operands[0], tuple(bodies))

    def _shared(self, values: Sequence[Node], start: int) -> dict[Node, Buffer]:
        """The parameters that every turn sees the same."""
        self.fixed |= frozenset(self.operands[start:])
        return dict(zip(values[start:], self.operands[start:], strict=True))

    def _carries(self, body: Graph, parameters: Sequence[Node]) -> list[Carry]:
        found = []
        for number, parameter in enumerate(parameters):
            output = body.outputs[number]
            last = self.results.get(number) or _memory(output, "_last")
            start, spare = self.operands[number], _memory(output, "_spare")
            same = [k for k, o in enumerate(body.outputs) if o is output and k >= len(parameters)]
            rows = tuple(whole for k in same for whole in self._whole(k))
            read = Slot.over(_memory(parameter), start, last, rows=rows)
            found.append(Carry(start, read, Slot.over(_memory(output), last), last, spare))
        return found

    def _whole(self, number: int) -> tuple[Buffer, ...]:
        """The result of which turns write a row each, if anything reads it."""
        return (self.results[number],) if number in self.results else ()

    def _body(
        self,
        graph: Graph,
        part: str,
        given: Given,
        wanted: Sequence[Buffer],
        state: Sequence[Carry],
    ) -> tuple[Kernel, ...]:
        """The launches of one graph, whose parameters and outputs lie in memory that exists."""
        graph = separate_operands(separate_outputs(graph))
        target, numerics = self.sequencer.target, self.sequencer.numerics
        assignment = target.assign(graph, group_kernels(graph), numerics)
        self.sequencer.bodies.append((graph, assignment))
        grouping = assignment.grouping
        shared = {**grouping.reshaped, **handed_on(graph, grouping.sees_through)}
        buffers = self.buffers.inner(name_nodes(graph), shared)
        for node, buffer in given.items():
            buffers.adopt(node, buffer)
        for output, buffer in zip(graph.outputs, wanted, strict=True):
            buffers.adopt(output, buffer)
        buffers.lasting = self.fixed
        kernels = self.sequencer.lower(assignment, buffers, f"{self.name}_{part}")
        early = [k for k in kernels if k.kind == "pack" and self.fixed.issuperset(k.reads)]
        self.before += early
        kernels = [kernel for kernel in kernels if kernel not in early]
        return order_launches(kernels, {c.write: c.read for c in state if not c.is_row})


def _settled(launches: tuple[Kernel, ...], state: Sequence[Carry]) -> tuple[Carry, ...]:
    """The carries, those without a spare that each turn can overwrite."""
    safe = safely_overwritten(launches, {c.write: c.read for c in state if not c.is_row})
    return tuple(replace(c, spare=None) if c.write in safe else c for c in state)


def _memory(node: Node, what: str = "") -> Buffer:
    return Buffer(f"{_name(node)}{what}", node.dtype, node.shape)


def _name(node: Node) -> str:
    name: Any = node.source.variable()
    return name or "value"
