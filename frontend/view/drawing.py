"""What is drawn of a graph: boxes with labels, lines with types, and the kernels around them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import groupby
from math import inf
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.node import Node
from symfuse.compiler.ir.printer import format_attribute, is_inline, name_nodes
from symfuse.compiler.ir.regions import bundles, plain_attributes, titled_regions

__all__ = ["MOST", "Box", "Drawing", "Frame", "Frames", "Line", "draw", "family"]

MOST = 200  # boxes; larger graphs are drawn by kernel, by scope or by line
_LONGEST = 30  # letters in a label


class Box(Struct, frozen=True):
    """One value, or several in one box; `detail` may have several lines."""

    key: Hashable
    title: str
    detail: str
    family: str
    hint: str = ""
    frame: Hashable | None = None


class Line(Struct, frozen=True):
    """A use of a value; the label is its type."""

    source: Hashable
    target: Hashable
    label: str = ""


class Frame(Struct, frozen=True):
    """A box around the boxes of one kernel, or of a part of a model; `frame` is around it."""

    key: Hashable
    title: str
    number: int
    frame: Hashable | None = None


class Drawing(Struct, frozen=True):
    """Boxes, lines and frames, ready to be laid out; lines lead to the bottom, or `rankdir`."""

    name: str
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    frames: tuple[Frame, ...] = ()
    note: str = ""
    rankdir: str = "TB"


def family(node: Node) -> str:
    """The kind of an operation, which decides the colour of its box."""
    op = node.op
    if node.is_parameter:
        return "parameter"
    if node.is_constant:
        return "constant"
    if op.contraction:
        return "product"
    if op.reduction is not None:
        return "reduction"
    if op.scatter or "take" in op.name:
        return "indexing"
    if op.moves is not None or op.name in ("pad", "concatenate", "iota", "overlap_add"):
        return "movement"
    return "elementwise" if op.body is not None else "other"


Frames = Sequence[tuple[str, Sequence[Node]]]


def draw(graph: Graph, frames: Frames = (), most: int = MOST) -> Drawing:
    """The drawing of a graph; `frames` are titles with the nodes of each kernel."""
    names = name_nodes(graph)
    every = [n for n in dict.fromkeys((*graph.parameters, *graph.nodes)) if not is_inline(n)]
    home = _homes(graph, every, [nodes for _, nodes in frames])
    one = {node: first for first, *rest in bundles(every).values() for node in (first, *rest)}
    drawn = [node for node in every if one.get(node, node) is node]
    boxes = [_box(node, names, home.get(node)) for node in drawn]
    lines = list(dict.fromkeys(_lines(drawn, one)))
    for at, output in enumerate(graph.outputs):
        title = "output" if len(graph.outputs) == 1 else f"output {at}"
        boxes.append(Box(("output", at), title, str(output.type), "output"))
        if not is_inline(output):
            lines.append(Line(one.get(output, output), ("output", at), str(output.type)))
    found = tuple(Frame(number, title, number) for number, (title, _) in enumerate(frames))
    whole = Drawing(graph.name, tuple(boxes), tuple(lines), found)
    return whole if len(boxes) <= most else _collapsed(whole, graph, home, most)


def _box(node: Node, names: Mapping[Node, str], frame: int | None) -> Box:
    name = names[node].lstrip("%")
    where = " ".join(str(part) for part in (node.source.loc, node.source.scope) if part)
    hint = f"{names[node]}: {node.type} = {node.op.name}\n{where}".strip()
    if node.is_parameter or node.is_constant:
        name = _cut_front(node.source.variable() or name)
        return Box(node, name, str(node.type), family(node), hint, frame)
    title = node.op.name if name.isdigit() else f"{name} = {node.op.name}"
    return Box(node, _cut(title), _cut(_detail(node, names)), family(node), hint, frame)


def _detail(node: Node, names: Mapping[Node, str]) -> str:
    """The numbers among the operands, and the attributes that the type does not show."""
    if node.op.contraction:
        return " · ".join("×".join(map(str, x.shape)) or "1" for x in node.inputs)
    if node.op.regional is not None:
        given = plain_attributes(node)
        shown = [f"{key}={value}" for key, value in given if value and key != "result"]
        return " ".join(shown) or ", ".join(title for title, _ in titled_regions(node))
    order = [names[x].partition(":")[0] if is_inline(x) else "·" for x in node.inputs]
    shown = [f"({', '.join(order)})"] if any(map(is_inline, node.inputs)) else []
    shown += [_attribute(key, value) for key, value in node.attributes if key != "shape"]
    return " ".join(shown)


def _attribute(key: str, value: Any) -> str:
    if key in ("axes", "axis"):
        axes = value if isinstance(value, tuple) else (value,)
        return f"{'axis' if len(axes) == 1 else 'axes'} {', '.join(map(str, axes))}"
    return f"{key}={format_attribute(value)}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _cut_front(text: str) -> str:
    """The end of a path tells parameters apart: `…['dense']['kernel']`."""
    return text if len(text) <= _LONGEST else f"…{text[1 - _LONGEST :]}"


def _lines(drawn: Sequence[Node], one: Mapping[Node, Node]) -> Iterator[Line]:
    """The uses of values; all results of a loop or branch come from `one` box."""
    for node in drawn:
        for source in node.inputs:
            if not is_inline(source):
                yield Line(one.get(source, source), node, str(source.type))


def _homes(
    graph: Graph, drawn: Sequence[Node], groups: Sequence[Sequence[Node]]
) -> dict[Node, int]:
    """The kernel of each node; a view belongs to the one that reads it, if it is one alone.

    Loops and branches have kernels inside, and stand for themselves.
    """
    home = {node: number for number, nodes in enumerate(groups) for node in nodes}
    if not groups:
        return home
    below: dict[Node, set[int]] = {}
    for node in reversed(drawn):
        later = _union(below.get(x) for x in graph.users.get(node, ()))
        if node in home and later and min(later) < home[node]:
            del home[node]  # its readers compute it for themselves
        apart = node.op.regional is not None
        below[node] = {home[node]} if node in home else {len(groups)} if apart else later
    above: dict[Node, set[int]] = {}
    for node in drawn:
        above[node] = {home[node]} if node in home else _union(above.get(x) for x in node.inputs)
    for node in drawn:
        if node in home or node.is_parameter or min(below[node], default=inf) >= len(groups):
            continue
        # Launches are in order, so a view that reads launch k and is read by it belongs there.
        first = min(below[node])
        if len(below[node]) == 1 or first in above[node]:
            home[node] = first
    return home


def _union(sets: Iterator[set[int] | None]) -> set[int]:
    return {number for one in sets if one for number in one}


# larger graphs


def _collapsed(whole: Drawing, graph: Graph, home: Mapping[Node, int], most: int) -> Drawing:
    """One box for each run of neighbours in the graph's order with something in common.

    Such runs never form a circle, because lines only point forward in that order.
    """
    keys: tuple[tuple[str, Callable[[Node], Any]], ...] = (
        ("kernel", lambda n: home.get(n, -1)),
        ("scope", lambda n: n.source.scope),
        ("outer scope", lambda n: n.source.scope.split("/")[0]),
        ("line", lambda n: n.source.loc.line if n.source.loc else 0),
    )
    nodes = [n for n in graph.nodes if not is_inline(n) and not n.is_parameter]
    for what, key in keys:
        runs = [list(run) for _, run in groupby(nodes, key)]
        if 1 < len(runs) <= most:
            return _of_runs(whole, runs, what, key)
    size = -(-len(nodes) // (most // 2))
    pieces = [nodes[at : at + size] for at in range(0, len(nodes), size)]
    return _of_runs(whole, pieces, "neighbourhood", lambda n: "")


def _of_runs(
    whole: Drawing, runs: list[list[Node]], what: str, key: Callable[[Node], Any]
) -> Drawing:
    of: dict[Hashable, Hashable] = {n: ("run", at) for at, run in enumerate(runs) for n in run}
    boxes = [_run_box(run, at, what, whole, key) for at, run in enumerate(runs)]
    many = sum(box.family == "parameter" for box in whole.boxes) > len(runs)
    for box in whole.boxes:
        if box.family == "output" or (box.family == "parameter" and not many):
            boxes.append(replace(box, frame=None))
            of[box.key] = box.key
    joined = dict.fromkeys(
        Line(of[line.source], of[line.target])
        for line in whole.lines
        if line.source in of and line.target in of and of[line.source] != of[line.target]
    )
    total = len(whole.boxes)
    note = f"{total} boxes drawn as {len(boxes)}, by {what}"
    return Drawing(whole.name, tuple(boxes), tuple(joined), (), note)


def _run_box(
    run: list[Node], at: int, what: str, whole: Drawing, key: Callable[[Node], Any]
) -> Box:
    ops = dict.fromkeys(node.op.name for node in run)
    common = key(run[0])
    kernel = what == "kernel" and isinstance(common, int) and 0 <= common < len(whole.frames)
    title = (
        whole.frames[common].title if kernel else str(common) if common not in ("", -1, 0) else ""
    )
    listed = ", ".join(ops)
    heavy = next((family(n) for n in run if family(n) in ("product", "reduction")), family(run[-1]))
    count = f"{len(run)} operations" if len(run) > 1 else "1 operation"
    return Box(("run", at), _cut(title or listed), _cut(count), heavy, listed)
