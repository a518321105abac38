"""A product of matrices as the vendor's library computes it, and the reason to have it do so."""

from __future__ import annotations

from msgspec import Struct

from ...ir.dims import Dim
from ...ir.node import Node
from .matrices import Matrix, View

__all__ = ["Choice", "Product"]

WORKSPACE = 32 << 20


class Product(Struct, frozen=True, eq=False):
    """A product by the library: result = epilogue(scale · left · right + share · added + bias).

    `nodes` are what it computes, `output` among them; `aux` and `sums` over rows are stored beside
    it, and `mask` tells which results are kept.
    """

    anchor: Node
    nodes: tuple[Node, ...]
    output: Node
    size: tuple[Dim, Dim, Dim, Dim]  # rows, columns, inner, batch
    left: Matrix
    right: Matrix
    compute: str
    epilogue: str = "none"
    scale: float = 1.0
    share: float = 0.0
    added: Matrix | None = None
    bias: View | None = None
    aux: Node | None = None
    mask: Node | None = None
    sums: Node | None = None

    @property
    def outputs(self) -> tuple[Node, ...]:
        """What is stored."""
        return tuple(x for x in (self.output, self.aux, self.sums) if x is not None)

    @property
    def workspace(self) -> int:
        """Bytes that the library may use meanwhile: for sums in parts, a few times the result."""
        rows, columns, _, batch = self.size
        wanted = rows * columns * batch * 16 * self.anchor.dtype.itemsize
        return min(WORKSPACE, max(wanted, 1 << 20)) if isinstance(wanted, int) else WORKSPACE

    def __str__(self) -> str:
        rows, columns, inner, batch = self.size
        times = "" if batch == 1 else f"{batch} times "
        return f"{times}{rows}×{inner} by {inner}×{columns}, {self.compute}, {self.epilogue}"


class Choice(Struct, frozen=True):
    """What computes one contraction, and the reason."""

    anchor: Node
    product: Product | None
    reason: str

    def __str__(self) -> str:
        at = f" ({self.anchor.source.loc})" if self.anchor.source.loc else ""
        who = "a generated kernel" if self.product is None else f"the library ({self.product})"
        return f"{self.anchor.op}{at} is computed by {who}: {self.reason}"
