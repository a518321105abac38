"""Attention → bodies of phases that never store the scores, before any decision how to walk them.

The softmax is taken block by block of keys. A row keeps its greatest score so far, and its sums
relative to that; where a block has a greater one, the sums are scaled down (M. Milakov and
N. Gimelshein, Online normalizer calculation for softmax, 2018; T. Dao and others,
FlashAttention: Fast and memory-efficient exact attention with IO-awareness, 2022).
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from msgspec import Struct

from symfuse.runtime.dtypes import DType

from ..ir.dims import Dim, Symbol
from ..ir.node import Node
from ..ir.op import Reduction, operations
from .body import Body, Index
from .build import Storage
from .phases import Instr, Local, Reduce

__all__ = ["AttentionDraft", "AttentionForm", "Roles", "build_attention"]

Instrs = tuple[Instr, ...]


class Roles(Struct, frozen=True):
    """The axes of an operand: batches, its own (queries, keys or width of v), summed over."""

    batch: tuple[int, ...]
    own: tuple[int, ...]
    summed: tuple[int, ...]


class AttentionForm(Struct, frozen=True):
    """root = softmax(f(q · kᵀ)) · v: `modified` is f of the `scores`.

    The keys are an axis of the scores, the last, or with `keys_first` the first, of those that
    are no batches. `batch` tells which batch of the scores each batch of the root is. The other
    axes of the root are queries and width, or with `turned` width and queries.
    """

    root: Node
    operands: tuple[Node, Node, Node]  # q, k, v
    roles: tuple[Roles, Roles, Roles]
    scores: Node
    modified: Node
    nodes: frozenset[Node]
    batch: tuple[int, ...]
    keys_first: bool
    turned: bool


class AttentionDraft(Struct, frozen=True):
    """The axes of an attention and the bodies of its phases, by the axes that they vary with.

    Queries, then rows and sums begin; for every block of keys follow keys and values, the scores
    (summed along the depth), what they are and the greatest of each row, the factors by which rows
    shrink, the weights, the sums of rows and those of values; then the results.
    """

    outer: tuple[Symbol, ...]
    row: Symbol
    key: Symbol
    depth: Symbol
    width: Symbol
    sizes: dict[Symbol, Dim]
    dtype: DType
    query: Instrs
    begin_rows: Instrs
    begin_sums: Instrs
    keys: Instrs
    values: Instrs
    scores: Instrs
    greatest: Instrs
    shrink: Instrs
    weights: Instrs
    next_rows: Instrs
    shrink_sums: Instrs
    products: Instrs
    results: Instrs
    carried: tuple[Local, ...]


def build_attention(
    form: AttentionForm, sees_through: Callable[[Node], bool], storage: Storage
) -> AttentionDraft:
    """The bodies of an attention with one axis of depth and one of width."""
    return _Build(form, sees_through, storage).draft()


class _Build:
    def __init__(
        self, form: AttentionForm, sees_through: Callable[[Node], bool], storage: Storage
    ) -> None:
        self.form, self.storage = form, storage
        members = form.nodes - {form.scores}
        self.body = Body(lambda n: n in members or sees_through(n), storage)
        self.dtype = form.modified.dtype.computed
        self.sizes: dict[Symbol, Dim] = {}
        q, k, v = form.operands
        of_q, of_k, of_v = form.roles
        self.batch = [self._axis(f"b{j}", q, axis) for j, axis in enumerate(of_q.batch)]
        self.queries = [self._axis(f"query{j}", q, axis) for j, axis in enumerate(of_q.own)]
        self.key = self._axis("key", k, of_k.own[0])
        self.depth = self._axis("depth", q, of_q.summed[0])
        self.width = self._axis("width", v, of_v.own[0])
        self.row = self.queries[-1]
        self._locals()

    def _axis(self, name: str, node: Node, axis: int) -> Symbol:
        size = node.shape[axis]
        symbol = Symbol(name, 0, size - 1, 1)
        self.sizes[symbol] = size
        return symbol

    def _locals(self) -> None:
        row, key, depth, width = self.row, self.key, self.depth, self.width
        of_q, of_k, of_v = (node.dtype for node in self.form.operands)
        total = self.form.scores.dtype.computed
        self.q = Local("q_block", of_q, (row, depth))
        self.k = Local("k_block", of_k, (key, depth))
        self.v = Local("v_block", of_v, (key, width))
        self.score = Local("score", total, (row, key))
        self.power = Local("power", self.dtype, (row, key))
        self.weight = Local("weight", self.dtype, (row, key))
        rows = ("greatest", "total", "in_block", "greater", "shift", "factor", "share")
        self.rows = {name: Local(name, self.dtype, (row,)) for name in rows}
        self.sum = Local("sum", self.dtype, (row, width))

    # where things are

    def _at(self, symbol: Symbol) -> Dim:
        return 0 if self.sizes[symbol] == 1 else symbol + 0

    def _operand(self, number: int) -> Index:
        roles = self.form.roles[number]
        own = (self.queries, [self.key], [self.width])[number]
        summed = (self.depth, self.depth, self.key)[number]
        batch = self.batch if number < 2 else [self.batch[j] for j in self.form.batch]
        found: dict[int, Dim] = {roles.summed[0]: self._at(summed)}
        found |= {axis: self._at(s) for axis, s in zip(roles.own, own, strict=True)}
        found |= {axis: self._at(s) for axis, s in zip(roles.batch, batch, strict=True)}
        return tuple(found[axis] for axis in sorted(found))

    def _score(self) -> Index:
        rest = [self.key, *self.queries] if self.form.keys_first else [*self.queries, self.key]
        return tuple(map(self._at, (*self.batch, *rest)))

    def _root(self) -> Index:
        rest = [self.width, *self.queries] if self.form.turned else [*self.queries, self.width]
        return tuple(map(self._at, (*(self.batch[j] for j in self.form.batch), *rest)))

    # bodies

    def draft(self) -> AttentionDraft:
        outer = (*self.batch, *self.queries[:-1])
        rows = self.rows
        return AttentionDraft(
            tuple(s for s in outer if self.sizes[s] != 1),
            *(self.row, self.key, self.depth, self.width, self.sizes, self.dtype),
            query=self._load(0, self.q),
            begin_rows=self._begin((rows["greatest"], -inf), (rows["total"], 0.0)),
            begin_sums=self._begin((self.sum, 0.0)),
            keys=self._load(1, self.k),
            values=self._load(2, self.v),
            scores=self._scores(),
            greatest=self._greatest(),
            shrink=self._shrink(),
            weights=self._weights(),
            next_rows=self._next_rows(),
            shrink_sums=self._shrink_sums(),
            products=self._products(),
            results=self._results(),
            carried=(rows["greatest"], rows["total"], self.sum),
        )

    def _load(self, number: int, local: Local) -> Instrs:
        """Put a block of an operand."""
        self.body.put(local, self.body.value(self.form.operands[number], self._operand(number)))
        return self.body.finish()

    def _begin(self, *pairs: tuple[Local, float]) -> Instrs:
        for local, number in pairs:
            self.body.put(local, self.body.const(number, local.dtype))
        return self.body.finish()

    def _scores(self) -> Instrs:
        b, total = self.body, self.score.dtype
        product = b.mul(*(b.convert(b.get(local), total) for local in (self.q, self.k)))
        b.reduce(Reduce(self.score, _reduction("reduce_sum"), frozenset({self.depth})), product)
        done = b.finish()
        b.locals[(self.form.scores, self._score())] = self.score
        return done

    def _greatest(self) -> Instrs:
        b = self.body
        power = b.convert(b.value(self.form.modified, self._score()), self.dtype)
        b.put(self.power, power)
        self._fold("in_block", "reduce_max", power)
        return b.finish()

    def _fold(self, name: str, reduction: str, value: Instr) -> None:
        """Fold along the keys of a block."""
        over = frozenset({self.key})
        self.body.reduce(Reduce(self.rows[name], _reduction(reduction), over, anew=True), value)

    def _shrink(self) -> Instrs:
        """The new greatest score of a row, and the factor for what was relative to the old one;
        an infinite one is not subtracted, so that nothing at all counts for nothing."""
        b, rows = self.body, self.rows
        before = b.get(rows["greatest"])
        greater = b.max(before, b.get(rows["in_block"]))
        shift = b.select(b.isfinite(greater), greater, b.const(0.0, self.dtype))
        b.put(rows["greater"], greater)
        b.put(rows["shift"], shift)
        b.put(rows["factor"], b.exp(b.sub(before, shift)))
        return b.finish()

    def _weights(self) -> Instrs:
        b = self.body
        weight = b.exp(b.sub(b.get(self.power), b.get(self.rows["shift"])))
        b.put(self.weight, weight)
        self._fold("share", "reduce_sum", weight)
        return b.finish()

    def _shrink_sums(self) -> Instrs:
        b = self.body
        b.put(self.sum, b.mul(b.get(self.sum), b.get(self.rows["factor"])))
        return b.finish()

    def _next_rows(self) -> Instrs:
        b, rows = self.body, self.rows
        scaled = b.mul(b.get(rows["total"]), b.get(rows["factor"]))
        b.put(rows["total"], b.add(scaled, b.get(rows["share"])))
        b.put(rows["greatest"], b.get(rows["greater"]))
        return b.finish()

    def _products(self) -> Instrs:
        b, over = self.body, frozenset({self.key})
        product = b.mul(b.get(self.weight), b.convert(b.get(self.v), self.dtype))
        b.reduce(Reduce(self.sum, _reduction("reduce_sum"), over, onto=True), product)
        return b.finish()

    def _results(self) -> Instrs:
        b, root = self.body, self.form.root
        found = b.div(b.get(self.sum), b.get(self.rows["total"]))
        b.store(self.storage(root), self._root(), root.shape, b.convert(found, root.dtype))
        return b.finish()


def _reduction(name: str) -> Reduction:
    found = operations[name].reduction
    assert found is not None
    return found
