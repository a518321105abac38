"""Functions made again from their rewritten source, with the variables that they close over."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import CellType, CodeType, FunctionType, MethodType, SimpleNamespace
from typing import Any

from symfuse.compiler.ir.location import is_ours
from symfuse.runtime.errors import TraceError

from ..tracing.tracer import Tracer
from . import choices, comprehensions, logic, walks
from .arrays import array_like, item
from .builtin import BUILTINS
from .names import HANDLE, reads_scope
from .rewrite import rewritten
from .source import bare, compiled, definition, is_installed
from .states import NOTHING, anything

__all__ = ["callee", "captured"]

_UNUSUAL = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_codes: dict[int, tuple[CodeType, CodeType]] = {}  # by identity: a code, and what it became


def captured(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its control flow rewritten; itself where nothing of it is the user's.

    TraceError where its source cannot be found or rewritten.
    """
    if isinstance(function, MethodType):
        return MethodType(captured(function.__func__), function.__self__)
    if isinstance(function, functools.partial):
        given = [captured(x) if isinstance(x, FunctionType) else x for x in function.args]
        return functools.partial(captured(function.func), *given, **function.keywords)
    if isinstance(function, FunctionType):
        return _made(function) if _may_change(function.__code__) else function
    own = inspect.getattr_static(type(function), "__call__", None)
    if isinstance(own, FunctionType) and _may_change(own.__code__):
        return MethodType(_made(own), function)
    return function


def _code_of(function: Any) -> CodeType | None:
    """The code that a call of a function, a method or an object runs."""
    if isinstance(function, type | Tracer):
        return None
    own = inspect.getattr_static(type(function), "__call__", None)
    found = getattr(function, "__func__", function)
    for one in (found, own):
        if isinstance(one, FunctionType):
            return one.__code__
    return None


def callee(function: Any) -> Any:
    """What a call in rewritten code calls: Python's own functions get ones for traced values."""
    known = BUILTINS.get(id(function))
    if known is not None:
        return known
    if (known := array_like(function)) is not None:
        return known
    code = _code_of(function)
    if code is None or not _may_change(code) or is_installed(code.co_filename):
        return function
    try:
        return captured(function)
    except TraceError:
        return function


def _may_change(code: CodeType) -> bool:
    return not is_ours(code) and HANDLE not in code.co_freevars


def _made(function: FunctionType) -> FunctionType:
    """The function of the rewritten code over the same variables."""
    code = _rewritten_code(function.__code__)
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    cells[HANDLE] = CellType(_PROVIDED)
    closure = tuple(cells[name] for name in code.co_freevars)
    made = FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, closure
    )
    made.__kwdefaults__ = function.__kwdefaults__
    made.__qualname__, made.__module__ = function.__qualname__, function.__module__
    made.__dict__.update(function.__dict__)
    return made


def _rewritten_code(code: CodeType) -> CodeType:
    known = _codes.get(id(code))
    if known is None:
        known = _codes[id(code)] = (code, _compiled(code))
    return known[1]


def _compiled(code: CodeType) -> CodeType:
    if code.co_flags & _UNUSUAL:
        raise TraceError(f"{code.co_name} is a generator or a coroutine")
    found = definition(code)
    if (name := reads_scope(found.node)) is not None:
        raise TraceError(f"{code.co_name} calls {name}(), which asks for its variables by name")
    node = bare(found.node)
    rewritten(node, found.class_name)
    try:
        made = compiled(node, code, [HANDLE])
    except SyntaxError as error:
        raise TraceError(f"{code.co_name} cannot be rewritten: {error}") from None
    return made.replace(co_name=code.co_name, co_qualname=code.co_qualname)


_PROVIDED = SimpleNamespace(
    NOTHING=NOTHING,
    anything=anything,
    and_=logic.and_,
    assert_=logic.assert_,
    branch=choices.branch,
    callee=callee,
    chain=logic.chain,
    chained=comprehensions.chained,
    choose=choices.choose,
    for_loop=walks.for_loop,
    generated=comprehensions.generated,
    is_=logic.is_,
    is_left=logic.is_left,
    is_sequence=logic.is_sequence,
    item=item,
    leave=choices.leave,
    listed=comprehensions.listed,
    not_=logic.not_,
    or_=logic.or_,
    slice=slice,
    while_loop=walks.while_loop,
)
"""What rewritten code calls."""
