"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..names import by_name, expect_made
from . import factored, moments, plain

__all__ = ["get"]

_KNOWN: dict[str, Callable[..., Any]] = {
    name.lower(): getattr(topic, name)
    for topic in (factored, moments, plain)
    for name in topic.__all__
}


def get(identifier: Any) -> Any:
    """The optimiser of a name such as "adam"; one that is made already as it is.

    >>> import symfuse as sf
    >>> sf.optim.get("adam").name
    'Adam'
    """
    if hasattr(identifier, "init") and hasattr(identifier, "update"):
        return identifier
    expect_made("optimiser", identifier)
    name = identifier.lower() if isinstance(identifier, str) else identifier
    return by_name("optimiser", name, _KNOWN)()
