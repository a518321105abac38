"""Where a graph computes the derivatives of an attention, and that they need not read its scores.

A derivative of softmax reads the scores, their exponentials and the weights, and for each row the
sum over its keys of weights times their slopes. All are maps of two products, q · kᵀ and
given · vᵀ, and of numbers that each row has one of, so that a kernel can compute them anew for the
scores that it has at hand. The sum over the keys is that of given · result over the width (T. Dao,
FlashAttention-2, 2023), which takes no scores: `for_blocks` puts it in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from ...ir.builder import constant
from ...ir.graph import Graph
from ...ir.node import Node
from ...ir.walk import topological
from ...kernel.attention_form import AttentionForm, Places, Roles, SlopeProduct, SlopesForm
from ...ops import (
    broadcast,
    convert,
    divide,
    multiply,
    negative,
    reciprocal,
    reduce_sum,
    transpose,
)
from .attention import Attention, exact, roles_of

__all__ = ["RowSum", "Slopes", "for_blocks", "named", "slopes_of"]


class RowSum(Struct, frozen=True, eq=False):
    """Σ over the keys of slopes · weights, times numbers of the row, and divided by some."""

    node: Node
    is_negative: bool
    above: tuple[Node, ...]
    below: tuple[Node, ...]


class Slopes(Struct, frozen=True, eq=False):
    """The derivatives of one attention; `row_sums` still go over its `weights`."""

    form: SlopesForm
    weights: Node
    row_sums: tuple[RowSum, ...]

    @property
    def roots(self) -> tuple[Node, ...]:
        """The derivatives themselves."""
        return tuple(product.root for product in self.form.products)

    @property
    def nodes(self) -> frozenset[Node]:
        """All that their kernel computes."""
        form = self.form
        return form.nodes | {form.attention.scores, form.slopes, *self.roots}


class _Mismatch(Exception):
    """What keeps derivatives from being computed block by block."""


def slopes_of(graph: Graph, found: Attention, form: AttentionForm) -> Slopes | str:
    """The derivatives that read the scores of an attention, or the first reason why a kernel
    cannot compute them block by block."""
    try:
        return _Slopes(graph, found, form).find()
    except _Mismatch as reason:
        return str(reason)


class _Slopes:
    def __init__(self, graph: Graph, found: Attention, form: AttentionForm) -> None:
        self.graph, self.found, self.form = graph, found, form
        self.shape = form.scores.shape
        self.key_axis = found.key_axis
        self.inside: set[Node] = set()  # computed for each score
        self.slopes: Node | None = None

    def find(self) -> Slopes:
        products, sums = self._readers()
        for node in (*products, *sums):
            for source in node.inputs:
                self._enter(source)
        if self.slopes is None:
            raise _Mismatch("no product gives derivatives of the weights")
        self._require_closed({*products, *sums})
        row_sums = tuple(map(self._row_sum, sums))
        of_given, of_values, given, values = self._sides()
        made = tuple(self._product(node, given, of_given) for node in products)
        form = SlopesForm(
            self.form,
            self.slopes,
            given,
            values,
            (of_given, of_values),
            made,
            frozenset(self.inside - {self.slopes, self.form.scores}),
            self._rows(),
            self._merged(made),
        )
        self._require_order(form)
        return Slopes(form, self.found.weights, row_sums)

    # what reads scores

    def _is_square(self, node: Node) -> bool:
        return node.shape == self.shape

    def _readers(self) -> tuple[list[Node], list[Node]]:
        """The products and the sums over keys that end what is computed from the scores."""
        products: dict[Node, None] = {}
        sums: dict[Node, None] = {}
        own = self.found.nodes
        stack = [n for n in own if self._is_square(n) and n.op.moves is None]
        seen = set(stack)
        while stack:
            node = stack.pop()
            if node in self.graph.outputs:
                raise _Mismatch(f"{named(node)} is a result of its own")
            for user in self.graph.users[node]:
                if user in own or user in seen:
                    continue
                seen.add(user)
                if user.op.contraction:
                    products[user] = None
                elif user.op is reduce_sum and user.attr("axes") == (self.key_axis,):
                    sums[user] = None
                elif user.op.body is not None and self._is_square(user):
                    stack.append(user)
                else:
                    raise _Mismatch(f"{named(user)} also reads {node.op}")
        if not products:
            raise _Mismatch("nothing multiplies what is computed from them")
        order = {node: at for at, node in enumerate(self.graph.nodes)}
        return sorted(products, key=order.__getitem__), sorted(sums, key=order.__getitem__)

    def _enter(self, node: Node) -> bool:
        """Find what a value is computed from for each score; False if it does not depend on one."""
        if node in self.inside:
            return True
        if not self._is_square(node):
            return False
        if node.op.contraction:
            if node is not self.form.scores:
                if self.slopes not in (None, node):
                    raise _Mismatch("they are computed from more than one product beside q · kᵀ")
                self.slopes = node
            self.inside.add(node)
            return True
        depends = node.op.body is not None and {self._enter(source) for source in node.inputs}
        if not depends or depends == {False}:
            return False
        self.inside.add(node)
        return True

    def _require_closed(self, ends: set[Node]) -> None:
        """Nothing else reads what would not be stored."""
        outputs = set(self.graph.outputs)
        for node in self.inside:
            for user in self.graph.users[node]:
                if user not in self.inside and user not in ends and user not in self.found.nodes:
                    raise _Mismatch(f"{named(user)} also reads {node.op}")
            if node in outputs:
                raise _Mismatch(f"{named(node)} is a result of its own")

    def _rows(self) -> tuple[Node, ...]:
        """What each row has one of, among what is computed elsewhere and read for each score."""
        kept = tuple(axis for axis in range(len(self.shape)) if axis != self.key_axis)
        found: dict[Node, None] = {}
        for node in self.inside:
            for source in node.inputs:
                if source.op is broadcast and source.attr("axes") == kept:
                    found[source.inputs[0]] = None
        order = {node: at for at, node in enumerate(self.graph.nodes)}
        return tuple(sorted(found, key=order.__getitem__))

    # the sums over keys

    def _row_sum(self, node: Node) -> RowSum:
        """The sum as one of slopes times weights."""
        counted = {"slopes": 0, "weights": 0, "negative": 0}
        above: list[Node] = []
        below: list[Node] = []
        stack = [node.inputs[0]]
        while stack:
            factor = exact(stack.pop())
            if factor is self.slopes:
                counted["slopes"] += 1
            elif factor is self.found.weights:
                counted["weights"] += 1
            elif factor is self.found.powers:
                counted["weights"] += 1
                above.append(self.found.total)
            elif factor.op is multiply:
                stack.extend(factor.inputs)
            elif factor.op is negative:
                counted["negative"] += 1
                stack.extend(factor.inputs)
            elif factor.op is divide:
                stack.append(factor.inputs[0])
                below.append(self._of_row(factor.inputs[1], node))
            else:
                above.append(self._of_row(factor, node))
        if (counted["slopes"], counted["weights"]) != (1, 1):
            raise _Mismatch(f"{named(node)} is no sum of weights times their slopes")
        return RowSum(node, counted["negative"] % 2 == 1, tuple(above), tuple(below))

    def _of_row(self, factor: Node, node: Node) -> Node:
        """What is the same for all keys of a row, or a number."""
        if factor.number is not None:
            return factor
        if factor.op is broadcast and self.key_axis not in factor.attr("axes"):
            return factor
        raise _Mismatch(f"{named(node)} is no sum of weights times their slopes")

    # the products

    def _sides(self) -> tuple[Roles, Roles, Node, Node]:
        """What is given and the values, of slopes = given · vᵀ, and the roles of their axes."""
        slopes = self.slopes
        assert slopes is not None
        rows, keys = (1, 0) if self.form.keys_first else (0, 1)
        of_given, of_values = roles_of(slopes, rows), roles_of(slopes, keys)
        form = self.form
        queries, batches = len(form.roles[0].own), len(form.roles[0].batch)
        counts = (len(of_given.own), len(of_values.own), len(of_given.batch))
        if counts != (queries, 1, batches):
            raise _Mismatch("the derivatives of the weights have other batches than the scores")
        if len(of_given.summed) != 1 or slopes.inputs[keys].shape[of_values.summed[0]] == 1:
            raise _Mismatch("values are not one axis wide")
        return of_given, of_values, slopes.inputs[rows], slopes.inputs[keys]

    def _product(self, root: Node, given: Node, of_given: Roles) -> SlopeProduct:
        """One derivative: what is summed, and that it is of blocks that are at hand anyway."""
        side = 0 if root.inputs[0] in self.inside else 1
        factor, other = root.inputs[side], root.inputs[1 - side]
        of_factor, of_other = roles_of(root, side), roles_of(root, 1 - side)
        batches = set(range(len(self.form.roles[0].batch)))
        if other in self.inside or set(of_factor.batch) != batches:
            raise _Mismatch(f"{named(root)} has other batches than the scores")
        over_queries = of_factor.summed != (self.key_axis,)
        if over_queries and of_factor.own != (self.key_axis,):
            raise _Mismatch(f"{named(root)} sums over queries and keys at once")
        made = SlopeProduct(root, factor, other, over_queries, of_factor.batch, side == 1)
        if len(of_other.own) != 1 or not self._is_at_hand(
            made, of_factor, of_other, given, of_given
        ):
            raise _Mismatch(f"{named(root)} multiplies by another matrix")
        return made

    def _is_at_hand(
        self, made: SlopeProduct, of_factor: Roles, roles: Roles, given: Node, of_given: Roles
    ) -> bool:
        """Whether a block of the other factor is one of those that scores are computed from."""
        at, (q, k, _) = Places(self.form), self.form.operands
        batch = at.batches(made.batch)
        if not made.over_queries:
            found = at.of_roles(roles, batch, [at.depth], [at.key])
            return made.other is k and found == at.operand(1)
        first = len(at.batch) + self.form.keys_first
        queries = [at.queries[axis - first] for axis in of_factor.summed]
        if made.other is given:
            wanted = at.of_roles(of_given, at.batch, at.queries, [at.width])
            return at.of_roles(roles, batch, [at.width], queries) == wanted
        found = at.of_roles(roles, batch, [at.depth], queries)
        return made.other is q and found == at.operand(0)

    def _merged(self, made: Iterable[SlopeProduct]) -> bool:
        """Whether several axes of queries share keys."""
        q, of_q = self.form.operands[0], self.form.roles[0]
        if len(of_q.own) == 1 or not any(product.over_queries for product in made):
            return False
        if not all(isinstance(q.shape[axis], int) for axis in of_q.own):
            raise _Mismatch("several axes of queries share keys, of sizes that are not known")
        return True

    def _require_order(self, form: SlopesForm) -> None:
        """One launch gives all derivatives, so none of them may be needed for another."""
        operands = (*form.attention.operands, form.given, form.values)
        roots = {product.root for product in form.products}
        before = [node for node in (*operands, *form.rows) if node not in self.inside]
        if not roots.isdisjoint(topological(before)):
            raise _Mismatch("one of them is needed for another")


def named(node: Node) -> str:
    """The operation, and the user's line."""
    return f"{node.op} ({node.source.loc})" if node.source.loc else str(node.op)


