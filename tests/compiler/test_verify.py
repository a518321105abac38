"""The verifier accepts what builders make and names what they would never make."""

from __future__ import annotations

import numpy as np
import pytest
from handmade import make_graph
from msgspec.structs import force_setattr, replace

import symfuse.compiler.ops  # noqa: F401
from symfuse.compiler.ir.dims import parse_dim
from symfuse.compiler.ir.node import Node
from symfuse.compiler.ir.op import operations
from symfuse.compiler.ir.types import parse_type
from symfuse.compiler.ir.verify import verify
from symfuse.runtime.errors import VerifyError

op = operations


def forged(node: Node, **changes: object) -> Node:
    """A node that no builder would make."""
    return replace(node, **changes)


def test_a_graph_from_a_builder_is_accepted_and_given_back():
    graph = make_graph(
        lambda x, y: op["reduce_sum"](x * y + np.ones((2, 3), "f4"), axes=(0,)),
        "f32[2,3]",
        "f32[2,3]",
    )
    assert verify(graph) is graph


def test_symbolic_sizes_are_accepted():
    verify(make_graph(lambda x: op["exp"](x) + 1.0, "f32[N,3]"))


def test_a_wrong_type_is_shown_with_its_line_and_the_users():
    graph = make_graph(lambda x: op["tanh"](x), "f32[2]")
    wrong = forged(graph.outputs[0], type=parse_type("f32[3]"))
    with pytest.raises(VerifyError) as caught:
        verify(replace(graph, outputs=(wrong,)))
    assert "= tanh(%x)" in str(caught.value)
    assert "f32[3]" in str(caught.value)
    assert "test_verify.py" in str(caught.value)


def test_nodes_of_another_builder_are_refused():
    one, other = (make_graph(lambda x: op["tanh"](x), "f32[2]") for _ in range(2))
    mixed = replace(one, parameters=other.parameters, outputs=other.outputs)
    with pytest.raises(VerifyError, match="not made by the graph's builder"):
        verify(mixed)


def test_a_parameter_listed_twice_is_refused():
    graph = make_graph(lambda x: op["tanh"](x), "f32[2]")
    with pytest.raises(VerifyError, match="listed twice"):
        verify(replace(graph, parameters=graph.parameters * 2))


def test_a_missing_parameter_is_refused():
    graph = make_graph(lambda x, y: x + y, "f32[2]", "f32[2]")
    with pytest.raises(VerifyError, match="does not list") as caught:
        verify(replace(graph, parameters=graph.parameters[:1]))
    assert "%y: f32[2]" in str(caught.value)


def test_a_node_among_the_parameters_is_refused():
    graph = make_graph(lambda x: op["tanh"](x), "f32[2]")
    with pytest.raises(VerifyError, match="stands among the parameters"):
        verify(replace(graph, parameters=(*graph.parameters, *graph.outputs)))


def test_an_attribute_that_cannot_be_hashed_is_refused():
    graph = make_graph(lambda x: op["reduce_sum"](x, axes=(0,)), "f32[2]")
    wrong = forged(graph.outputs[0], attributes=(("axes", [0]),))
    with pytest.raises(VerifyError, match="axes is a list"):
        verify(replace(graph, outputs=(wrong,)))


def test_a_cycle_is_refused():
    graph = make_graph(lambda x: op["tanh"](op["exp"](x)), "f32[2]")
    (last,) = graph.outputs
    (inner,) = last.inputs
    force_setattr(inner, "inputs", (last,))
    with pytest.raises(VerifyError, match="cycle"):
        verify(replace(graph))


def test_a_free_size_is_refused():
    size = parse_dim("N", {})
    graph = make_graph(lambda x: op["broadcast"](x, shape=(size,), axes=()), "f32[]")
    with pytest.raises(VerifyError, match="size N appears in no parameter"):
        verify(graph)


def test_a_captured_value_of_another_type_is_refused():
    graph = make_graph(lambda x: op["tanh"](x), "f32[2]")
    (x,) = graph.parameters
    verify(replace(graph, captured={x: np.zeros(2, "f4")}))
    with pytest.raises(VerifyError, match="captured value is float64"):
        verify(replace(graph, captured={x: np.zeros(2)}))
