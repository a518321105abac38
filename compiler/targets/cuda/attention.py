"""Where a graph computes attention: softmax(f(q · kᵀ)) · v, with what f does to the scores.

Nothing is decided here. An `Attention` says what a kernel that never stores the scores needs to
know: the operands and the roles of their axes, the maps between the two products, which of the
intermediate values others read, and, where f is made of a scale, masks and terms, that as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

from msgspec import Struct

from ...ir.dims import Dim, product
from ...ir.evaluator import evaluating
from ...ir.graph import Graph
from ...ir.node import Node
from ...kernel.attention_form import Roles
from ...ops import (
    broadcast,
    divide,
    exp,
    isfinite,
    log,
    multiply,
    reciprocal,
    reduce_max,
    reduce_sum,
    select,
    subtract,
)
from ...rewrite.match import matches
from ...rewrite.pattern import PatternEvaluator, Wildcard, orders
from .scores import Step, steps_of

__all__ = ["Attention", "Sighting", "exact", "find_attention", "roles_of", "weights_of"]

Found = dict[str, Any]


class Attention(Struct, frozen=True, eq=False):
    """One attention: `root` = softmax(f(q · kᵀ)) · v, the softmax over the keys.

    `scores` is q · kᵀ, `modified` f of it and `weights` the softmax. `between` are the maps of f;
    `steps` says what they do, from the scores on, or is None where they are of other kinds.
    `greatest` is the greatest of each row, `powers` are exponentials relative to that,
    `total` is their sum.
    The axes of the root are batches, queries, width; with `turned` width comes before queries.
    `read_elsewhere` are values other than the root that must be stored, or computed again.
    """

    root: Node
    operands: tuple[Node, Node, Node]  # q, k, v
    roles: tuple[Roles, Roles, Roles]
    turned: bool
    scores: Node
    modified: Node
    weights: Node
    greatest: Node
    powers: Node
    total: Node
    between: tuple[Node, ...]
    steps: tuple[Step, ...] | None
    nodes: frozenset[Node]
    read_elsewhere: tuple[Node, ...]

    @property
    def size(self) -> tuple[Dim, Dim, Dim, Dim, Dim]:
        """Batches, queries, keys, depth of q and k, width of v."""
        (q, k, v), (of_q, of_k, of_v) = self.operands, self.roles
        parts = ((q, of_q.batch), (q, of_q.own), (k, of_k.own), (q, of_q.summed), (v, of_v.own))
        found = [product(node.shape[a] for a in axes) for node, axes in parts]
        return found[0], found[1], found[2], found[3], found[4]

    @property
    def key_axis(self) -> int:
        """The axis of the scores along which the keys lie."""
        (axis,) = self.total.attr("axes")
        return int(axis)

    @property
    def scale(self) -> float:
        """What the scores are multiplied by before anything is added or masked."""
        scale = 1.0
        for step in self.steps or ():
            if step.kind != "scale":
                break
            scale *= step.number
        return scale

    @property
    def diagonal(self) -> int | None:
        """d, if query i may see the keys up to i + d and no mask does more; None otherwise."""
        masks = [step for step in self.steps or () if step.kind == "mask"]
        return masks[0].diagonal if len(masks) == 1 else None


class Sighting(Struct, frozen=True):
    """A product with a softmax, and the attention that it is part of, or why it is none."""

    root: Node
    attention: Attention | None
    reason: str = ""

    def __str__(self) -> str:
        at = f" ({self.root.source.loc})" if self.root.source.loc else ""
        if self.attention is None:
            return f"{self.root.op}{at} is no attention: {self.reason}"
        batch, queries, keys, depth, _ = self.attention.size
        return f"{self.root.op}{at} is attention: {batch} of {queries}×{keys}, depth {depth}"


def weights_of(product_of: Node) -> tuple[Node, int] | None:
    """The softmax among the operands of a product, and the axis that it runs over."""
    for operand in product_of.inputs:
        found = _match("softmax", exact(operand))
        if found is not None and len(found["over"]) == 1:
            return exact(operand), found["over"][0]
    return None


def find_attention(graph: Graph) -> tuple[Sighting, ...]:
    """Every product of a softmax in a simplified graph, in the order of the graph."""
    sightings: dict[Node, Sighting] = {}
    late: set[Node] = set()
    for node in graph.nodes:
        for form, found, product_of in _softmaxes(node):
            sighting = _seen(graph, node, form, found, product_of)
            sightings.setdefault(node, sighting)
            if sighting.attention is None:
                continue
            sightings[node] = sighting
            if product_of is not node:
                late.add(product_of)
            break
    return tuple(sighting for node, sighting in sightings.items() if node not in late)


# the softmax, as patterns over the scores s


def _greatest(s: Any, over: Any) -> Any:
    return reduce_max(s, axes=over)


def _greatest_if_finite(s: Any, over: Any) -> Any:
    greatest = reduce_max(s, axes=over)
    return select(isfinite(greatest), greatest, 0.0)


def _patterns(stated: Callable[..., Any]) -> tuple[Any, ...]:
    """A form for both ways to keep exponentials in range, in every order of operands."""
    names = ("s", "over", "kept", "shape")
    found: list[Any] = []
    with evaluating(PatternEvaluator()):
        for greatest in (_greatest, _greatest_if_finite):
            s, over, kept, shape = (Wildcard(name) for name in names)
            below = subtract(s, broadcast(greatest(s, over), shape=shape, axes=kept))
            found += orders(stated(below, over))
    return tuple(found)


def _spread(x: Any) -> Any:
    return broadcast(x, shape=Wildcard("shape"), axes=Wildcard("kept"))


def _divided(below: Any, over: Any) -> Any:
    return divide(exp(below), _spread(reduce_sum(exp(below), axes=over)))


def _times_reciprocal(below: Any, over: Any) -> Any:
    return multiply(exp(below), _spread(reciprocal(reduce_sum(exp(below), axes=over))))


def _by_logarithm(below: Any, over: Any) -> Any:
    return exp(subtract(below, _spread(log(reduce_sum(exp(below), axes=over)))))


def _powers(below: Any, over: Any) -> Any:
    return exp(below)


@cache
def _forms() -> dict[str, tuple[Any, ...]]:
    whole = (_divided, _times_reciprocal, _by_logarithm)
    return {
        "softmax": tuple(pattern for stated in whole for pattern in _patterns(stated)),
        "powers": _patterns(_powers),
    }


def _match(form: str, node: Node) -> Found | None:
    if node.op.name not in ("divide", "multiply", "exp"):
        return None
    for pattern in _forms()[form]:
        found: Found = {}
        if matches(pattern, node, found):
            return found
    return None


def _softmaxes(node: Node) -> Iterator[tuple[Node, Found, Node]]:
    """Weights, what their pattern found, and the product of them, that end in this node.

    The division may come last: (exp(s − max) · v) / sum.
    """
    if node.op.contraction:
        for operand in node.inputs:
            weights = exact(operand)
            if (found := _match("softmax", weights)) is not None:
                yield weights, found, node
    elif node.op.name == "divide" and node.inputs[0].op.contraction:
        total = _source(node.inputs[1])
        for operand in node.inputs[0].inputs:
            found = _match("powers", operand)
            if found is not None and _is_sum(total, operand, found["over"]):
                yield operand, found, node.inputs[0]


def _is_sum(node: Node, of: Node, over: tuple[int, ...]) -> bool:
    return node.op is reduce_sum and node.inputs[0] is of and node.attr("axes") == over


def _source(node: Node) -> Node:
    """What a broadcast copies."""
    return node.inputs[0] if node.op.name == "broadcast" else node


def exact(node: Node) -> Node:
    """The value before it was rounded to another float, or after none was."""
    while node.op.name == "convert" and node.inputs[0].dtype.is_float:
        node = node.inputs[0]
    return node


# putting it together


def _seen(graph: Graph, root: Node, weights: Node, found: Found, product_of: Node) -> Sighting:
    """The attention around a softmax, or the first reason why it is none."""
    side = next(n for n in (0, 1) if exact(product_of.inputs[n]) is weights)
    of_weights, of_v = roles_of(product_of, side), roles_of(product_of, 1 - side)
    if found["over"] != of_weights.summed or len(of_weights.summed) != 1:
        return Sighting(root, None, "the softmax does not run over what is summed with v")
    if reason := _why_no_division(root, product_of, side, of_weights):
        return Sighting(root, None, reason)
    modified = exact(found["s"])
    traced = steps_of(graph, modified)
    if isinstance(traced, str):
        return Sighting(root, None, traced)
    scores, between, steps = traced
    arranged = _arranged(scores, of_weights)
    if isinstance(arranged, str):
        return Sighting(root, None, arranged)
    (q, of_q), (k, of_k) = arranged
    operands = (q, k, product_of.inputs[1 - side])
    nodes = _computed(graph, root, operands, scores)
    greatest, powers, total = _parts_of_softmax(nodes, found["s"], found["over"])
    attention = Attention(
        root,
        operands,
        (of_q, of_k, of_v),
        side == 1,
        scores,
        modified,
        weights,
        greatest,
        powers,
        total,
        between,
        steps,
        nodes,
        _read_elsewhere(graph, nodes, root),
    )
    return Sighting(root, attention)


def _parts_of_softmax(
    nodes: Iterable[Node], s: Node, over: tuple[int, ...]
) -> tuple[Node, Node, Node]:
    """The greatest of each row, the exponentials, and their sum."""
    found: dict[str, Node] = {}
    powers = next(n for n in nodes if n.op is exp and n.inputs[0].inputs[0] is s)
    for node in nodes:
        folded = {reduce_max: s, reduce_sum: powers}.get(node.op)
        if folded is not None and node.inputs[0] is folded and node.attr("axes") == over:
            found[node.op.name] = node
    return found["reduce_max"], powers, found["reduce_sum"]


def roles_of(contraction: Node, number: int) -> Roles:
    """The roles of the axes of one of its operands."""
    batch, summed = contraction.attr("batch")[number], contraction.attr("contracting")[number]
    rank = contraction.inputs[number].rank
    own = tuple(axis for axis in range(rank) if axis not in (*batch, *summed))
    return Roles(batch, own, summed)


def _why_no_division(root: Node, product_of: Node, side: int, roles: Roles) -> str:
    """Why a division behind the product is not by the sums of its rows; empty if there is none."""
    if root is product_of:
        return ""
    spread, count = root.inputs[1], len(roles.batch)
    first = count if side == 0 else product_of.rank - len(roles.own)
    places = (*range(count), *range(first, first + len(roles.own)))
    pairs = zip((*roles.batch, *roles.own), places, strict=True)
    wanted = tuple(place for _, place in sorted(pairs))
    if spread.op.name != "broadcast" or spread.attr("axes") != wanted:
        return "the division behind the product is not by the sums of its rows"
    return ""


Operand = tuple[Node, Roles]


def _arranged(scores: Node, of_weights: Roles) -> tuple[Operand, Operand] | str:
    """q and k with their roles: k is the operand that the axis of the softmax is from."""
    sides = [(node, roles_of(scores, n)) for n, node in enumerate(scores.inputs)]
    count = len(sides[0][1].batch)
    split = count + len(sides[0][1].own)
    of_left, of_right = tuple(range(count, split)), tuple(range(split, scores.rank))
    (keys,) = of_weights.summed
    if set(of_weights.batch) != set(range(count)):
        return "the two products do not have the same batches"
    if (keys,) == of_right:
        return sides[0], sides[1]
    if (keys,) == of_left:
        return sides[1], sides[0]
    return "the softmax does not run over all keys, and the keys alone"


def _computed(
    graph: Graph, root: Node, operands: tuple[Node, ...], scores: Node
) -> frozenset[Node]:
    """The nodes from the scores to the root: what the maps read beside is not among them."""
    needed: set[Node] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if node not in needed and node not in operands:
            needed.add(node)
            stack.extend(() if node is scores else node.inputs)
    after = {scores}
    for node in graph.nodes:
        if node in needed and any(x in after for x in node.inputs):
            after.add(node)
    return frozenset(after)


def _read_elsewhere(graph: Graph, nodes: frozenset[Node], root: Node) -> tuple[Node, ...]:
    outputs = set(graph.outputs)
    return tuple(
        node
        for node in graph.nodes
        if node in nodes
        and node is not root
        and (node in outputs or any(user not in nodes for user in graph.users[node]))
    )
