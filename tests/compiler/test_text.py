"""Graphs as text: what is printed reads back, and what does not read says where and why."""

from __future__ import annotations

import numpy as np
import pytest
from handmade import make_graph
from hypothesis import given
from strategies import graphs

import symfuse as sf
import symfuse.numpy as snp
from symfuse.compiler.autodiff.forward import jvp_graph
from symfuse.compiler.ir.builder import Builder
from symfuse.compiler.ir.dims import dim
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.location import scope
from symfuse.compiler.ir.op import operations
from symfuse.compiler.ir.types import TensorType
from symfuse.compiler.ir.verify import verify
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, GraphSyntaxError

op = operations


def printed(graph: Graph) -> str:
    return graph.text(locations=False)


def round_trip(graph: Graph) -> Graph:
    """The graph read back from its text, after checking that it prints the same."""
    again = verify(Graph.parse(str(graph)))
    assert str(again) == str(graph)
    assert [p.type for p in again.parameters] == [p.type for p in graph.parameters]
    return again


@given(graphs(symbolic=True))
def test_every_graph_survives_the_round_trip(graph):
    round_trip(graph)


def test_the_text_has_the_users_names_and_lines():
    def f(x, w):
        h = op["tanh"](x)
        return h * w

    text = str(make_graph(f, "f32[2]", "f32[2]"))
    assert "graph f(%x: f32[2], %w: f32[2]) {" in text
    assert "  %h: f32[2] = tanh(%x)  # test_text.py:" in text
    assert "  return %0\n}" in text


def test_names_are_kept():
    def f(x):
        hidden = op["tanh"](x)
        return op["exp"](hidden)

    again = round_trip(make_graph(f, "f32[2]"))
    assert again.outputs[0].inputs[0].source.name == "hidden"
    assert again.outputs[0].source.name is None


def test_places_and_scopes_are_kept():
    def f(x):
        with scope("encoder"), scope("layer 3"):
            hidden = op["tanh"](x)
        return op["exp"](hidden)

    hidden = (again := round_trip(make_graph(f, "f32[2]"))).outputs[0].inputs[0]
    line = f.__code__.co_firstlineno + 2
    assert hidden.source.loc.filename == "test_text.py"
    assert (hidden.source.loc.line, hidden.source.scope) == (line, "encoder/layer 3")
    assert again.outputs[0].source.loc.line == line + 1
    assert again.outputs[0].source.variable() is None


def test_places_in_loops_are_kept():
    def f(x):
        return sf.fori_loop(0, 3, lambda i, pair: (snp.sin(pair[1]), pair[0] * 2), (x, x))

    graph = sf.trace(f, "f32[N]").ir
    assert str(graph).count("# test_text.py:") == 4
    round_trip(graph)


@pytest.mark.parametrize("comment", ["", "#", "# doubled", "# see in model.py", "# at: 3"])
def test_comments_that_name_no_place_are_none(comment):
    text = f"graph f(%x: f32[2]) {{  # a function\n  %y = add(%x, %x)  {comment}\n  return %y\n}}"
    node = Graph.parse(text).outputs[0]
    assert (node.source.loc, node.source.name, node.source.scope) == (None, "y", "")


def test_errors_name_the_place_that_a_text_names():
    text = "graph f(%x: i32[2]) {\n  %y = add(%x, %x)  # model.py:12\n  return %y\n}"
    graph = Graph.parse(text)
    with pytest.raises(DTypeError) as caught:
        jvp_graph(graph, [graph.outputs[0]])
    assert caught.value.user_frame == ("model.py", 12)


def test_numbers_stand_where_they_are_used():
    text = printed(make_graph(lambda x: x + 1.5, "f32[2,N]"))
    assert "add(%x, 1.5:f32[2,N])" in text
    round_trip(Graph.parse(text))


@pytest.mark.parametrize("value", [0.1, -0.0, 1e-45, 3.4e38, np.inf, -np.inf, np.nan])
def test_floats_are_exact(value):
    graph = make_graph(lambda x: x * np.float32(value), "f32[]")
    again = round_trip(graph)
    np.testing.assert_array_equal(graph(np.float32(3)), again(np.float32(3)))


@pytest.mark.parametrize("size", [3, 40])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "u8", "?"])
def test_literals_are_exact(rng, dtype, size):
    array = (rng.normal(size=(2, size)) * 50).astype(dtype)
    graph = make_graph(lambda x: (x, array), "f32[]")
    _, found = round_trip(graph)(0.0)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype


def test_empty_literals_and_parameters_without_use_are_kept():
    graph = make_graph(lambda x, y: (np.zeros((0, 2)), x), "f32[2]", "i64[]")
    assert len(round_trip(graph).parameters) == 2


def test_attributes_of_all_kinds_are_read():
    def f(x):
        index = op["argmax"](x, axis=1)
        wide = op["pad"](x, low=(0, 1), high=(1, 0), interior=(0, 0), value=-1.5)
        return op["convert"](index, dtype=DType.F64), op["cumsum"](wide, axis=0, reverse=True)

    round_trip(make_graph(f, "f32[2,3]"))


