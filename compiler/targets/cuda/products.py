"""Which products of matrices the vendor's library computes, with which epilogue, and why.

The library is faster than what is generated where products are large; a generated kernel can do
anything to the results while they are on chip, and small ones run side by side in one launch. So
a group of nodes around a product is taken by the library as a whole, or in part: then what is left
is put into other kernels, if the product is so large that reading its result again costs little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from symfuse.runtime import options
from symfuse.runtime.cuda.cublaslt import EPILOGUES

from ...ir.dims import Dim, is_multiple, product
from ...ir.graph import Graph
from ...ir.node import Node
from ...passes.group_kernels import Group, Grouping, group_kernels
from .epilogues import Form, Found, Surroundings, steps_from
from .library import Choice, Product, computed_in, is_below
from .masks import with_masks
from .matrices import View, as_matrix, view_of
from .slopes import with_operand_sums, with_slopes_of_gelu

__all__ = ["Choices", "choose_products"]

WORTH_A_CALL = 1 << 21  # multiplications from which the library is worth a launch of its own
WORTH_A_PASS = 1 << 26  # … and from which it is worth reading the result once more
NARROW = 8  # rows or columns up to which a product only reads its operands
SHALLOW = 16  # summed elements up to which a product only writes its result
DEEP = 128  # summed elements from which one more pass over the result is little beside the product
_NOTHING: Mapping[Node, Node] = {}


class Choices(Struct, frozen=True):
    """The groups with products of the library apart, those products, and every decision."""

    grouping: Grouping
    products: dict[Group, Product] = field(default_factory=dict)
    choices: tuple[Choice, ...] = ()


def choose_products(
    graph: Graph,
    grouping: Grouping,
    numerics: str,
    *,
    available: bool = True,
    closed: Mapping[Node, Node] = _NOTHING,
    repeated: frozenset[Node] = frozenset(),
    decided: frozenset[Node] = frozenset(),
) -> Choices:
    """Who computes each contraction; what the library leaves is put into groups anew, beside
    the groups that are `closed`; `repeated` nodes are computed by each reader. Contractions that
    are `decided` upon are left as they are."""
    products = [group for group in grouping.groups if group.kind == "contraction"]
    every = [g for g in products if g.anchor not in closed and g.anchor not in decided]
    choices = tuple(_choice(graph, grouping, group, numerics, available) for group in every)

    def bare(anchor: Node) -> Product | None:
        found = _plain(anchor, grouping.sees_through, numerics)
        return None if isinstance(found, str) or _too_small(found) else found

    if available:
        choices = with_masks(graph, choices, bare)
        paired = with_slopes_of_gelu(graph, choices, bare, numerics)
        choices = with_operand_sums(graph, paired.choices, grouping)
        repeated |= paired.repeated
    chosen = {choice.anchor: choice.product for choice in choices if choice.product is not None}
    if chosen:
        members = {node: anchor for anchor, taken in chosen.items() for node in taken.nodes}
        grouping = group_kernels(graph, {**closed, **members}, repeated)
    return Choices(
        grouping,
        {group: chosen[group.anchor] for group in grouping.groups if group.anchor in chosen},
        choices,
    )


def _choice(
    graph: Graph, grouping: Grouping, group: Group, numerics: str, available: bool
) -> Choice:
    anchor = group.anchor
    assert anchor is not None
    if not available:
        never = options.get("cublas") == "never"
        told = 'the option cublas is "never"' if never else "cuBLASLt is not installed"
        return Choice(anchor, None, told)
    plain = _plain(anchor, grouping.sees_through, numerics)
    if isinstance(plain, str):
        return Choice(anchor, None, plain)
    if reason := _too_small(plain):
        return Choice(anchor, None, reason)
    chain = _Chain(graph, grouping, group, plain, numerics)
    chain.run()
    left_over = [node for node in group.nodes if node not in chain.product.nodes]
    if not left_over:
        told = "all that follows is an epilogue of the library"
        return Choice(anchor, chain.product, told, chain.product)
    stopped = chain.stopped or "what follows is no epilogue of the library"
    if reason := _not_worth_a_pass(plain):
        return Choice(anchor, None, f"{stopped}, and {reason}", chain.product)
    told = f"{stopped}: a second kernel does the rest"
    return Choice(anchor, chain.product, told, chain.product)


# the product itself


def _plain(anchor: Node, sees_through: Callable[[Node], bool], numerics: str) -> Product | str:
    """The product without what follows it, or why it is none of the library's."""
    compute = computed_in(anchor.dtype, numerics)
    if compute is None:
        return f"the library has no products of {anchor.dtype}"
    operands = [view_of(x, sees_through) for x in anchor.inputs]
    found = []
    for number, (view, node) in enumerate(zip(operands, anchor.inputs, strict=True)):
        if view is None:
            return f"{node.op} is computed from what it reads, for each product again"
        batch, free, summed = _roles(anchor, number)
        rows, columns = (free, summed) if number == 0 else (summed, free)
        matrix = as_matrix(view, batch, rows, columns)
        if isinstance(matrix, str):
            return matrix
        found.append(matrix)
    size = _size(anchor)
    return Product(anchor, (anchor,), anchor, size, found[0], found[1], compute)


