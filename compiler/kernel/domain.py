"""The iteration space that the nodes of one kernel share, and where each node stands in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from msgspec import Struct

from ..ir.dims import Dim, Symbol
from ..ir.node import Node
from .body import Body, Index, Reader
from .phases import Buffer, Instr, body_cost

__all__ = [
    "Domain",
    "axis_symbols",
    "element_cost",
    "is_scan",
    "own_domain",
    "reads",
    "sources",
    "visited_shape",
]


@lru_cache(maxsize=1 << 12)
def axis_symbols(shape: tuple[Dim, ...], hint: str = "d") -> tuple[Symbol, ...]:
    """One loop symbol for every axis, with the bounds of its indices."""
    return tuple(Symbol(f"{hint}{k}", 0, size - 1, 1) for k, size in enumerate(shape))


class Domain(Struct, frozen=True):
    """Axes of some sizes, of which `reduced` are folded by the reductions inside."""

    shape: tuple[Dim, ...]
    reduced: frozenset[int] = frozenset()

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        return axis_symbols(self.shape)

    @property
    def kept(self) -> tuple[int, ...]:
        return tuple(k for k in range(len(self.shape)) if k not in self.reduced)

    @property
    def kept_shape(self) -> tuple[Dim, ...]:
        return tuple(self.shape[k] for k in self.kept)

    def index(self, shape: tuple[Dim, ...]) -> Index | None:
        """The one index at which a value of this shape is computed in the domain, if there is one.

        A value lies over the whole domain, or over the kept axes, the reduced ones gone or 1.
        """
        if shape == self.shape:
            return self._positions(range(len(shape)))
        if shape == self.kept_shape:
            return self._positions(self.kept)
        ones = tuple(1 if k in self.reduced else n for k, n in enumerate(self.shape))
        if shape == ones:
            full = self._positions(range(len(shape)))
            return tuple(0 if k in self.reduced else i for k, i in enumerate(full))
        return None

    def is_full(self, shape: tuple[Dim, ...]) -> bool:
        """Whether a value of this shape varies along the reduced axes."""
        return shape == self.shape and bool(self.reduced)

    def _positions(self, axes: Iterable[int]) -> Index:
        symbols = self.symbols
        return tuple(0 if self.shape[k] == 1 else symbols[k] + 0 for k in axes)


def own_domain(node: Node) -> Domain:
    """The domain of a node alone: that of its operand for a reduction or what interleaves."""
    if node.op.reduction is not None and not is_scan(node):
        attrs = node.attrs
        axes = attrs["axes"] if "axes" in attrs else (attrs["axis"],)
        return Domain(node.inputs[0].shape, frozenset(axes))
    return Domain(visited_shape(node))


def visited_shape(node: Node) -> tuple[Dim, ...]:
    """The shape that one visit of every domain point covers: the operand's for reductions, and
    for what stores its operands side by side."""
    of_operand = node.op.reduction is not None or node.op.interleaves
    return node.inputs[0].shape if of_operand else node.shape


def is_scan(node: Node) -> bool:
    """Whether the node stores the running state of a fold."""
    return node.op.reduction is not None and node.op.reduction.is_scan


class _Recorder(Body):
    """Runs definitions for their reads alone."""

    def __init__(self, through: Callable[[Node], bool]) -> None:
        super().__init__(through, lambda node: Buffer("read", node.dtype, node.shape))
        self.seen: dict[tuple[Node, Index], None] = {}

    def _compute(self, node: Node, index: Index) -> Instr:
        if node.number is None and not self._inside(node):
            self.seen[(node, index)] = None
        return super()._compute(node, index)

    def under(self, condition: Instr, otherwise: Any) -> Body:
        inner = _Recorder(self._inside)
        inner._guard, inner.seen = (condition, otherwise), self.seen
        inner._computed = self._computed
        return inner


def element_cost(node: Node) -> int:
    """Scalar additions that one element of an elementwise node is worth."""
    body = _Recorder(lambda _: False)
    assert node.op.body is not None
    node.op.body(body, *(body.value(x, (0,) * x.rank) for x in node.inputs), **node.attrs)
    return body_cost(body.finish())


def sources(node: Node, through: Callable[[Node], bool]) -> tuple[Node, ...]:
    """The nodes that `node` is computed from, seen through those for which `through` holds."""
    found: dict[Node, None] = {}
    seen: set[Node] = set()
    stack = list(reversed(node.inputs))
    while stack:
        source = stack.pop()
        if source in seen:
            continue
        seen.add(source)
        if through(source):
            stack.extend(reversed(source.inputs))
        else:
            found[source] = None
    return tuple(found)


def reads(
    node: Node, index: Index, through: Callable[[Node], bool]
) -> tuple[tuple[Node, Index], ...]:
    """The nodes and indices that one element of `node` is computed from.

    Nodes for which `through` holds (views, numbers) are seen through, to what they read.
    """
    if node.op.body is not None and not any(through(x) or x.is_constant for x in node.inputs):
        return tuple(dict.fromkeys((source, index) for source in node.inputs))
    recorder = _Recorder(through)
    readers = tuple(Reader(recorder, source) for source in node.inputs)
    if node.op.element is None:
        for reader in readers:
            reader(index)
    else:
        node.op.element(recorder, index, readers, node.type, node.attrs)
    return tuple(recorder.seen)
