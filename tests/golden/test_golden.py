"""Golden files `*.sf`: a graph before and after one pass, or after the whole pipeline."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from strategies import arrays_for

import symfuse.compiler.ops  # noqa: F401
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.verify import verify
from symfuse.compiler.passes.pipeline import DERIVATIVE_PASSES, GRAPH_PASSES, run_pipeline
from symfuse.compiler.rewrite.driver import PassContext

HERE = Path(__file__).parent
HEADER = re.compile(r"; pass: (\w+)(?: (fast))?\n")
SEPARATOR = "---- after\n"
PASSES = {one.__name__: one for one in (*GRAPH_PASSES, *DERIVATIVE_PASSES)}

EVERY_FILE = pytest.mark.parametrize("path", sorted(HERE.glob("*.sf")), ids=lambda path: path.stem)


def read(path):
    """The name of the pass, the numerics, the text before and the text after."""
    text = path.read_text(encoding="utf-8")
    header = HEADER.match(text)
    assert header, f"{path.name} begins with `; pass: name`"
    before, _, after = text[header.end() :].partition(SEPARATOR)
    return header[1], header[2] or "strict", before, after


def run(name, graph, numerics):
    if name == "pipeline":
        return run_pipeline(graph, numerics)[0]
    return PASSES[name](graph, PassContext(numerics))


@EVERY_FILE
def test_a_pass_gives_the_graph_of_the_golden_file(path, request):
    name, numerics, before, expected = read(path)
    graph = Graph.parse(before)
    found = verify(run(name, graph, numerics)).text(locations=False) + "\n"
    if request.config.getoption("--rewrite-golden"):
        header = path.read_text(encoding="utf-8").split("\n", 1)[0]
        shown = graph.text(locations=False)
        path.write_text(f"{header}\n{shown}\n{SEPARATOR}{found}", encoding="utf-8")
        return
    assert found == expected, f"run pytest --rewrite-golden and review the change of {path.name}"


@EVERY_FILE
def test_both_graphs_of_a_golden_file_agree(path):
    name, numerics, before, _ = read(path)
    graph = Graph.parse(before)
    after = run(name, graph, numerics)
    arrays = arrays_for(graph, 1)
    pairs = zip(outputs(graph, arrays), outputs(after, arrays), strict=True)
    for old, new in pairs:
        np.testing.assert_allclose(new, old, rtol=1e-4, atol=1e-5)


def test_every_pass_has_a_golden_file():
    assert {read(path)[0] for path in HERE.glob("*.sf")} == {*PASSES, "pipeline"}


def outputs(graph, arrays):
    found = graph(*arrays)
    return found if isinstance(found, tuple) else (found,)
