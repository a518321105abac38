"""Notices what a branch or loop of the graph changes beside the variables of its function.

Such code runs while it is traced: be it taken or not, and once for all turns. So what it can reach
is looked at before and after: objects, and the variables of other functions, and global ones.
"""

from __future__ import annotations

import dis
import sys
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache, partial
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import is_ours, user_location
from symfuse.runtime.errors import SymfuseError, TraceError

from ..tracing.dispatch import unanswered
from ..tracing.places import raised_at
from ..tracing.tracer import Tracer
from .names import HANDLE
from .progress import has_place, place
from .source import is_installed

__all__ = ["traced_within", "unchanged"]

_WITHIN: ContextVar[str | None] = ContextVar("symfuse_within", default=None)

_MOST = 4096  # objects that are looked at
_LONG = 1024  # elements of what is not looked into
_Parts = list[tuple[str, Any]]  # each with how it is written behind the whole
_Held = Callable[[], _Parts]


def traced_within() -> str | None:
    """The kind of code of the graph that is being traced, where that is a part of a function."""
    return _WITHIN.get()


class unchanged:
    """Raises TraceError where the block, which traces `what`, changes what functions reach."""

    def __init__(self, what: str, *functions: Callable[..., Any]) -> None:
        self._what, self._functions = what, functions
        self._before: list[tuple[str, _Held, _Parts]] = []

    def __enter__(self) -> None:
        self._token = _WITHIN.set(self._what)
        self._before = [(path, held, held()) for path, held in _reached(self._functions)]

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        _WITHIN.reset(self._token)
        if error is not None:
            self._expect_traced(error)
        for path, held, parts in self._before if error is None else ():
            now = held()
            if len(now) != len(parts) or not all(map(_is_same, parts, now)):
                raise TraceError(
                    f"{path} changes in {self._what} that a traced value decides on",
                    fix="give the value to a variable in every branch, and make the change after",
                    loc=user_location(),
                )

    def _expect_traced(self, error: BaseException) -> None:
        """Raise TraceError for what Python would raise only if it came to that line."""
        if not isinstance(error, Exception) or isinstance(error, RecursionError):
            return
        if isinstance(error, SymfuseError):
            unanswered(error)
            return
        found = TraceError(
            f"{type(error).__name__} is raised in {self._what} that a traced value decides on"
            + (f": {error}" if str(error) else ""),
            fix="write sf.debug.check(condition, message), or check the value that is returned",
            loc=raised_at(error),
        )
        raise unanswered(found) from error


def _is_same(one: tuple[str, Any], other: tuple[str, Any]) -> bool:
    before, after = one[1], other[1]
    return before is after or (type(before) is bytes and bool(before == after))


def _reached(functions: tuple[Callable[..., Any], ...]) -> list[tuple[str, _Held]]:
    """What functions reach that can change, by how it is written."""
    found: list[tuple[str, _Held]] = []
    ahead: deque[tuple[str, Any]] = deque(("", one) for one in functions)
    seen: dict[int, Any] = {}
    while ahead and len(seen) < _MOST:
        path, one = ahead.popleft()
        if id(one) in seen:
            continue
        seen[id(one)] = one
        if isinstance(one, FunctionType | MethodType | partial):
            parts = _beneath(one)
            found += _assigned(one) if isinstance(one, FunctionType) else []
        else:
            parts = [(f"{path}{step}", part) for step, part in _held(one)]
            found += [(path, partial(_held, one))] if _can_change(one) else []
        ahead.extend(parts)
    return found


def _beneath(function: Any) -> _Parts:
    """What a function closes over, its object or arguments, and the global values that it names."""
    if isinstance(function, MethodType):
        return [("self", function.__self__), ("", function.__func__)]
    if isinstance(function, partial):
        return [("", one) for one in (function.func, *function.args, *function.keywords.values())]
    code = function.__code__
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    parts = [(name, part) for name, cell in cells for _, part in _content(cell)]
    if is_ours(code) or is_installed(code.co_filename):
        return parts
    known = function.__globals__
    return [*parts, *((name, known[name]) for name in _names(code) if name in known)]


def _assigned(function: FunctionType) -> list[tuple[str, _Held]]:
    """The variables that a function assigns and that are not its own."""
    code = function.__code__
    if is_ours(code) or code.co_name.startswith(HANDLE):
        return []
    outer, global_ = _stored(code)
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    kept: list[tuple[str, _Held]] = [
        (name, partial(_content, cell)) for name, cell in cells if name in outer
    ]
    known = function.__globals__
    return [*kept, *((name, partial(_global, known, name)) for name in global_)]


def _content(cell: CellType) -> _Parts:
    try:
        return [("", cell.cell_contents)]
    except ValueError:  # which an empty one raises
        return []


def _global(known: dict[str, Any], name: str) -> _Parts:
    return [("", known[name])] if name in known else []


def _can_change(one: Any) -> bool:
    kinds = (Tracer, np.ndarray, list, dict, set, deque, bytearray)
    return isinstance(one, kinds) or _has_fields(one) or has_place(one)


def _has_fields(one: Any) -> bool:
    """Whether it is an object, or a class, of the user's."""
    cls = one if isinstance(one, type) else type(one)
    return hasattr(one, "__dict__") and not isinstance(one, ModuleType) and _is_users(cls)


@cache
def _is_users(cls: type) -> bool:
    if cls.__module__ == "builtins" or cls.__module__.partition(".")[0] == "symfuse":
        return False
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return file is None or not is_installed(file)


def _held(one: Any) -> _Parts:
    """What an object holds."""
    if isinstance(one, Tracer):
        return [("", one._node)]
    if has_place(one):
        return [("", part) for part in place(one)]
    if isinstance(one, np.ndarray | bytearray):
        is_short = len(one) < _LONG if isinstance(one, bytearray) else one.size < _LONG
        return [("", bytes(one))] if is_short else []
    if _has_fields(one):
        fields = [(f".{name}", part) for name, part in vars(one).items()]
        return fields if isinstance(one, type) else [*fields, ("", type(one))]
    if not isinstance(one, list | tuple | dict | set | frozenset | deque) or len(one) >= _LONG:
        return []
    if isinstance(one, dict):
        return [*((f"[{key!r}]", part) for key, part in one.items()), *(("", key) for key in one)]
    return [(f"[{at}]", part) for at, part in enumerate(one)]


@cache
def _names(code: CodeType) -> tuple[str, ...]:
    """The global names, and those of attributes, in a code and in those within it."""
    inner = (one for one in code.co_consts if isinstance(one, CodeType))
    return tuple({*code.co_names, *(name for one in inner for name in _names(one))})


@cache
def _stored(code: CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """The names that a code, or those within it, assign: of functions around it, and global."""
    outer, global_ = set[str](), set[str]()
    for one in dis.get_instructions(code):
        if one.opname in ("STORE_DEREF", "DELETE_DEREF"):
            outer.add(one.argval)
        elif one.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            global_.add(one.argval)
        elif isinstance(one.argval, CodeType):
            more = _stored(one.argval)
            outer, global_ = outer | more[0], global_ | more[1]
    return frozenset(outer & {*code.co_freevars}), frozenset(global_)
