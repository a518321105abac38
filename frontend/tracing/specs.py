"""Descriptions of arrays: `sf.spec((N, 784), "float32")`, `"f32[N,784]"`, or an array itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
from msgspec import Struct

from symfuse.compiler.ir.dims import Dim, Expr, Symbol, parse_dim, symbols
from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.types import TensorType, parse_type
from symfuse.runtime.dtypes import DType
from symfuse.runtime.dtypes import native as in_native_order
from symfuse.runtime.errors import DTypeError, ShapeError, SymfuseError, TraceError

from .sizes import plain
from .tracer import Tracer

__all__ = ["Described", "Spec", "describe", "spec"]


class Spec(Struct, frozen=True):
    """The shape and element type of an array that is given later."""

    shape: tuple[Dim, ...]
    dtype: np.dtype[Any]

    @property
    def type(self) -> TensorType:
        return TensorType(self.shape, DType.of(self.dtype))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __repr__(self) -> str:
        return f"spec({self.type})"


Spec.__symfuse_leaf__ = True  # type: ignore[attr-defined]


class Described(Struct, frozen=True):
    """What is known of one argument leaf: its type, and whether it is a bare Python number."""

    type: TensorType
    weak: bool = False


def spec(shape: Any, dtype: Any = "float32") -> Spec:
    """Describe an array: a shape of sizes, names and `sf.dim`s, or the text of a whole type.

    >>> import symfuse as sf
    >>> sf.spec(("N", 784), "float32")
    spec(f32[N,784])
    >>> sf.spec("i64[3]")
    spec(i64[3])
    """
    if isinstance(shape, str):
        type_ = _parsed(shape, {})
        return Spec(type_.shape, type_.dtype.numpy)
    sizes = shape if isinstance(shape, Sequence) else (shape,)
    return Spec(tuple(_size(size) for size in sizes), _dtype(dtype).numpy)


def describe(values: Iterable[Any]) -> list[Described]:
    """The types of specs, texts, arrays and numbers; one name means one size in all of them."""
    given = list(values)
    known: dict[str, Symbol] = {}
    for value in given:
        for size in _shape_of(value) or ():
            for symbol in symbols(size) if isinstance(size, Expr) else ():
                _declare(known, symbol)
    return [_described(value, known) for value in given]


def _described(value: Any, known: dict[str, Symbol]) -> Described:
    if isinstance(value, str):
        type_ = _parsed(value, known)
        for size in type_.shape:
            for symbol in symbols(size) if isinstance(size, Expr) else ():
                known.setdefault(symbol.name, symbol)
        return Described(type_)
    if isinstance(value, Tracer):
        return Described(value._node.type, value._weak)
    if isinstance(value, Spec):
        return Described(value.type)
    if isinstance(value, bool | int | float | complex) and not isinstance(value, np.generic):
        return Described(TensorType((), DType.of(np.asarray(value).dtype)), True)
    return Described(_type_of(value))


def _type_of(value: Any) -> TensorType:
    shape, dtype = _shape_of(value), getattr(value, "dtype", None)
    if shape is None or dtype is None or not _is_ours(dtype):  # as torch has types of its own
        if not hasattr(value, "__array__") and not hasattr(value, "__dlpack__"):
            raise _not_an_array(value)
        array = np.asarray(value)
        shape, dtype = array.shape, array.dtype
    native = in_native_order(dtype) if isinstance(dtype, np.dtype) else dtype
    return TensorType(tuple(_size(size) for size in shape), _dtype(native))


def _shape_of(value: Any) -> Sequence[Any] | None:
    """The sizes that a value says it has; a module and a class have something else of that name."""
    shape = getattr(value, "shape", None)
    return shape if isinstance(shape, Sequence) else None


def _is_ours(dtype: Any) -> bool:
    return isinstance(dtype, DType | np.dtype | type | str)


def _declare(known: dict[str, Symbol], symbol: Symbol) -> None:
    if known.setdefault(symbol.name, symbol) != symbol:
        raise ShapeError(
            f"two different sizes are called {symbol.name!r}",
            fix="make the size once by sf.dim and use it in every spec, or rename one",
            loc=user_location(),
        )


def _parsed(text: str, known: dict[str, Symbol]) -> TensorType:
    try:
        return parse_type(text, known)
    except SymfuseError as error:
        fix = f"{error.fix}; a setting is a static argument (static_argnames)"
        raise type(error)(error.what, fix=fix, loc=user_location()) from None
    except TypeError as error:
        raise DTypeError(str(error), fix='write it as "f32[N,784]"', loc=user_location()) from None


def _size(size: Any) -> Dim:
    if isinstance(size, Expr):
        return cast(Dim, plain(size))
    if isinstance(size, str):
        return parse_dim(size, {})
    if int(size) < 0:
        raise ShapeError(
            f"a size is {size}",
            fix='give one of at least 0; a size that is not known yet has a name: "N"',
            loc=user_location(),
        )
    return int(size)


def _dtype(dtype: Any) -> DType:
    try:
        return DType.of(dtype)
    except TypeError as error:
        raise DTypeError(
            str(error), fix="convert with .astype first", loc=user_location()
        ) from None


def _not_an_array(value: Any) -> TraceError:
    return TraceError(
        f"an argument is of type {type(value).__name__}, which is no array, number or spec",
        fix="make it a static argument (static_argnums), or pass an array",
        loc=user_location(),
    )
