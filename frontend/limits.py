"""What settings may be: a layer or an optimiser that is made with anything else says so at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from msgspec import Struct

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

__all__ = [
    "GROUPS", "OPTIONAL_SIZE", "SHARE", "SIZE", "Limit", "choice", "is_whole", "number", "within",
]  # fmt: skip


class Limit(Struct, frozen=True):
    """Which values a setting may have, and what to give instead of others."""

    holds: Callable[[Any], bool]
    fix: str

    def expect(self, value: Any, owner: str, name: str) -> None:
        """Raise ArgumentError where the setting of this name has another value."""
        if not self.holds(value):
            raise ArgumentError(f"{owner}: {name}={value!r}", fix=self.fix, loc=user_location())


def within(**limits: Limit) -> Mapping[str, Limit]:
    """What settings may be, by their names."""
    return MappingProxyType(limits)


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number, of Python or of NumPy."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def choice(names: Sequence[str | None]) -> Limit:
    """One of several names."""
    return Limit(lambda value: value in names, f"give one of {', '.join(map(repr, names))}")


def number(least: float, below: float | None = None, above: bool = False) -> Limit:
    """A number from some least one, or `above` it, `below` another; traced ones may be any."""

    def holds(value: Any) -> bool:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return hasattr(value, "dtype")
        high = below is None or value < below
        return high and (value > least if above else value >= least)

    end = "" if below is None else f", below {below:g}"
    return Limit(holds, f"give a number {'above' if above else 'from'} {least:g}{end}")


def _is_size(value: Any) -> bool:
    return is_whole(value) and value >= 1


SIZE = Limit(_is_size, "give a whole number, at least 1")
OPTIONAL_SIZE = Limit(
    lambda n: n is None or _is_size(n), "give a whole number, at least 1, or None"
)
GROUPS = Limit(
    lambda n: _is_size(n) or (is_whole(n) and n == -1),
    "give how many groups of channels there are, or -1 for one each",
)
SHARE = Limit(
    lambda rate: isinstance(rate, int | float) and 0 <= rate <= 1, "give a number from 0 to 1"
)
