"""Initialisers by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..names import by_name, expect_made
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
    expect_made("initialiser", identifier)
    if callable(identifier):
        return Initializer(getattr(identifier, "__name__", "initializer"), identifier)
    return by_name("initialiser", identifier, _KNOWN)()
