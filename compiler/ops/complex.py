"""Complex numbers made of parts, and parts of complex numbers.

Derivatives follow the convention that transposition is linear over the complex numbers: the
cotangent c of z stands for the linear function dz → Re(c·dz). So the gradient of a real function is
∂f/∂x - i·∂f/∂y, and the derivative of a function that is complex differentiable is that of
mathematics.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, ShapeError

from ..ir.builder import Builder
from ..ir.dims import is_equal
from ..ir.node import Node
from ..ir.op import Op, operations
from ..ir.types import TensorType
from .alignment import as_floats, as_one_dtype
from .kinds import checked, linear, spread
from .pairs import Pair
from .sampling import COMPLEX, FLOATS, arrays, several

__all__ = [
    "as_complex",
    "as_real",
    "by_library",
    "complex",
    "conjugate",
    "imag",
    "interleave",
    "part_of",
    "parts_of",
    "real",
    "whole_of",
]  # fmt: skip

_SINGLE_AND_DOUBLE = (DType.F32, DType.F64)


def _as_parts(builder: Builder, args: tuple[Any, ...], attrs: Any) -> tuple[Node, ...]:
    """Two floats of one type that complex numbers can be made of."""
    nodes = as_floats(builder, args, attrs)
    attrs = {"dtype": nodes[0].dtype.complex.real}
    if nodes[0].dtype is attrs["dtype"]:
        return nodes
    return tuple(builder.apply(operations["convert"], (node,), attrs) for node in nodes)


def _complex_type(x: TensorType, y: TensorType) -> TensorType:
    common = checked("complex", (x, y), _SINGLE_AND_DOUBLE)
    return common.with_dtype(common.dtype.complex)


def _joined(x: Any, y: Any) -> Any:
    re, im = np.asarray(x), np.asarray(y)
    dtype = DType.of(np.result_type(re, im, np.float32))
    out = np.empty(np.broadcast_shapes(re.shape, im.shape), dtype.complex.numpy)
    out.real, out.imag = re, im
    return out


complex: Op = linear(
    "complex",
    doc="x + i·y of real x and y",
    align=_as_parts,
    result_type=_complex_type,
    parts=lambda node, operands: Pair(*operands),
    transpose=lambda ct, which, inputs, attrs: real(ct) if which == 0 else -imag(ct),
    batch=lambda inputs, batched, attrs: complex(*spread(inputs, batched)),
    reference=_joined,
    samples=several(arrays((3, 4), (3, 4)), arrays((), ())),
    dtypes=_SINGLE_AND_DOUBLE,
)


def _part_type(x: TensorType) -> TensorType:
    return _complex(x).with_dtype(x.dtype.real)


def _complex(x: TensorType) -> TensorType:
    if not x.dtype.is_complex:
        raise DTypeError(f"{x} has no parts", fix="use the array itself, which is real")
    return x


def _part(name: str, doc: str, **facts: Any) -> Op:
    op: Op = linear(
        name,
        doc=doc,
        batch=lambda inputs, batched, attrs: op(inputs[0]),
        samples=several(arrays((3, 4)), arrays(())),
        dtypes=COMPLEX,
        **facts,
    )
    return op


real: Op = _part(
    "real",
    "the real part",
    result_type=_part_type,
    parts=lambda node, operands: operands[0].re,
    transpose=lambda ct, which, inputs, attrs: complex(ct, 0 * ct),
    reference=lambda x: np.array(np.real(x)),
)

imag: Op = _part(
    "imag",
    "the imaginary part",
    result_type=_part_type,
    parts=lambda node, operands: operands[0].im,
    transpose=lambda ct, which, inputs, attrs: complex(0 * ct, -ct),
    reference=lambda x: np.array(np.imag(x)),
)

conjugate: Op = _part(
    "conjugate",
    "the complex conjugate",
    result_type=_complex,
    parts=lambda node, operands: operands[0].conjugate,
    transpose=lambda ct, which, inputs, attrs: conjugate(ct),
    reference=np.conjugate,
)


# the same memory, seen as complex numbers and as their parts


def _as_real_type(x: TensorType) -> TensorType:
    return TensorType((*_complex(x).shape, 2), x.dtype.real)


def _as_complex_type(x: TensorType) -> TensorType:
    if x.dtype not in _SINGLE_AND_DOUBLE or not x.rank or not is_equal(x.shape[-1], 2):
        raise ShapeError(f"{x} does not hold pairs", fix="the last axis holds both parts")
    return TensorType(x.shape[:-1], x.dtype.complex)


as_real: Op = linear(
    "as_real",
    doc="the memory of complex numbers as pairs of reals along a new last axis",
    result_type=_as_real_type,
    parts=lambda node, operands: interleave(operands[0].re, operands[0].im),
    transpose=lambda ct, which, inputs, attrs: conjugate(as_complex(ct)),
    batch=lambda inputs, batched, attrs: as_real(inputs[0]),
    reference=lambda x: np.stack([np.real(x), np.imag(x)], -1),
    samples=several(arrays((3, 4)), arrays(())),
    dtypes=COMPLEX,
    is_view=True,
)

as_complex: Op = linear(
    "as_complex",
    doc="the memory of pairs of reals along the last axis as complex numbers",
    result_type=_as_complex_type,
    parts=lambda node, operands: Pair(part_of(operands[0], 0), part_of(operands[0], 1)),
    transpose=lambda ct, which, inputs, attrs: as_real(conjugate(ct)),
    batch=lambda inputs, batched, attrs: as_complex(inputs[0]),
    reference=lambda x: _joined(np.asarray(x)[..., 0], np.asarray(x)[..., 1]),
    samples=several(arrays((3, 2)), arrays((2,))),
    dtypes=_SINGLE_AND_DOUBLE,
    is_view=True,
)


def _interleaved_type(x: TensorType, y: TensorType) -> TensorType:
    common = checked("interleave", (x, y), FLOATS)
    return common.with_shape((*common.shape, 2))


def _interleaved_element(s: Any, index: Any, readers: Any, out: TensorType, attrs: Any) -> Any:
    first, second = (read(index[:-1]) for read in readers)
    return s.select(s.below(index[-1], 1), first, second)


def _one_of_two(ct: Node, which: int, inputs: Any, attrs: Any) -> Any:
    return part_of(ct, which)


def part_of(pairs: Node, which: int) -> Any:
    """The first or the second of the elements along the last axis, which has two."""
    last = pairs.rank - 1
    return operations["reshape"](
        operations["slice"](
            pairs,
            starts=(*(0,) * last, which),
            stops=(*pairs.shape[:-1], which + 1),
            steps=(1,) * pairs.rank,
        ),
        shape=pairs.shape[:-1],
    )


interleave: Op = linear(
    "interleave",
    doc="two arrays side by side along a new last axis",
    align=as_one_dtype,
    result_type=_interleaved_type,
    element=_interleaved_element,
    interleaves=True,
    parts=None,
    transpose=_one_of_two,
    batch=lambda inputs, batched, attrs: interleave(*spread(inputs, batched)),
    reference=lambda x, y: np.stack(np.broadcast_arrays(x, y), -1),
    samples=several(arrays((3, 4), (3, 4)), arrays((), ()), arrays((2, 0), (2, 0))),
    dtypes=FLOATS,
)


def parts_of(x: Node) -> Pair:
    """Both parts of complex numbers that lie in memory."""
    pairs = x.inputs[0] if x.op is as_complex else as_real(x)
    if pairs.op is interleave:
        return Pair(*pairs.inputs)
    return Pair(part_of(pairs, 0), part_of(pairs, 1))


def by_library(node: Node, operands: tuple[Any, ...]) -> Pair:
    """An operation that a library has for complex numbers, which it reads and writes in memory."""
    given = (whole_of(x) if isinstance(x, Pair) else x for x in operands)
    return parts_of(node.op(*given, **node.attrs))


def whole_of(value: Pair) -> Node:
    """Complex numbers in memory, made of both parts; those that lie there already as they are."""
    pairs = _pairs_of(value) or interleave(value.re, value.im)
    found: Node = pairs.inputs[0] if pairs.op is as_real else as_complex(pairs)
    return found


def _pairs_of(value: Pair) -> Node | None:
    """What both parts are taken from, if that is one array of pairs."""
    cut = value.re.inputs[0] if value.re.op is operations["reshape"] else value.re
    if cut.op is not operations["slice"]:
        return None
    (pairs,) = cut.inputs
    if not pairs.rank or pairs.shape[-1] != 2 or pairs.rank != value.re.rank + 1:
        return None
    is_found = part_of(pairs, 0) is value.re and part_of(pairs, 1) is value.im
    return pairs if is_found else None
