"""The report on a graph or a compilation as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from symfuse.compiler.explain.cost import costs
from symfuse.compiler.explain.fusion import FusionReport, Line
from symfuse.compiler.explain.launches import KernelRecord, KernelRecords
from symfuse.compiler.explain.memory import eager_memory
from symfuse.compiler.explain.records import Compiled, operation_count
from symfuse.compiler.explain.stages import as_text, cost_analysis, explain, kernels, memory
from symfuse.compiler.explain.text import bytes_text, count_text, numbered, seconds_text
from symfuse.compiler.ir.export import stats
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.printer import name_nodes
from symfuse.compiler.ir.regions import bundles, titled_regions
from symfuse.compiler.targets.target import Written

from .charts import memory_chart
from .drawing import Frames
from .page import Html, Tab, card, drawing, page, table_html
from .palette import frame_hue
from .svg import to_svg

__all__ = ["frames_of", "report", "save_report", "to_html"]

# By target: the language of its kernels, and the stage that shows machine code.
_WRITTEN_IN = {"cpu": ("LLVM", "asm"), "cuda": ("CUDA", "sass")}
_GAP = 12  # lines without operations that are still shown between two with


def to_html(graph: Graph) -> str:
    """A page with the drawing, the text and the cost of a graph."""
    counted, cost, eager = stats(graph), costs(graph), eager_memory(graph)
    facts = [
        ("operations", str(operation_count(graph))),
        ("depth", str(counted.depth)),
        ("FLOPs", count_text(cost.flops)),
        ("NumPy's peak", bytes_text(eager.peak)),
    ]
    tabs = [
        ("Graph", _graph(graph)),
        ("Text", card(_pre(graph.text()))),
        ("Operations", card(_operations(graph))),
    ]
    return page(graph.name, "graph", _signature(graph), facts, tabs)


def report(compiled: Compiled, *, assembly: bool = False) -> str:
    """A page with every stage of a compilation; the assembly only on request, as it is long."""
    found, listed = explain(compiled), kernels(compiled)
    language, machine_code = _WRITTEN_IN[compiled.program.target]
    tabs: list[Tab] = [
        ("Source", card(_source(found))),
        ("Graph", _graph(compiled.graph, frames_of(compiled))),
        ("Passes", _passes(compiled)),
        ("Kernels", _tree(found) + _kernels(listed, compiled.written, language)),
        ("Memory", _memory(compiled)),
        ("Fusion", _fusion(found)),
        ("Cost", _cost(compiled, listed)),
        (language, card(_pre(compiled.written.text))),
    ]
    if assembly:
        tabs.append(("Assembly", card(_pre(as_text(compiled, machine_code)))))
    name, signature = compiled.traced.name, _signature(compiled.traced)
    return page(name, "compiled program", signature, _facts(compiled), tabs)


def save_report(compiled: Compiled, path: str | Path, *, assembly: bool = False) -> Path:
    """Write the page of a compilation into a file."""
    target = Path(path)
    target.write_text(report(compiled, assembly=assembly), encoding="utf-8")
    return target


def frames_of(compiled: Compiled) -> Frames:
    """The title and the nodes of each launch, for drawings."""
    return [(f"k{at} · {k.kind}", k.nodes) for at, k in enumerate(compiled.launches)]


def _facts(compiled: Compiled) -> list[tuple[str, str]]:
    plan, cost = memory(compiled), cost_analysis(compiled)
    return [
        ("operations traced", str(operation_count(compiled.traced))),
        ("after the passes", str(operation_count(compiled.graph))),
        ("kernels", str(len(compiled.launches))),
        ("compile time", seconds_text(sum(compiled.seconds.values()))),
        ("planned peak", bytes_text(plan.peak)),
        ("NumPy's peak", bytes_text(plan.eager.peak)),
        ("FLOPs", count_text(cost.flops)),
        ("bytes moved", bytes_text(cost.bytes)),
    ]


# the tabs


def _source(found: FusionReport) -> str:
    parts = []
    for file in dict.fromkeys(line.file for line in found.lines):
        lines = [line for line in found.lines if line.file == file]
        parts.append(f'<h2>{escape(Path(file).name)} <span class="soft">{escape(file)}</span></h2>')
        parts.append(f'<div class="src">{"".join(_rows(file, lines))}</div>')
    return "".join(parts) or '<p class="soft">No source lines are known for this graph.</p>'


def _rows(file: str, lines: Sequence[Line]) -> list[str]:
    """The lines with operations, and the short stretches between them."""
    text = _file_lines(file)
    rows: list[str] = []
    before = lines[0].number - 1
    for line in lines:
        if line.number - before - 1 > _GAP:
            rows.append(_row("", "⋮", ""))
            before = line.number - 1
        for number in range(before + 1, line.number):
            rows.append(_row("", str(number), text[number - 1] if number <= len(text) else ""))
        whole = text[line.number - 1] if line.number <= len(text) else line.text
        rows.append(_row("".join(map(_chip, line.kernels)), str(line.number), whole))
        before = line.number
    return rows


def _file_lines(file: str) -> list[str]:
    try:
        return Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _row(chips: str, number: str, text: str) -> str:
    cells = f'<span class="k">{chips}</span><span class="no">{number}</span>'
    return f"<div>{cells}<span>{escape(text) or ' '}</span></div>"


def _chip(number: int) -> Html:
    style = f'style="--h:{frame_hue(number)}"'
    return Html(f'<a class="chip" data-k="{number}" href="#kernel-{number}" {style}>k{number}</a>')


def _graph(graph: Graph, frames: Frames = ()) -> str:
    """The drawing, and below it those of the graphs inside of loops and branches."""
    return card(drawing(to_svg(graph, frames)) + _inside(graph, frames))


def _inside(graph: Graph, frames: Frames) -> str:
    names = name_nodes(graph)
    found = []
    for node, *_ in bundles(graph.nodes).values():
        for title, body in titled_regions(node):
            head = f"{names[node]} = {node.op}: {title}"
            assert isinstance(body, Graph)
            shown = drawing(to_svg(body, frames)) + _inside(body, frames)
            found.append(f"<details><summary>{escape(head)}</summary>{shown}</details>")
    return "".join(found)


def _tree(found: FusionReport) -> str:
    """How loops and branches run the kernels, if there are any."""
    lines = "\n".join(found.tree)
    return card(f"<h2>As they run</h2>{_pre(lines)}") if found.tree else ""


def _kernels(listed: KernelRecords, written: Written, language: str) -> str:
    """All kernels with their text; above them, what they take of a device if they run on one."""
    taken = card(_pre(listed.table())) if any(one.usage for one in listed) else ""
    return taken + card("".join(_kernel(one, written, language) for one in listed))


def _passes(compiled: Compiled) -> str:
    rows = [
        (
            record.name,
            ", ".join(f"{rule} {count}×" for rule, count in record.fired.items()),
            *map(str, record.counts),
            seconds_text(record.seconds),
        )
        for record in compiled.passes
    ]
    header = ("pass", "rules used", "nodes before", "after", "time")
    stages = [(name, seconds_text(took)) for name, took in compiled.seconds.items()]
    tables = table_html(header, rows, left=2, code=1)
    parts = [card(tables) + card(table_html(("stage of the compilation", "time"), stages))]
    steps = [("traced", compiled.traced)]
    steps += [(record.name, record.after) for record in compiled.passes if record.has_changed]
    for name, graph in steps:
        title = f'{escape(name)} <span class="soft">{len(graph.nodes)} nodes</span>'
        body = f'<div class="two"><div>{drawing(to_svg(graph))}</div>{_pre(graph.text())}</div>'
        parts.append(f"<details><summary>{title}</summary>{body}</details>")
    return parts[0] + card("".join(parts[1:]))


def _kernel(record: KernelRecord, written: Written, language: str) -> str:
    tiles = f", {numbered(record.tiles, 'tile')}" if record.phases else ""
    turns = f", {numbered(record.turns, 'turn')}" if record.turns != 1 else ""
    facts = f"{record.kind}{tiles}, {bytes_text(record.nbytes)}{turns}"
    lines = f" · {', '.join(record.lines)}" if record.lines else ""
    soft = f'<span class="soft">{escape(facts + lines)}</span>'
    title = f"{_chip(record.number)} <code>{escape(record.name)}</code> {soft}"
    code = written.kernel_text(record.number)
    source = f"<details><summary>{language}</summary>{_pre(code)}</details>" if code else ""
    body = f"<div>{_pre(record.text)}{source}</div>"
    return f'<details id="kernel-{record.number}"><summary>{title}</summary>{body}</details>'


def _memory(compiled: Compiled) -> str:
    plan = memory(compiled)
    rows = [
        (
            row.name,
            row.type,
            Html(f"{_chip(row.first)}{_chip(row.last) if row.last != row.first else ''}"),
            bytes_text(row.nbytes),
            str(row.offset),
        )
        for row in plan.rows
    ]
    facts = [
        ("planned peak", bytes_text(plan.peak)),
        ("lower bound: the most alive at one time", bytes_text(plan.lower_bound)),
        ("every intermediate with memory of its own", bytes_text(plan.unshared)),
        ("eager NumPy: the most alive at one time", bytes_text(plan.eager.peak)),
        (
            f"eager NumPy: all {plan.eager.arrays} intermediate arrays",
            bytes_text(plan.eager.total),
        ),
    ]
    chart = f"<h2>Offset over launches</h2>{memory_chart(plan)}"
    listed = table_html(("buffer", "type", "launches", "bytes", "offset"), rows, left=3, code=2)
    return card(chart) + card(table_html(("", "bytes"), facts)) + card(listed)


def _fusion(found: FusionReport) -> str:
    kernels = numbered(len(found.kernels), "kernel")
    head = f"<p>{numbered(found.nodes, 'operation')} in {kernels}.</p>"
    head += "".join(f"<p>{escape(reason)}</p>" for reason in found.products)
    rows = [
        (
            pair.producer,
            pair.consumer,
            f"{pair.producer_line} → {pair.consumer_line}",
            pair.reason,
            bytes_text(pair.nbytes),
        )
        for pair in found.apart
    ]
    header = ("value", "read by", "lines", "why they stay apart", "bytes forgone")
    return card(head + (table_html(header, rows, left=4, code=2) if rows else ""))


def _cost(compiled: Compiled, listed: Sequence[KernelRecord]) -> str:
    cost = cost_analysis(compiled)
    sums = [
        ("FLOPs", count_text(cost.flops)),
        ("elementary functions among them", count_text(cost.total.transcendentals)),
        ("bytes moved by the kernels", bytes_text(cost.bytes)),
        ("bytes moved without fusion", bytes_text(cost.unfused_bytes)),
    ]
    rows = [
        (
            _chip(k.number),
            k.name,
            bytes_text(k.nbytes),
            count_text(k.turns),
            bytes_text(k.nbytes * k.turns),
        )
        for k in listed
    ]
    nodes = [
        (name, node.op.name, str(node.type), count_text(one.flops), bytes_text(one.nbytes))
        for (node, one), name in zip(cost.nodes, cost.names, strict=True)
    ]
    kernel_table = table_html(("", "kernel", "bytes", "turns", "together"), rows, left=2)
    header = ("value", "operation", "type", "FLOPs", "bytes")
    node_table = table_html(header, nodes, left=3, code=3)
    return card(table_html(("", "sum"), sums)) + card(kernel_table) + card(node_table)


def _operations(graph: Graph) -> str:
    rows = [(name, str(count)) for name, count in stats(graph).operations.items()]
    return table_html(("operation", "count"), rows, code=1)


# pieces


def _signature(graph: Graph) -> str:
    taken = ", ".join(f"{p.source.variable() or '?'}: {p.type}" for p in graph.parameters)
    return f"({taken}) → {', '.join(str(output.type) for output in graph.outputs)}"


def _pre(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"
