"""Functions that make arrays: zeros, arange, linspace, eye, tril, meshgrid."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import Expr, is_at_most, maximum
from symfuse.runtime.dtypes import DType

from ..tracing.dispatch import FUNCTIONS, has_tracer, numpy_like
from ..tracing.sizes import whole
from ..tracing.trace import constant
from ..tracing.tracer import Tracer
from .shared import (
    DEVICE,
    LAYOUT,
    LIKE,
    broadcast_shape_to,
    call,
    common_dtype,
    convert,
    element_type,
    expect,
    expect_rank,
    size_number,
    sizes_of,
    traced,
)

__all__ = [
    "arange", "array", "asarray", "ascontiguousarray", "copy", "diag", "empty", "empty_like",
    "eye", "from_dlpack", "full", "full_like", "identity", "indices", "linspace",
    "meshgrid", "ones", "ones_like", "tri", "tril", "triu", "zeros", "zeros_like",
]  # fmt: skip


def _eager_array(
    obj: Any, dtype: Any = None, *, copy: Any = None, device: Any = None, **rest: Any
) -> Any:
    wanted = dtype and element_type(dtype).numpy
    if device in (None, "cpu"):
        return np.array(obj, dtype=wanted, copy=bool(copy) or None, **rest)
    # What drives devices is loaded where one is named.
    arrays = import_module("symfuse.runtime.cuda.arrays")
    is_there = arrays.is_on_device(obj) and wanted is None
    found = arrays.placed(obj if is_there else np.asarray(obj, wanted), str(device))
    return found.copy() if copy and is_there else found


@numpy_like(
    np.array,
    np.asarray,
    np.asanyarray,
    eager=_eager_array,
    view=True,
    creates=True,
    idle={**LAYOUT, **DEVICE},
)
def asarray(
    a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None
) -> Any:
    """The array itself, in another element type if one is given; on `device="cuda"`, a copy there.

    A traced array has no device: the program it becomes part of has one.
    """
    x = traced(a)
    if isinstance(x, Tracer) and x._weak and not isinstance(a, Tracer):
        x = Tracer(x._trace, x._node)  # no number any more, but an array of its own type
    if dtype is not None:
        x = convert(x, element_type(dtype))
    return FUNCTIONS["copy"](x) if copy else x


@numpy_like(eager=_eager_array, creates=True, idle={"copy": (True, False, None)})
def array(object: Any, dtype: Any = None, *, copy: bool = True, ndmin: int = 0) -> Any:
    """A new array of numbers, arrays and nested lists of them."""
    x = FUNCTIONS["copy"](asarray(object, dtype))
    return x if x.ndim >= ndmin else FUNCTIONS["reshape"](x, (1,) * (ndmin - x.ndim) + x.shape)


@numpy_like(np.ascontiguousarray, np.asfortranarray)
def ascontiguousarray(a: Any, dtype: Any = None) -> Any:
    """The array itself: traced arrays have no layout."""
    return asarray(a, dtype)


@numpy_like(np.copy, idle=LAYOUT)
def copy(a: Any, order: str = "K") -> Any:
    """A new array that may be written to without changing the old one."""
    x = traced(a)
    if not isinstance(x, Tracer):
        return np.copy(x)
    return call("copy", x)


def from_dlpack(x: Any, /, *, device: Any = None, copy: Any = None) -> Any:
    """The array behind the DLPack protocol; a traced array is returned as it is."""
    return x if isinstance(x, Tracer) else np.from_dlpack(x, device=device, copy=copy)


def _eager_full(shape: Any, fill_value: Any, dtype: Any = None, *, device: Any = None) -> Any:
    return _on(device, np.full(shape, fill_value, dtype and element_type(dtype).numpy))


def _on(device: Any, array: Any) -> Any:
    return array if device in (None, "cpu") else _eager_array(array, device=device)


@numpy_like(eager=_eager_full, creates=True, idle=DEVICE)
def full(shape: Any, fill_value: Any, dtype: Any = None, *, device: Any = None) -> Any:
    """An array of one number."""
    wanted = element_type(dtype) if dtype is not None else common_dtype(fill_value)
    value = traced(convert(fill_value, wanted))
    return broadcast_shape_to(value, sizes_of(shape))


def zeros(shape: Any, dtype: Any = float, *, device: Any = None) -> Any:
    """An array of zeros."""
    return full(shape, 0, float if dtype is None else dtype, device=device)


def ones(shape: Any, dtype: Any = float, *, device: Any = None) -> Any:
    """An array of ones."""
    return full(shape, 1, float if dtype is None else dtype, device=device)


def empty(shape: Any, dtype: Any = float, *, device: Any = None) -> Any:
    """An array of zeros: symfuse leaves nothing undefined."""
    return full(shape, 0, float if dtype is None else dtype, device=device)


@numpy_like(np.full_like, idle=LIKE)
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """An array of one number with the shape and element type of another."""
    a = traced(a)
    value = traced(convert(fill_value, element_type(a.dtype if dtype is None else dtype)))
    return broadcast_shape_to(value, a.shape if shape is None else sizes_of(shape))


@numpy_like(np.zeros_like, np.empty_like, idle=LIKE)
def zeros_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *,
    device: Any = None,
) -> Any:  # fmt: skip
    """Zeros with the shape and element type of another array."""
    return full_like(a, 0, dtype, shape=shape)


empty_like = zeros_like


@numpy_like(np.ones_like, idle=LIKE)
def ones_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *,
    device: Any = None,
) -> Any:  # fmt: skip
    """Ones with the shape and element type of another array."""
    return full_like(a, 1, dtype, shape=shape)


def _eager_arange(
    start: Any, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None
) -> Any:
    if stop is None:
        start, stop = 0, start
    return _on(device, np.arange(start, stop, step, dtype=dtype and element_type(dtype).numpy))


@numpy_like(eager=_eager_arange, creates=True, idle=DEVICE)
def arange(
    start: Any, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None
) -> Any:
    """Numbers from start up to stop; the count may be a symbolic size."""
    if stop is None:
        start, stop = 0, start
    if not any(isinstance(one, Expr) for one in (start, stop, step)):
        return constant(_eager_arange(start, stop, step, dtype=dtype))
    target = element_type(np.int64 if dtype is None else dtype)
    backwards = isinstance(step, int) and step < 0
    span = start - stop if backwards else stop - start
    size = -step if backwards else step
    count = span if isinstance(size, int) and size == 1 else -((-span) // size)
    counted = call("iota", shape=(count,), axis=0, dtype=target)
    counted = counted if isinstance(step, int) and step == 1 else call("multiply", counted, step)
    return counted if isinstance(start, int) and start == 0 else call("add", counted, start)


def _eager_linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False,
    dtype: Any = None, axis: int = 0, *, device: Any = None,
) -> Any:  # fmt: skip
    target: Any = dtype and element_type(dtype).numpy
    spread: Any = np.linspace  # whose annotations take no flag for `retstep`
    found = spread(start, stop, num, endpoint, retstep, target, axis)
    return (_on(device, found[0]), found[1]) if retstep else _on(device, found)


@numpy_like(np.linspace, eager=_eager_linspace, creates=True, idle=DEVICE)
def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False,
    dtype: Any = None, axis: int = 0, *, device: Any = None,
) -> Any:  # fmt: skip
    """`num` numbers at equal distances from start to stop, and if asked for the distance."""
    if not has_tracer((start, stop)) and not isinstance(num, Expr):
        found = _eager_linspace(start, stop, num, endpoint, retstep, dtype, axis)
        return (constant(found[0]), constant(found[1])) if retstep else constant(found)
    num = whole(num)
    expect(is_at_most(0, num), f"linspace of {num} numbers", "use 0 or more")
    own = common_dtype(traced(start), traced(stop), 1.0)
    wide = DType.C128 if own.is_complex else DType.F64
    first, last = convert(traced(start), wide), convert(traced(stop), wide)
    parts = maximum(spaces := num - 1 if endpoint else num, 1)
    places = traced(FUNCTIONS["arange"](num))
    number = call("reshape", places, shape=(num,) + (1,) * max(first.ndim, last.ndim))
    step = (last - first) / size_number(parts)
    values = number * step + first
    if endpoint and num != 1:
        is_last = call("equal", number, size_number(maximum(num - 1, 1)))
        values = call("select", is_last, last, values)
    wanted = own if dtype is None else element_type(dtype)
    values = convert(FUNCTIONS["floor"](values) if wanted.is_integer else values, wanted)
    values = FUNCTIONS["moveaxis"](values, 0, axis) if axis else values
    if not retstep:
        return values
    return values, convert(step if is_at_most(1, spaces) is not False else math.nan * step, own)


def _eager_eye(
    n_rows: Any, n_cols: Any = None, /, *, k: int = 0, dtype: Any = float, device: Any = None
) -> Any:
    wanted = element_type(float if dtype is None else dtype).numpy
    return _on(device, np.eye(n_rows, n_cols, k, wanted))


@numpy_like(eager=_eager_eye, creates=True, idle=DEVICE)
def eye(
    n_rows: Any, n_cols: Any = None, /, *, k: int = 0, dtype: Any = float, device: Any = None
) -> Any:
    """Ones on a diagonal, zeros elsewhere."""
    dtype = float if dtype is None else dtype
    shape = (n_rows, n_rows if n_cols is None else n_cols)
    return convert(call("equal", *_row_and_column(shape, k)), element_type(dtype))


def identity(n: Any, dtype: Any = float) -> Any:
    """The unit matrix."""
    return eye(n, dtype=dtype)


def _row_and_column(shape: Any, k: int) -> tuple[Any, Any]:
    """For each element its row plus k, and its column."""
    row = call("iota", shape=tuple(shape), axis=0, dtype=DType.I64)
    return call("add", row, k), call("iota", shape=tuple(shape), axis=1, dtype=DType.I64)


def _eager_tri(n: int, m: Any = None, k: int = 0, dtype: Any = float) -> Any:
    return np.tri(n, m, k, element_type(dtype).numpy)


@numpy_like(eager=_eager_tri, creates=True)
def tri(n: Any, m: Any = None, k: int = 0, dtype: Any = float) -> Any:
    """Ones on and below a diagonal, zeros above."""
    shape = (n, n if m is None else m)
    return convert(call("greater_equal", *_row_and_column(shape, k)), element_type(dtype))


@numpy_like(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    """The elements on and below a diagonal; zeros above."""
    m = traced(m)
    return _kept(call("greater_equal", *_row_and_column(_matrix_shape(m), k)), m)


@numpy_like(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    """The elements on and above a diagonal; zeros below."""
    m = traced(m)
    return _kept(call("less_equal", *_row_and_column(_matrix_shape(m), k)), m)


def _matrix_shape(m: Any) -> Any:
    """The last two sizes; of a row, those of the matrix that it is every row of."""
    return m.shape[-2:] if m.ndim > 1 else (*m.shape, *m.shape)


def _kept(keep: Any, m: Any) -> Any:
    zero = False if m.dtype == np.bool_ else 0
    shape = m.shape if m.ndim > 1 else keep.shape
    return call("select", broadcast_shape_to(keep, shape), broadcast_shape_to(m, shape), zero)


@numpy_like(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """The diagonal of a matrix, or the matrix with a diagonal."""
    v = traced(v)
    expect_rank(v, 1, 2)
    if v.ndim == 2:
        return FUNCTIONS["diagonal"](v, k)
    size = v.shape[0] + abs(k)
    low, high = (max(-k, 0), max(k, 0)), (max(k, 0), max(-k, 0))
    shape = (v.shape[0], v.shape[0])
    here = call("equal", *_row_and_column(shape, 0))
    inner = call("select", here, broadcast_shape_to(v, shape), False if v.dtype == np.bool_ else 0)
    if k == 0:
        return inner
    grown = call("pad", inner, low=low, high=high, interior=(0, 0), value=0)
    return FUNCTIONS["reshape"](grown, (size, size))


@numpy_like(np.meshgrid, idle={"copy": (True, False)})
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    """Coordinate arrays of the grid that one-dimensional arrays span."""
    expect(indexing in ("xy", "ij"), f"meshgrid: indexing is {indexing!r}", 'use "xy" or "ij"')
    arrays = [FUNCTIONS["ravel"](traced(x)) for x in xi]
    rank = len(arrays)
    order = [1, 0, *range(2, rank)] if indexing == "xy" and rank > 1 else list(range(rank))
    sizes: list[Any] = [1] * rank
    for x, axis in zip(arrays, order, strict=True):
        sizes[axis] = x.shape[0]
    found = []
    for x, axis in zip(arrays, order, strict=True):
        thin = FUNCTIONS["reshape"](x, tuple(x.shape[0] if a == axis else 1 for a in range(rank)))
        found.append(thin if sparse else broadcast_shape_to(thin, sizes))
    return tuple(found)


@numpy_like(eager=np.indices, creates=True)
def indices(dimensions: Any, dtype: Any = int) -> Any:
    """For each axis the index of every element."""
    shape, target = tuple(dimensions), element_type(dtype)
    grids = [call("iota", shape=shape, axis=a, dtype=target) for a in range(len(shape))]
    return FUNCTIONS["stack"](grids)
