"""Drawings and pages: the layout's promises, valid XML, escaped text, the right counts."""

from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from msgspec.structs import force_setattr

import symfuse as sf
import symfuse.numpy as snp
from symfuse.cli import digits
from symfuse.compiler.explain.stages import memory
from symfuse.compiler.ir.export import to_dot
from symfuse.staging.aot import compile
from symfuse.tracing.graph import trace
from symfuse.view.charts import bars, memory_chart
from symfuse.view.drawing import draw, family
from symfuse.view.html import frames_of, report, save_report, to_html
from symfuse.view.layout import Edge, lay_out
from symfuse.view.page import Html, table_html
from symfuse.view.summary import compilation_bundle, graph_bundle, summary, summary_text
from symfuse.view.svg import to_svg

SVG = "{http://www.w3.org/2000/svg}"


def model(x, w):
    h = np.tanh(x @ w)
    return h / h.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def graph():
    return trace(model, "f32[8,4]", "f32[4,16]").ir


@pytest.fixture(scope="module")
def compiled():
    return compile(model, "f32[8,4]", "f32[4,16]").compilation


@pytest.fixture(scope="module")
def step():
    params = digits.new_parameters()
    x, y = np.zeros((64, 64), np.float32), np.zeros(64, np.int64)
    return compile(digits.train_step, params, digits.new_state(params), x, y).compilation


def boxes(svg):
    return [g for g in ElementTree.fromstring(svg).iter(f"{SVG}g") if g.get("class") == "n"]


