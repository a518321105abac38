"""Running sums and products, and positions of extrema."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, ShapeError

from ..ir.dims import Dim
from ..ir.node import Node
from ..ir.op import Op, Reduction
from ..ir.types import TensorType
from .alignment import as_is
from .compare import greater, greater_equal, select
from .kinds import like, stretch
from .pairs import Pair, partwise
from .reduce import folded, highest, lowest, product_before, product_loop, reduce_sum, simple
from .sampling import ALL, COMPLEX, NUMBERS, Samples, arrays, exact, several
from .shape import (
    checked_axes,
    inverse,
    iota,
    moved_from_front,
    moved_to_front,
    reverse,
    transpose,
)
from .slicing import pad, slice

__all__ = ["argmax", "argmin", "cumprod", "cumsum"]


def _scan(name: str, **facts: Any) -> Op:
    def result_type(x: TensorType, *, axis: int, reverse: bool = False) -> TensorType:
        checked_axes(x, (axis,))
        if x.dtype not in (*NUMBERS, *COMPLEX):
            raise DTypeError(f"{name} takes numbers, got {x}", fix="convert it first")
        return x

    def batch(inputs: Any, batched: Any, attrs: Any) -> Any:
        return op(inputs[0], **{**attrs, "axis": attrs["axis"] + 1})

    op = Op(
        name=name,
        align=as_is,
        result_type=result_type,
        batch=batch,
        dtypes=NUMBERS,
        samples=_SCANS,
        errors=(((TensorType((2,), DType.F32),), {"axis": 1}, ShapeError),),
        ulp=16,
        **facts,
    )
    return op


_SCANS: Samples = several(
    arrays((3, 4), axis=1),
    arrays((5, 2), axis=0, reverse=True),
    arrays((2, 0), axis=1),
    exact([1, 0, 2, 0, 3], axis=0, smooth=True),
)


def _scanned(ufunc: Any, x: Any, axis: int, reverse: bool) -> Any:
    values = np.flip(x, axis) if reverse else np.asarray(x)
    result = folded(ufunc.accumulate, values, axis)
    return np.flip(result, axis) if reverse else result


def _turned(attrs: Any) -> dict[str, Any]:
    return {**attrs, "reverse": not attrs.get("reverse", False)}


cumsum: Op = _scan(
    "cumsum",
    doc="at each place the sum up to it, or with reverse from it on",
    # NumPy's sums begin with the first element, which may be -0.0, instead of 0.0.
    reduction=simple("add", lambda dtype: -0.0 if dtype.is_float else 0, is_scan=True),
    jvp=lambda tangents, inputs, out, attrs: cumsum(tangents[0], **attrs),
    transpose=lambda ct, which, inputs, attrs: cumsum(ct, **_turned(attrs)),
    parts=partwise,
    reference=lambda x, *, axis, reverse=False: _scanned(np.add, x, axis, reverse),
)


def _cumprod_jvp(tangents: Any, inputs: Any, out: Node, attrs: Any) -> Any:
    """As nothing is divided, zeros are no exception. Steps of doubling length combine pairs
    (product, tangent); over a symbolic size, which has no known number of steps, all pairs of
    places are laid out instead."""
    axis, reverse = attrs["axis"], attrs.get("reverse", False)
    size = inputs[0].shape[axis]
    if isinstance(size, int):
        return _doubling(tangents[0], inputs[0], axis, reverse, size)
    return _all_pairs(tangents[0], inputs[0], axis, reverse)


def _doubling(t: Any, x: Any, axis: int, reverse: bool, size: int) -> Any:
    distance = 1
    while distance < size:
        before = _shifted(x, axis, distance, reverse, 1)
        t = _shifted(t, axis, distance, reverse, 0) * x + before * t
        x, distance = before * x, 2 * distance
    return t


def _shifted(x: Node, axis: int, distance: int, reverse: bool, value: int) -> Any:
    """Every element `distance` places further along the scan, `value` where none came from."""
    size: Any = x.shape[axis]
    start = distance if reverse else 0
    kept = slice(
        x,
        starts=_at(x, axis, start, 0),
        stops=tuple(start + size - distance if a == axis else n for a, n in enumerate(x.shape)),
        steps=(1,) * x.rank,
    )
    low, high = (0, distance) if reverse else (distance, 0)
    edges = {"low": _at(x, axis, low, 0), "high": _at(x, axis, high, 0)}
    return pad(kept, **edges, interior=(0,) * x.rank, value=value)


def _at(x: Node, axis: int, here: Dim, elsewhere: Dim) -> tuple[Dim, ...]:
    return tuple(here if a == axis else elsewhere for a in range(x.rank))


def _all_pairs(t: Any, x: Any, axis: int, reverse: bool) -> Any:
    """Σ over places i up to k: the tangent at i times the product of the others up to k."""
    order = (*(a for a in range(x.rank) if a != axis), axis)
    t, x = transpose(t, axes=order), transpose(x, axes=order)
    size, last = x.shape[-1], x.rank
    grid = {"shape": (*x.shape, size), "dtype": DType.I64}
    place, end = iota(**grid, axis=last - 1), iota(**grid, axis=last)
    behind = greater(place, end) if reverse else greater(end, place)
    reached = greater_equal(place, end) if reverse else greater_equal(end, place)
    factors = moved_from_front(stretch(x, size), last - 1)
    between = cumprod(select(behind, factors, like(1, x)), axis=last, reverse=reverse)
    weights = t * product_before(x, reverse=reverse)
    spread = moved_from_front(stretch(weights, size), last)
    terms = select(reached, spread * between, like(0, x))
    return moved_from_front(moved_to_front(reduce_sum(terms, axes=(last - 1,)), last - 1), axis)


def _cumprod_parts(node: Node, operands: tuple[Any, ...]) -> Pair:
    axis, is_reversed = node.attr("axis"), node.attr("reverse")
    last = node.rank - 1
    order = (*(a for a in range(node.rank) if a != axis), axis)

    def turned(x: Node) -> Any:
        return reverse(x, axes=(last,)) if is_reversed else x

    rows = operands[0].each(lambda x: turned(transpose(x, axes=order)))
    found = product_loop(rows)[1]
    return found.each(lambda x: transpose(turned(x), axes=inverse(order)))


cumprod: Op = _scan(
    "cumprod",
    doc="at each place the product up to it, or with reverse from it on",
    reduction=simple("mul", lambda dtype: 1, is_scan=True),
    jvp=_cumprod_jvp,
    parts=_cumprod_parts,
    reference=lambda x, *, axis, reverse=False: _scanned(np.multiply, x, axis, reverse),
)


def _first_extremum(instruction: str, worst: Any) -> Reduction:
    """Pairs (value, position): the better value wins, NaN is best, the first of equals wins."""

    def combine(s: Any, left: Any, right: Any) -> tuple[Any, ...]:
        (best, first), (value, position) = left, right
        best_is_nan, is_nan = s.ne(best, best), s.ne(value, value)
        ties = s.bitor(s.eq(value, best), s.bitand(is_nan, best_is_nan))
        better = s.bitor(
            s.emit(instruction, (value, best)), s.bitand(is_nan, s.bitnot(best_is_nan))
        )
        wins = s.bitor(better, s.bitand(ties, s.lt(position, first)))
        return s.select(wins, value, best), s.select(wins, position, first)

    return Reduction(
        identity=lambda dtype: (worst(_ordered(dtype)), highest(DType.I64)),
        dtypes=lambda dtype: (_ordered(dtype), DType.I64),
        inject=lambda s, value, position: (s.convert(value, _ordered(value.dtype)), position),
        combine=combine,
        result=lambda s, state: state[1],
        uses_position=True,
    )


def _ordered(dtype: DType) -> DType:
    """Bools are compared as numbers."""
    return DType.U8 if dtype.is_bool else dtype


def _position(name: str, **facts: Any) -> Op:
    def result_type(x: TensorType, *, axis: int) -> TensorType:
        checked_axes(x, (axis,))
        if x.shape[axis] == 0:
            raise ShapeError(
                f"{x} has no elements along axis {axis}", fix="treat the empty case apart"
            )
        shape = (*x.shape[:axis], *x.shape[axis + 1 :])
        return TensorType(shape, DType.I64)

    def batch(inputs: Any, batched: Any, attrs: Any) -> Any:
        return op(inputs[0], axis=attrs["axis"] + 1)

    op = Op(
        name=name,
        align=as_is,
        result_type=result_type,
        batch=batch,
        dtypes=ALL,
        samples=_positions,
        not_differentiable="a position is an integer",
        errors=(((TensorType((2, 0), DType.F32),), {"axis": 1}, ShapeError),),
        **facts,
    )
    return op


def _positions(rng: np.random.Generator, dtype: DType) -> Any:
    nan = [np.nan] if dtype.is_float else []
    worst = [-np.inf, -np.inf] if dtype.is_float else []
    parts = several(
        arrays((3, 4), axis=1),
        arrays((5, 2), axis=0),
        exact([[1, 0, 1], [0, 1, 1]], axis=1),
        exact([1, *nan, 0, *nan, 1], axis=0),
        exact(worst or [0, 0], axis=0),
    )
    return parts(rng, dtype)


argmax = _position(
    "argmax",
    doc="the first position of the greatest element; of NaN if there is one",
    reduction=_first_extremum("gt", lowest),
    reference=lambda x, *, axis: np.asarray(np.argmax(x, axis), np.int64),
)

argmin = _position(
    "argmin",
    doc="the first position of the least element; of NaN if there is one",
    reduction=_first_extremum("lt", highest),
    reference=lambda x, *, axis: np.asarray(np.argmin(x, axis), np.int64),
)
