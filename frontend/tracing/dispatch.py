"""The functions of symfuse.numpy by name and by the NumPy function that they stand for."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import wraps
from importlib import import_module
from typing import Any, TypeVar

from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.op import operations
from symfuse.runtime.errors import SymfuseError, TraceError, UnsupportedError, nearest

from .places import raised_at
from .refusals import PLAIN, about_call, about_value

__all__ = [
    "ACTIVE",
    "FUNCTIONS",
    "HOMES",
    "STANDS_FOR",
    "UNANSWERED",
    "Traceable",
    "builder_of",
    "has_tracer",
    "numpy_like",
    "unanswered",
    "unsupported",
]

ACTIVE: ContextVar[Any] = ContextVar("symfuse_trace", default=None)
"""The trace that is recording in this context, or None."""

UNANSWERED: ContextVar[list[SymfuseError] | None] = ContextVar("symfuse_unanswered", default=None)
"""Errors of the running trace that end it, also where an `except Exception` of the user's is."""

HOMES: dict[str, str] = {}
"""The modules that are loaded when one of their functions is first used, by its name."""


class _Functions(dict[str, Callable[..., Any]]):
    """Functions by name; the module of one that is missing is loaded."""

    def __missing__(self, name: str) -> Callable[..., Any]:
        import_module(HOMES[name])
        if name not in self:
            raise KeyError(name)
        return self[name]


FUNCTIONS: dict[str, Callable[..., Any]] = _Functions()
"""What builds the graph of each function, by the name that users know."""

STANDS_FOR: dict[Any, Callable[..., Any]] = {}
"""What builds the graph of each NumPy function and ufunc."""

Idle = Mapping[str, Sequence[Any] | None]
_NONE: Idle = {}
_F = TypeVar("_F", bound=Callable[..., Any])


class Traceable:
    """What tracers are, known here so that functions can tell them from arrays."""

    __slots__ = ()


def unanswered(error: SymfuseError) -> SymfuseError:
    """The error, which ends the running trace even if the user's code handles it."""
    errors = UNANSWERED.get()
    if errors is not None:
        errors.append(error)
    return error


def has_tracer(values: Any) -> bool:
    """Whether one of the values, or of the lists and tuples among them, is a tracer."""
    for value in values:
        if isinstance(value, Traceable):
            return True
        if type(value) in (list, tuple) and has_tracer(value):
            return True
    return False


def numpy_like(
    *stands_for: Any,
    eager: Callable[..., Any] | None = None,
    view: bool = False,
    creates: bool = False,
    name: str = "",
    idle: Idle = _NONE,
) -> Callable[[_F], _F]:
    """Have a function compute at once by NumPy on arrays and build the graph on tracers.

    `view` says that the result shares memory with the argument; `creates` that the function
    makes a traced array whenever a trace is running. `name` is the key in FUNCTIONS where another
    function has the plain one. `idle` names the parameters that change nothing in a graph, with the
    values that they may have (None: any).
    """

    def decorate(build: _F) -> _F:
        compute = eager or (stands_for[0] if stands_for else None)
        known = name or build.__name__.rstrip("_")
        built = _built(build, view, known, idle)

        @wraps(build)
        def function(*args: Any, **kwargs: Any) -> Any:
            traced = has_tracer(args) or (kwargs and has_tracer(kwargs.values()))
            if traced or compute is None or (creates and ACTIVE.get() is not None):
                return built(*args, **kwargs)
            return compute(*args, **kwargs)

        FUNCTIONS[known] = built
        for numpy_function in stands_for:
            STANDS_FOR[numpy_function] = built
        return function  # type: ignore[return-value]

    return decorate


