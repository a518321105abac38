"""What running programs tell Python: messages to print, and conditions that have to hold.

A message is a format string whose fields are numbers of operands; it is kept in the program.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import CheckError, Loc

__all__ = ["failure", "raise_failures", "render", "report"]

Array = np.ndarray[Any, Any]
Place = tuple[str, int]

_failures: list[CheckError] = []


class _Formatter(string.Formatter):
    """Formats arrays element by element."""

    def format_field(self, value: Any, spec: str) -> str:
        if not isinstance(value, np.ndarray | np.generic):
            return format(value, spec)
        if not spec:
            return str(value)
        if value.ndim == 0:
            return format(value.item(), spec)
        return np.array2string(value, formatter={"all": lambda one: format(one, spec)})


_FORMATTER = _Formatter()


def render(text: str, values: Sequence[Any]) -> str:
    """The message with its values."""
    return _FORMATTER.vformat(text, tuple(values), {})


def report(kind: str, text: str, place: Place, values: Sequence[Array]) -> None:
    """Print a message, or note that a condition, the first of the values, does not hold."""
    if kind == "print":
        print(render(text, values))
    elif (found := failure(text, place, values)) is not None:
        _failures.append(found)


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


def raise_failures() -> None:
    """Raise the first failure that was noted, and forget all."""
    if _failures:
        first = _failures[0]
        _failures.clear()
        raise first
