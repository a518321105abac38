"""What a model consists of: layers, shapes, parameters, operations and bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from symfuse.compiler.explain.cost import node_cost
from symfuse.compiler.explain.text import bytes_text, count_text, share_text, with_facts
from symfuse.compiler.ir.dims import Dim

from ..nn.layer import Layer, Variables
from ..nn.scope import Declared, Row, Run, Scope
from ..tracing.graph import trace
from ..tracing.specs import Spec
from ..tracing.tree import flatten, map_leaves
from .timing import Timed

__all__ = ["Summary", "SummaryRow", "summarised"]

Tree = Any


class SummaryRow(Struct, frozen=True):
    """One layer: its name and kind, the shapes it gives, its weights, operations and bytes.

    `seconds` is the time it takes in a prediction that was measured; what is inside is included.
    """

    name: str
    kind: str
    shapes: str
    params: int
    flops: Dim
    nbytes: int
    seconds: float | None = None


class Summary(Struct, frozen=True):
    """The layers of a model in the order in which they compute; prints as a table."""

    title: str
    rows: tuple[SummaryRow, ...]
    params: int
    trainable: int
    state: int
    flops: Dim
    nbytes: int
    timed: Timed | None = None

    def __str__(self) -> str:
        columns: dict[str, Callable[[SummaryRow], str]] = {
            "layer": lambda row: f"{row.name} ({row.kind})",
            "output": lambda row: row.shapes,
            "parameters": lambda row: f"{row.params:,}",
            "FLOPs": lambda row: count_text(row.flops),
            "bytes": lambda row: bytes_text(row.nbytes),
        }
        if (timed := self.timed) is not None:
            columns["time"] = lambda row: share_text(row.seconds or 0.0, timed.total)
        rows = [[write(row) for write in columns.values()] for row in self.rows]
        return f"{self.title}\n{with_facts(list(columns), rows, self._facts(), left=2)}"

    __repr__ = __str__

    def _facts(self) -> Iterator[str]:
        frozen = self.params - self.trainable
        yield f"parameters: {self.params:,} ({self.trainable:,} trainable, {frozen:,} frozen)"
        yield f"state: {self.state:,} numbers; weights and state: {bytes_text(self.nbytes)}"
        yield f"one prediction: {count_text(self.flops)} FLOPs"
        if self.timed is not None:
            yield str(self.timed)


def summarised(
    model: Layer, specs: Sequence[Any], depth: int = 1, timed: Timed | None = None
) -> Summary:
    """The summary for inputs of these specs; layers inside others down to `depth`."""
    seen: list[Row] = []
    declared, _ = model.declared(*specs, seen=seen)
    params, state = flatten(declared.params)[0], flatten(declared.state)[0]
    return Summary(
        model.name or type(model).__name__,
        tuple(_row(one, again, timed) for one, again in _first(seen) if len(one.path) <= depth),
        _numbers(params),
        sum(one.size for one in params if one.moves),
        _numbers(state),
        _flops(model, declared, specs),
        sum(one.nbytes for one in (*params, *state)),
        timed,
    )


def _first(seen: Sequence[Row]) -> Iterator[tuple[Row, bool]]:
    """Each call, and whether its layer has been called before."""
    known: set[tuple[str, ...]] = set()
    for one in seen:
        yield one, one.path in known
        known.add(one.path)


def _row(seen: Row, again: bool, timed: Timed | None) -> SummaryRow:
    own = [] if again else flatten(seen.params)[0]
    state = [] if again else flatten(seen.state)[0]
    shapes = ", ".join(_shape(one) for one in flatten(seen.outputs)[0])
    name = "/".join(seen.path)
    return SummaryRow(
        name,
        type(seen.layer).__name__,
        shapes,
        _numbers(own),
        _cost(seen),
        sum(one.nbytes for one in (*own, *state)),
        None if timed is None else 0.0 if again else timed.seconds(name),
    )


def _cost(seen: Row) -> Dim:
    """The operations of one layer in inference mode."""
    leaves, tree = flatten((seen.inputs, seen.options))
    open_ = [at for at, leaf in enumerate(leaves) if isinstance(leaf, Spec)]

    def alone(params: Tree, state: Tree, *given: Any) -> Any:
        filled = dict(zip(open_, given, strict=True))
        inputs, options = tree.unflatten([filled.get(at, leaf) for at, leaf in enumerate(leaves)])
        return Scope(Run(), params, state, seen.types).run(seen.layer, inputs, options)

    return _operations(alone, seen, [leaves[at] for at in open_])


def _flops(model: Layer, declared: Variables, specs: Sequence[Any]) -> Dim:
    def whole(params: Tree, state: Tree, *inputs: Any) -> Any:
        return model.run(Run(), params, state, *inputs)[0]

    return _operations(whole, declared, specs)


def _operations(function: Any, declared: Any, specs: Sequence[Any]) -> Dim:
    arrays = (map_leaves(_spec, part) for part in (declared.params, declared.state))
    graph = trace(function, *arrays, *specs).ir
    total: Dim = 0
    for node in graph.nodes:
        total = total + node_cost(node).flops
    return total


def _spec(one: Declared) -> Spec:
    return Spec(one.shape, one.dtype.numpy)


def _numbers(declared: Sequence[Declared]) -> int:
    return sum(one.size for one in declared)


def _shape(spec: Spec) -> str:
    return f"({', '.join(map(str, spec.shape))})"
