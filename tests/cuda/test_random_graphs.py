"""Random graphs: on the simulated device they compute what the interpreter of graphs does."""

from __future__ import annotations

from cuda.on_device import Simulated, needs_compiler
from hypothesis import given, settings
from hypothesis import strategies as st
from properties.test_compiled_graphs import KINDS, STABLE, is_defined
from running import assert_near
from strategies import arrays_for, graphs

from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.interpret import interpret

LOOSE = 1e-3  # sums in another order, magnified by what follows them


@needs_compiler
@settings(max_examples=20)
@given(graph=graphs(only=STABLE, dtypes=KINDS, most_nodes=12), seed=st.integers(0, 99))
def test_static_graphs(graph: Graph, seed: int) -> None:
    arrays = arrays_for(graph, seed)
    assert_near(Simulated(graph)(*arrays), interpret(graph, arrays), LOOSE)


@needs_compiler
@settings(max_examples=10)
@given(graph=graphs(only=STABLE, dtypes=KINDS, symbolic=True), seed=st.integers(0, 99))
def test_symbolic_graphs(graph: Graph, seed: int) -> None:
    compiled = Simulated(graph)
    for size in (3, 1, 0, 17):
        arrays = arrays_for(graph, seed, {"N": size})
        if is_defined(graph, arrays):
            assert_near(compiled(*arrays), interpret(graph, arrays), LOOSE)