# without sums over keys


def for_blocks(graph: Graph, found: Iterable[Slopes]) -> Graph:
    """The graph in which derivatives take only what a block of scores needs: their sums over keys
    are sums over the width, and weights are divided by one reciprocal for each row."""
    every = list(found)
    if not every:
        return graph
    return _Rewriter(graph, every).run()


class _Rewriter:
    def __init__(self, graph: Graph, found: Iterable[Slopes]) -> None:
        self.graph, self.builder = graph, graph.builder
        self.new: dict[Node, Node] = {node: node for node in graph.parameters}
        self.sums: dict[Node, tuple[Slopes, RowSum]] = {}
        self.readers: dict[Node, Slopes] = {}  # what belongs to derivatives alone
        for slopes in found:
            self.sums |= {row.node: (slopes, row) for row in slopes.row_sums}
            self.readers |= dict.fromkeys(slopes.nodes - slopes.form.attention.nodes, slopes)

    def run(self) -> Graph:
        with self.builder.active():
            for node in self._order():
                if node not in self.new:
                    with self.builder.deriving(node.source):
                        self.new[node] = self._rewritten(node)
        return self.graph.with_outputs(self.new[output] for output in self.graph.outputs)

    def _order(self) -> Iterator[Node]:
        for node in self.graph.nodes:
            if node in self.sums:
                yield from topological([self.sums[node][0].form.attention.root])
            yield node

    def _rewritten(self, node: Node) -> Node:
        if node in self.sums:
            return _over_width(*self.sums[node], self.new)
        slopes = self.readers.get(node)
        if slopes is None:
            return self.builder.rebuilt(node, tuple(self.new[source] for source in node.inputs))
        return self.builder.rebuilt(node, tuple(self._read(x, slopes) for x in node.inputs))

    def _read(self, source: Node, slopes: Slopes) -> Node:
        """What derivatives read instead of the weights, perhaps converted."""
        if source.op is convert and source in slopes.form.attention.nodes:
            return self.builder.rebuilt(source, (self._read(source.inputs[0], slopes),))
        if source is not slopes.weights or source.op is not divide:
            return self.new[source]
        powers, totals = (self.new[x] for x in source.inputs)
        share: Node = multiply(powers, broadcast(reciprocal(totals.inputs[0]), **totals.attrs))
        return share