def texts(svg):
    return [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_boxes_on_a_rank_do_not_overlap(rng):
    sizes = {n: (float(rng.integers(20, 90)), 30.0) for n in range(60)}
    pairs = itertools.combinations(range(60), 2)
    edges = [Edge(a, b) for a, b in pairs if rng.random() < 0.05]
    found = lay_out(sizes, edges)
    for one, other in itertools.combinations(sizes, 2):
        if found.rank[one] == found.rank[other]:
            distance = abs(found.centre[one][0] - found.centre[other][0])
            assert distance >= (sizes[one][0] + sizes[other][0]) / 2


def test_edges_point_down(rng):
    sizes = dict.fromkeys(range(40), (40.0, 30.0))
    pairs = itertools.combinations(range(40), 2)
    edges = [Edge(a, b) for a, b in pairs if rng.random() < 0.06]
    found = lay_out(sizes, edges)
    assert all(found.centre[e.source][1] < found.centre[e.target][1] for e in edges)
    for route in found.routes.values():
        assert all(a[1] <= b[1] for a, b in itertools.pairwise(route))


def test_a_tree_is_drawn_without_crossings():
    sizes = dict.fromkeys(range(15), (40.0, 30.0))
    edges = [Edge(n, child) for n in range(7) for child in (2 * n + 1, 2 * n + 2)]
    found = lay_out(sizes, edges)
    leaves = sorted(range(7, 15), key=lambda n: found.centre[n][0])
    parents = [(leaf - 1) // 2 for leaf in leaves]
    assert [key for key, _ in itertools.groupby(parents)] == list(dict.fromkeys(parents))


def test_circles_are_refused():
    with pytest.raises(ValueError, match="circle"):
        lay_out({1: (9.0, 9.0), 2: (9.0, 9.0)}, [Edge(1, 2), Edge(2, 1)])


def test_nothing_can_be_drawn_too():
    assert lay_out({}, []).height == 0


def test_the_drawing_has_a_box_for_each_value_and_output(graph):
    svg = to_svg(graph)
    assert len(boxes(svg)) == len(graph.nodes) + len(graph.outputs)
    assert {"h = tanh", "x", "w", "f32[8,16]", "8×4 · 4×16"} <= set(texts(svg))


def test_kernels_are_drawn_around_their_boxes(compiled):
    svg = to_svg(compiled.graph, frames_of(compiled))
    frames = [r for r in ElementTree.fromstring(svg).iter(f"{SVG}rect") if r.get("data-kernel")]
    assert len(frames) == len(compiled.launches)
    places = [[float(r.get(k)) for k in ("x", "y", "width", "height")] for r in frames]
    for (x0, y0, w0, h0), (x1, y1, w1, h1) in itertools.combinations(places, 2):
        assert x0 + w0 <= x1 or x1 + w1 <= x0 or y0 + h0 <= y1 or y1 + h1 <= y0


def test_a_whole_training_step_is_drawn(step):
    drawing = draw(step.graph, frames_of(step), most=1000)
    assert len({box.frame for box in drawing.boxes} - {None}) <= len(step.launches)
    assert len(boxes(to_svg(step.graph, frames_of(step), most=1000))) == len(drawing.boxes)


def test_large_graphs_are_collapsed_by_kernel(step):
    drawing = draw(step.graph, frames_of(step), most=60)
    assert len(drawing.boxes) <= 120
    assert "drawn as" in drawing.note
    assert drawing.note in texts(to_svg(step.graph, frames_of(step), most=60))


def test_large_graphs_without_kernels_are_collapsed_by_line():
    def long(x):
        for _ in range(300):
            x = np.sin(x)
            x = np.cos(x)
        return x

    drawing = draw(trace(long, "f32[4]").ir)
    assert len(drawing.boxes) <= 220
    ElementTree.fromstring(to_svg(trace(long, "f32[4]").ir))


def test_families_follow_from_the_operation(graph):
    assert {node.op.name: family(node) for node in graph.nodes} == {
        "parameter": "parameter",
        "contract": "product",
        "tanh": "elementwise",
        "reduce_sum": "reduction",
        "reshape": "movement",
        "broadcast": "movement",
        "divide": "elementwise",
    } | {n.op.name: family(n) for n in graph.nodes if n.op.name in ("reshape", "broadcast")}


def test_names_are_escaped():
    graph = trace(
        lambda x: x + 1,
        "f32[2]",
    ).ir
    force_setattr(graph, "name", 'a<b>&"c"')
    for page in (to_svg(graph), to_html(graph)):
        assert "a<b>" not in page
        assert "a&lt;b&gt;&amp;" in page


def test_drawings_do_not_change_from_run_to_run(graph):
    assert to_svg(graph) == to_svg(graph)


def test_the_page_is_whole_and_loads_nothing(compiled, tmp_path):
    page = save_report(compiled, tmp_path / "report.html", assembly=True).read_text()
    assert not re.search(r'(src|href)="(?!#)', page)
    assert "@import" not in page and "url(" not in page
    tabs = re.findall(r'role="tab" data-tab="panel-(\w+)"', page)
    assert tabs[:4] == ["source", "graph", "passes", "kernels"]
    assert tabs[4:] == ["memory", "fusion", "cost", "llvm", "assembly"]
    assert all(f'<section id="panel-{tab}"' in page for tab in tabs)
    assert page.count('<details id="kernel-') == len(compiled.launches)
    assert "h = np.tanh(x @ w)" in page
    _Balanced().check(page)


def test_the_page_without_assembly_is_shorter(compiled):
    assert "panel-assembly" not in report(compiled)


def test_the_page_of_a_graph_has_its_text(graph):
    page = to_html(graph)
    assert "graph model(%x: f32[8,4], %w: f32[4,16])" in page
    _Balanced().check(page)


def test_the_memory_chart_has_a_rectangle_for_each_buffer(step):
    found = memory(step)
    chart = ElementTree.fromstring(memory_chart(found))
    titles = [t.text for g in chart.iter(f"{SVG}g") for t in g.iter(f"{SVG}title")]
    assert len(titles) == len(found.rows)
    assert {title.partition(":")[0] for title in titles} == {row.name for row in found.rows}


def test_a_memory_plan_draws_itself(tmp_path):
    exe = sf.compile(lambda x: snp.sum(snp.tanh(x) / snp.sum(snp.tanh(x), 0), 1), "f32[N,8]")
    chart = exe.memory.plot(N=1000)
    assert "at N = 1000<" in chart.to_svg()
    assert "at N = 64<" in exe.memory.plot().to_svg()
    assert exe.memory._repr_mimebundle_()["image/svg+xml"] == exe.memory.plot().to_svg()
    assert chart._repr_mimebundle_() == {
        "text/plain": exe.memory.table(), "image/svg+xml": chart.to_svg(),
    }  # fmt: skip
    assert chart.save(tmp_path / "plan.svg").read_text() == chart.to_svg()
    _Balanced().check(chart.save(tmp_path / "plan.html").read_text())
    with pytest.raises(sf.ShapeError, match="the size N has no value"):
        exe.memory.plot(M=3)
    with pytest.raises(sf.ArgumentError, match="name of a format") as caught:
        chart.save(tmp_path / "plan.dot")
    assert ".dot" not in caught.value.fix


def test_bars_show_values_and_spread():
    svg = bars([("ours", 1.0, 0.9, 1.2, "1 s"), ("<theirs>", 2.0, 1.5, 2.5, "2 s")], "times")
    assert {"ours", "<theirs>", "1 s", "2 s", "times"} <= set(texts(svg))


def test_notebooks_get_a_drawing_and_a_text(graph, compiled):
    for bundle in (graph_bundle(graph), compilation_bundle(compiled)):
        assert ElementTree.fromstring(bundle["image/svg+xml"]).tag == f"{SVG}svg"
        assert bundle["text/plain"]


def test_the_summary_counts(compiled):
    found = summary(compiled)
    assert found["kernels"] == len(compiled.launches) == len(found["launches"])
    assert found["name"] == "model"
    assert f"{found['kernels']} kernels" in summary_text(compiled)


class _Balanced(HTMLParser):
    """Checks that every element that is opened is closed, in order."""

    VOID = frozenset({"meta", "br", "line", "rect", "path"})

    def check(self, page):
        self.open = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def looping(x):
    last, rows = sf.scan(lambda c, v: (c + v, c * v), x[0], x)
    return sf.cond(last.sum() > 0, lambda: rows.sum(0) + last, lambda: last)


def test_all_results_of_a_loop_come_from_one_box():
    graph = trace(looping, "f32[90,3]").ir
    drawn = draw(graph)
    (loop,) = (box for box in drawn.boxes if box.title.endswith("loop"))
    assert "length=90" in loop.detail and "graph" not in loop.detail
    places = {box.key for box in drawn.boxes}
    assert all({line.source, line.target} <= places for line in drawn.lines)
    assert len([line for line in drawn.lines if line.source == loop.key]) >= 2
    assert "graph f(" not in to_dot(graph)


def test_loops_stand_outside_of_the_kernels_around_them():
    def model(x, w):
        rows = sf.scan(lambda c, v: (snp.tanh(c @ w + v), c), x[0], x)[1]
        return snp.tanh(rows[1:] @ w).sum()

    made = compile(model, "f32[9,4]", "f32[4,4]").compilation
    drawn = draw(made.graph, frames_of(made))
    (loop,) = (box for box in drawn.boxes if box.title.endswith("loop"))
    assert loop.frame is None
    inside = {node for kernel in made.launches for node in kernel.nodes}
    framed = {box.key for box in drawn.boxes if box.frame is not None}
    assert any(node.op.contraction for node in framed)
    assert all(node in inside or node.op.moves for node in framed)


def test_the_page_shows_what_is_inside_of_loops_and_how_they_run():
    made = compile(looping, "f32[90,3]").compilation
    page = report(made)
    for part in ("loop: body", "branch: branch 0", "repeat 90 times", ", 90 turns"):
        assert part in page, part
    assert "loop: body" in to_html(made.traced)


def test_long_names_of_parameters_keep_their_ends():
    graph = trace(lambda p: p["encoder of words"]["attention"]["kernel"] * 2, DEEP).ir
    (box,) = (box for box in draw(graph).boxes if box.family == "parameter")
    assert box.title.startswith("…") and box.title.endswith("['attention']['kernel']")


DEEP = {"encoder of words": {"attention": {"kernel": "f32[3]"}}}


def test_what_a_page_takes_over_is_escaped():
    table = table_html(("line",), [("<stdin>:1",), (Html("<b>k0</b>"),)])
    assert "&lt;stdin&gt;:1" in table and "<b>k0</b>" in table


def test_the_memory_chart_takes_sizes_that_are_allowed():
    size = sf.dim("N", min=200, multiple_of=48)
    made = compile(lambda x: (x @ x.T) @ (x @ x.T), sf.spec((size, 4), "float32"))
    assert "N = 240" in memory_chart(memory(made.compilation))
    small = sf.dim("M", max=8)
    made = compile(lambda x: (x @ x.T) @ (x @ x.T), sf.spec((small, 4), "float32"))
    assert "M = 8" in memory_chart(memory(made.compilation))
