"""Graphs inside graphs: text, identity, verification, interpretation."""

from __future__ import annotations

import numpy as np
import pytest

import symfuse.compiler.ops  # noqa: F401  (completes the registry)
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.verify import verify
from symfuse.runtime.errors import GraphSyntaxError

LOOP = """graph f(%x: f32[N,3], %c: f32[3], %w: f32[3]) {
  %o: f32[3] = loop(%c, %x, %w, body=graph body(%i: i64[], %h: f32[3], %r: f32[3], %v: f32[3]) {
    %a: f32[3] = add(%h, %r)
    %b: f32[3] = multiply(%a, %v)
    return %b, %a
  }, carries=1, length=N, result=0, reverse=False, scanned=1)
  %ys: f32[N,3] = result(%o, 1)
  return %o, %ys
}"""
WHILE = """graph f(%n: i64[]) {
  %o: i64[] = while_loop(%n, body=graph body(%a: i64[]) {
    %b: i64[] = multiply(%a, 2:i64)
    return %b
  }, bound=None, carries=1, condition=graph condition(%a: i64[]) {
    %b: bool[] = less(%a, 100:i64)
    return %b
  }, result=0)
  return %o
}"""
BRANCH = """graph f(%p: i32[], %x: f32[2]) {
  %o: f32[2] = branch(%p, %x, branches=(graph no(%a: f32[2]) {
    %b: f32[2] = negative(%a)
    return %b
  }, graph yes(%a: f32[2]) {
    return %a
  }), result=0)
  return %o
}"""
EVERY = pytest.mark.parametrize("text", [LOOP, WHILE, BRANCH], ids=["loop", "while", "branch"])


@EVERY
def test_text_is_read_back_as_it_was_written(text):
    graph = Graph.parse(text)
    assert verify(graph).text() == text
    assert Graph.parse(graph.text()).text() == text


def test_sizes_of_regions_are_those_around_them():
    text = LOOP.replace("{\n  %o", "{\n  sizes N in [2, 64]\n  %o", 1)
    graph = Graph.parse(text)
    assert Graph.parse(graph.text()).text() == graph.text()
    assert graph.symbols[0].lower == 2


def test_results_of_one_loop_are_one_bundle():
    graph = Graph.parse(LOOP)
    last, rows = graph.outputs
    again = graph.builder.apply(last.op, last.inputs, Graph.parse(LOOP).outputs[1].attrs)
    assert again is rows


def test_other_names_make_no_other_function():
    one = Graph.parse(LOOP)
    other = Graph.parse(LOOP.replace("%a", "%sum").replace("graph body", "graph turn"))
    assert one.structure == other.structure
    assert one.structure != Graph.parse(LOOP.replace("multiply", "divide")).structure


def test_a_loop_is_interpreted_turn_by_turn():
    x, c, w = np.ones((4, 3), "f"), np.zeros(3, "f"), np.full(3, 2, "f")
    last, rows = Graph.parse(LOOP)(x, c, w)
    assert last.tolist() == [30] * 3
    assert rows[:, 0].tolist() == [1, 3, 7, 15]


def test_a_loop_without_turns_gives_its_start():
    last, rows = Graph.parse(LOOP)(np.ones((0, 3), "f"), np.ones(3, "f"), np.ones(3, "f"))
    assert last.tolist() == [1, 1, 1]
    assert rows.shape == (0, 3)


def test_while_and_branch_are_interpreted():
    assert Graph.parse(WHILE)(3) == 192
    graph = Graph.parse(BRANCH)
    assert [graph(p, np.ones(2, "f"))[0] for p in (-1, 0, 1, 7)] == [-1, -1, 1, 1]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("%h: f32[3]", "%h: f32[4]"),
        ("%r: f32[3]", "%r: f64[3]"),
        ("carries=1, ", "carries=2, "),
        ("scanned=1", "scanned=0"),
    ],
)
def test_regions_have_the_types_of_what_they_are_given(old, new):
    with pytest.raises(GraphSyntaxError):
        Graph.parse(LOOP.replace(old, new))


def test_only_loops_and_branches_have_other_results():
    with pytest.raises(GraphSyntaxError, match="negative has one result"):
        Graph.parse("graph f(%x: f32[]) {\n %y = negative(%x)\n %z = result(%y, 1)\n return %z\n}")
