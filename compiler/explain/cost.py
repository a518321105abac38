"""Counts what a graph computes and moves: operations and bytes, exact, as formulas in the sizes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import add
from typing import Any

from msgspec import Struct

from symfuse.runtime.dtypes import DType

from ..ir.dims import Dim, Symbol, ceil_div, evaluate, product
from ..ir.graph import Graph
from ..ir.node import Node
from ..ir.op import Reduction
from ..ir.printer import is_inline, name_nodes
from ..ir.regions import bundles, executed_regions
from ..kernel.body import Body, Reader
from ..kernel.domain import axis_symbols
from ..kernel.phases import Access, Buffer, Instr, Kernel, Part, Phase, Serial
from ..kernel.regions import turns
from ..kernel.scalar import INSTRUCTIONS
from .text import as_bundle, bytes_text, count_text, table

__all__ = ["Cost", "Costs", "costs", "kernel_bytes", "kernel_flops", "node_cost"]

_HARD = 14  # the cost, in additions, from which an instruction counts as transcendental
_WEIGHTS = {"fma": 2, "select": 0}


class Cost(Struct, frozen=True):
    """Arithmetic instructions (`flops`), elementary functions among them, and bytes touched."""

    flops: Dim = 0
    transcendentals: Dim = 0
    nbytes: Dim = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.flops + other.flops,
            self.transcendentals + other.transcendentals,
            self.nbytes + other.nbytes,
        )

    def times(self, count: Dim) -> Cost:
        """The same for `count` elements."""
        return Cost(self.flops * count, self.transcendentals * count, self.nbytes * count)


class Costs(Struct, frozen=True):
    """The cost of each node, of all together, and what the kernels move after fusion."""

    nodes: tuple[tuple[Node, Cost], ...]
    total: Cost
    fused_bytes: Dim
    names: tuple[str, ...]

    @property
    def flops(self) -> Dim:
        return self.total.flops

    @property
    def bytes(self) -> Dim:
        """Bytes that the kernels read and write."""
        return self.fused_bytes

    @property
    def unfused_bytes(self) -> Dim:
        """Bytes that one kernel for each operation would read and write."""
        return self.total.nbytes

    def evaluate(self, **sizes: int) -> dict[str, int]:
        """The totals for these sizes."""
        formulas = {
            "flops": self.flops,
            "transcendentals": self.total.transcendentals,
            "bytes": self.bytes,
            "unfused_bytes": self.unfused_bytes,
        }
        return {name: evaluate(formula, sizes) for name, formula in formulas.items()}

    def as_dict(self) -> dict[str, Any]:
        """The formulas as text or numbers, for JSON."""
        return {
            "flops": _plain(self.flops),
            "transcendentals": _plain(self.total.transcendentals),
            "bytes": _plain(self.bytes),
            "unfused_bytes": _plain(self.unfused_bytes),
        }

    def table(self) -> str:
        """A line a node that computes or moves anything, then the sums."""
        rows = [
            (name, node.op.name, count_text(cost.flops), bytes_text(cost.nbytes))
            for (node, cost), name in zip(self.nodes, self.names, strict=True)
        ]
        rows.append(("sum", "", count_text(self.flops), bytes_text(self.unfused_bytes)))
        rows.append(("fused", "", count_text(self.flops), bytes_text(self.bytes)))
        return table(("value", "operation", "FLOPs", "bytes"), rows, left=2)

    __str__ = table
    _repr_mimebundle_ = as_bundle


def costs(graph: Graph, launches: Sequence[Kernel] = ()) -> Costs:
    """The cost of a graph; without kernels, fused bytes are those of inputs and outputs."""
    names = name_nodes(graph)
    first = {group[0] for group in bundles(graph.nodes).values()}
    counted = [(n, node_cost(n)) for n in graph.nodes if n.op.regional is None or n in first]
    nodes = tuple((n, c) for n, c in counted if c != Cost())
    total = reduce(add, (cost for _, cost in nodes), Cost())
    ends: Dim = sum((n.type.nbytes for n in (*graph.parameters, *graph.outputs)), 0)
    moved = (kernel_bytes(kernel) * often for kernel, often in turns(launches))
    fused: Dim = sum(moved, 0) if launches else ends
    return Costs(nodes, total, fused, tuple(names[node] for node, _ in nodes))


def kernel_bytes(kernel: Kernel) -> Dim:
    """Bytes of the buffers that a launch reads and writes, each once; a workspace is none."""
    instrs = (instr for part in kernel.parts for instr in part.instructions())
    buffers = dict.fromkeys(i.detail.buffer for i in instrs if isinstance(i.detail, Access))
    if not kernel.parts:
        buffers = dict.fromkeys((*kernel.reads, *kernel.writes[:1]))
    total: Dim = 0
    for buffer in buffers:
        total = total + product(buffer.shape) * buffer.dtype.itemsize
    return total


def kernel_flops(kernel: Kernel) -> Dim:
    """Arithmetic instructions that a launch runs. What a library computes counts by the definitions
    of the operations: products do, decompositions and transforms have none."""
    if not kernel.parts:
        return sum((node_cost(node).flops for node in kernel.nodes), 0)
    total: Dim = 0
    for part in kernel.parts:
        for item in part.phases:
            serial = item if isinstance(item, Serial) else None
            for phase in item.phases if isinstance(item, Serial) else (item,):
                total = total + _phase_flops(part, phase, serial)
    return total


def _phase_flops(part: Part, phase: Phase, serial: Serial | None) -> Dim:
    """Each instruction as often as its value changes, a fold with every element."""
    walked = frozenset(loop.symbol for loop in phase.loops)
    total: Dim = 0
    for instr in phase.body:
        once = _instruction_flops(instr)
        over = walked if instr.is_fold else walked & instr.axes
        total = total + (_visits(part, over, serial) * once if once else 0)
    return total


def _instruction_flops(instr: Instr) -> Dim:
    if not instr.is_fold:
        return _counted((instr,)).flops
    return _combination(instr.detail.reduction, [arg.dtype for arg in instr.args]).flops


def _visits(part: Part, walked: frozenset[Symbol], serial: Serial | None) -> Dim:
    """How often all tiles come by: along an axis that is not walked, once a tile or block."""
    total: Dim = 1
    for axis in part.axes:
        extent, tiles = axis.extent, axis.tiles
        if serial is not None and axis.symbol == serial.symbol:
            extent = serial.most(extent)
            tiles = ceil_div(extent, serial.block)
        total = total * (extent if axis.symbol in walked else tiles)
    return total


def node_cost(node: Node) -> Cost:
    """What one operation costs by itself; parameters, constants and views cost nothing.

    Of a loop whose end is not known it is that of one turn, of a branch that of all branches.
    """
    if node.op.regional is not None:
        inside = reduce(add, (costs(one).total for one in executed_regions(node)), Cost())  # type: ignore[arg-type]
        return inside.times(dict(node.attributes).get("length", 1))
    is_given = node.is_parameter or node.is_constant or is_inline(node)
    if is_given or node.op.moves is not None or node.op.is_view:
        return Cost()
    moved = Cost(nbytes=_touched(node))
    if node.op.contraction:
        over = product(tuple(node.inputs[0].shape[axis] for axis in node.attr("contracting")[0]))
        return moved + Cost(flops=node.type.size * over * 2)
    if node.op.reduction is not None:
        return moved + _fold_cost(node)
    if node.op.scatter:
        return moved + Cost(flops=node.inputs[-1].type.size)
    if node.op.element is not None:
        return moved + _element_cost(node).times(node.type.size)
    return moved


def _touched(node: Node) -> Dim:
    """Bytes read and written; of a table only the rows that are taken, or replaced."""
    if node.op.overwrites:
        return node.inputs[1].type.nbytes * 2
    read: Dim = 0
    for at, source in enumerate(dict.fromkeys(node.inputs)):
        if is_inline(source):
            continue
        is_table = node.op.name in ("take", "take_along_axis", "dynamic_slice") and at == 0
        read = read + (node.type.nbytes if is_table else source.type.nbytes)
    return read + node.type.nbytes


def _element_cost(node: Node) -> Cost:
    """The instructions of one element, written by the operation's own definition."""
    body = _counting_body()
    readers = tuple(Reader(body, source) for source in node.inputs)
    index = tuple(symbol + 0 for symbol in axis_symbols(node.shape))
    assert node.op.element is not None
    node.op.element(body, index, readers, node.type, node.attrs)
    return _counted(body.finish())


