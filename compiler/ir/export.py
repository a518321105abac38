"""Graph → what other tools read: NetworkX, Graphviz, Mermaid, and counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from .dataflow import Dataflow
from .dims import Dim
from .node import Node
from .printer import format_attribute, is_inline, name_nodes
from .regions import plain_attributes, titled_regions

__all__ = ["Stats", "stats", "to_dot", "to_mermaid", "to_networkx"]

_MERMAID = str.maketrans(
    {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "\n": "<br/>"}
)
_LONGEST = 60  # letters of the attributes in a label


class Stats(Struct, frozen=True):
    """The size of a graph in numbers."""

    nodes: int  # that compute: neither parameters nor constants
    parameters: int
    constants: int
    outputs: int
    depth: int  # operations on the longest path from a parameter to an output
    operations: dict[str, int]  # how often each occurs, the most frequent first
    parameter_bytes: Dim
    output_bytes: Dim

    def __str__(self) -> str:
        counted = ", ".join(f"{n} {name}" for name, n in self.operations.items())
        return (
            f"{self.nodes} nodes ({counted}), depth {self.depth}; {self.parameters} parameters "
            f"of {self.parameter_bytes} bytes, {self.outputs} outputs of {self.output_bytes} bytes"
        )


def stats(graph: Dataflow) -> Stats:
    """How many nodes of which operation, how deep, how many bytes go in and out."""
    operations = graph.stats()
    constants, _ = operations.pop("constant", 0), operations.pop("parameter", 0)
    depth: dict[Node, int] = {}
    for node in graph.nodes:
        below = max((depth[source] for source in node.inputs), default=0)
        depth[node] = below + (not node.is_parameter and not node.is_constant)
    return Stats(
        nodes=sum(operations.values()),
        parameters=len(graph.parameters),
        constants=constants,
        outputs=len(graph.outputs),
        depth=max((depth[output] for output in graph.outputs), default=0),
        operations=operations,
        parameter_bytes=sum((p.type.nbytes for p in graph.parameters), 0),
        output_bytes=sum((o.type.nbytes for o in graph.outputs), 0),
    )


def to_networkx(graph: Dataflow) -> Any:
    """A `networkx.MultiDiGraph`: a node for each value by its printed name, an edge for each use.

    Nodes carry `op`, `type`, `attributes`, `node`; edges carry `operand`, the position.
    """
    import networkx

    found = networkx.MultiDiGraph(name=graph.name)
    names = name_nodes(graph)
    for node in _everything(graph):
        found.add_node(
            names[node], op=node.op.name, type=str(node.type), attributes=node.attrs, node=node
        )
    for node in graph.nodes:
        for position, source in enumerate(node.inputs):
            found.add_edge(names[source], names[node], operand=position)
    found.graph["outputs"] = [names[output] for output in graph.outputs]
    return found


def to_dot(graph: Dataflow) -> str:
    """Graphviz text; numbers are drawn inside the nodes that use them."""
    lines = [f"digraph {_quoted(graph.name)} {{", '  node [shape=box, fontname="monospace"];']
    ids = _ids(graph)
    names = name_nodes(graph)
    for node, id_ in ids.items():
        shape = ", shape=ellipse" if node.is_parameter else ""
        lines.append(f"  {id_} [label={_quoted(_label(node, names))}{shape}];")
    lines += [f"  {ids[a]} -> {ids[b]};" for a, b in _edges(graph)]
    for at, output in enumerate(graph.outputs):
        lines.append(f"  out{at} [label={_quoted(f'output {at}')}, shape=ellipse];")
        if output in ids:
            lines.append(f"  {ids[output]} -> out{at};")
    return "\n".join([*lines, "}", ""])


def to_mermaid(graph: Dataflow) -> str:
    """Mermaid text, as GitHub and notebooks draw it."""
    lines = ["flowchart TD"]
    ids = _ids(graph)
    names = name_nodes(graph)
    for node, id_ in ids.items():
        opening, closing = ("([", "])") if node.is_parameter else ("[", "]")
        lines.append(f'  {id_}{opening}"{_entities(_label(node, names))}"{closing}')
    lines += [f"  {ids[a]} --> {ids[b]}" for a, b in _edges(graph)]
    for at, output in enumerate(graph.outputs):
        lines.append(f'  out{at}(["output {at}"])')
        if output in ids:
            lines.append(f"  {ids[output]} --> out{at}")
    return "\n".join([*lines, ""])


def _everything(graph: Dataflow) -> tuple[Node, ...]:
    """The parameters, used or not, then all other nodes."""
    return tuple(dict.fromkeys((*graph.parameters, *graph.nodes)))


def _ids(graph: Dataflow) -> dict[Node, str]:
    drawn = (node for node in _everything(graph) if not is_inline(node))
    return {node: f"n{at}" for at, node in enumerate(drawn)}


def _edges(graph: Dataflow) -> Iterator[tuple[Node, Node]]:
    """Who is read by whom, numbers left out."""
    for node in graph.nodes:
        if not is_inline(node):
            yield from ((source, node) for source in node.inputs if not is_inline(source))


def _label(node: Node, names: dict[Node, str]) -> str:
    """Name, operation with its numbers and attributes, type: a line each."""
    if node.is_parameter or node.is_constant:
        return f"{names[node]}\n{node.type}"
    operands = [names[source] if is_inline(source) else "·" for source in node.inputs]
    given = [f"{key}={format_attribute(value)}" for key, value in plain_attributes(node)]
    attrs = ", ".join([*given, *(title for title, _ in titled_regions(node))])
    if len(attrs) > _LONGEST:
        attrs = f"{attrs[: _LONGEST - 1]}…"
    inside = ", ".join([*operands, attrs] if attrs else operands)
    return f"{names[node]}\n{node.op}({inside})\n{node.type}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _entities(text: str) -> str:
    return text.translate(_MERMAID)
