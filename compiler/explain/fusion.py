"""Why nodes share kernels or do not, told by the user's lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from ..ir.dims import Dim
from ..ir.graph import Graph
from ..ir.node import Node
from ..ir.printer import name_nodes
from ..ir.regions import every_node
from ..kernel.phases import Kernel
from ..passes.group_kernels import Grouping
from .records import homes, operation_count
from .text import as_bundle, bytes_text, numbered

__all__ = ["Apart", "FusionReport", "Line", "fusion_report"]


class Line(Struct, frozen=True):
    """One line of the user's source, the operations on it and the launches that compute them."""

    file: str
    number: int
    text: str
    function: str
    operations: tuple[str, ...]
    kernels: tuple[int, ...]


class Apart(Struct, frozen=True):
    """Two neighbours in different kernels, the reason, and the bytes that joining would save."""

    producer: str
    consumer: str
    producer_line: str
    consumer_line: str
    reason: str
    nbytes: Dim

    def __str__(self) -> str:
        where = f" ({self.producer_line} → {self.consumer_line})" if self.producer_line else ""
        gain = f"; {bytes_text(self.nbytes)} forgone" if _is_some(self.nbytes) else ""
        return f"{self.producer} | {self.consumer}{where}: {self.reason}{gain}"


class FusionReport(Struct, frozen=True):
    """The source lines with their kernels, and every pair of neighbours that did not fuse.

    `products` tells who computes each product where there is a choice, `tree` how loops and
    branches run the kernels.
    """

    lines: tuple[Line, ...]
    kernels: tuple[str, ...]
    apart: tuple[Apart, ...]
    joined: int
    nodes: int
    products: tuple[str, ...] = ()
    tree: tuple[str, ...] = ()

    def text(self) -> str:
        """The lines with the numbers of their kernels before them, then the verdicts."""
        width = max((len(_numbers(line)) for line in self.lines), default=0)
        shown: list[str] = []
        for at, line in enumerate(self.lines):
            if at == 0 or self.lines[at - 1].file != line.file:
                shown.append(f"{line.file}")
            shown.append(f"  {_numbers(line):<{width}} │ {line.number:>4}  {line.text}")
        kernels = [f"  k{number}: {name}" for number, name in enumerate(self.kernels)]
        kernels = list(self.tree) or kernels
        together = numbered(len(self.kernels), "kernel"), numbered(self.joined, "join")
        head = f"{numbered(self.nodes, 'operation')} in {', '.join(together)}"
        parts = [head, *shown, "kernels", *kernels]
        if self.products:
            parts += ["products", *(f"  {sentence}" for sentence in self.products)]
        if self.apart:
            parts += ["kept apart", *(f"  {pair}" for pair in self.apart)]
        return "\n".join(parts)

    __str__ = text
    _repr_mimebundle_ = as_bundle

    def as_dict(self) -> dict[str, Any]:
        """Everything as text and numbers, for JSON."""
        return {
            "kernels": list(self.kernels),
            "joined": self.joined,
            **({"products": list(self.products)} if self.products else {}),
            **({"tree": list(self.tree)} if self.tree else {}),
            "lines": [
                {
                    "file": line.file,
                    "line": line.number,
                    "text": line.text,
                    "operations": list(line.operations),
                    "kernels": list(line.kernels),
                }
                for line in self.lines
            ],
            "apart": [
                {
                    "producer": pair.producer,
                    "consumer": pair.consumer,
                    "reason": pair.reason,
                    "bytes": pair.nbytes if isinstance(pair.nbytes, int) else str(pair.nbytes),
                }
                for pair in self.apart
            ],
        }


def fusion_report(
    graph: Graph,
    grouping: Grouping,
    launches: Sequence[Kernel],
    inner: Sequence[tuple[Graph, Grouping]] = (),
) -> FusionReport:
    """The record of every decision of the grouping, by the user's lines; `inner` are the graphs
    inside of loops and branches with theirs."""
    found = [_decided(*one) for one in ((graph, grouping), *inner)]
    apart = tuple(pair for pairs, _ in found for pair in pairs)
    joined = sum(count for _, count in found)
    kernels = tuple(launch.name for launch in launches)
    lines = _lines(graph, homes(launches))
    return FusionReport(lines, kernels, apart, joined, operation_count(graph))


def _decided(graph: Graph, grouping: Grouping) -> tuple[tuple[Apart, ...], int]:
    """The neighbours that stay apart, and how often neighbours were joined."""
    names = name_nodes(graph)
    apart: dict[tuple[Node, Node], Apart] = {}
    joined = 0
    for verdict in grouping.verdicts:
        pair = (verdict.producer, verdict.consumer)
        if _together(grouping, *pair):
            joined += verdict.joined
            apart.pop(pair, None)
        elif not verdict.joined:
            apart[pair] = _apart(graph, names, *pair, verdict.reason)
    return tuple(apart.values()), joined


def _lines(graph: Graph, where: dict[Node, tuple[int, ...]]) -> tuple[Line, ...]:
    """The user's lines in the order of the files' first use, then of their numbers."""
    at: dict[tuple[str, int], list[Node]] = {}
    files: dict[str, None] = {}
    for node in every_node(graph):
        loc = node.source.loc
        if loc is not None and not node.is_parameter:
            files[loc.filename] = None
            at.setdefault((loc.filename, loc.line), []).append(node)
    order = list(files)
    keys = sorted(at, key=lambda key: (order.index(key[0]), key[1]))
    return tuple(_line(key, at[key], where) for key in keys)


def _line(key: tuple[str, int], nodes: list[Node], where: dict[Node, tuple[int, ...]]) -> Line:
    loc = nodes[0].source.loc
    assert loc is not None
    kernels = sorted({number for node in nodes for number in where.get(node, ())})
    operations = dict.fromkeys(n.op.name for n in nodes if not n.is_constant)
    return Line(key[0], key[1], loc.source(), loc.function, tuple(operations), tuple(kernels))


def _together(grouping: Grouping, producer: Node, consumer: Node) -> bool:
    return any(producer in g.nodes and consumer in g.nodes for g in grouping.groups)


def _apart(
    graph: Graph, names: dict[Node, str], producer: Node, consumer: Node, reason: str
) -> Apart:
    """Joining saves the read; the write as well where nobody else needs the value."""
    only_reader = len(graph.users[producer]) == 1 and producer not in graph.outputs
    nbytes = producer.type.nbytes * (2 if only_reader else 1)
    return Apart(
        f"{names[producer]} = {producer.op}",
        f"{names[consumer]} = {consumer.op}",
        str(producer.source.loc or ""),
        str(consumer.source.loc or ""),
        reason,
        nbytes,
    )


def _numbers(line: Line) -> str:
    return ",".join(f"k{number}" for number in line.kernels) or "—"


def _is_some(nbytes: Dim) -> bool:
    return not isinstance(nbytes, int) or nbytes > 0
