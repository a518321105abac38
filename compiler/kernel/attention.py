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

from ..ir.dims import Dim, Symbol, upper_bound
from ..ir.node import Node
from ..ir.op import Reduction, operations
from .attention_form import AttentionForm, Places
from .body import Body
from .build import Storage
from .phases import Instr, Local, Reduce

__all__ = ["AttentionDraft", "Hidden", "build_attention", "reduction_of", "scale_of"]

Instrs = tuple[Instr, ...]


class Hidden(Struct, frozen=True):
    """What keys that a mask hides add: they are counted, and their values summed up, for the rows
    of a tile at once, as all of them have the same score in a row."""

    counts: Instrs
    values: Instrs
    rows: Instrs


class AttentionDraft(Struct, frozen=True):
    """The axes of an attention and the bodies of its phases, by the axes that they vary with.

    Queries, then rows and sums begin; for every block of keys follow keys and values, the scores
    (summed along the depth), what they are and the greatest of each row, the factors by which rows
    shrink, the weights, the sums of rows and those of values; then the results, and what is
    stored of each row.
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
    stored_rows: Instrs
    carried: tuple[Local, ...]
    hidden: Hidden | None


def build_attention(
    form: AttentionForm, sees_through: Callable[[Node], bool], storage: Storage
) -> AttentionDraft:
    """The bodies of an attention with one axis of depth and one of width."""
    return _Build(form, sees_through, storage).draft()


class _Build:
    def __init__(
        self, form: AttentionForm, sees_through: Callable[[Node], bool], storage: Storage
    ) -> None:
        self.form, self.storage, self.places = form, storage, Places(form)
        members = form.nodes - {form.scores}
        self.body = Body(lambda n: n in members or sees_through(n), storage)
        self.dtype = form.modified.dtype.computed
        self._locals()

    def _locals(self) -> None:
        row, key, depth, width = self.axes
        of_q, of_k, of_v = (node.dtype for node in self.form.operands)
        total = self.form.scores.dtype.computed
        self.q = Local("q_block", of_q, (row, depth))
        self.k = Local("k_block", of_k, (key, depth))
        self.v = Local("v_block", of_v, (key, width))
        self.score = Local("score", total, (row, key))
        self.power = Local("power", self.dtype, (row, key))
        self.weight = Local("weight", of_v, (row, key))
        in_block = ("greatest", "total", "in_block", "greater", "shift", "factor", "share")
        at_last = ("greatest_of_all", "total_of_all", "last_factor", "hidden_weight")
        self.rows = {name: Local(name, self.dtype, (row,)) for name in (*in_block, *at_last)}
        self.sum = Local("sum", self.dtype, (row, width))
        self.hidden_sum = Local("hidden_sum", self.dtype, (width,))
        self.hidden_count = Local("hidden_count", self.dtype, ())
        self.is_masked = False

    @property
    def axes(self) -> tuple[Symbol, Symbol, Symbol, Symbol]:
        at = self.places
        return at.row, at.key, at.depth, at.width

    # bodies

    def draft(self) -> AttentionDraft:
        rows = self.rows
        return AttentionDraft(
            self.places.outer,
            *(*self.axes, self.places.sizes, self.dtype),
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
            hidden=self._hidden(),
            results=self._results(),
            stored_rows=self._stored_rows(),
            carried=(rows["greatest"], rows["total"], self.sum),
        )

    def _load(self, number: int, local: Local) -> Instrs:
        """Put a block of an operand."""
        b, node = self.body, self.form.operands[number]
        b.put(local, b.value(node, self.places.operand(number)))
        return b.finish()

    def _begin(self, *pairs: tuple[Local, float]) -> Instrs:
        for local, number in pairs:
            self.body.put(local, self.body.const(number, local.dtype))
        return self.body.finish()

    def _scores(self) -> Instrs:
        b, total = self.body, self.score.dtype
        product = b.mul(*(b.convert(b.get(local), total) for local in (self.q, self.k)))
        over = frozenset({self.places.depth})
        b.reduce(Reduce(self.score, reduction_of("reduce_sum"), over), product)
        done = b.finish()
        b.locals[(self.form.scores, self.places.score())] = self.score
        return done

    def _greatest(self) -> Instrs:
        b = self.body
        power = b.convert(b.value(self.form.modified, self.places.score()), self.dtype)
        b.put(self.power, power)
        self._fold("in_block", "reduce_max", power)
        return b.finish()

    def _fold(self, name: str, reduction: str, value: Instr) -> None:
        """Fold along the keys of a block."""
        over = frozenset({self.places.key})
        self.body.reduce(Reduce(self.rows[name], reduction_of(reduction), over, anew=True), value)

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
        b.put(self.weight, b.convert(weight, self.weight.dtype))
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
        b, over = self.body, frozenset({self.places.key})
        product = b.mul(*(b.convert(b.get(local), self.dtype) for local in (self.weight, self.v)))
        b.reduce(Reduce(self.sum, reduction_of("reduce_sum"), over, onto=True), product)
        return b.finish()

    def _hidden(self) -> Hidden | None:
        """None where there is no mask, or hidden keys of a row have several scores."""
        b, rows, form, index = self.body, self.rows, self.form, self.places.score()
        if form.mask is None:
            return None
        form.mask.let_hidden(b, form.nodes, index)
        power = b.convert(b.value(form.modified, index), self.dtype)
        if self.places.key in power.axes:
            b.finish()
            return None
        self.is_masked = True
        zero, before, count = (
            b.const(0.0, self.dtype),
            b.get(rows["greatest"]),
            b.get(self.hidden_count),
        )
        some = b.lt(zero, count)
        greater = b.select(some, b.max(before, power), before)
        shift = b.select(b.isfinite(greater), greater, zero)
        factor, weight = (
            b.exp(b.sub(before, shift)),
            b.select(some, b.exp(b.sub(power, shift)), zero),
        )
        total = b.add(b.mul(b.get(rows["total"]), factor), b.mul(weight, count))
        b.put(rows["greatest_of_all"], greater)
        b.put(rows["total_of_all"], total)
        b.put(rows["last_factor"], factor)
        b.put(rows["hidden_weight"], b.mul(weight, b.const(1 / self._scale, self.dtype)))
        of_rows = b.finish()
        self._sum_hidden(self.hidden_count, b.const(1.0, self.dtype))
        counts = b.finish()
        value = b.convert(b.value(form.operands[2], self.places.operand(2)), self.dtype)
        self._sum_hidden(self.hidden_sum, b.mul(value, b.const(self._scale, self.dtype)))
        return Hidden(counts, b.finish(), of_rows)

    @property
    def _scale(self) -> float:
        """A power of two by which sums over all keys do not overflow."""
        return scale_of(self.places.sizes[self.places.key])

    def _sum_hidden(self, local: Local, value: Instr) -> None:
        over = frozenset({self.places.key})
        self.body.reduce(Reduce(local, reduction_of("reduce_sum"), over), value)

    def _results(self) -> Instrs:
        b, form, at, rows = self.body, self.form, self.places, self.rows
        index = at.result(form.batch, at.queries, at.width, turned=form.turned)
        total, found = b.get(rows["total_of_all" if self.is_masked else "total"]), b.get(self.sum)
        if self.is_masked:
            hidden = b.mul(b.get(rows["hidden_weight"]), b.get(self.hidden_sum))
            found = b.add(b.mul(found, b.get(rows["last_factor"])), hidden)
        found = b.convert(b.div(found, total), form.root.dtype)
        b.store(self.storage(form.root), index, form.root.shape, found)
        return b.finish()

    def _stored_rows(self) -> Instrs:
        b, form, index = self.body, self.form, self.places.of_row()
        if form.greatest is not None and form.total is not None:
            suffix = "_of_all" if self.is_masked else ""
            b.locals[(form.greatest, index)] = self.rows[f"greatest{suffix}"]
            b.locals[(form.total, index)] = self.rows[f"total{suffix}"]
        for node in form.rows:
            b.store(self.storage(node), index, node.shape, b.value(node, index))
        return b.finish()


def scale_of(count: Dim) -> float:
    """A power of two by which sums of so many do not overflow."""
    most = upper_bound(count)
    return float(2.0 ** -(31 if most is None else most.bit_length()))


def reduction_of(name: str) -> Reduction:
    """The fold that an operation of this name does."""
    found = operations[name].reduction
    assert found is not None
    return found