def _fold_cost(node: Node) -> Cost:
    """One injection an element, and one combination less than elements for each result."""
    reduction, source = node.op.reduction, node.inputs[0]
    assert reduction is not None
    body = _counting_body()
    value = body.load(Buffer("value", source.dtype, ()), (), ())
    position = body.load(Buffer("position", source.dtype, ()), (), ())
    given = (value, position) if reduction.uses_position else (value, None)
    state = reduction.inject(body, *given)
    injected = _counted(body.finish()).times(source.type.size)
    combined = _combination(reduction, tuple(x.dtype for x in state))
    return injected + combined.times(source.type.size - node.type.size)


def _combination(reduction: Reduction, dtypes: Sequence[DType]) -> Cost:
    """One combination of two states."""
    body = _counting_body()
    one, other = (
        tuple(body.load(Buffer(f"{side}{k}", dtype, ()), (), ()) for k, dtype in enumerate(dtypes))
        for side in "st"
    )
    reduction.combine(body, one, other)
    return _counted(body.finish())


def _counting_body() -> Body:
    return Body(lambda _: False, lambda node: Buffer(f"b{id(node)}", node.dtype, node.shape))


def _counted(instrs: Iterable[Instr]) -> Cost:
    rows = [INSTRUCTIONS[i.op] for i in instrs if i.op in INSTRUCTIONS]
    flops = sum(_WEIGHTS.get(row.name, 1) for row in rows)
    return Cost(flops, sum(row.cost >= _HARD for row in rows))


def _plain(dim: Dim) -> int | str:
    return dim if isinstance(dim, int) else str(dim)
