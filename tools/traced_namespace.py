"""`symfuse.numpy` with every call traced, run as a graph, and given back as an array.

The array API's test suite imports this module in place of `symfuse.numpy`. What a test module
calls is traced, and what the suite's own helpers call is computed at once. Where the environment's
TRACED_NAMESPACE_MODE is "interpret", NumPy runs the simplified graphs; else each is compiled.

A call whose result has as many elements as the data say is two: a traced one for their number,
and a traced one with this number as `size=`.
"""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from types import ModuleType
from typing import Any

import numpy as np

import symfuse as sf
from symfuse.compiler.passes.pipeline import run_pipeline
from symfuse.tracing.tracer import Tracer

_EAGER = frozenset({
    "__array_namespace_info__", "can_cast", "finfo", "from_dlpack", "iinfo", "isdtype",
    "promote_types", "issubdtype", "dtype", "broadcast_shapes",
})  # fmt: skip
_SIZED = frozenset({"nonzero", "unique_all", "unique_counts", "unique_inverse", "unique_values"})


class Array(np.ndarray):
    """An array whose operators are traced when a test uses them."""


class _Slot:
    """Where an array stood among the arguments or results of a call."""

    def __init__(self, place: int) -> None:
        self.place = place


def _map(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """The same containers around other leaves."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_map(v, leaf) for v in value))
    if type(value) in (tuple, list):
        return type(value)(_map(v, leaf) for v in value)
    if type(value) is dict:
        return {key: _map(v, leaf) for key, v in value.items()}
    return leaf(value)


def _parted(value: Any, kinds: tuple[type, ...]) -> tuple[Any, list[Any]]:
    """The containers with slots in place of the values of some kinds, and these values."""
    found: list[Any] = []

    def leaf(one: Any) -> Any:
        if not isinstance(one, kinds):
            return one
        found.append(one)
        return _Slot(len(found) - 1)

    return _map(value, leaf), found


def _filled(value: Any, found: Sequence[Any]) -> Any:
    return _map(value, lambda one: found[one.place] if isinstance(one, _Slot) else one)


def as_array(value: Any) -> Any:
    """A result as an array whose operators are traced."""
    return value.view(Array) if isinstance(value, np.ndarray) else value


def run_traced(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """The results of a function, by way of its graph."""
    given, arrays = _parted((args, kwargs), (np.ndarray, np.generic))
    results: list[Any] = []

    def body(*tracers: Any) -> Any:
        positional, named = _filled(given, tracers)
        structure, found = _parted(function(*positional, **named), (Tracer, np.ndarray))
        results.append(structure)
        return tuple(found)

    graph = sf.trace(body, *(np.asarray(one) for one in arrays))
    return _map(_filled(results[-1], _outputs(graph, arrays)), as_array)


def _outputs(graph: Any, arrays: Sequence[Any]) -> Sequence[Any]:
    if not graph.outputs:
        return ()
    values = [np.array(one, one.dtype.newbyteorder("="), order="C") for one in arrays]
    if os.environ.get("TRACED_NAMESPACE_MODE") == "interpret":
        simplified, _ = run_pipeline(graph.ir, numerics="strict")
        found = simplified(*values)
        return found if isinstance(found, tuple) else (found,)
    return sf.compile(graph, target="cpu", mode="fast-compile")(*values)  # type: ignore[no-any-return]


def _callers() -> str:
    """The module that called what called this."""
    return str(sys._getframe(2).f_globals.get("__name__", ""))


def _count(name: str, x: Any) -> int:
    """How many elements a function gives for an array, found by a traced call."""
    if name == "nonzero":
        return int(run_traced(sf.numpy.count_nonzero, (x,), {}))
    found = run_traced(sf.numpy.unique_counts, (x,), {"size": x.size})
    return int(run_traced(sf.numpy.count_nonzero, (found.counts,), {}))


def traced(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is traced when a test calls it."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not _callers().startswith("array_api_tests.test_"):
            return _map(function(*args, **kwargs), as_array)
        if function.__name__ in _SIZED and args:
            kwargs = {**kwargs, "size": _count(function.__name__, args[0])}
        return run_traced(function, args, kwargs)

    return call


def _operators() -> Iterator[tuple[str, Callable[..., Any]]]:
    binary = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_",
              "xor", "lshift", "rshift")  # fmt: skip
    for name in binary:
        function, short = getattr(operator, name), name.rstrip("_")
        yield f"__{short}__", function
        yield f"__r{short}__", lambda x, y, _f=function: _f(y, x)
        yield f"__i{short}__", _in_place(getattr(operator, f"i{short}"))
    for name in ("eq", "ne", "lt", "le", "gt", "ge", "neg", "pos", "abs", "invert"):
        yield f"__{name}__", getattr(operator, name)


def _in_place(function: Callable[..., Any]) -> Callable[..., Any]:
    """In-place arithmetic on a copy, as arguments belong to the caller."""

    def updated(x: Any, other: Any) -> Any:
        return function(sf.numpy.array(x), other)

    return updated


def _method(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    plain = getattr(np.ndarray, name)

    def call(self: Any, *args: Any) -> Any:
        if not _callers().startswith("array_api_tests.test_"):
            return plain(self, *args)
        found = run_traced(function, (self, *args), {})
        if not name.startswith("__i") or name == "__invert__":
            return found
        np.copyto(self, found)
        return self

    return call


def _getitem(self: Any, key: Any) -> Any:
    if _callers() != "array_api_tests.test_array_object":
        return np.ndarray.__getitem__(self, key)
    if isinstance(key, np.ndarray) and key.dtype == np.bool_:
        return run_traced(_chosen, (self, key), {"size": _count("nonzero", key)})
    return run_traced(operator.getitem, (self, key), {})


def _chosen(x: Any, mask: Any, *, size: int) -> Any:
    """x[mask] by the places where the mask holds, of which there are `size`."""
    if not mask.ndim:
        x, mask = x[None], mask[None]
    sizes = zip(mask.shape, x.shape, strict=False)
    if mask.ndim > x.ndim or [m for m, n in sizes if m not in (n, 0)]:
        raise IndexError(f"a mask of shape {mask.shape} for an array of shape {x.shape}")
    return x[sf.numpy.nonzero(mask, size=size)]


def _setitem(self: Any, key: Any, value: Any) -> None:
    if _callers() != "array_api_tests.test_array_object":
        np.ndarray.__setitem__(self, key, value)
    else:
        np.copyto(self, run_traced(_written, (self, key, value), {}))


def _written(x: Any, key: Any, value: Any) -> Any:
    result = sf.numpy.array(x)
    result[key] = value
    return result


for _name, _function in _operators():
    setattr(Array, _name, _method(_name, _function))
Array.__getitem__, Array.__setitem__ = _getitem, _setitem  # type: ignore[method-assign]


class _Namespace:
    """A namespace of functions, traced."""

    def __init__(self, functions: Any) -> None:
        for name in functions.__all__:
            setattr(self, name, _wrapped(name, getattr(functions, name)))


def _wrapped(name: str, value: Any) -> Any:
    if isinstance(value, ModuleType):
        return _Namespace(value)
    is_function = callable(value) and not isinstance(value, type)
    return traced(value) if is_function and name not in _EAGER else value


__version__ = sf.__version__
for _name in dir(sf.numpy):
    if not _name.startswith("_") or _name.startswith("__array"):
        globals()[_name] = _wrapped(_name, getattr(sf.numpy, _name))
