"""What running programs tell Python: messages to print, and conditions that have to hold.

A message is a format string whose fields are numbers of operands; it is kept in the program.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import CheckError, Loc

__all__ = ["described", "failure", "note", "raise_failures", "render", "report", "understood"]

Array = np.ndarray[Any, Any]
Place = tuple[str, int]

_noted = threading.local()  # a program reports on the thread of its caller


class _Shown:
    """A value in a message: arrays are formatted element by element."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __str__(self) -> str:
        return str(self._value)

    def __repr__(self) -> str:
        return repr(self._value)

    def __getattr__(self, name: str) -> _Shown:
        return _Shown(getattr(self._value, name))

    def __getitem__(self, key: Any) -> _Shown:
        return _Shown(self._value[key])

    def __format__(self, spec: str) -> str:
        value = self._value
        if not spec:
            return str(value)
        if not isinstance(value, np.ndarray | np.generic):
            return format(value, spec)
        if value.ndim == 0:
            return format(value.item(), spec)
        return np.array2string(np.asarray(value), formatter={"all": lambda one: format(one, spec)})


def render(text: str, values: Sequence[Any]) -> str:
    """The message with its values."""
    return text.format(*map(_Shown, values))


SEPARATOR = "\x1f"


def described(kind: str, text: str, place: Place, types: Sequence[tuple[str, int]]) -> str:
    """What a program is to report, as one text: how, and the element types and ranks of values."""
    listed = ",".join(f"{dtype}:{rank}" for dtype, rank in types)
    return SEPARATOR.join((kind, text, place[0], str(place[1]), listed))


def understood(described: str) -> tuple[str, str, Place, list[tuple[str, int]]]:
    """The parts of such a text."""
    kind, text, filename, line, listed = described.split(SEPARATOR)
    pairs = (one.split(":") for one in listed.split(",") if one)
    return kind, text, (filename, int(line)), [(dtype, int(rank)) for dtype, rank in pairs]


def report(kind: str, text: str, place: Place, values: Sequence[Array]) -> None:
    """Print a message, or note that a condition, the first of the values, does not hold."""
    if kind == "print":
        print(render(text, values))
    elif (found := failure(text, place, values)) is not None:
        note(found)


def failure(text: str, place: Place, values: Sequence[Array]) -> CheckError | None:
    """The error of a condition that does not hold everywhere."""
    condition, *shown = values
    holds = np.asarray(condition)
    if holds.all():
        return None
    where = ""
    if holds.ndim:
        first = ", ".join(map(str, np.argwhere(~holds)[0]))
        where = f" at {np.count_nonzero(~holds)} of {holds.size} elements, first at [{first}]"
    filename, line = place
    loc = Loc.of_line(filename, line) if filename else None
    return CheckError(f"check failed{where}: {render(text, shown)}", loc=loc)


def note(failure: Exception) -> None:
    """Keep what went wrong until the program has run."""
    _failures().append(failure)


def raise_failures() -> None:
    """Raise the first failure that was noted on this thread, and forget all."""
    failures = _failures()
    if failures:
        first = failures[0]
        failures.clear()
        raise first


def _failures() -> list[Exception]:
    if not hasattr(_noted, "failures"):
        _noted.failures = []
    found: list[Exception] = _noted.failures
    return found
