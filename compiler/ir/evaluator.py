"""What calling an operation means right now: compute it, record it, or make a pattern of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

__all__ = ["CURRENT", "Eager", "Evaluator", "evaluating"]


class Evaluator(Protocol):
    """Gives a call of an operation its meaning."""

    def apply(self, op: Any, args: tuple[Any, ...], attrs: dict[str, Any]) -> Any: ...


class Eager:
    """Runs an operation at once through its NumPy reference."""

    def apply(self, op: Any, args: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        return op.reference(*args, **attrs)


CURRENT: ContextVar[Evaluator] = ContextVar("evaluator", default=Eager())  # noqa: B039


@contextmanager
def evaluating(evaluator: Evaluator) -> Iterator[None]:
    """Give calls of operations inside the block to `evaluator`."""
    token = CURRENT.set(evaluator)
    try:
        yield
    finally:
        CURRENT.reset(token)
