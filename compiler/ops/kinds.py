"""The kinds of operation. A kind fills in what follows from the mathematics."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, ShapeError

from ..ir.builder import constant
from ..ir.dims import Dim, is_equal
from ..ir.node import Node
from ..ir.op import Op, operations
from ..ir.types import TensorType
from .alignment import as_floats, as_is, as_one_type, common_dtype, float_dtype
from .pairs import partwise
from .sampling import BITS, COMPLEX, FLOATS, INTEGERS, MOVED, NUMBERS

__all__ = [
    "checked",
    "filled",
    "like",
    "linear",
    "mapped",
    "not_differentiable",
    "spread",
    "stretch",
    "zeros",
]

_KINDS_OF_NUMBER = {
    FLOATS: "floats",
    NUMBERS: "numbers",
    BITS: "integers or bools",
    INTEGERS: "integers",
    (DType.BOOL,): "bools",
}


def mapped(
    name: str,
    *,
    body: Callable[..., Any],
    takes: tuple[DType, ...] = FLOATS,
    gives: DType | None = None,
    partials: Callable[..., tuple[Any, ...]] | None = None,
    widens: bool = True,
    **facts: Any,
) -> Op:
    """A scalar function applied to every element; its inputs have equal shapes and types.

    `partials(*inputs, out, **attrs)` are the derivatives in each input: an expression; the number
    1 or -1; a bool expression, which lets the tangent through where it holds; None for none; or
    a function that returns one of these, called only if that input has a tangent.

    A real function of halves is one of f32, rounded once, unless it does not `widens`. What says
    by `parts` what it is on pairs takes complex numbers, too.
    """
    accepted = (*takes, *COMPLEX) if facts.get("parts") else takes
    arity = body.__code__.co_argcount - 1
    floats_only = takes == FLOATS

    def element(s: Any, index: Any, readers: Any, out: TensorType, attrs: Any) -> Any:
        values = [read(index) for read in readers]
        if not (floats_only and widens and values[0].dtype.is_half):
            return body(s, *values, **attrs)
        found = body(s, *(s.convert(value, DType.F32) for value in values), **attrs)
        return s.convert(found, out.dtype)

    def jvp(tangents: Any, inputs: Any, out: Node, attrs: Any) -> Any:
        if partials is None or all(t is None for t in tangents):
            return None
        found = zip(partials(*inputs, out, **attrs), tangents, strict=True)
        terms = [_term(p, t) for p, t in found if p is not None and t is not None]
        return sum(terms[1:], terms[0]) if terms else None

    def batch(inputs: Any, batched: Any, attrs: Any) -> Any:
        return op(*spread(inputs, batched), **attrs)

    align = as_floats if floats_only else as_one_type
    if floats_only:
        facts["reference"] = _in_floats(facts["reference"], widens)
    facts.setdefault("align", align)
    facts.setdefault("result_type", _result_type(name, arity, accepted, gives))
    facts.setdefault("dtypes", takes)
    facts.setdefault("jvp", None if "not_differentiable" in facts else jvp)
    op = Op(name=name, body=body, element=element, batch=batch, **facts)
    return op


def linear(
    name: str,
    *,
    transpose: Callable[..., Any],
    moves: Callable[..., Any] | None = None,
    **facts: Any,
) -> Op:
    """Linear in all of its inputs together: its derivative is itself.

    `transpose(cotangent, which, inputs, attrs)` is the adjoint in input `which`. A one-input
    operation that only moves elements gives `moves(index, input type, attrs)`, the input index.
    """

    def jvp(tangents: Any, inputs: Any, out: Node, attrs: Any) -> Any:
        if all(t is None for t in tangents):
            return None
        pairs = zip(tangents, inputs, strict=True)
        return op(*(zeros(x.type) if t is None else t for t, x in pairs), **attrs)

    def moved(s: Any, index: Any, readers: Any, out: TensorType, attrs: Any) -> Any:
        return readers[0](moves(index, readers[0].type, attrs))  # type: ignore[misc]

    if moves is not None:
        facts.setdefault("element", moved)
    facts.setdefault("align", as_is)
    facts.setdefault("jvp", jvp)
    facts.setdefault("dtypes", MOVED)
    facts.setdefault("parts", partwise)
    op = Op(name=name, transpose=transpose, moves=moves, **facts)
    return op


def not_differentiable(name: str, reason: str, **facts: Any) -> Op:
    """Piecewise constant or integer-valued: its derivative is zero wherever it exists."""
    if "body" in facts:
        return mapped(name, not_differentiable=reason, **facts)
    return Op(name=name, not_differentiable=reason, **facts)


def like(number: complex, x: Any) -> Any:
    """The number in the element type of x."""
    dtype = getattr(x, "dtype", None)
    return number if dtype is None else constant(number, DType.of(dtype))


def zeros(type_: TensorType) -> Any:
    """An array of zeros of a type."""
    return filled(0, type_)


def filled(value: complex, type_: TensorType) -> Any:
    """One number in every element of a type."""
    number = constant(value, type_.dtype)
    if not type_.shape:
        return number
    return operations["broadcast"](number, shape=type_.shape, axes=())


def spread(inputs: tuple[Node, ...], batched: tuple[bool, ...]) -> tuple[Node, ...]:
    """The inputs with a batch axis in front of each, copied where there was none."""
    pairs = tuple(zip(inputs, batched, strict=True))
    size = next(x.shape[0] for x, is_batched in pairs if is_batched)
    return tuple(x if is_batched else stretch(x, size) for x, is_batched in pairs)


def stretch(x: Node, size: Dim) -> Node:
    """`size` copies of x along a new first axis."""
    axes = tuple(range(1, x.rank + 1))
    copies: Node = operations["broadcast"](x, shape=(size, *x.shape), axes=axes)
    return copies


def checked(name: str, types: tuple[TensorType, ...], takes: tuple[DType, ...]) -> TensorType:
    """The one type that all operands have, or an error that says which two differ."""
    first, *others = types
    for other in others:
        if other.dtype is not first.dtype:
            raise DTypeError(
                f"{first} and {other} have different element types",
                fix="convert one of them",
            )
        same = other.rank == first.rank
        if not same or not all(map(is_equal, first.shape, other.shape)):
            raise ShapeError(f"{first} and {other} differ", fix="broadcast one of them")
    if first.dtype not in takes:
        wanted = _KINDS_OF_NUMBER.get(real := tuple(d for d in takes if not d.is_complex))
        wanted = wanted or ", ".join(real)
        raise DTypeError(
            f"{name} takes {wanted}, got {first}", fix=f"convert the operand to {takes[0]} first"
        )
    return first


def _term(partial: Any, tangent: Any) -> Any:
    if isinstance(partial, FunctionType):
        partial = partial()
    if isinstance(partial, int | float) and abs(partial) == 1:
        return tangent if partial == 1 else operations["negative"](tangent)
    if getattr(partial, "dtype", None) == DType.BOOL:
        return operations["select"](partial, tangent, like(0, tangent))
    return partial * tangent


def _result_type(
    name: str, arity: int, takes: tuple[DType, ...], gives: DType | None
) -> Callable[..., TensorType]:
    def of_all(*types: TensorType) -> TensorType:
        common = checked(name, types, takes)
        return common.with_dtype(gives) if gives else common

    def unary(x: TensorType) -> TensorType:
        return of_all(x)

    def binary(x: TensorType, y: TensorType) -> TensorType:
        return of_all(x, y)

    def ternary(x: TensorType, y: TensorType, z: TensorType) -> TensorType:
        return of_all(x, y, z)

    return (unary, binary, ternary)[arity - 1]


def _in_floats(reference: Callable[..., Any], widens: bool) -> Callable[..., Any]:
    """A NumPy function that is given floats for integers, and f32 for halves, as the graph does."""

    def on_floats(*args: Any, **attrs: Any) -> Any:
        dtype = float_dtype(common_dtype(args))
        taken = dtype.computed if widens else dtype
        found = np.asarray(reference(*(np.asarray(arg, taken.numpy) for arg in args), **attrs))
        is_wide = taken is not dtype and found.dtype == taken.numpy
        return found.astype(dtype.numpy) if is_wide else found

    return on_floats
