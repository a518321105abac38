"""Graphs in the formats of other tools."""

from __future__ import annotations

import networkx
import numpy as np
from handmade import make_graph
from msgspec.structs import force_setattr

import symfuse.compiler.ops  # noqa: F401
from symfuse.compiler.ir.export import stats, to_dot, to_mermaid, to_networkx
from symfuse.compiler.ir.location import Source
from symfuse.compiler.ir.op import operations

op = operations


def layer(x, w):
    h = op["tanh"](op["multiply"](x, w) + 1.5)
    return op["reduce_sum"](h, axes=(0, 1)), h


GRAPH = make_graph(layer, "f32[2,N]", "f32[2,N]")


def test_networkx_has_a_node_for_each_value_and_an_edge_for_each_use():
    found = to_networkx(GRAPH)
    assert networkx.is_directed_acyclic_graph(found)
    assert found.nodes["%h"]["op"] == "tanh"
    assert found.nodes["%h"]["type"] == "f32[2,N]"
    assert found.graph["outputs"][1] == "%h"
    square = to_networkx(make_graph(lambda x: x * x, "f32[2]"))
    assert sorted(e["operand"] for *_, e in square.edges(data=True)) == [0, 1]


def test_dot_shows_names_numbers_and_types():
    text = to_dot(GRAPH)
    assert text.startswith('digraph "f" {\n')
    assert 'label="%h\\ntanh(·)\\nf32[2,N]"' in text
    assert "add(·, 1.5:f32[2,N])" in text
    assert text.count("->") == 5 + 2


def test_mermaid_shows_the_same():
    text = to_mermaid(GRAPH)
    assert text.startswith("flowchart TD\n")
    assert '"%h<br/>tanh(·)<br/>f32[2,N]"' in text
    assert text.count("-->") == 5 + 2


def test_letters_with_a_meaning_are_escaped():
    graph = make_graph(lambda x: x + 1.0, "f32[2]", name='a"b\\c')
    assert to_dot(graph).startswith('digraph "a\\"b\\\\c" {')
    (x,) = graph.parameters
    force_setattr(x, "source", Source(name='<x#"y">'))
    assert '"%_x_y_<br/>f32[2]"' in to_mermaid(graph)


def test_unused_parameters_and_constant_outputs_are_drawn():
    graph = make_graph(lambda x: (2.0, np.ones(3)), "f32[2]")
    assert to_dot(graph).count("label=") == 4
    assert "%x" in to_networkx(graph).nodes


def test_stats_count_what_there_is():
    found = stats(make_graph(layer, "f32[2,3]", "f32[2,3]"))
    assert (found.parameters, found.outputs, found.depth) == (2, 2, 4)
    assert found.operations["tanh"] == 1
    assert found.parameter_bytes == 48
    assert found.output_bytes == 28
    assert str(stats(GRAPH)).startswith("5 nodes (")
