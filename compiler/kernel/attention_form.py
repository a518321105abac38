"""What an attention and its derivative are made of, and where the elements of each part lie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from ..ir.dims import Dim, Symbol, product
from ..ir.node import Node
from .body import Body, Index

__all__ = ["AttentionForm", "Mask", "Places", "Roles", "SlopeProduct", "SlopesForm"]


class Roles(Struct, frozen=True):
    """The axes of an operand: batches, its own (queries, keys or width of v), summed over."""

    batch: tuple[int, ...]
    own: tuple[int, ...]
    summed: tuple[int, ...]


class Mask(Struct, frozen=True):
    """Scores are what they are only where the `condition` is `keep`."""

    condition: Node
    keep: bool

    def let_hidden(self, body: Body, nodes: Iterable[Node], index: Index) -> None:
        """Have a body compute nodes as they are where the mask hides a score."""
        for node in nodes:
            if node.op.name == "select" and node.inputs[0] is self.condition:
                body.let(node, index, body.value(node.inputs[2 if self.keep else 1], index))


class AttentionForm(Struct, frozen=True):
    """root = softmax(f(q · kᵀ)) · v: `modified` is f of the `scores`.

    The keys are an axis of the scores, the last, or with `keys_first` the first, of those that
    are no batches. `batch` tells which batch of the scores each batch of the root is. The other
    axes of the root are queries and width, or with `turned` width and queries. `greatest` and
    `total` are the greatest score of each row and the sum of its exponentials relative to that;
    `rows` are numbers of each row, made from these two, that are stored beside the root. Blocks
    of scores that the `mask` hides are not computed, but what they add to the results is.
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
    greatest: Node | None = None
    total: Node | None = None
    rows: tuple[Node, ...] = ()
    mask: Mask | None = None


class SlopeProduct(Struct, frozen=True):
    """root = factor · other, a sum over the keys, or else `over_queries`: one of the derivatives.

    `factor` has the shape of the scores, `other` is q, k or what is given. `batch` tells which
    batch of the scores each batch of the root is; with `turned` the axis of `other` comes first.
    """

    root: Node
    factor: Node
    other: Node
    over_queries: bool
    batch: tuple[int, ...]
    turned: bool


class SlopesForm(Struct, frozen=True):
    """The derivatives of an attention from the `given` one of its result.

    `slopes` = given · vᵀ are those of the weights. `nodes` are computed for each score anew, from
    scores, slopes, and `rows`: numbers that each row has one of. Where several axes of queries
    share keys, they are `merged` into one.
    """

    attention: AttentionForm
    slopes: Node
    given: Node
    values: Node
    roles: tuple[Roles, Roles]  # of `given` and `values`
    products: tuple[SlopeProduct, ...]
    nodes: frozenset[Node]
    rows: tuple[Node, ...]
    merged: bool = False


class Places:
    """The axes of an attention, one symbol each, and the index of its parts along them; `merged`:
    the axes of queries are one, along which they follow each other."""

    def __init__(self, form: AttentionForm, *, merged: bool = False) -> None:
        self.form = form
        self.sizes: dict[Symbol, Dim] = {}
        self._parts: dict[Symbol, Dim] = {}  # of the merged axis
        q, k, v = form.operands
        of_q, of_k, of_v = form.roles
        self.batch = [self._axis(f"b{j}", q, axis) for j, axis in enumerate(of_q.batch)]
        self.queries = [self._axis(f"query{j}", q, axis) for j, axis in enumerate(of_q.own)]
        self.key = self._axis("key", k, of_k.own[0])
        self.depth = self._axis("depth", q, of_q.summed[0])
        self.width = self._axis("width", v, of_v.own[0])
        self.row = self._merged() if merged else self.queries[-1]

    def _merged(self) -> Symbol:
        """The axis that all those of queries are parts of."""
        inner = product(self.sizes[axis] for axis in self.queries)
        row = Symbol("query", 0, inner - 1, 1)
        self.sizes[row] = inner
        for axis in self.queries:
            inner = inner // self.sizes[axis]
            self._parts[axis] = (row + 0) // inner % self.sizes[axis]
        return row

    def _axis(self, name: str, node: Node, axis: int) -> Symbol:
        size = node.shape[axis]
        symbol = Symbol(name, 0, size - 1, 1)
        self.sizes[symbol] = size
        return symbol

    @property
    def outer(self) -> tuple[Symbol, ...]:
        """The axes of which a tile has one index each."""
        alone = () if self._parts else self.queries[:-1]
        return tuple(s for s in (*self.batch, *alone) if self.sizes[s] != 1)

    def at(self, symbols: Iterable[Symbol]) -> Index:
        """The index along some axes."""
        parts = self._parts
        return tuple(0 if self.sizes[s] == 1 else parts.get(s, s + 0) for s in symbols)

    def operand(self, number: int) -> Index:
        """Of an element of q, k or v."""
        own = (self.queries, [self.key], [self.width])[number]
        summed = (self.depth, self.depth, self.key)[number]
        batch = self.batches(self.form.batch) if number == 2 else self.batch
        return self.of_roles(self.form.roles[number], batch, own, [summed])

    def of_roles(
        self,
        roles: Roles,
        batch: Sequence[Symbol],
        own: Sequence[Symbol],
        summed: Sequence[Symbol],
    ) -> Index:
        """Of an element of a node whose axes have these roles."""
        found = dict(zip(roles.batch, batch, strict=True))
        found |= dict(zip(roles.own, own, strict=True))
        found |= dict(zip(roles.summed, summed, strict=True))
        return self.at(found[axis] for axis in sorted(found))

    def batches(self, numbers: Iterable[int]) -> list[Symbol]:
        """The batches of the scores by their numbers."""
        return [self.batch[number] for number in numbers]

    def score(self) -> Index:
        """Of a score."""
        keys_first = self.form.keys_first
        rest = [self.key, *self.queries] if keys_first else [*self.queries, self.key]
        return self.at((*self.batch, *rest))

    def of_row(self) -> Index:
        """Of what each row has one of."""
        return self.at((*self.batch, *self.queries))

    def result(
        self, batch: Iterable[int], own: Sequence[Symbol], last: Symbol, *, turned: bool
    ) -> Index:
        """Of a product whose batches are those of the scores by these numbers."""
        rest = [last, *own] if turned else [*own, last]
        return self.at((*self.batches(batch), *rest))
