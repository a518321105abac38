"""`x[mask]` for a traced mask: how many elements there are is known only when the graph runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import is_equal
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError, TraceError

from .. import numpy as snp
from ..tracing.dispatch import numpy_like
from ..tracing.tracer import Tracer
from .shared import normal_axis

__all__ = ["Masked"]

_SUMMARIES = ("all", "any", "max", "mean", "min", "prod", "std", "sum", "var")


class Masked:
    """The elements of an array where a mask holds, kept in their places.

    It takes part in arithmetic with numbers and with other arrays at the same mask, can be summed
    up, and is written where the mask holds: `x[m] *= 2`, `x[m] = y[m] + 1`, `x[m].mean()`. What
    needs the elements one behind the other is an error.
    """

    __slots__ = ("loc", "mask", "whole")
    __array_priority__ = 1000
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, whole: Tracer, mask: Tracer) -> None:
        self.whole, self.mask, self.loc = whole, mask, user_location()

    @property
    def dtype(self) -> Any:
        return self.whole.dtype

    @property
    def ndim(self) -> int:
        """The axes of the array, with one in place of those of the mask."""
        return self._more + 1

    @property
    def size(self) -> Any:
        """How many elements there are, as a traced number."""
        return snp.sum(self._wide_mask())

    def _spread(self, key: Any) -> Tracer:
        """The array of all places, for a write where `key` holds."""
        if isinstance(key, Tracer) and key._node is self.mask._node:
            return self.whole
        raise self._unknown("a write at other places")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs:
            raise self._unknown(f"np.{ufunc.__name__}.{method}")
        found = ufunc(*map(self._beside, inputs))
        return Masked(found, self.mask) if isinstance(found, Tracer) else found

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = function.__name__
        if name in _SUMMARIES and args[0] is self and len(args) <= 2:
            return getattr(self, name)(*args[1:], **kwargs)
        raise self._unknown(f"np.{name}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise self._unknown(f".{name}")

    def _beside(self, other: Any) -> Any:
        """Another operand with its elements in their places."""
        if isinstance(other, Masked):
            return other._spread(self.mask)
        if np.ndim(other) if not isinstance(other, Tracer) else other.ndim:
            raise self._unknown("arithmetic with an array")
        return other

    def _wide_mask(self) -> Any:
        wide = snp.reshape(self.mask, (*self.mask.shape, *(1,) * self._more))
        return snp.broadcast_to(wide, self.whole.shape)

    @property
    def _more(self) -> int:
        return int(self.whole.ndim - self.mask.ndim)

    def _axes(self, axis: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Those of the mask, if the axis of x[mask] that they become is among these, and others."""
        axes = range(self.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        found = [normal_axis(a, self.ndim) for a in axes]
        own = self.mask.ndim
        return tuple(range(own)) if 0 in found else (), tuple(a - 1 + own for a in found if a)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise self._unknown("an array", self.loc)

    def _unknown(self, what: str, loc: Any = None) -> TraceError:
        return TraceError(
            f"{what} of x[mask]: a traced array of truth values selects a number of elements that "
            "is not known",
            fix="keep the shape: snp.where(mask, x, 0), or give the greatest number of elements: "
            "snp.extract(mask, x, size=n)",
            loc=loc or user_location(),
        )


def _summary(name: str) -> Callable[..., Any]:
    def summary(self: Masked, axis: Any = None, **options: Any) -> Any:
        if more := options.keys() - {"ddof", "dtype"}:
            raise self._unknown(f".{name} with {', '.join(sorted(more))}")
        masked, others = self._axes(axis)
        if not masked:
            return Masked(getattr(snp, name)(self.whole, axis=others, **options), self.mask)
        initial = {"max": "min", "min": "max"}.get(name)
        given: dict[str, Any] = {"where": self._wide_mask(), "axis": (*masked, *others)}
        if initial is not None:
            given["initial"] = _limit(self.whole.dtype, initial)
        return getattr(snp, name)(self.whole, **given, **options)

    summary.__doc__ = f"The {name} of the elements where the mask holds; axis 0 is theirs."
    return summary


def _limit(dtype: np.dtype[Any], end: str) -> Any:
    """The least or greatest number of an element type."""
    if dtype == np.bool_:
        return end == "max"
    if np.issubdtype(dtype, np.integer):
        return int(getattr(np.iinfo(dtype), end))
    return np.inf if end == "max" else -np.inf


def _binary(ufunc: Any) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
    return lambda self, other: ufunc(self, other), lambda self, other: ufunc(other, self)


for _name in _SUMMARIES:
    setattr(Masked, _name, _summary(_name))
for _name, _ufunc in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide,
    "floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power, "and": np.bitwise_and,
    "or": np.bitwise_or, "xor": np.bitwise_xor,
}.items():  # fmt: skip
    _plain, _reflected = _binary(_ufunc)
    setattr(Masked, f"__{_name}__", _plain)
    setattr(Masked, f"__i{_name}__", _plain)
    setattr(Masked, f"__r{_name}__", _reflected)
for _name, _ufunc in {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal,
    "ne": np.not_equal,
}.items():  # fmt: skip
    setattr(Masked, f"__{_name}__", _binary(_ufunc)[0])
for _name, _single in {"neg": np.negative, "abs": np.absolute, "invert": np.invert}.items():
    setattr(Masked, f"__{_name}__", lambda self, _f=_single: _f(self))


def _refused(what: str) -> Callable[..., Any]:
    def refuse(self: Masked, *_: Any, **__: Any) -> Any:
        raise self._unknown(what)

    return refuse


for _name, _what in {
    "len": "len()", "iter": "iteration", "getitem": "an index",
    "bool": "a branch", "float": "float()", "int": "int()",
}.items():  # fmt: skip
    setattr(Masked, f"__{_name}__", _refused(_what))


@numpy_like(name="masked")
def masked(x: Any, mask: Any) -> Any:
    """The elements of x where a traced mask, of its leading axes, holds."""
    sizes = zip(mask.shape, x.shape, strict=False)
    if mask.ndim > x.ndim or any(is_equal(m, n) is not True for m, n in sizes):
        raise ShapeError(
            f"a mask of shape {tuple(mask.shape)} for an array of shape {tuple(x.shape)}",
            fix="the mask has the sizes of the leading axes",
            loc=user_location(),
        )
    return Masked(x, mask)
