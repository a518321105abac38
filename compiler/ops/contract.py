"""Products summed over shared axes: matrix products and all their relatives."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, ShapeError

from ..ir.dims import is_equal
from ..ir.node import Node
from ..ir.op import Op
from ..ir.types import TensorType
from .alignment import as_one_dtype
from .pairs import Pair, complex_product
from .sampling import COMPLEX, FLOATS, NUMBERS, arrays, several
from .shape import inverse, moved_to_front, transpose

__all__ = ["contract"]

Axes = tuple[int, ...]
Pairing = tuple[Axes, Axes]


def free_axes(rank: int, *taken: Axes) -> Axes:
    """The axes that stand in none of the tuples."""
    return tuple(a for a in range(rank) if not any(a in axes for axes in taken))


def _contract_type(
    x: TensorType, y: TensorType, *, batch: Pairing, contracting: Pairing
) -> TensorType:
    if x.dtype is not y.dtype or x.dtype not in (*NUMBERS, *COMPLEX):
        raise DTypeError(f"{x} and {y} cannot be multiplied", fix="convert both to one number type")
    for role, (left, right) in (("batch", batch), ("contracting", contracting)):
        _require_pairs(role, x, y, left, right)
    for operand, axes in ((x, batch[0] + contracting[0]), (y, batch[1] + contracting[1])):
        if len(set(axes)) != len(axes):
            raise ShapeError(
                f"{operand} has an axis among {axes} that is named twice",
                fix="an axis is batch, contracting or free",
            )
    shared = tuple(x.shape[a] for a in batch[0])
    x_free = (x.shape[a] for a in free_axes(x.rank, batch[0], contracting[0]))
    y_free = (y.shape[a] for a in free_axes(y.rank, batch[1], contracting[1]))
    return x.with_shape((*shared, *x_free, *y_free))


def _require_pairs(role: str, x: TensorType, y: TensorType, left: Axes, right: Axes) -> None:
    inside = all(0 <= a < x.rank for a in left) and all(0 <= b < y.rank for b in right)
    if len(left) != len(right) or not inside:
        raise ShapeError(
            f"{role} axes {left} of {x} do not pair with axes {right} of {y}",
            fix="name as many existing axes of each operand",
        )
    for a, b in zip(left, right, strict=True):
        same = is_equal(x.shape[a], y.shape[b])
        if not same:
            verb = "differs" if same is False else "may differ"
            raise ShapeError(
                f"{role} axis {a} of {x} has size {x.shape[a]}, "
                f"which {verb} from {y.shape[b]} of axis {b} of {y}",
                fix="transpose or reshape one operand, or give equal sizes one name",
            )


def _contract_reference(x: Any, y: Any, *, batch: Pairing, contracting: Pairing) -> Any:
    """One matrix product of (batch, free, summed) and (batch, summed, free)."""
    left, right = np.asarray(x), np.asarray(y)
    x_free = free_axes(left.ndim, batch[0], contracting[0])
    y_free = free_axes(right.ndim, batch[1], contracting[1])
    a = left.transpose(*batch[0], *x_free, *contracting[0])
    b = right.transpose(*batch[1], *contracting[1], *y_free)
    shared, summed = a.shape[: len(batch[0])], a.shape[a.ndim - len(contracting[0]) :]
    rows = a.shape[len(shared) : a.ndim - len(summed)]
    columns = b.shape[len(shared) + len(summed) :]
    wide = DType.of(left.dtype).computed.numpy
    product = np.matmul(
        a.reshape(*shared, prod(rows), prod(summed)).astype(wide, copy=False),
        b.reshape(*shared, prod(summed), prod(columns)).astype(wide, copy=False),
    )
    return product.reshape((*shared, *rows, *columns)).astype(left.dtype, copy=False)


def _contract_jvp(tangents: Any, inputs: Any, out: Node, attrs: Any) -> Any:
    (tx, ty), (x, y) = tangents, inputs
    terms = [contract(tx, y, **attrs)] if tx is not None else []
    terms += [contract(x, ty, **attrs)] if ty is not None else []
    return sum(terms[1:], terms[0]) if terms else None


def _contract_transpose(ct: Node, which: int, inputs: Any, attrs: Any) -> Any:
    """The cotangent contracted with the other operand over that one's free axes.

    What comes back has the batch axes, the wanted operand's free axes, and the summed axes in
    the order of the other operand; a transposition sorts them.
    """
    other = 1 - which
    batch, summed = attrs["batch"], attrs["contracting"]
    ranks = [x.rank for x in inputs]
    free = [free_axes(ranks[k], batch[k], summed[k]) for k in (0, 1)]
    count = len(batch[0])
    begin = count + (len(free[0]) if other == 1 else 0)
    found = contract(
        ct,
        inputs[other],
        batch=(tuple(range(count)), batch[other]),
        contracting=(tuple(range(begin, begin + len(free[other]))), free[other]),
    )
    pairs = dict(zip(summed[other], summed[which], strict=True))
    order = (*batch[which], *free[which], *(pairs[a] for a in sorted(summed[other])))
    return found if order == tuple(range(ranks[which])) else transpose(found, axes=inverse(order))


def _contract_batch(inputs: Any, batched: Any, attrs: Any) -> Any:
    """Batched on both sides: one more batch axis; on one: one more free axis, moved to front."""
    (x, y), batch, summed = inputs, attrs["batch"], attrs["contracting"]
    shifted = {
        name: tuple(_shifted(pair[k], batched[k]) for k in (0, 1))
        for name, pair in (("batch", batch), ("contracting", summed))
    }
    if all(batched):
        both = ((0, *shifted["batch"][0]), (0, *shifted["batch"][1]))
        return contract(x, y, batch=both, contracting=shifted["contracting"])
    x_free = x.rank - len(batch[0]) - len(summed[0])
    out = contract(x, y, **shifted)
    return moved_to_front(out, len(batch[0]) + (0 if batched[0] else x_free))


def _shifted(axes: Axes, by: int) -> Axes:
    return tuple(a + int(by) for a in axes)


def _contract_parts(node: Node, operands: tuple[Any, ...]) -> Pair:
    x, y = operands
    return complex_product(lambda one, other: contract(one, other, **node.attrs), x, y)


def _pairs(batch: Pairing, contracting: Pairing) -> dict[str, Pairing]:
    return {"batch": batch, "contracting": contracting}


contract: Op = Op(
    name="contract",
    doc="Σ x·y over the contracting axes; the axes are batch, x's free, y's free",
    align=as_one_dtype,
    result_type=_contract_type,
    contraction=True,
    jvp=_contract_jvp,
    transpose=_contract_transpose,
    batch=_contract_batch,
    parts=_contract_parts,
    reference=_contract_reference,
    dtypes=(*FLOATS, DType.I32, DType.I64),
    samples=several(
        arrays((3, 4), (4, 2), **_pairs(((), ()), ((1,), (0,)))),
        arrays((2, 3, 4), (4, 2, 5), **_pairs(((0,), (1,)), ((2,), (0,)))),
        arrays((2, 3, 4), (4, 5, 2), **_pairs(((), ()), ((0, 2), (2, 0)))),
        arrays((3,), (3,), **_pairs(((), ()), ((0,), (0,)))),
        arrays((2,), (3,), **_pairs(((), ()), ((), ()))),
        arrays((2, 0), (0, 3), **_pairs(((), ()), ((1,), (0,)))),
    ),
    errors=(
        (
            (TensorType((3, 4), DType.F32), TensorType((3, 2), DType.F32)),
            _pairs(((), ()), ((1,), (0,))),
            ShapeError,
        ),
        (
            (TensorType((3, 4), DType.F32), TensorType((4, 2), DType.F32)),
            _pairs(((), ()), ((1,), (2,))),
            ShapeError,
        ),
        (
            (TensorType((3,), DType.BOOL), TensorType((3,), DType.BOOL)),
            _pairs(((), ()), ((0,), (0,))),
            DTypeError,
        ),
    ),
    ulp=16,
)