def test_symbolic_sizes_are_read_back():
    def f(x):
        flat = op["reshape"](x, shape=(x.shape[0] * 6,))
        return op["concatenate"](flat, flat, axis=0)

    again = round_trip(make_graph(f, "f32[N,2,3]"))
    assert [s.name for s in again.symbols] == ["N"]
    assert again(np.ones((2, 2, 3), "f4")).shape == (24,)


def test_bounds_of_sizes_are_declared():
    rows = dim("N", min=1, max=64, multiple_of=8)
    builder = Builder()
    x = builder.parameter("x", TensorType((rows, dim("M")), DType.F32))
    again = round_trip(Graph("f", (x,), (x,), builder))
    assert "  sizes N in [1, 64] % 8\n" in str(again)
    assert again.parameters[0].type == x.type


def test_donated_parameters_are_marked():
    graph = Graph.parse("graph f(%x: f32[2] donated, %y: f32[2]) { return %x, %y }")
    assert graph.donated == {graph.parameters[0]}
    assert "%x: f32[2] donated, %y: f32[2])" in str(round_trip(graph))


def test_handwritten_text_may_leave_out_what_follows():
    graph = Graph.parse(
        """
        # types and element types are inferred
        graph f(%x: f32[4]) {
          %e = exp(%x)
          %l = log(add(%e, 1.0)) # calls do not nest, see below
          return %l
        }""".replace("log(add(%e, 1.0))", "add(%e, 1.0)")
    )
    assert str(graph.outputs[0].type) == "f32[4]"
    assert "add(%e, 1.0:f32[4])" in str(graph)


def test_graphs_nest_in_attributes():
    text = """graph f(%x: f32[N]) {
  %y: f32[N] = copy(%x, number=graph inner(%a: f32[N]) {
    %b: f32[N] = tanh(%a)
    return %b
  })
  return %y
}"""
    again = round_trip(Graph.parse(text))
    assert printed(again) == text
    assert again.outputs[0].attr("number").outputs[0].source.name == "b"


def test_odd_names_become_printable():
    graph = make_graph(lambda x: x, "f32[2]", name="<lambda>")
    assert "graph lambda(" in str(graph)
    round_trip(graph)


WRONG = {
    "unknown operation": (
        "graph f(%x: f32[2]) {\n  %y = tnah(%x)\n  return %y\n}",
        "line 2: no operation is called tnah\n    %y = tnah(%x)\n         ^^^^",
        "did you mean tanh?",
    ),
    "unknown name": (
        "graph f(%xs: f32[2]) {\n  %y = tanh(%x)\n  return %y\n}",
        "line 2: %x is not defined here\n    %y = tanh(%x)\n              ^^",
        "did you mean %xs?",
    ),
    "defined twice": (
        "graph f(%x: f32[2]) {\n  %x = tanh(%x)\n  return %x\n}",
        "line 2: %x is defined twice\n    %x = tanh(%x)\n    ^^",
        "another name",
    ),
    "wrong type": (
        "graph f(%x: f32[2]) {\n  %y: f32[3] = tanh(%x)\n  return %y\n}",
        "line 2: %y is declared f32[3], but tanh gives f32[2]\n",
        "leave it out",
    ),
    "type rule": (
        "graph f(%x: f32[2], %y: f32[3]) {\n\n  %z = add(%x, %y)\n  return %z\n}",
        "line 3: add: ",
        "",
    ),
    "wrong attribute": (
        "graph f(%x: f32[2]) {\n  %y = transpose(%x, axis=0)\n  return %y\n}",
        "line 2: transpose does not take these operands and attributes",
        "write transpose(%x, axes=…)",
    ),
    "broken type": (
        "graph f(%x: f33[2]) {\n  return %x\n}",
        "line 1: symfuse has no element type 'f33'",
        "",
    ),
    "missing bracket": ("graph f(%x: f32[2] {\n  return %x\n}", "line 1: expected ','", ""),
    "missing end": ("graph f(%x: f32[2]) {\n  return %x", "expected ','", ""),
    "missing return": ("graph f(%x: f32[2]) {\n}", "line 2: expected a name such as %x", ""),
    "something after": ("graph f() {\n  return\n}\nx", "line 4: expected the end", ""),
    "wrong number of elements": (
        "graph f() {\n  %c: f32[2] = {1.0}\n  return %c\n}",
        "line 2: 1 elements do not fill f32[2]\n    %c: f32[2] = {1.0}\n                 ^^^^^",
        "",
    ),
    "nothing": ("", "line 1: expected 'graph'", ""),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_parse_says_where_and_why(case):
    text, message, fix = WRONG[case]
    with pytest.raises(GraphSyntaxError) as caught:
        Graph.parse(text)
    assert message in str(caught.value)
    assert fix in str(caught.value)
