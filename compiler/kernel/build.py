"""A group of graph nodes → the bodies of its phases, before any decision how to walk them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from msgspec import Struct

from ..ir.dims import Dim, Symbol
from ..ir.node import Node
from ..ir.op import operations
from .body import Body, Index
from .domain import Domain, axis_symbols, sources
from .phases import Buffer, Instr, Local, Reduce
from .scalar import INSTRUCTIONS

__all__ = ["Draft", "Storage", "build_contraction", "build_rows"]

MOST_ROW_BYTES = 1 << 18  # of a value kept on chip between two phases
WORTH_KEEPING = 12  # cost from which a value is kept rather than computed again

Storage = Callable[[Node], Buffer]


class Draft(Struct, frozen=True, dict=True):
    """Bodies of phases over axes; which axes a body loops over follows from its symbols.

    `lasting` is memory that stays the same for many launches: what is made of it is made once.
    """

    axes: tuple[Symbol, ...]
    extents: tuple[Dim, ...]
    bodies: tuple[tuple[Instr, ...], ...]
    lasting: frozenset[Buffer] = frozenset()

    @cached_property
    def reduced(self) -> frozenset[Symbol]:
        """The axes that some phase folds."""
        folds = (i for body in self.bodies for i in body if i.is_fold)
        return frozenset().union(*(fold.detail.over for fold in folds))

    def extent(self, symbol: Symbol) -> Dim:
        return self.extents[self.axes.index(symbol)]


def build_rows(
    nodes: tuple[Node, ...],
    outputs: Iterable[Node],
    domain: Domain,
    sees_through: Callable[[Node], bool],
    storage: Storage,
) -> Draft:
    """Phases for maps and reductions over one domain: each fold ends the phase that it is in."""
    return _Rows(nodes, frozenset(outputs), domain, sees_through, storage).build()


class _Rows:
    def __init__(
        self,
        nodes: tuple[Node, ...],
        outputs: frozenset[Node],
        domain: Domain,
        sees_through: Callable[[Node], bool],
        storage: Storage,
    ) -> None:
        self.nodes, self.outputs, self.domain, self.storage = nodes, outputs, domain, storage
        members = frozenset(nodes)
        self.sources = {node: sources(node, sees_through) for node in nodes}
        self.body = Body(lambda n: n in members or sees_through(n), storage)
        self.level = self._levels()

    def build(self) -> Draft:
        bodies: list[tuple[Instr, ...]] = []
        last = max(self.level.values(), default=0)
        for level in range(last + 2):
            bodies.append(self._row_values(level))
            bodies.append(self._full_values(level))
        axes = tuple(
            (symbol, extent)
            for symbol, extent in zip(self.domain.symbols, self.domain.shape, strict=True)
            if extent != 1
        )
        filled = tuple(body for body in bodies if any(i.is_effect for i in body))
        return Draft(tuple(a for a, _ in axes), tuple(n for _, n in axes), filled)

    def _levels(self) -> dict[Node, int]:
        """How many folds must have ended before a node can be computed."""
        level: dict[Node, int] = {}
        for node in self.nodes:
            inside = [x for x in self.sources[node] if x in level]
            level[node] = max((level[x] + (x.op.reduction is not None) for x in inside), default=0)
        return level

    def _row_values(self, level: int) -> tuple[Instr, ...]:
        """Stores of what has one value a row: results of folds and what follows from them."""
        for node in self.nodes:
            ready = self.level[node] + (node.op.reduction is not None)
            if ready == level and node in self.outputs and not self._is_full(node):
                self._store(node)
        return self.body.finish()

    def _full_values(self, level: int) -> tuple[Instr, ...]:
        """Folds, stores over the whole domain, and values kept for later phases."""
        folds = []
        for node in self.nodes:
            if self.level[node] != level:
                continue
            if node.op.reduction is not None:
                folds.append(self._fold(node))
                continue
            if self._is_full(node):
                if node in self.outputs:
                    self._store(node)
                if self._is_worth_keeping(node):
                    folds.append(self._keep(node))
        done = self.body.finish()
        for node, index, local in folds:
            self.body.locals[(node, index)] = local
        return done

    def _fold(self, node: Node) -> tuple[Node, Index, Local]:
        full = _known(self.domain.index(node.inputs[0].shape))
        kept = _known(self.domain.index(node.shape))
        over = frozenset(
            symbol
            for axis, symbol in enumerate(self.domain.symbols)
            if axis in self.domain.reduced and self.domain.shape[axis] != 1
        )
        axes = tuple(self.domain.symbols[k] for k in self.domain.kept if self.domain.shape[k] != 1)
        local = Local(f"fold{len(self.body.locals)}_{node.op}", node.dtype.computed, axes)
        reduction = node.op.reduction
        assert reduction is not None
        value = _unrounded(self.body, self.body.value(node.inputs[0], full))
        position: tuple[Instr, ...] = ()
        if reduction.uses_position:
            position = (self.body.index(full[node.attr("axis")]),)
        self.body.reduce(Reduce(local, reduction, over), value, *position)
        return node, kept, local

    def _keep(self, node: Node) -> tuple[Node, Index, Local]:
        index = _known(self.domain.index(node.shape))
        axes = tuple(
            s for s, n in zip(self.domain.symbols, self.domain.shape, strict=True) if n != 1
        )
        local = Local(f"keep_{len(self.body.locals)}_{node.op}", node.dtype, axes)
        self.body.put(local, self.body.value(node, index))
        return node, index, local

    def _is_worth_keeping(self, node: Node) -> bool:
        if not self.domain.reduced or node.op.body is None:
            return False
        row: Dim = node.dtype.itemsize
        for axis in self.domain.reduced:
            row = row * self.domain.shape[axis]
        if not isinstance(row, int) or row > MOST_ROW_BYTES:
            return False
        later = any(
            node in self.sources[reader] and self.level[reader] > self.level[node]
            for reader in self.nodes
        )
        return later and self._cost(node) >= WORTH_KEEPING

    def _cost(self, node: Node) -> int:
        index = _known(self.domain.index(node.shape))
        value = self.body.value(node, index)
        if value.dtype.is_half and value.op == "convert":
            (value,) = value.args
        return INSTRUCTIONS[value.op].cost if value.op in INSTRUCTIONS else 0

    def _is_full(self, node: Node) -> bool:
        return self.domain.is_full(_stored_shape(node)) or not self.domain.reduced

    def _store(self, node: Node) -> None:
        index = _known(self.domain.index(_stored_shape(node)))
        _store(self.body, self.storage(node), node, index)


def build_contraction(
    anchor: Node,
    nodes: tuple[Node, ...],
    outputs: Iterable[Node],
    sees_through: Callable[[Node], bool],
    storage: Storage,
) -> Draft:
    """A fold over the contracted axes, then a phase with what follows from each product."""
    members = frozenset(nodes) - {anchor}
    body = Body(lambda n: n in members or sees_through(n), storage)
    out = axis_symbols(anchor.shape)
    left, right = anchor.inputs
    (batch_left, batch_right), (over_left, over_right) = (
        anchor.attr("batch"),
        anchor.attr("contracting"),
    )
    sizes = tuple(left.shape[a] for a in over_left)
    over = axis_symbols(sizes, "k")
    free_left = [a for a in range(left.rank) if a not in (*batch_left, *over_left)]
    free_right = [a for a in range(right.rank) if a not in (*batch_right, *over_right)]
    split = len(batch_left) + len(free_left)
    position = _positions(out, anchor.shape)
    inner = _positions(over, sizes)
    first = _operand_index(left.rank, (batch_left, free_left), position[:split], over_left, inner)
    rest = (*position[: len(batch_left)], *position[split:])
    second = _operand_index(right.rank, (batch_right, free_right), rest, over_right, inner)
    kept = tuple(s for s, n in zip(out, anchor.shape, strict=True) if n != 1)
    folded = frozenset(s for s, n in zip(over, sizes, strict=True) if n != 1)
    total = Local("product", anchor.dtype.computed, kept)
    reduction = operations["reduce_sum"].reduction
    assert reduction is not None
    factors = (body.value(left, first), body.value(right, second))
    product = body.mul(*(_unrounded(body, factor) for factor in factors))
    body.reduce(Reduce(total, reduction, folded), product)
    fold = body.finish()
    body.locals[(anchor, position)] = total
    for node in outputs:
        _store(body, storage(node), node, position)
    axes = tuple(zip((*out, *over), (*anchor.shape, *sizes), strict=True))
    used = tuple((symbol, extent) for symbol, extent in axes if extent != 1)
    return Draft(tuple(s for s, _ in used), tuple(n for _, n in used), (fold, body.finish()))


def _stored_shape(node: Node) -> tuple[Dim, ...]:
    """The shape of the points at which elements of a node are stored."""
    return node.inputs[0].shape if node.op.interleaves else node.shape


def _store(body: Body, buffer: Buffer, node: Node, index: Index) -> None:
    """Store the element at an index, or those of all operands side by side."""
    if not node.op.interleaves:
        body.store(buffer, index, node.shape, body.value(node, index))
        return
    values = [body.value(operand, index) for operand in node.inputs]
    for place, value in enumerate(values):
        body.store(buffer, (*index, place), node.shape, value)


def _unrounded(body: Body, value: Instr) -> Instr:
    """The value in the type that folds of its type are kept in: they are rounded at their end."""
    return body.convert(value, value.dtype.computed)


def _known(index: Index | None) -> Index:
    if index is None:
        raise AssertionError("a node without a place in the domain of its kernel")
    return index


def _positions(symbols: tuple[Symbol, ...], sizes: tuple[Dim, ...]) -> Index:
    return tuple(
        0 if size == 1 else symbol + 0 for symbol, size in zip(symbols, sizes, strict=True)
    )


def _operand_index(
    rank: int,
    outer: tuple[Iterable[int], Iterable[int]],
    position: Index,
    over: tuple[int, ...],
    inner: Index,
) -> Index:
    """The index of an operand whose batch and free axes, then contracted axes, are given."""
    index: list[Any] = [0] * rank
    for axis, at in zip((*outer[0], *outer[1]), position, strict=True):
        index[axis] = at
    for axis, at in zip(over, inner, strict=True):
        index[axis] = at
    return tuple(index)
