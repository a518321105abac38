"""Why a loss is no number: the operation that made it so, found by computing it once more."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np

from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.interpret import bind_sizes, run
from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.node import Node
from symfuse.runtime.errors import SymfuseError

from ..losses.entropies import NO_CLASS
from ..random import fold_in
from ..tracing.graph import trace
from ..tracing.tree import flatten
from .steps import loss_of

__all__ = ["DivergedError", "expect_finite"]

_FIX = "lower the learning rate, clip gradients (clipnorm=1.0), or look at the data"
_LABELS = (
    "a label is no number of a class",
    "give whole numbers from 0, less than the scores of a row are, or ignore_class=",
)


class DivergedError(SymfuseError, ArithmeticError):
    """The loss is no number any more; the model has the weights from before that step."""


def expect_finite(model: Any, carry: Mapping[str, Any], batch: Any, place: str) -> None:
    """Raise where the mean of the losses is no number any more, with what made it so."""
    loss = float(carry["metrics"]["loss"]["total"])
    if math.isfinite(loss):
        return
    node, source = _culprit(model, carry, batch)
    is_label = node is not None and node.source.scope.endswith(NO_CLASS)
    source, fix = _LABELS if is_label else (source, _FIX)
    raise DivergedError(
        f"the loss is {loss} in {place}: {source}",
        fix=f"{fix}; the model has the weights from before this step",
        loc=user_location() if node is None else node.source.loc or user_location(),
    )


def _culprit(model: Any, carry: Mapping[str, Any], batch: Any) -> tuple[Node | None, str]:
    """The first operation whose result is no number although what it takes is, in words."""
    loss = loss_of(model, model.programs.goals_for(batch), model.programs.flags)

    def computed(params: Any, state: Any, batch: Any, key: Any) -> Any:
        return loss(params, state, batch, key)[0]

    key = fold_in(model.step_key, carry["optimizer"]["step"])
    given = (carry["params"], carry["state"], batch, key)
    recorded = trace(computed, *given)
    graph, arrays = recorded.ir, [np.asarray(leaf) for leaf in flatten(given)[0]]
    free = [one for one in graph.parameters if one not in graph.captured]
    values: dict[Node, Any] = dict(zip(free, arrays, strict=True))
    values |= {one: np.asarray(value) for one, value in graph.captured.items()}
    run(graph, values, bind_sizes(free, [array.shape for array in arrays]))
    node = graph.outputs[0]
    if _is_finite(values[node]):
        return None, "adding up the losses of the epoch overflows"
    open_ = _depending(graph, free)  # what is made of constants alone is meant to be as it is
    while (bad := _worst(node, values, open_)) is not None:
        node = bad
    if node in free:
        return None, f"{_name(recorded, node)} has values that are no numbers"
    where = f" in {node.source.scope}" if node.source.scope else ""
    return node, f"{node.op.name}{where} gives {_shown(values[node])} for finite values"


def _depending(graph: Graph, given: Sequence[Node]) -> set[Node]:
    """The nodes whose values depend on these."""
    found = set(given)
    for node in graph.nodes:
        if not found.isdisjoint(node.inputs):
            found.add(node)
    return found


def _worst(node: Node, values: Mapping[Node, Any], open_: Container[Node]) -> Node | None:
    """The input that made a value what it is: one that is NaN rather than infinite."""
    bad = [one for one in node.inputs if one in open_ and not _is_finite(values[one])]
    return next((one for one in bad if np.isnan(values[one]).any()), bad[0] if bad else None)


def _is_finite(value: Any) -> bool:
    array = np.asarray(value)
    return array.dtype.kind not in "fV" or bool(np.isfinite(array).all())


def _shown(value: Any) -> str:
    return "NaN" if np.isnan(value).any() else "infinity"


def _name(recorded: Any, node: Node) -> str:
    """How the user calls an argument: params['dense']['kernel'] is the weight dense/kernel."""
    names = dict(zip(recorded.inputs, recorded._names, strict=True))
    return str(names.get(node, "an argument"))
