"""Initialisers by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

from . import fixed, scaled, spread
from .initializer import Initializer

__all__ = ["get"]

_KNOWN: dict[str, Callable[[], Initializer]] = {
    make().name: make
    for make in (
        getattr(topic, name) for topic in (fixed, scaled, spread) for name in topic.__all__
    )
}


def get(identifier: Any) -> Initializer:
    """The initialiser of a name such as "glorot_uniform", or made of a function.

    >>> import symfuse as sf
    >>> sf.initializers.get("he_normal").name
    'he_normal'
    """
    if isinstance(identifier, Initializer):
        return identifier
    if callable(identifier):
        return Initializer(getattr(identifier, "__name__", "initializer"), identifier)
    if identifier not in _KNOWN:
        raise ArgumentError(
            f"there is no initialiser {identifier!r}",
            fix=f"give one of {', '.join(sorted(_KNOWN))}",
            loc=user_location(),
        )
    return _KNOWN[identifier]()
