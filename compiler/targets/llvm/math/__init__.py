"""symfuse's own vector mathematics, written over the scalar instructions of any target."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

__all__ = ["MODULES", "formula"]

MODULES = {
    "error": ("erf", "erfc"),
    "exponential": ("exp", "exp2", "expm1"),
    "hyperbolic": ("acosh", "asinh", "atanh", "cosh", "sinh", "tanh"),
    "inverse": ("acos", "asin", "atan", "atan2"),
    "logarithm": ("log", "log10", "log1p", "log2"),
    "power": ("pow",),
    "roots": ("cbrt", "hypot", "rsqrt"),
    "steps": ("floordiv", "fmod", "mod", "nextafter"),
    "trigonometric": ("cos", "sin", "tan"),
}
_HOME = {name: module for module, names in MODULES.items() for name in names}


@cache
def formula(name: str) -> Callable[..., Any] | None:
    """What writes a function; its module is loaded for the first program that needs it."""
    if name not in _HOME:
        return None
    found: Callable[..., Any] = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    return found