def _built(build: Callable[..., Any], view: bool, name: str, idle: Idle) -> Callable[..., Any]:
    """The function with its results marked as arrays of their own, which may be written to, unless
    they are views; and written into `out` where that is given. Its errors begin with its name and
    name the user's line."""
    code = getattr(inspect.unwrap(build), "__code__", None)
    positional = code.co_varnames[: code.co_argcount] if code else ()
    out_at = positional.index("out") if "out" in positional else sys.maxsize

    @wraps(build)
    def built(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if len(args) > out_at:
            args, out = (*args[:out_at], None, *args[out_at + 1 :]), args[out_at]
        try:
            if idle:
                _expect_idle(idle, {**kwargs, **dict(zip(positional, args, strict=False))})
            result = build(*args, **kwargs)
        except SymfuseError as error:
            _name_in(error, name)
            raise
        except PLAIN as error:
            if raised_at(error) is not None:
                raise  # by a function of the user's
            known = about_value(error) or about_call(error, name, build, args, kwargs)
            raise known from error
        if not view:
            _mark_fresh(result, args)
        return result if out is None else _received(result, out)

    built.idle = idle  # type: ignore[attr-defined]
    return built


def _expect_idle(idle: Idle, given: Mapping[str, Any]) -> None:
    """Raise if a parameter without effect on a graph has a value that asks for one."""
    for name in given.keys() & idle.keys():
        known, value = idle[name], given[name]
        if known is not None and not any(value is one or value == one for one in known):
            raise UnsupportedError(
                f"{name}={value!r} has no meaning for a traced array",
                fix=f"leave it out, or give one of {', '.join(map(repr, known))}",
                loc=user_location(),
            )


def _name_in(error: SymfuseError, name: str) -> None:
    """Have an error about arguments begin with the name of the function that the user called."""
    if isinstance(error, TraceError):
        return  # which is about a value, wherever it is used
    what = getattr(error, "bare", None) or _without_name(error.what)
    error.bare = what  # type: ignore[attr-defined]
    first = re.match(r"[\w.]*", what)
    is_named = first is not None and first.group() in (name, name.rpartition(".")[2])
    error.restate(what if is_named else f"{name}: {what}")


def _without_name(what: str) -> str:
    """What an error says after the name of the function, or of the operation, that it came from."""
    head, _, rest = what.partition(": ")
    is_name = head in FUNCTIONS or head in HOMES or head in operations
    return rest if rest and is_name else what


def _mark_fresh(result: Any, args: Any) -> None:
    for part in result if type(result) in (tuple, list) else (result,):
        if isinstance(part, Traceable) and not any(part is arg for arg in args):
            part._view = None  # type: ignore[attr-defined]


def _received(result: Any, out: Any) -> Any:
    """The array that was given for a result, with it written there."""
    if isinstance(out, Traceable):
        return out._receive(result)  # type: ignore[attr-defined]
    raise TraceError(
        f"{result!r} cannot be written into a NumPy array while it is traced",
        fix="write y = y + x, or make y by symfuse.numpy.zeros instead of numpy.zeros",
        loc=user_location(),
    )


def unsupported(name: str) -> UnsupportedError:
    """The error for a NumPy function that has no graph form, with the nearest one that has."""
    names = sorted({*FUNCTIONS, *HOMES})
    parts = (known for known in names if known in name or name in known)
    close = nearest(name, names, cutoff=0.5) or next(parts, "")
    fix = (
        f"the nearest supported function is symfuse.numpy.{close}"
        if close
        else "write it with functions of symfuse.numpy"
    )
    return UnsupportedError(
        f"np.{name} cannot be traced into a graph", fix=fix, loc=user_location()
    )


def builder_of(function: Any) -> Callable[..., Any] | None:
    """What builds the graph of a NumPy function; None if nothing does."""
    known = STANDS_FOR.get(function)
    if known is None and (home := HOMES.get(_name(function))):
        import_module(home)
        known = STANDS_FOR.get(function)
    return known or _of_scipy(function)


def call_numpy(function: Any, args: Any, kwargs: Any) -> Any:
    """The graph of a NumPy function that was called on a tracer."""
    known = builder_of(function)
    if known is None:
        raise unsupported(_name(function))
    return known(*args, **kwargs)


# The ufuncs that plain functions of SciPy call.
_BENEATH = {"_riemann_zeta": "zeta", "_zeta": "zeta"}


def _of_scipy(function: Any) -> Callable[..., Any] | None:
    """What builds the graph of a function of scipy.special, which is loaded if it is called."""
    name, theirs = getattr(function, "__name__", ""), sys.modules.get("scipy.special")
    beneath = getattr(theirs, "_ufuncs", None)
    if function not in (getattr(module, name, None) for module in (theirs, beneath)):
        return None
    name = _BENEATH.get(name, name)
    ours = import_module("symfuse.special")
    return getattr(ours, name) if name in ours.__all__ else None


def _name(function: Any) -> str:
    module = getattr(function, "__module__", "") or ""
    prefix = module.removeprefix("numpy").lstrip(".")
    name = getattr(function, "__name__", str(function))
    return f"{prefix}.{name}" if prefix and "_" not in prefix else name
