"""The derivative of an attention → bodies of phases that compute the weights anew, tile by tile.

There are two sides to it: a tile of queries that all keys go by sums up the derivative of q, and a
tile of keys that all queries go by those of k and v. Each computes the scores again from q and k,
the weights from the greatest score and the sum of exponentials that are stored of each row, and
the slopes of the weights from those of the result (T. Dao, FlashAttention-2, 2023). So nothing of
the size of the scores is stored, and each sum has an order of its own, whoever computes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct

from symfuse.runtime.dtypes import DType

from ..ir.dims import Dim, Symbol
from ..ir.node import Node
from .attention import reduction_of, scale_of
from .attention_form import Places, SlopeProduct, SlopesForm
from .body import Body, Index
from .build import Storage
from .phases import Instr, Local, Reduce

__all__ = ["Block", "Side", "SlopesDraft", "Sum", "build_slopes"]

Instrs = tuple[Instr, ...]


class Block(Struct, frozen=True):
    """The body that puts a block of an operand: `down` its own axis, `along` the summed one."""

    body: Instrs
    down: Symbol
    along: Symbol


class Sum(Struct, frozen=True):
    """One derivative: where it begins, the products that a block adds, what is stored at last.

    `hidden` adds up what comes of scores that a mask hides: the factor of all of them in a row is
    the same, so that sums over keys need only the sum of what it is multiplied by, and sums over
    queries are the same for every key.
    """

    along: Symbol
    begin: Instrs
    products: Instrs
    hidden: Instrs
    results: Instrs
    local: Local


class Side(Struct, frozen=True):
    """A tile of the axis `down` that all blocks of the axis `across` go by.

    The tile has blocks of its own, and numbers of its `rows`; for every block of `across` follow
    its own blocks, the scores, the slopes of the weights, the factors of all sums, and the sums.
    """

    down: Symbol
    across: Symbol
    own: tuple[Block, ...]
    rows: Instrs
    passing: tuple[Block, ...]
    scores: Instrs
    slopes: Instrs
    factors: Instrs
    sums: tuple[Sum, ...]


class SlopesDraft(Struct, frozen=True):
    """The axes of the derivatives of an attention, and their sides: for queries, for keys."""

    outer: tuple[Symbol, ...]
    row: Symbol
    key: Symbol
    depth: Symbol
    width: Symbol
    sizes: dict[Symbol, Dim]
    dtype: DType
    sides: tuple[Side, ...]


def build_slopes(
    form: SlopesForm, sees_through: Callable[[Node], bool], storage: Storage
) -> SlopesDraft:
    """The bodies of the derivatives, a side for those that are sums over keys, one for the rest."""
    at = Places(form.attention, merged=form.merged)
    kinds = dict.fromkeys(product.over_queries for product in form.products)
    sides = tuple(_Side(form, at, sees_through, storage, kind).side() for kind in sorted(kinds))
    dtype = form.slopes.dtype.computed
    axes = (at.row, at.key, at.depth, at.width)
    return SlopesDraft(at.outer, *axes, at.sizes, dtype, sides)


class _Side:
    def __init__(
        self,
        form: SlopesForm,
        at: Places,
        sees_through: Callable[[Node], bool],
        storage: Storage,
        over_queries: bool,
    ) -> None:
        self.form, self.at, self.storage, self.over_queries = form, at, storage, over_queries
        self.products = [p for p in form.products if p.over_queries == over_queries]
        self.body = Body(lambda node: node in form.nodes or sees_through(node), storage)
        self.down, self.across = (at.key, at.row) if over_queries else (at.row, at.key)
        q, k, _ = form.attention.operands
        self.blocks = {
            "q": Local("q_block", q.dtype, (at.row, at.depth)),
            "k": Local("k_block", k.dtype, (at.key, at.depth)),
            "given": Local("given_block", form.given.dtype, (at.row, at.width)),
            "v": Local("v_block", form.values.dtype, (at.key, at.width)),
        }
        self.factors = {node: self._factor(node) for node in self._distinct()}
        self.sums_of_products: list[Local] = []

    def _distinct(self) -> Iterable[Node]:
        return dict.fromkeys(product.factor for product in self.products)

    def _factor(self, node: Node) -> Local:
        name = "slope" if self._needs_slopes(node) else "weight"
        return Local(name, node.dtype, (self.down, self.across))

    def _needs_slopes(self, factor: Node) -> bool:
        stack, seen = [factor], {factor}
        while stack:
            for source in stack.pop().inputs:
                if source is self.form.slopes:
                    return True
                if source in self.form.nodes and source not in seen:
                    seen.add(source)
                    stack.append(source)
        return False

    def side(self) -> Side:
        """All bodies, in the order in which they find what those before have put."""
        needed = any(map(self._needs_slopes, self._distinct()))
        of_rows = self._blocks(["q", "given"])
        of_keys = self._blocks(["k", "v"] if needed else ["k"])
        own, passing = (of_keys, of_rows) if self.over_queries else (of_rows, of_keys)
        rows = () if self.over_queries else self._rows()
        scores = self._products_of(self.form.attention.scores, "q", "k", self.at.depth)
        slopes = self._products_of(self.form.slopes, "given", "v", self.at.width) if needed else ()
        factors = self._factors()
        sums = tuple(map(self._sum, self.products))
        return Side(self.down, self.across, own, rows, passing, scores, slopes, factors, sums)

    def _blocks(self, names: Iterable[str]) -> tuple[Block, ...]:
        return tuple(map(self._block, names))

    def _block(self, name: str) -> Block:
        b, local, (node, index) = self.body, self.blocks[name], self._operand(name)
        b.put(local, b.value(node, index))
        return Block(b.finish(), *local.axes)

    def _operand(self, name: str) -> tuple[Node, Index]:
        form, at = self.form, self.at
        if name in "qk":
            number = "qk".index(name)
            return form.attention.operands[number], at.operand(number)
        of_given, of_values = form.roles
        if name == "given":
            return form.given, at.of_roles(of_given, at.batch, at.queries, [at.width])
        return form.values, at.of_roles(of_values, at.batch, [at.key], [at.width])

    def _rows(self) -> Instrs:
        """Keep what a row has one of for as long as the row stays."""
        b, index, found = self.body, self.at.of_row(), {}
        for number, node in enumerate(self.form.rows):
            local = Local(f"row{number}", node.dtype, (self.at.row,))
            b.put(local, b.value(node, index))
            found[(node, index)] = local
        done = b.finish()
        b.locals.update(found)
        return done

    def _products_of(self, node: Node, left: str, right: str, over: Symbol) -> Instrs:
        """The sums of products that a score or a slope is."""
        b, total = self.body, node.dtype.computed
        local = Local("score" if right == "k" else "slope_sum", total, (self.down, self.across))
        factors = (b.convert(b.get(self.blocks[name]), total) for name in (left, right))
        b.reduce(Reduce(local, reduction_of("reduce_sum"), frozenset({over})), b.mul(*factors))
        done = b.finish()
        b.locals[(node, self.at.score())] = local
        self.sums_of_products.append(local)
        return done

    def _factors(self) -> Instrs:
        b, index = self.body, self.at.score()
        for node, local in self.factors.items():
            b.put(local, b.value(node, index))
        return b.finish()

    def _sum(self, product: SlopeProduct) -> Sum:
        b, root, block = self.body, product.root, self._block_of(product)
        along = block.axes[1]
        local = Local(f"sum_{along.name}", root.dtype.computed, (self.down, along))
        b.put(local, b.const(0.0, local.dtype))
        begin = b.finish()
        pair = (self.factors[product.factor], block)
        value = b.mul(*(b.convert(b.get(factor), local.dtype) for factor in pair))
        over = frozenset({self.across})
        b.reduce(Reduce(local, reduction_of("reduce_sum"), over, onto=True), value)
        products = b.finish()
        hidden_sum = Local(f"hidden_{along.name}", local.dtype, (along,))
        hidden = self._hidden(product, block, hidden_sum)
        own = [self.at.key] if self.over_queries else self.at.queries
        index = self.at.result(product.batch, own, along, turned=product.turned)
        found = b.get(local)
        if hidden:
            share = b.get(hidden_sum)
            if not self.over_queries:
                factor = b.convert(self._hidden_factor(product.factor), local.dtype)
                share = b.mul(b.mul(factor, b.const(1 / self._scale, local.dtype)), share)
            found = b.add(found, share)
        b.store(self.storage(root), index, root.shape, b.convert(found, root.dtype))
        return Sum(along, begin, products, hidden, b.finish(), local)

    def _hidden(self, product: SlopeProduct, block: Local, total: Local) -> Instrs:
        """Nothing where there is no mask, or the factor of what it hides is not one of each row."""
        b = self.body
        if self.form.attention.mask is None:
            return ()
        factor = self._hidden_factor(product.factor)
        of_scores = any(instr.detail in self.sums_of_products for instr in b.order)
        if of_scores or self.at.key in factor.axes:
            b.finish()
            return ()
        name = next(name for name, local in self.blocks.items() if local is block)
        if self.over_queries:
            weight = b.convert(factor, total.dtype)
        else:
            b.finish()
            weight = b.const(self._scale, total.dtype)
        value = b.convert(b.value(*self._operand(name)), total.dtype)
        over = frozenset({self.across})
        b.reduce(Reduce(total, reduction_of("reduce_sum"), over), b.mul(value, weight))
        return b.finish()

    def _hidden_factor(self, node: Node) -> Instr:
        """The factor where a score is hidden."""
        mask, index = self.form.attention.mask, self.at.score()
        assert mask is not None
        mask.let_hidden(self.body, self.form.nodes, index)
        return self.body.value(node, index)

    @property
    def _scale(self) -> float:
        """A power of two by which sums over all keys do not overflow."""
        return scale_of(self.at.sizes[self.at.key])

    def _block_of(self, product: SlopeProduct) -> Local:
        if not product.over_queries:
            return self.blocks["k"]
        return self.blocks["given" if product.other is self.form.given else "q"]
