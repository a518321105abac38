"""A relu and its derivative as steps of two products: one stores a bit for each result that it lets
through, the other one reads them, and sums up its results for the bias on the way.

The bits lie in the memory of the truth values that they stand for, which nothing else may read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from ...ir.dims import is_at_most
from ...ir.graph import Graph
from ...ir.node import Node
from .epilogues import summed_over_rows
from .library import Choice, Product

__all__ = ["with_masks"]

NARROWEST = 16  # columns whose truth values take as much memory as the bits of the least width
_FORWARD = "what its relu lets through is stored as bits, which a product on the way back reads"
_BACKWARD = "the bits that a product with relu has stored choose from it"


def with_masks(
    graph: Graph, choices: Sequence[Choice], plain: Callable[[Node], Product | None]
) -> tuple[Choice, ...]:
    """The choices, in which products with relu work together with those of their derivatives.

    `plain` gives the bare product of a contraction that the library may compute.
    """
    known = {choice.anchor: choice for choice in choices}
    for choice in choices:
        forward = choice.product
        if forward is None or not _has_room(forward):
            continue
        mask = _mask_of(graph, forward)
        backward = None if mask is None else _backward(graph, mask, forward, known, plain)
        if mask is None or not backward:
            continue
        name = forward.epilogue.replace("relu", "relu_aux")
        taken = replace(forward, nodes=(*forward.nodes, mask), epilogue=name, aux=mask)
        known[choice.anchor] = replace(choice, product=taken, reason=_FORWARD)
        for one in backward:
            known[one.anchor] = replace(known[one.anchor], product=one, reason=_BACKWARD)
    return tuple(known[choice.anchor] for choice in choices)


def _has_room(forward: Product) -> bool:
    """Whether it is one matrix that ends in relu, and not so narrow that bits take more memory."""
    _, columns, _, batch = forward.size
    ends = forward.epilogue in ("relu", "relu_bias") and forward.aux is None
    return ends and batch == 1 and is_at_most(NARROWEST, columns) is True


def _mask_of(graph: Graph, forward: Product) -> Node | None:
    """Where the result is positive, if that is asked for once and only within the graph."""
    found = [
        user
        for user in graph.users[forward.output]
        if user.op.name == "greater"
        and user.inputs[0] is forward.output
        and user.inputs[1].number == 0
    ]
    return found[0] if len(found) == 1 and found[0] not in graph.outputs else None


def _backward(
    graph: Graph,
    mask: Node,
    forward: Product,
    known: Mapping[Node, Choice],
    plain: Callable[[Node], Product | None],
) -> list[Product]:
    """The products that the mask chooses from; none if anything else reads it."""
    found = []
    for user in graph.users[mask]:
        bare = _chosen_from(graph, user, mask, known, plain)
        if bare is None or bare.size[:2] != forward.size[:2] or bare.size[3] != 1:
            return []
        found.append(bare.followed_by("drelu", user, mask, summed_over_rows(graph, user)))
    return found


def _chosen_from(
    graph: Graph,
    user: Node,
    mask: Node,
    known: Mapping[Node, Choice],
    plain: Callable[[Node], Product | None],
) -> Product | None:
    """The bare product c of select(mask, c, 0), if nothing else reads it."""
    if user.op.name != "select" or user.inputs[0] is not mask or user.inputs[2].number != 0:
        return None
    product = user.inputs[1]
    alone = product in known and product not in graph.outputs
    return plain(product) if alone and len(graph.users[product]) == 1 else None
