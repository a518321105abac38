"""Groups while they grow, and what can be said of one without the others."""

from __future__ import annotations

from msgspec import Struct, field

from ..ir.dims import Dim, product
from ..ir.node import Node
from ..kernel.domain import Domain, own_domain, visited_shape

__all__ = ["Draft", "common_domain", "in_order", "is_below", "kind", "rank", "row_size"]


class Draft(Struct, eq=False):
    """A group while it grows; `waits` is a bit set of the drafts that must run before it."""

    number: int
    domain: Domain
    anchor: Node | None = None
    nodes: list[Node] = field(default_factory=list)
    helpers: list[Node] = field(default_factory=list)  # computed wherever a node reads them
    waits: int = 0
    repeats: int = 0  # nodes that are computed at further positions, once for each of these

    @property
    def size(self) -> int:
        """How many nodes it computes, each counted as often as it is computed."""
        return len(self.nodes) + len(self.helpers) + self.repeats

    @property
    def bit(self) -> int:
        return 1 << self.number


def common_domain(draft: Draft, node: Node) -> tuple[Domain, str]:
    """The domain if the node joins, or the reason why there is none."""
    domain = draft.domain
    if node.op.reduction is not None:
        wanted = own_domain(node)
        if draft.anchor is not None:
            return domain, "a reduction over a product's result waits for all of it"
        if wanted.shape != domain.shape:
            return domain, f"domains differ: {_sizes(domain.shape)} and {_sizes(wanted.shape)}"
        if domain.reduced and wanted.reduced != domain.reduced:
            return domain, f"reductions run over different axes: {_axes(domain)}, {_axes(wanted)}"
        return wanted, ""
    shape = visited_shape(node)
    if domain.index(shape) is None:
        return domain, f"domains differ: {_sizes(domain.shape)} and {_sizes(shape)}"
    return domain, ""


def rank(draft: Draft) -> int:
    return 2 if draft.anchor is not None else int(bool(draft.domain.reduced))


def kind(draft: Draft) -> str:
    if draft.anchor is not None:
        if draft.anchor.op.contraction:
            return "contraction"
        if draft.anchor.op.regional is not None:
            return draft.anchor.op.name
        if draft.anchor.op.library is not None:
            return "library"
        if draft.anchor.op.overwrites:
            return "update"
        return "scatter" if draft.anchor.op.scatter else "scan"
    if not draft.domain.reduced:
        return "map"
    full = any(draft.domain.is_full(n.shape) and n.op.reduction is None for n in draft.nodes)
    folds = sum(node.op.reduction is not None for node in draft.nodes)
    return "row" if folds > 1 or full else "reduce"


def in_order(drafts: list[Draft]) -> list[Draft]:
    """Producers first; otherwise in the order of the graph."""
    done, order, left = 0, [], drafts
    while left:
        ready = [draft for draft in left if not draft.waits & ~done]
        if not ready:
            raise AssertionError("kernels wait for each other in a circle")
        first = ready[0]
        order.append(first)
        done |= first.bit
        left = [draft for draft in left if draft is not first]
    return order


def row_size(domain: Domain) -> Dim:
    return product(domain.shape[k] for k in domain.reduced)


def is_below(size: Dim, limit: int) -> bool:
    return isinstance(size, int) and size < limit


def _sizes(shape: tuple[Dim, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _axes(domain: Domain) -> str:
    return str(tuple(sorted(domain.reduced)))
