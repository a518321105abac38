"""Warnings at the line of the user that they are about."""

from __future__ import annotations

import warnings

from symfuse.compiler.ir.location import user_location

__all__ = ["warn"]


def warn(text: str) -> None:
    """A UserWarning that shows the user's line."""
    loc = user_location()
    if loc is None:
        warnings.warn(text, stacklevel=3)
    else:
        warnings.warn_explicit(text, UserWarning, loc.filename, loc.line)
