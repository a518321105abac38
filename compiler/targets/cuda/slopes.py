"""Derivatives as steps of products: that of a GELU, and the sums that are the slope of a bias.

A product that ends in a GELU stores what went into it; the product on the way back reads that,
multiplies its results by the slope of the GELU there, and sums them up for the bias. The product
that gives the slope of weights can sum up one of its operands, which is the slope of their bias.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ...ir.dims import is_multiple
from ...ir.graph import Graph
from ...ir.node import Node
from ...passes.group_kernels import Group, Grouping
from .epilogues import CUBIC, NEAR, ROOT, inside, is_tanh_gelu, summed_over_rows
from .library import Choice, Product

__all__ = ["Paired", "with_operand_sums", "with_slopes_of_gelu"]

Plain = Callable[[Node], Product | None]
RATIONAL = ("add", "subtract", "multiply", "divide", "negative", "square", "power", "reciprocal")
ANALYTIC = frozenset((*RATIONAL, "tanh", "convert"))
ALIGNED = 8  # columns, of the matrix that a GELU leaves for its derivative
MOST_NODES = 40  # between a product and the slope that it is multiplied by
EXACT = ("f32", "half")  # products that do not round their operands first, and have such sums
PLACES = np.concatenate([np.linspace(-7, 7, 57), [-30.0, -12.0, 12.0, 30.0]])
_FORWARD = "what goes into its gelu is stored, which a product on the way back reads"
_BACKWARD = "it is multiplied by the slope of a gelu, whose argument another product has stored"
_SUMMED = "it sums up an operand besides, which is the slope of a bias"


class Paired(Struct, frozen=True):
    """The choices, and the nodes that their products compute, each for itself."""

    choices: tuple[Choice, ...]
    repeated: frozenset[Node] = frozenset()


# the slope of a GELU


def with_slopes_of_gelu(
    graph: Graph, choices: Sequence[Choice], plain: Plain, numerics: str
) -> Paired:
    """The choices, in which products with a GELU work together with those of its derivative.

    `plain` gives the bare product of a contraction that the library may compute.
    """
    known = {choice.anchor: choice for choice in choices}
    repeated: set[Node] = set()
    for choice in choices:
        for forward in _with_gelu(graph, choice.offered, numerics):
            found = _backward(graph, forward, known, plain)
            if found is not None:
                second, between = found
                known[choice.anchor] = replace(choice, product=forward, reason=_FORWARD)
                known[second.anchor] = Choice(second.anchor, second, _BACKWARD)
                repeated |= between
                break
    return Paired(tuple(known[choice.anchor] for choice in choices), frozenset(repeated))


def _with_gelu(graph: Graph, offered: Product | None, numerics: str) -> Iterator[Product]:
    """What the library offers, with the GELU of its result, if it can store both."""
    if offered is None or offered.epilogue.startswith("gelu_aux"):
        yield from () if offered is None else (offered,)
        return
    bare = offered.epilogue in ("none", "bias") and offered.added is None
    allowed = offered.compute == "half" or (numerics == "fast" and offered.compute != "f64")
    aligned = is_multiple(offered.size[1], ALIGNED) is True and offered.size[3] == 1
    if not (bare and allowed and aligned):
        return
    z, name = offered.output, "gelu_aux" if offered.bias is None else "gelu_aux_bias"
    for gelu in _reached(graph, z, is_tanh_gelu):
        yield replace(offered, nodes=(*offered.nodes, gelu), output=gelu, epilogue=name, aux=z)


def _backward(
    graph: Graph, forward: Product, known: Mapping[Node, Choice], plain: Plain
) -> tuple[Product, frozenset[Node]] | None:
    """The product that the slope of a GELU belongs to, and the nodes between both products."""
    gelu, z = forward.output, forward.aux
    assert z is not None
    for anchor in known:
        bare = plain(anchor) if anchor is not forward.anchor else None
        if bare is None or bare.size[:2] != forward.size[:2] or bare.size[3] != 1:
            continue
        for slope in _reached(graph, anchor, lambda node, c: _is_slope(node, c, z)):
            cones = inside(gelu, frozenset({z})) | inside(slope, frozenset({z, anchor}))
            between = cones - {gelu, slope}
            if _is_closed(graph, {*between, anchor}, {*cones}):
                sums = summed_over_rows(graph, slope)
                return bare.followed_by("dgelu", slope, z, sums), between
    return None


def _is_closed(graph: Graph, nodes: set[Node], readers: set[Node]) -> bool:
    """Whether nothing but the readers reads these."""
    return not any(
        node in graph.outputs or not readers.issuperset(graph.users[node]) for node in nodes
    )


def _reached(graph: Graph, start: Node, wanted: Callable[[Node, Node], bool]) -> Iterator[Node]:
    """The nodes computed from a node, element by element, that are what is wanted of it."""
    seen, waiting = {start}, [start]
    while waiting and len(seen) <= MOST_NODES:
        for user in graph.users[waiting.pop(0)]:
            if user in seen or user.op.name not in ANALYTIC or user.shape != start.shape:
                continue
            seen.add(user)
            waiting.append(user)
            if user.dtype is start.dtype and wanted(user, start):
                yield user


def _is_slope(node: Node, c: Node, z: Node) -> bool:
    """Whether the node is c · gelu′(z), however it is written: by its values, as functions that
    are made of these operations alone and agree at so many places are the same."""
    members = inside(node, frozenset({c, z}))
    fits = len(members) <= MOST_NODES and all(
        x.op.name in ANALYTIC and x.dtype.is_float for x in members
    )
    if not fits or not any(z in x.inputs for x in members):
        return False
    factors = np.cos(3 * PLACES + 1)
    found = _values(node, {c: factors, z: PLACES})
    near = max(NEAR, float(c.dtype.limits.eps))
    return bool(np.allclose(found, factors * _slope_of_gelu(PLACES), rtol=near, atol=near))


def _slope_of_gelu(z: Any) -> Any:
    """The derivative of z · ½ · (1 + tanh(√(2/π) · (z + 0.044715 z³)))."""
    tanh = np.tanh(ROOT * (z + CUBIC * z**3))
    return (1 + tanh) / 2 + z / 2 * (1 - tanh**2) * ROOT * (1 + 3 * CUBIC * z**2)


def _values(node: Node, known: dict[Node, Any]) -> Any:
    """The value of a node, computed in doubles."""
    if node not in known:
        if node.number is not None:
            known[node] = np.float64(node.number)
        else:
            operands = [_values(x, known) for x in node.inputs]
            is_same = node.op.name == "convert"
            known[node] = operands[0] if is_same else node.op.reference(*operands, **node.attrs)
    return known[node]


# the slope of a bias


def with_operand_sums(
    graph: Graph, choices: Sequence[Choice], grouping: Grouping
) -> tuple[Choice, ...]:
    """The choices, in which bare products sum up an operand where a kernel would only do that."""
    taken = {x for choice in choices if choice.product is not None for x in choice.product.nodes}
    alone = {group.nodes[0] for group in grouping.groups if _is_one_sum(group)} - taken
    found = []
    for choice in choices:
        product = choice.product
        which = None if product is None else _operand_sum(graph, product, alone)
        if product is None or which is None:
            found.append(choice)
            continue
        sums, name = which
        alone.discard(sums)
        longer = replace(product, nodes=(*product.nodes, sums), epilogue=name, sums=sums)
        found.append(replace(choice, product=longer, reason=_SUMMED))
    return tuple(found)


def _is_one_sum(group: Group) -> bool:
    return len(group.nodes) == 1 and group.nodes[0].op.name == "reduce_sum"


def _operand_sum(graph: Graph, product: Product, alone: set[Node]) -> tuple[Node, str] | None:
    """A sum of an operand over what the product sums over, and the step that gives it."""
    bare = product.epilogue == "none" and product.output is product.anchor and not product.share
    plain = bare and product.scale == 1 and product.size[3] == 1
    if not plain or product.compute not in EXACT:
        return None
    for side, name in ((1, "bgrad_right"), (0, "bgrad_left")):
        operand, over = product.anchor.inputs[side], product.anchor.attr("contracting")[side]
        for user in graph.users[operand]:
            same = user in alone and sorted(user.attr("axes")) == sorted(over)
            if same and not _leads_to(graph, user, product.anchor):
                return user, name
    return None


def _leads_to(graph: Graph, start: Node, end: Node) -> bool:
    """Whether a node is computed from another."""
    seen, waiting = {start}, [start]
    while waiting:
        for user in graph.users[waiting.pop()]:
            if user not in seen:
                seen.add(user)
                waiting.append(user)
    return end in seen
