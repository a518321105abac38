"""What users ask for by name, such as a loss, and what is remembered of how they made it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Mapping
from functools import wraps
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import force_setattr

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

__all__ = ["Origin", "by_name", "remembered", "unique"]

T = TypeVar("T")
Maker = TypeVar("Maker", bound=Callable[..., Any])
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


def unique(base: str, taken: Container[str]) -> str:
    """A name that is not taken: the base, or the base with a number, as dense_1 behind dense."""
    name, at = base, 0
    while name in taken:
        at += 1
        name = f"{base}_{at}"
    return name


class Origin(Struct, frozen=True):
    """How something was made: the public name of the function, and its arguments by name."""

    maker: str
    settings: dict[str, Any]


def remembered(maker: Maker) -> Maker:
    """The maker of records or functions which then know their `origin`, so as to be saved."""
    signature = inspect.signature(maker)
    rest = [p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD]
    title = f"{maker.__module__.split('.')[1]}.{maker.__name__}"

    @wraps(maker)
    def made(*args: Any, **settings: Any) -> Any:
        found = maker(*args, **settings)
        given = dict(signature.bind(*args, **settings).arguments)
        for name in rest:
            given |= given.pop(name, {})
        origin = Origin(title, given)
        if isinstance(found, Struct):
            force_setattr(found, "origin", origin)
        else:
            found.origin = origin
        return found

    return made  # type: ignore[return-value]
