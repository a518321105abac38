"""How long the layers of a model take: the times of kernels, by the layers that are in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from symfuse.compiler.explain.cost import node_cost
from symfuse.compiler.explain.text import seconds_text, share_text
from symfuse.compiler.ir.dims import Expr, evaluate, symbols
from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.node import Node
from symfuse.runtime.errors import ArgumentError

from ..nn.symbolic import BATCH
from ..staging.aot import compile
from ..tracing.specs import Spec
from ..tracing.tree import map_leaves

__all__ = ["Timed", "timed"]


class Timed(Struct, frozen=True):
    """Seconds of a prediction for `examples`, by the scopes of layers such as `encoder/dense`."""

    examples: int
    by_scope: Mapping[str, float]

    @property
    def total(self) -> float:
        """All kernels together."""
        return sum(self.by_scope.values())

    def seconds(self, layer: str) -> float:
        """The time of a layer and of all that is inside."""
        inner = f"{layer}/"
        return sum(took for scope, took in self.by_scope.items() if f"{scope}/".startswith(inner))

    def __str__(self) -> str:
        outside = share_text(self.by_scope.get("", 0.0), self.total)
        return (
            f"its kernels take {seconds_text(self.total)} for {self.examples} examples, {outside}"
            " of it outside of layers; one with several layers counts for each by its operations"
        )


def timed(model: Any, specs: Sequence[Any], batch_size: int) -> Timed:
    """The kernels of a prediction measured, on numbers drawn for inputs of these specs."""
    values, options = model.values(), {}
    if "programs" in model.__dict__:
        options = dict(model.programs.options)
    arrays = map_leaves(lambda one: _drawn(one, batch_size), list(specs))
    given = (values["params"], values["state"], *arrays)
    program = compile(model.predicting(), *given, **options)
    profile = program.profile(*given)
    found: dict[str, float] = {}
    for launch, row in zip(program.compilation.launches, profile.rows, strict=True):
        own = max(row.seconds - profile.overhead * row.turns, 0.0)
        for scope, share in _shares(launch.nodes):
            found[scope] = found.get(scope, 0.0) + share * own
    return Timed(batch_size, found)


def _shares(nodes: Sequence[Node]) -> Iterator[tuple[str, float]]:
    """The part of each node in the operations of its kernel; moving an element counts as one."""
    work = [
        max(evaluate(node_cost(node).flops, {}), evaluate(node.type.size, {})) for node in nodes
    ]
    for node, own in zip(nodes, work, strict=True):
        yield node.source.scope, own / (sum(work) or 1)


def _drawn(one: Spec, batch_size: int) -> Any:
    """Numbers of N(0, 1), or zeros of a type that is not floating."""
    exprs = [size for size in one.shape if isinstance(size, Expr)]
    open_ = {symbol.name for size in exprs for symbol in symbols(size)} - {str(BATCH)}
    if open_:
        raise ArgumentError(
            f"profile: the size {min(open_)} of an input is open",
            fix='give it a number, as in model.summary("f32[N,16,8]", profile=True)',
            loc=user_location(),
        )
    shape = tuple(evaluate(size, {str(BATCH): batch_size}) for size in one.shape)
    drawn = np.random.default_rng(0).normal(size=shape)
    return drawn.astype(one.dtype) if one.dtype.kind in "fV" else np.zeros(shape, one.dtype)
