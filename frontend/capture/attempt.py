"""Traces a function as it is, and rewritten where that needs a value that does not exist yet."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from symfuse.runtime.errors import SymfuseError, TraceError

from ..tracing.dispatch import UNANSWERED, unanswered
from ..tracing.places import raised_at
from ..tracing.refusals import NoValueError

__all__ = ["capturing", "inlined"]

_T = TypeVar("_T")
_is_rewriting: ContextVar[bool] = ContextVar("symfuse_rewriting", default=False)
_rewritten: dict[int, Any] = {}  # code that is known to need it, by identity


def capturing(function: Callable[..., Any], run: Callable[[Callable[..., Any]], _T]) -> _T:
    """`run(function)`; if a traced value decides in it, the same of the rewritten function."""
    code = getattr(function, "__code__", None)
    if id(code) in _rewritten:
        return _run(run, _capture().captured(function))
    try:
        return _answered(run, function)
    except NoValueError as error:
        if error.is_final:
            raise
        needed = error
    capture = _capture()
    try:
        again = capture.captured(function)
    except TraceError as reason:
        raise _final(needed, f"; it cannot be rewritten: {reason.what}") from None
    try:
        found = _run(run, again)  # even if nothing of it is the user's: it may call what is
    except NoValueError as error:
        raise _final(error) from None
    except RecursionError as error:
        raise _endless(function, error) from None
    if code is not None and again is not function:
        _rewritten[id(code)] = code
    return found


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function as symfuse is to call it in the running trace: rewritten if its caller is."""
    return _capture().callee(function) if _is_rewriting.get() else function


def _run(run: Callable[[Callable[..., Any]], _T], function: Callable[..., Any]) -> _T:
    token = _is_rewriting.set(True)
    try:
        return _answered(run, function)
    finally:
        _is_rewriting.reset(token)


def _answered(run: Callable[[Callable[..., Any]], _T], function: Callable[..., Any]) -> _T:
    """`run(function)`; what needs a value that is not there is raised, whoever handles it."""
    errors: list[SymfuseError] = []
    token = UNANSWERED.set(errors)
    try:
        found = run(function)
    finally:
        UNANSWERED.reset(token)
    if errors:
        raise errors[0]
    return found


def _endless(function: Callable[..., Any], error: RecursionError) -> TraceError:
    name = getattr(function, "__name__", type(function).__name__)
    return TraceError(
        f"{name} calls itself until a traced value ends it, which is known only when the graph "
        "runs",
        fix="write it as a loop",
        loc=raised_at(error),
    )


def _capture() -> Any:
    """The rewriter, which is loaded when a function first needs it."""
    return importlib.import_module(".functions", __package__)


def _final(error: NoValueError, more: str = "") -> NoValueError:
    found = NoValueError(f"{error.what}{more}", fix=error.fix, loc=error.loc)
    found.is_final = True
    unanswered(found)
    return found
