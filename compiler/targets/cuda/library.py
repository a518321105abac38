"""A product of matrices as the vendor's library computes it, and the reason to have it do so."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from symfuse.runtime.dtypes import DType

from ...ir.dims import Dim, is_at_most
from ...ir.node import Node
from .matrices import Matrix, View

__all__ = [
    "WORKSPACE",
    "Choice",
    "Convolution",
    "Feature",
    "Product",
    "computed_in",
    "is_below",
    "told",
]

WORKSPACE = 32 << 20
_COMPUTED = {DType.F32: "f32", DType.F64: "f64", DType.F16: "half", DType.BF16: "half"}


def computed_in(dtype: DType, numerics: str) -> str | None:
    """How exactly a library forms sums of products of a type; None if it cannot."""
    found = _COMPUTED.get(dtype)
    return "tf32" if found == "f32" and numerics == "fast" else found


def is_below(size: Dim, limit: int) -> bool:
    """Whether a size is known to be less."""
    return is_at_most(size, limit - 1) is True


class Product(Struct, frozen=True, eq=False):
    """A product by the library: result = epilogue(scale · left · right + share · added + bias).

    `nodes` are what it computes, `output` among them; `aux` and `sums` over rows are stored beside
    it, and `mask` is what a derivative reads of the product before: which results are kept, or
    the values before the GELU.
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

    def followed_by(self, derivative: str, node: Node, mask: Node, sums: Node | None) -> Product:
        """The bare product with a derivative as its epilogue, and sums of its columns, if those
        are asked for."""
        if sums is None or node.shape[-1] != self.size[1]:
            nodes = (*self.nodes, node)
            return replace(self, nodes=nodes, output=node, epilogue=derivative, mask=mask)
        nodes, name = (*self.nodes, node, sums), f"{derivative}_bgrad"
        return replace(self, nodes=nodes, output=node, epilogue=name, mask=mask, sums=sums)

    def __str__(self) -> str:
        rows, columns, inner, batch = self.size
        times = "" if batch == 1 else f"{batch} times "
        return f"{times}{rows}×{inner} by {inner}×{columns}, {self.compute}, {self.epilogue}"


class Feature(Struct, frozen=True):
    """Elements of a stored node with channels last: batches (of a kernel: output channels), axes of
    space, channels; without gaps from `offset` on, counted in elements."""

    node: Node
    offset: Dim
    batch: Dim
    space: tuple[Dim, ...]
    channels: Dim

    def __str__(self) -> str:
        return "×".join(map(str, (self.batch, *self.space, self.channels)))


class Convolution(Struct, frozen=True, eq=False):
    """A convolution by cuDNN, or a derivative of one; all three are told in terms of the first.

    result = relu(image * kernel + bias), `padding` zeros on both sides; `kind` says which of the
    three is computed from the others. `hidden` are nodes of zeros around the image that are not
    stored.
    """

    kind: str
    anchor: Node
    nodes: tuple[Node, ...]
    output: Node
    image: Feature
    kernel: Feature
    result: Feature
    padding: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    compute: str
    hidden: frozenset[Node] = frozenset()
    bias: View | None = None
    relu: bool = False

    @property
    def reads(self) -> tuple[Feature, Feature]:
        """What it is computed from."""
        image, kernel, result = self.image, self.kernel, self.result
        return {
            "convolution": (image, kernel),
            "data_gradient": (kernel, result),
            "filter_gradient": (image, result),
        }[self.kind]

    def __str__(self) -> str:
        name = self.kind.replace("_", " ")
        steps = "".join((", bias" if self.bias else "", ", relu" if self.relu else ""))
        how = f"padding {self.padding}, strides {self.strides}, dilation {self.dilation}"
        where = f"{self.image} by {self.kernel}, channels last"
        exact = "tf32" if self.compute == "tf32" else self.anchor.dtype
        return f"{name} of {where}, {how}, {exact}{steps}"


class Choice(Struct, frozen=True):
    """What computes one contraction, and the reason; `offered` is what the library could do."""

    anchor: Node
    product: Product | None
    reason: str
    offered: Product | None = None

    def __str__(self) -> str:
        by = "" if self.product is None else f"the library ({self.product})"
        return told(self.anchor, self.anchor.op.name, by, self.reason)


def told(node: Node, what: str, by: str, reason: str) -> str:
    """The sentence on who computes a node: a library, or a generated kernel if that is empty."""
    at = f" ({node.source.loc})" if node.source.loc else ""
    return f"{what}{at} is computed by {by or 'a generated kernel'}: {reason}"
