"""Pytrees, specs, placeholders and graphs as values."""

from __future__ import annotations

import collections
import dataclasses
import subprocess
import sys

import numpy as np
import pytest

import symfuse as sf
from symfuse import numpy as snp

Point = collections.namedtuple("Point", ["x", "y"])


@dataclasses.dataclass(frozen=True)
class State:
    value: object
    history: tuple
    name: str = dataclasses.field(default="", metadata={"static": True})


class Box:
    def __init__(self, content):
        self.content = content


sf.register(Box, lambda box: ((box.content,), None), lambda _, parts: Box(*parts))

TREES = [
    {"a": 1.0, "b": [2.0, (3.0,)]},
    Point(1.0, 2.0),
    [None, 1.0],
    collections.OrderedDict(z=1.0, a=2.0),
    State(1.0, (2.0, 3.0), "s"),
    {"p": State(Point(1.0, 2.0), ())},
    (),
    collections.defaultdict(list, k=1.0),
]


@pytest.mark.parametrize("tree", TREES, ids=str)
def test_trees_come_back_with_their_containers(tree):
    found = sf.jit(lambda t: t, target="interpret")(tree)
    assert found == tree
    assert type(found) is type(tree)


def test_registered_classes_are_trees():
    found = sf.jit(lambda box: Box(box.content * 2), target="interpret")(Box(np.ones(2)))
    np.testing.assert_array_equal(found.content, [2.0, 2.0])


def test_leaves_are_named_as_the_user_writes_them():
    def f(params, *rest, scale):
        return params["layers"][0] + rest[1] + scale

    graph = sf.trace(f, {"layers": ["f32[2]"]}, "f32[2]", "f32[2]", scale="f32[]")
    assert graph._names == ("params['layers'][0]", "rest[0]", "rest[1]", "scale")


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (sf.spec((2, 3), "float32"), "f32[2,3]"),
        (sf.spec(("N", 3), np.int64), "i64[N,3]"),
        (sf.spec((sf.dim("N") * 2 + 1,)), "f32[2*N+1]"),
        (sf.spec(5, bool), "bool[5]"),
        ("f64[]", "f64[]"),
        (np.ones((2, 2), "int8"), "i8[2,2]"),
        (3.0, "f64[]"),
        (True, "bool[]"),
        (np.float32(1), "f32[]"),
    ],
)
def test_every_description_of_an_array_is_understood(spec, text):
    graph = sf.trace(lambda x: x, spec)
    assert str(graph.inputs[0].type) == text


def test_objects_like_shape_dtype_structs_are_specs():
    class Struct:
        shape, dtype = (2, 3), np.dtype("float32")

    assert str(sf.trace(lambda x: x, Struct()).inputs[0].type) == "f32[2,3]"


def test_one_name_is_one_size_within_a_trace():
    graph = sf.trace(lambda x, y: x + y, "f32[N]", "f32[N]")
    assert len(graph.symbols) == 1
    with pytest.raises(sf.GuardError):
        graph(np.ones(2, "f"), np.ones(3, "f"))


def test_a_declared_size_meets_its_name_in_texts():
    n = sf.dim("N", min=1)
    graph = sf.trace(lambda x, y: x + y, sf.spec((n,)), "f32[N]")
    assert [s.declaration() for s in graph.symbols] == ["N in [1, inf]"]


def test_graphs_are_built_by_hand():
    x = sf.placeholder("x", "f32[3]")
    w = sf.placeholder("w", "f32[3]")
    graph = sf.Graph(inputs=[x, w], outputs=[snp.tanh(x) * w, x + 1])
    first, second = graph(np.ones(3, "f"), np.full(3, 2, "f"))
    np.testing.assert_allclose(first, 2 * np.tanh(np.ones(3, "f")))
    np.testing.assert_allclose(second, 2.0)


def test_placeholders_enter_traced_functions_as_captured_values():
    x = sf.placeholder("x", "f32[3]")
    graph = sf.Graph(inputs=[x], outputs=[sf.grad(lambda y: (y * x * x).sum())(x)])
    np.testing.assert_allclose(graph(np.full(3, 3, "f")), 9.0)


def test_a_printed_graph_parses_back():
    graph = sf.trace(lambda x: np.tanh(x).sum(0) / x.shape[0], "f32[N,4]")
    again = sf.Graph.parse(str(graph))
    x = np.ones((3, 4), "f")
    np.testing.assert_array_equal(graph(x), again(x))
    assert again.stats() == graph.stats()


def test_graphs_are_called_inside_other_functions_and_compiled():
    inner = sf.trace(lambda p: p["a"] * 2, {"a": "f64[3]"})
    outer = sf.trace(lambda x: inner({"a": x + 1}), "f64[3]")
    np.testing.assert_array_equal(outer(np.ones(3)), 4.0)
    np.testing.assert_array_equal(sf.compile(outer, target="interpret")(np.ones(3)), 4.0)


def test_names_of_variables_are_kept():
    def f(x):
        hidden = np.tanh(x)
        return hidden * 2

    assert "%hidden: f32[2] = tanh(%x)" in str(sf.trace(f, "f32[2]"))
    assert "test_trees.py" in str(sf.trace(f, "f32[2]"))


def test_static_arguments_are_python_values():
    graph = sf.trace(lambda x, n: x * n if n > 1 else x, "f32[2]", 3, static_argnums=1)
    np.testing.assert_array_equal(graph.ir(np.ones(2, "f")), 3.0)


def test_importing_symfuse_loads_nothing_heavy():
    code = "import sys, symfuse as sf; sf.trace(lambda x: x + 1, 'f32[2]'); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    names = {name.partition(".")[0] for name in loaded.stdout.split()}
    assert not names & {"llvmlite", "sympy", "networkx", "scipy"}
