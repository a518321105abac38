"""Reductions: many elements become one by the combine of a monoid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, ShapeError

from ..ir.builder import Builder
from ..ir.dims import product
from ..ir.graph import Graph
from ..ir.node import Node
from ..ir.op import Op, Reduction, operations
from ..ir.types import TensorType
from .alignment import as_is
from .compare import equal, select
from .kinds import filled, like
from .pairs import Pair, complex_product, partwise
from .sampling import ALL, COMPLEX, NUMBERS, Samples, arrays, exact, several
from .shape import broadcast, checked_axes, reshape, transpose

__all__ = [
    "folded",
    "reduce_all",
    "reduce_any",
    "reduce_max",
    "reduce_min",
    "reduce_prod",
    "reduce_sum",
    "simple",
]

Axes = tuple[int, ...]
_BOOL = (DType.BOOL,)


def lowest(dtype: DType) -> float | int | bool:
    """The value that no other of the type is below."""
    if dtype.is_bool:
        return False
    return -np.inf if dtype.is_float else int(np.iinfo(dtype.numpy).min)


def highest(dtype: DType) -> float | int | bool:
    """The value that no other of the type is above."""
    if dtype.is_bool:
        return True
    return np.inf if dtype.is_float else int(np.iinfo(dtype.numpy).max)


def simple(
    instruction: str, identity: Callable[[DType], float | int | bool], *, is_scan: bool = False
) -> Reduction:
    """The monoid of one scalar instruction."""
    return Reduction(
        identity=lambda dtype: (identity(dtype),),
        dtypes=lambda dtype: (dtype,),
        inject=lambda s, value, position: (value,),
        combine=lambda s, left, right: (s.emit(instruction, (left[0], right[0])),),
        result=lambda s, state: state[0],
        instruction=instruction,
        is_scan=is_scan,
    )


def spread_back(reduced: Node, x: Node, axes: Axes) -> Node:
    """A reduced value next to every element that went into it."""
    kept = tuple(a for a in range(x.rank) if a not in axes)
    out: Node = broadcast(reduced, shape=x.shape, axes=kept)
    return out


def folded(function: Callable[..., Any], x: Any, axis: Any) -> Any:
    """A sum or product by NumPy in the type of x; of halves in f32, rounded at its end."""
    values = np.asarray(x)
    wide = DType.of(values.dtype).computed.numpy
    return np.asarray(function(values, axis=axis, dtype=wide)).astype(values.dtype, copy=False)


def _reduction(
    name: str, *, takes: tuple[DType, ...], needs_elements: bool = False, **facts: Any
) -> Op:
    accepted = (*takes, *COMPLEX) if facts.get("parts") else takes

    def result_type(x: TensorType, *, axes: Axes) -> TensorType:
        checked_axes(x, axes)
        if x.dtype not in accepted:
            raise DTypeError(f"{name} takes {', '.join(takes)}, got {x}", fix="convert it first")
        if needs_elements and any(x.shape[a] == 0 for a in axes):
            raise ShapeError(
                f"{x} has no elements along axes {axes}",
                fix="an extremum needs at least one element; treat the empty case apart",
            )
        return x.with_shape(n for a, n in enumerate(x.shape) if a not in axes)

    def batch(inputs: Any, batched: Any, attrs: Any) -> Any:
        return op(inputs[0], axes=tuple(a + 1 for a in attrs["axes"]))

    facts.setdefault("samples", _SAMPLES if needs_elements else several(_SAMPLES, _EMPTY))
    outside = (((TensorType((2,), takes[0]),), {"axes": (1,)}, ShapeError),)
    op = Op(
        name=name,
        align=as_is,
        result_type=result_type,
        batch=batch,
        dtypes=takes,
        errors=outside,
        **facts,
    )
    return op


_SAMPLES: Samples = several(
    arrays((3, 4), axes=(1,)),
    arrays((2, 3, 4), axes=(0, 2)),
    arrays((2, 3), axes=()),
    exact([[1, 0, 0, 2], [3, 3, 1, 3]], axes=(1,)),
)
_EMPTY: Samples = arrays((2, 0), axes=(1,))

reduce_sum: Op = _reduction(
    "reduce_sum",
    doc="the sum along some axes; integers wrap around",
    takes=NUMBERS,
    reduction=simple("add", lambda dtype: 0),
    jvp=lambda tangents, inputs, out, attrs: reduce_sum(tangents[0], **attrs),
    transpose=lambda ct, which, inputs, attrs: spread_back(ct, inputs[0], attrs["axes"]),
    parts=partwise,
    reference=lambda x, *, axes: folded(np.add.reduce, x, axes),
    ulp=16,
)


def _prod_jvp(tangents: Any, inputs: Any, out: Node, attrs: Any) -> Any:
    """Each tangent times the product of the other elements: nothing is divided, so zeros are
    no exception."""
    t, x = (_rows(y, attrs["axes"]) for y in (tangents[0], inputs[0]))
    others = product_of_others(x)
    return reduce_sum(t * others, axes=(x.rank - 1,))


def _rows(x: Node, axes: Axes) -> Node:
    """The elements along `axes` as one last axis."""
    kept = tuple(a for a in range(x.rank) if a not in axes)
    ordered = transpose(x, axes=(*kept, *axes))
    size = product(x.shape[a] for a in axes)
    rows: Node = reshape(ordered, shape=(*(x.shape[a] for a in kept), size))
    return rows


def product_of_others(x: Node) -> Any:
    """The product of all elements of the last axis but the one that stands at each place."""
    return product_before(x) * product_before(x, reverse=True)


def product_before(x: Node, *, reverse: bool = False) -> Any:
    """The product of the elements before (or behind) each place of the last axis."""
    last, size = x.rank - 1, x.shape[-1]
    ones = (0,) * last
    one = operations["pad"](
        operations["cumprod"](x, axis=last, reverse=reverse),
        low=(*ones, 0 if reverse else 1),
        high=(*ones, 1 if reverse else 0),
        interior=(*ones, 0),
        value=1,
    )
    start = 1 if reverse else 0
    return operations["slice"](
        one,
        starts=(*ones, start),
        stops=(*x.shape[:-1], start + size),
        steps=(1,) * x.rank,
    )


def _prod_parts(node: Node, operands: tuple[Any, ...]) -> Pair:
    rows = operands[0].each(lambda part: _rows(part, node.attr("axes")))
    return product_loop(rows)[0]


def product_loop(rows: Pair) -> tuple[Pair, Pair]:
    """The complex product along the last axis, and at each place the one up to it."""
    x = rows.re
    kept, length = x.type.with_shape(x.shape[:-1]), x.shape[-1]
    inner = Builder()
    counter = inner.parameter("turn", TensorType((), DType.I64))
    given = [inner.parameter(name, kept) for name in ("re", "im", "x", "y")]
    with inner.active():
        found = complex_product(operations["multiply"], Pair(*given[:2]), Pair(*given[2:]))
    outputs = (found.re, found.im)
    body = Graph("product", (counter, *given), (*outputs, *outputs), inner)
    attrs = {"body": body, "carries": 2, "scanned": 2, "length": length, "reverse": False}
    laid = rows.each(_along_first_axis)
    operands = (filled(1, kept), filled(0, kept), laid.re, laid.im)
    results = [operations["loop"](*operands, **attrs, result=k) for k in range(4)]
    return Pair(*results[:2]), Pair(*results[2:]).each(_along_last_axis)


def _along_first_axis(x: Node) -> Node:
    found: Node = transpose(x, axes=(x.rank - 1, *range(x.rank - 1)))
    return found


def _along_last_axis(x: Node) -> Node:
    found: Node = transpose(x, axes=(*range(1, x.rank), 0))
    return found


reduce_prod: Op = _reduction(
    "reduce_prod",
    doc="the product along some axes; integers wrap around",
    takes=NUMBERS,
    reduction=simple("mul", lambda dtype: 1),
    jvp=_prod_jvp,
    parts=_prod_parts,
    samples=several(_SAMPLES, _EMPTY, exact([[1, 0, 3], [0, 2, 0]], smooth=True, axes=(1,))),
    reference=lambda x, *, axes: folded(np.multiply.reduce, x, axes),
    ulp=16,
)


def _extremum_jvp(tangents: Any, inputs: Any, out: Node, attrs: Any) -> Any:
    """Elements that tie share the derivative evenly."""
    (t,), (x,) = tangents, inputs
    wins = equal(x, spread_back(out, x, attrs["axes"]))
    total = reduce_sum(select(wins, t, like(0, t)), **attrs)
    count = reduce_sum(select(wins, like(1, t), like(0, t)), **attrs)
    return total / count


reduce_max: Op = _reduction(
    "reduce_max",
    doc="the greatest element along some axes; NaN if one is",
    takes=ALL,
    needs_elements=True,
    reduction=simple("max", lowest),
    jvp=_extremum_jvp,
    reference=lambda x, *, axes: np.max(x, axis=axes),
)

reduce_min: Op = _reduction(
    "reduce_min",
    doc="the least element along some axes; NaN if one is",
    takes=ALL,
    needs_elements=True,
    reduction=simple("min", highest),
    jvp=_extremum_jvp,
    reference=lambda x, *, axes: np.min(x, axis=axes),
)

reduce_any: Op = _reduction(
    "reduce_any",
    doc="whether some element along the axes is true",
    takes=_BOOL,
    reduction=simple("bitor", lambda dtype: False),
    not_differentiable="truth values are discrete",
    reference=lambda x, *, axes: np.any(x, axis=axes),
)

reduce_all: Op = _reduction(
    "reduce_all",
    doc="whether every element along the axes is true",
    takes=_BOOL,
    reduction=simple("bitand", lambda dtype: True),
    not_differentiable="truth values are discrete",
    reference=lambda x, *, axes: np.all(x, axis=axes),
)
