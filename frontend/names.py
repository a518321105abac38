"""What users ask for by name, such as a loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

__all__ = ["by_name"]

T = TypeVar("T")
_NONE: Mapping[str, str] = {}


def by_name(kind: str, name: Any, known: Mapping[str, T], short: Mapping[str, str] = _NONE) -> T:
    """What is known under a name, or under the one that is short for it."""
    found = known.get(short.get(name, name)) if isinstance(name, str) else None
    if found is None:
        raise ArgumentError(
            f"there is no {kind} {name!r}",
            fix=f"give one of {', '.join(sorted(known))}",
            loc=user_location(),
        )
    return found
