"""Tracers: they stand for arrays while a function is traced, and answer as arrays do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any
from weakref import ref

import numpy as np

from symfuse.compiler.ir.location import is_ours, user_location
from symfuse.compiler.ir.node import Node
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, SymfuseError, TraceError, UnsupportedError, nearest

from .dispatch import FUNCTIONS, HOMES, call_numpy, unanswered, unsupported
from .hints import rewritten
from .memory import Memory
from .methods import METHODS
from .refusals import NoValueError
from .sizes import shown_to_users

__all__ = ["Tracer"]

FEW_PARTS = 16  # that are unpacked, or iterated over, one by one
_DECIDES = frozenset(
    {
        "a branch", "an index or size", "conversion to a NumPy array", "iteration",
        "len() of a symbolic size",
    }
)  # fmt: skip


def _is_writable(source: DType, target: DType) -> bool:
    """Whether in-place arithmetic may write these values into an array, as NumPy has it."""
    if DType.BF16 in (source, target):
        return target.is_inexact
    return np.can_cast(source.numpy, target.numpy, "same_kind")


class _NoAttribute(UnsupportedError, AttributeError):
    """A method that arrays have and tracers do not."""


def _binary(name: str) -> Callable[[Any, Any], Any]:
    def operator(self: Any, other: Any) -> Any:
        return FUNCTIONS[name](self, other)

    return operator


def _reflected(name: str) -> Callable[[Any, Any], Any]:
    def operator(self: Any, other: Any) -> Any:
        return FUNCTIONS[name](other, self)

    return operator


def _in_place(name: str) -> Callable[[Any, Any], Any]:
    def operator(self: Any, other: Any) -> Any:
        result = FUNCTIONS[name](self, other)
        if not self._node.shape:
            return result  # a number, of which `+=` makes another one, in NumPy too
        return self._update_in_place(result, name)

    return operator


def _unary(name: str) -> Callable[[Any], Any]:
    def operator(self: Any) -> Any:
        return FUNCTIONS[name](self)

    return operator


def _method(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return FUNCTIONS[name](self, *args, **kwargs)

    method.__name__ = name
    method.__doc__ = f"As symfuse.numpy.{name}, with this array as the first argument."
    return method


def _no_value(what: str) -> Callable[..., Any]:
    def convert(self: Any, *_: Any, **__: Any) -> Any:
        raise self._has_no_value(what)

    return convert


class Tracer(Memory):
    """A value of the graph that is being traced; it has a shape and a dtype but no elements."""

    __slots__ = ("__weakref__", "_weak")
    __array_priority__ = 1000
    __symfuse_leaf__ = True

    def __init__(
        self,
        trace: Any,
        node: Node,
        *,
        weak: bool = False,
        view: tuple[Tracer, int] | None = None,
        owned: bool = False,
    ) -> None:
        self._trace, self._node, self._weak = trace, node, weak
        self._view = view  # the array whose memory NumPy would share, and its version then
        self._is_owned = owned  # a parameter that no caller has another name for
        self._version = 0  # counts in-place writes
        self._pending: Tracer | None = None  # the array that `x[i] += 1` is about to write
        self._awaited: Tracer | None = None  # and there, what it is about to be written
        self._shares: tuple[
            tuple[ref[Tracer], int], ...
        ] = ()  # what a branch may have given, likewise
        self._lost: Any = None  # where it was written by another name, which has its elements

    @property
    def shape(self) -> tuple[Any, ...]:
        shape = self._node.type.shape
        if all(type(size) is int for size in shape) or is_ours(sys._getframe(1).f_code):
            return shape
        return shown_to_users(shape)

    def _seen(self, size: Any) -> Any:
        """A number of elements or bytes, as whoever asks for the property gets it."""
        return size if is_ours(sys._getframe(2).f_code) else shown_to_users((size,))[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._node.type.dtype.numpy

    @property
    def ndim(self) -> int:
        return len(self._node.type.shape)

    @property
    def size(self) -> Any:
        return self._seen(self._node.type.size)

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> Any:
        return self._seen(self._node.type.nbytes)

    @property
    def T(self) -> Any:
        return FUNCTIONS["transpose"](self)

    @property
    def mT(self) -> Any:
        return FUNCTIONS["matrix_transpose"](self)

    @property
    def real(self) -> Any:
        return FUNCTIONS["real"](self)

    @property
    def imag(self) -> Any:
        return FUNCTIONS["imag"](self)

    @property
    def at(self) -> Any:
        """`x.at[i].set(v)`: x with other elements at i, as a new array."""
        return FUNCTIONS["at"](self)

    @property
    def device(self) -> None:
        """None: the program that this becomes part of has a device."""

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        """The array itself, as it has no device."""
        return self

    def __array_namespace__(self, *, api_version: Any = None) -> Any:
        return FUNCTIONS["namespace"](api_version)

    def __len__(self) -> int:
        if not self.shape:
            raise TraceError("len() of an array of rank 0", loc=user_location())
        if not isinstance(self.shape[0], int):
            raise self._has_no_value("len() of a symbolic size")
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        is_mask = isinstance(key, Tracer) and key._node.dtype.is_bool
        return FUNCTIONS["masked" if is_mask else "getitem"](self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, Tracer) and value._pending is self:
            value._pending = self._awaited = None
        self._check_writable()
        spread = getattr(value, "_spread", None)  # of x[mask], which has no array of its own
        self._write(FUNCTIONS["setitem"](self, key, value if spread is None else spread(key)))

    def __divmod__(self, other: Any) -> Any:
        return FUNCTIONS["floor_divide"](self, other), FUNCTIONS["remainder"](self, other)

    def __rdivmod__(self, other: Any) -> Any:
        return FUNCTIONS["floor_divide"](other, self), FUNCTIONS["remainder"](other, self)

    @property
    def flat(self) -> Any:
        """All elements along one axis, to be read: `x.flat[3]`."""
        return FUNCTIONS["ravel"](self)

    def __round__(self, digits: int = 0) -> Any:
        return FUNCTIONS["round"](self, digits)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.get("out", ())
        if len(out) == 1:
            kwargs["out"] = out[0]
            where = kwargs.pop("where", True)
            if where is not True:
                result = self.__array_ufunc__(ufunc, method, *inputs)
                return call_numpy(np.where, (where, result, out[0]), {"out": out[0]})
        if method == "__call__":
            return call_numpy(ufunc, inputs, kwargs)
        name = f"{ufunc.__name__}.{method}"
        if name not in FUNCTIONS and name not in HOMES:
            raise unsupported(name)
        return FUNCTIONS[name](*inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return call_numpy(function, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in dir(np.ndarray):
            raise AttributeError(f"a traced array has no attribute {name!r}")
        close = nearest(name, (*_PLAIN_METHODS, *METHODS), cutoff=0.5)
        raise _NoAttribute(
            f"the array method .{name} cannot be traced into a graph",
            fix=f"the nearest supported method is .{close}" if close else "",
            loc=user_location(),
        )

    def __repr__(self) -> str:
        name = self._node.source.variable()
        return f"<traced {f'{name}: ' if name else ''}{self._node.type}>"

    def item(self, *_: Any) -> Any:
        """Refused: a traced array has no elements yet."""
        raise self._has_no_value("item()")

    def tolist(self) -> Any:
        """Refused: a traced array has no elements yet."""
        raise self._has_no_value("tolist()")

    def __format__(self, spec: str) -> str:
        if spec:
            raise self._has_no_value("formatting")
        return repr(self)

    def _update_in_place(self, result: Any, name: str) -> Any:
        if not _is_writable(result._node.dtype, self._node.dtype):
            raise DTypeError(
                f"{name}: the result {result._node.type} cannot be written into {self._node.type}",
                fix=f"convert first: x = x.astype({result.dtype.name!r})",
                loc=user_location(),
            )
        result = FUNCTIONS["astype"](result, self.dtype)
        if result.shape != self.shape:
            result = FUNCTIONS["broadcast_to"](result, self.shape)
        if self._view is not None:
            return Tracer(self._trace, result._node)._for(self._view[0])
        self._check_writable()
        self._write(result)
        return self

    def _receive(self, result: Any) -> Tracer:
        """This array with a result written into it, as `out=` asks for."""
        self._check_writable()
        self._update_in_place(result, "out=")
        return self

    def _for(self, base: Tracer) -> Tracer:
        self._pending, base._awaited = base, self
        return self

    def __iter__(self) -> Iterator[Any]:
        """The parts along the first axis, where they are few; a loop over many is no iteration."""
        length = self.shape[0] if self.shape else None
        if not isinstance(length, int) or length > FEW_PARTS:
            raise self._has_no_value("iteration")
        return iter([self[at] for at in range(length)])

    def _has_no_value(self, what: str) -> SymfuseError:
        loc = user_location()
        kind = NoValueError if what in _DECIDES else TraceError
        error = kind(
            f"{what} needs the value of {self!r}, which is known only when the graph runs",
            fix=rewritten(what, loc.source() if loc else ""),
            loc=loc,
        )
        is_asked_by_user = not is_ours(sys._getframe(2).f_code)  # others handle what they ask
        return unanswered(error) if is_asked_by_user else error


_OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide",
    "floordiv": "floor_divide", "mod": "remainder", "pow": "**", "matmul": "matmul",
    "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift",
}  # fmt: skip
for _symbol, _name in _OPERATORS.items():
    setattr(Tracer, f"__{_symbol}__", _binary(_name))
    setattr(Tracer, f"__r{_symbol}__", _reflected(_name))
    setattr(Tracer, f"__i{_symbol}__", _in_place(_name))

_COMPARISONS = {
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal",
    "gt": "greater", "ge": "greater_equal",
}  # fmt: skip
for _symbol, _name in _COMPARISONS.items():
    setattr(Tracer, f"__{_symbol}__", _binary(_name))

for _symbol, _name in {
    "neg": "negative",
    "pos": "positive",
    "abs": "abs",
    "invert": "bitwise_invert",
}.items():
    setattr(Tracer, f"__{_symbol}__", _unary(_name))

_PLAIN_METHODS = (
    "all", "any", "argmax", "argmin", "argpartition", "argsort", "astype", "choose", "clip",
    "conj", "conjugate", "copy", "cumprod", "cumsum", "diagonal", "dot", "flatten", "max", "mean",
    "min", "nonzero", "prod", "ptp", "put", "ravel", "repeat", "round", "searchsorted", "squeeze",
    "std", "sum", "swapaxes", "take", "trace", "var",
)  # fmt: skip
for _name in _PLAIN_METHODS:
    setattr(Tracer, _name, _method(_name))
for _name, _written in METHODS.items():
    setattr(Tracer, _name, _written)

_CONVERSIONS = {
    "bool": "a branch", "int": "int()", "float": "float()", "complex": "complex()",
    "index": "an index or size", "array": "conversion to a NumPy array",
    "hash": "hashing",
}  # fmt: skip
for _symbol, _name in _CONVERSIONS.items():
    setattr(Tracer, f"__{_symbol}__", _no_value(_name))
