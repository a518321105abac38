"""A product of the vendor's library as a kernel among others, and as a launch."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct
from msgspec.structs import replace

from symfuse.runtime.cuda.code import Count, Place, ProductLaunch
from symfuse.runtime.cuda.cublaslt import EPILOGUES
from symfuse.runtime.cuda.places import ALIGNED
from symfuse.runtime.dtypes import DType

from ...ir.dims import Dim
from ...ir.node import Node
from ...kernel.build import build_contraction
from ...kernel.lower import Buffers
from ...kernel.phases import Axis, Buffer, Kernel, Loop, Part, Phase
from ...kernel.regions import alignment_of
from .library import Product

__all__ = ["every_loop", "product_kernel", "product_launch"]


class _Placed(Struct, frozen=True, eq=False):
    """A product and its memory: left, right, result, then what its epilogue needs beside."""

    product: Product
    operands: tuple[Buffer, ...]


def product_kernel(
    chosen: Product, name: str, sees_through: Callable[[Node], bool], buffers: Buffers
) -> Kernel:
    """What the library does, as loops for those who check and explain, and its workspace."""
    anchor, nodes, outputs = chosen.anchor, chosen.nodes, chosen.outputs
    each = [[x for x in some if x is not chosen.sums] for some in (nodes, outputs)]
    part = every_loop(anchor, tuple(each[0]), each[1], sees_through, buffers)
    rows, columns, inner, batch = chosen.size
    workspace = Buffer(f"{name}_workspace", DType.U8, (chosen.workspace,))
    reads = tuple(dict.fromkeys(buffers(node) for node in _read(chosen)))
    writes = (*map(buffers, outputs), workspace)
    work = rows * columns * inner * batch
    used = [chosen.left.node, chosen.right.node, chosen.output]
    used += [x.node for x in (chosen.added, chosen.bias) if x is not None]
    used += [x for x in (chosen.sums, chosen.aux, chosen.mask) if x is not None]
    placed = _Placed(chosen, tuple(map(buffers, used)))
    overwritten = () if chosen.added is None else (buffers(chosen.added.node),)
    made = Kernel(name, "product", (part,), work, nodes, reads, writes, placed)
    return replace(made, overwritten=overwritten)


def product_launch(
    kernel: Kernel, place: Callable[[Buffer], Place], count: Callable[[Dim], Count]
) -> ProductLaunch:
    """The launch of a kernel that `product_kernel` made, once every buffer has its place."""
    placed = kernel.by_library
    assert isinstance(placed, _Placed)
    chosen, (first, second, result, *beside) = placed.product, placed.operands
    left, right, added, bias = chosen.left, chosen.right, chosen.added, chosen.bias
    leading = (left.leading, right.leading, 0 if added is None else added.leading)
    strides = (left.stride, right.stride, 0 if added is None else added.stride)
    offsets = [0 if x is None else x.offset for x in (left, right, added, bias)]
    nbytes = [count(offset * chosen.anchor.dtype.itemsize) for offset in offsets]
    others = iter(map(alignment_of, beside))
    of_added = ALIGNED if added is None else next(others)
    of_bias = ALIGNED if bias is None and chosen.sums is None else next(others)
    of_result = min(alignment_of(result), of_bias)
    rows, columns, inner, batch = map(count, chosen.size)
    return ProductLaunch(
        entry=kernel.name,
        rows=rows,
        columns=columns,
        inner=inner,
        batch=batch,
        dtype=str(chosen.anchor.dtype),
        compute=chosen.compute,
        transposed=(left.transposed, right.transposed),
        leading=(count(leading[0]), count(leading[1]), count(leading[2])),
        strides=(count(strides[0]), count(strides[1]), count(strides[2])),
        offsets=(nbytes[0], nbytes[1], nbytes[2], nbytes[3]),
        epilogue=_checked(chosen),
        scale=chosen.scale,
        share=chosen.share,
        workspace=chosen.workspace,
        pointers=(
            *map(place, (first, second, result)),
            place(kernel.writes[-1]),
            *map(place, beside),
        ),
        alignment=(alignment_of(first), alignment_of(second), of_added, of_result),
    )


def _read(chosen: Product) -> tuple[Node, ...]:
    every = (chosen.left, chosen.right, chosen.added, chosen.bias)
    read = tuple(x.node for x in every if x is not None)
    return read if chosen.mask is None else (*read, chosen.mask)


def _checked(chosen: Product) -> str:
    """The epilogue, which must read and write beside what the launch has places for."""
    epilogue = EPILOGUES[chosen.epilogue]
    assert epilogue.bias is (chosen.bias is not None or chosen.sums is not None)
    assert bool(epilogue.aux) is (chosen.aux is not None or chosen.mask is not None)
    assert bool(chosen.share) is (chosen.added is not None)
    return chosen.epilogue


def every_loop(
    anchor: Node,
    nodes: tuple[Node, ...],
    outputs: Iterable[Node],
    sees_through: Callable[[Node], bool],
    buffers: Buffers,
) -> Part:
    """A contraction, each axis walked one by one: the sum first, then what follows it."""
    draft = build_contraction(anchor, nodes, outputs, sees_through, buffers)
    fold, after = draft.bodies
    kept = tuple(axis for axis in draft.axes if axis not in draft.reduced)
    axes = tuple(Axis(axis, draft.extent(axis)) for axis in draft.axes)
    every, rest = (tuple(map(Loop, axes)) for axes in (draft.axes, kept))
    return Part(axes, (Phase(every, fold), Phase(rest, after)))
