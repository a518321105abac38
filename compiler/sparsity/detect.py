"""Which outputs of a graph depend on which inputs, for all values of these.

A derivative is a graph that is linear in the tangents. What its outputs depend on there is where
the Jacobian may be nonzero: what ends derivatives, such as a comparison, is no part of that graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np

from symfuse.runtime.errors import UnsupportedError

from ..autodiff.forward import jvp_graph
from ..ir.dataflow import Dataflow
from ..ir.graph import Graph
from ..ir.interpret import evaluate_node
from ..ir.location import user_location
from ..ir.node import Node
from ..ir.regions import bundle_key
from ..passes.expand_complex import expand_complex
from .elements import Elements, sizes
from .operations import elements_of
from .regions import results_of
from .relations import Relation, identity, nothing, stacked

__all__ = ["jacobian_pattern", "propagate", "symmetric_pattern"]


def jacobian_pattern(graph: Graph, wrt: Sequence[Node]) -> Relation:
    """Where derivatives of the outputs, one below the other, in the elements of `wrt`, one beside
    the other, may be nonzero for some input."""
    _expect_numbers(graph)
    pushed = jvp_graph(graph, wrt)
    tangents = pushed.parameters[len(graph.parameters) :]
    changes = expand_complex(pushed.with_outputs(pushed.outputs[len(graph.outputs) :]))
    given = _directions(tangents)
    found = propagate(changes, [given.get(p) or _argument(changes, p) for p in changes.parameters])
    width = sum(one.count for one in given.values())
    parts = [(one.depends, one.count) for one in found]
    pattern = stacked([*parts, (nothing(0, width), 0)])
    pattern.sum_duplicates()
    return pattern


def symmetric_pattern(gradient: Graph, wrt: Sequence[Node]) -> Relation:
    """The same for the gradient of one number in `wrt`, whose Jacobian is symmetric: what is zero
    on one side of the diagonal is so on the other."""
    found = jacobian_pattern(gradient, wrt)
    return (found * found.T.tocsr()).tocsr()


def propagate(graph: Dataflow, given: Iterable[Elements]) -> tuple[Elements, ...]:
    """What is known of the outputs, given the same of the parameters."""
    values = dict(zip(graph.parameters, given, strict=True))
    results: dict[Any, tuple[Elements, ...]] = {}
    for node in graph.nodes:
        if node in values:
            continue
        operands = [values[x] for x in node.inputs]
        if node.is_constant:
            values[node] = Elements.of(evaluate_node(node, [], {}), node.dtype)
        elif node.op.regional is None:
            values[node] = elements_of(node, operands)
        else:
            key = bundle_key(node)
            if key not in results:
                results[key] = results_of(node, operands, propagate)
            values[node] = results[key][node.attr("result")]
    return tuple(values[output] for output in graph.outputs)


def _directions(tangents: Sequence[Node]) -> dict[Node, Elements]:
    """Tangents, each of whose elements is an input of its own."""
    counts = [prod(sizes(one)) for one in tangents]
    starts = [0, *accumulate(counts)]
    return {
        one: Elements.unknown(one.dtype, count, identity(count, start, starts[-1]))
        for one, count, start in zip(tangents, counts, starts, strict=False)
    }


def _argument(graph: Graph, parameter: Node) -> Elements:
    """An argument, of which nothing is known, or an array that the function has closed over."""
    held = graph.captured.get(parameter)
    if isinstance(held, np.ndarray):
        return Elements.of(held, parameter.dtype)
    return Elements.unknown(parameter.dtype, prod(sizes(parameter)))


def _expect_numbers(graph: Graph) -> None:
    for node in graph.parameters:
        if not node.type.is_static:
            raise UnsupportedError(
                f"{node.source.variable() or 'an argument'} is {node.type}, but where a derivative "
                "is zero is found for sizes that are numbers",
                fix='give every size a number, as in "f64[100]"',
                loc=user_location(),
            )