def _roles(anchor: Node, number: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The axes of an operand: batches, those of the result alone, and those summed over."""
    batch, summed = anchor.attr("batch")[number], anchor.attr("contracting")[number]
    rank = anchor.inputs[number].rank
    free = tuple(axis for axis in range(rank) if axis not in (*batch, *summed))
    return batch, free, summed


def _size(anchor: Node) -> tuple[Dim, Dim, Dim, Dim]:
    left, right = anchor.inputs
    batch, rows, summed = (product(left.shape[a] for a in axes) for axes in _roles(anchor, 0))
    columns = product(right.shape[a] for a in _roles(anchor, 1)[1])
    return rows, columns, summed, batch


def _too_small(plain: Product) -> str:
    rows, columns, inner, batch = plain.size
    if is_below(rows, NARROW) or is_below(columns, NARROW):
        return f"with fewer than {NARROW} rows or columns it takes the time of reading them"
    if is_below(inner, SHALLOW):
        return f"with sums of fewer than {SHALLOW} it takes the time of writing the result"
    if is_below(rows * columns * inner * batch, WORTH_A_CALL):
        return "it is small, and small kernels run side by side"
    return ""


def _not_worth_a_pass(plain: Product) -> str:
    """Why not to store the bare result and read it again; in halves the library is far ahead."""
    rows, columns, inner, batch = plain.size
    if plain.compute == "half":
        return ""
    if is_below(inner, DEEP):
        return f"with sums of fewer than {DEEP} another pass over the result costs too much"
    if is_below(rows * columns * inner * batch, WORTH_A_PASS):
        return "it is too small for a kernel more"
    return ""


# what follows it


class _Chain:
    """A product that takes in step after step, as long as each is one of the library's forms."""

    def __init__(
        self, graph: Graph, grouping: Grouping, group: Group, plain: Product, numerics: str
    ) -> None:
        self.around, self.grouping, self.group = Surroundings(graph, group), grouping, group
        self.product, self.numerics = plain, numerics
        self.stopped = ""

    def run(self) -> None:
        while (longer := self._longer()) is not None:
            self.product, self.stopped = longer, ""

    def _stop(self, reason: str) -> None:
        """Keep the first reason not to take in more."""
        self.stopped = self.stopped or reason

    def _longer(self) -> Product | None:
        done, z = self.product, self.product.output
        if done.aux is not None or done.epilogue.startswith(("relu", "gelu")):
            return None
        for form, node, found in steps_from(z, self.group.nodes):
            taken = self.around.taken(node, found)
            if taken is None:
                continue
            if form.numerics == "fast" and self.numerics != "fast" and done.compute != "half":
                self._stop(form.why)
                continue
            extended = self._with(form, found, z)
            if extended is not None:
                members = {*done.nodes, *taken}
                nodes = tuple(n for n in self.group.nodes if n in members)
                kept = self.around.is_read_elsewhere(z, members)
                if not kept:
                    return replace(extended, nodes=nodes, output=node)
                if form.name == "gelu" and self._has_room_for_aux():
                    name = extended.epilogue.replace("gelu", "gelu_aux")
                    return replace(extended, nodes=nodes, output=node, epilogue=name, aux=z)
                self._stop(f"{z.op} is also read elsewhere")
        return None

    def _has_room_for_aux(self) -> bool:
        return self.product.added is None and is_multiple(self.product.size[1], 8) is True

    def _with(self, form: Form, found: Found, z: Node) -> Product | None:
        """The product with one step more, if the library does its steps in this order."""
        done = self.product
        factor = float(found["factor"].number) if "factor" in found else 1.0
        if form.name == "scaled":
            plain = done.added is None and done.bias is None
            return replace(done, scale=done.scale * factor) if plain else None
        if form.name in ("rectified", "at_least_zero"):
            return _activated(done, "relu")
        if form.name == "gelu":
            return _activated(done, "gelu")
        view = view_of(found["term"], self.grouping.sees_through)
        if view is None or view.node in self.group.nodes or view.node.dtype is not z.dtype:
            self._stop(f"{found['term'].op} is computed on the way")
            return None
        if form.name == "added" and done.bias is None and self._is_bias(view):
            return replace(done, bias=view, epilogue="bias")
        return self._with_matrix(form.name, factor, view)

    def _with_matrix(self, name: str, factor: float, view: View) -> Product | None:
        done = self.product
        negated = name in ("taken_from", "shared_less")
        if done.added is not None or (negated and done.bias is not None):
            return None
        batch, rows, columns = self._axes()
        matrix = as_matrix(view, batch, rows, columns)
        if isinstance(matrix, str) or matrix.transposed:
            self._stop("what is added does not lie row by row")
            return None
        share = -factor if name == "taken" else factor
        scale = -done.scale if negated else done.scale
        return replace(done, added=matrix, share=share, scale=scale)

    def _axes(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """The axes of the result: batches, rows, columns."""
        batch, free, _ = _roles(self.product.anchor, 0)
        count, split = len(batch), len(batch) + len(free)
        every = tuple(range(self.product.anchor.rank))
        return every[:count], every[count:split], every[split:]

    def _is_bias(self, view: View) -> bool:
        """Whether it is one vector along the columns, the same in every row."""
        batch, rows, columns = self._axes()
        repeated = all(view.strides[a] == 0 or view.shape[a] == 1 for a in (*batch, *rows))
        step: Dim = 1
        for axis in reversed(columns):
            if view.shape[axis] != 1 and view.strides[axis] != step:
                return False
            step = step * view.shape[axis]
        return repeated


def _activated(done: Product, name: str) -> Product:
    epilogue = name if done.bias is None else f"{name}_bias"
    assert epilogue in EPILOGUES
    return replace(done, epilogue=epilogue)