def _over_width(slopes: Slopes, row: RowSum, new: Mapping[Node, Node]) -> Node:
    """given · result, times and divided by what the sum over keys was."""
    form, dtype = slopes.form, row.node.dtype
    attention, roles = form.attention, form.roles[0]
    given = _turned(new[form.given], (*roles.batch, *roles.own, *roles.summed))
    result = _turned(new[attention.root], _in_order(attention))
    if given.dtype is not dtype:
        given, result = (convert(x, dtype=dtype) for x in (given, result))
    both = multiply(given, result)
    total: Node = reduce_sum(both, axes=(both.rank - 1,))
    for factor in row.above:
        total = multiply(total, _beside(new[factor], attention, total))
    for factor in row.below:
        total = divide(total, _beside(new[factor], attention, total))
    found: Node = negative(total) if row.is_negative else total
    return found


def _turned(node: Node, axes: tuple[int, ...]) -> Node:
    """The axes in another order."""
    found: Node = node if axes == tuple(range(node.rank)) else transpose(node, axes=axes)
    return found


def _in_order(form: AttentionForm) -> tuple[int, ...]:
    """The axes of the root as batches of the scores, queries, width."""
    count, rank = len(form.batch), form.root.rank
    batches = tuple(form.batch.index(number) for number in range(count))
    if form.turned:
        return (*batches, *range(count + 1, rank), count)
    return (*batches, *range(count, rank))


def _beside(factor: Node, form: AttentionForm, total: Node) -> Node:
    """What was copied along the keys, one for each row."""
    if factor.number is not None:
        number: Node = constant(factor.number, total.dtype)
        return number
    if factor.shape == total.shape:
        return factor
    key = len(form.batch) if form.keys_first else form.scores.rank - 1
    axes = tuple(axis - (axis > key) for axis in factor.attr("axes"))
    beside: Node = broadcast(factor.inputs[0], shape=total.shape, axes=axes)
    return beside
