"""Tells what each kernel of a program takes, when the program is first called."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from symfuse.runtime.errors import SymfuseError

from ..staging.backend import Loaded

__all__ = ["timed"]


def timed(loaded: Loaded) -> Callable[..., Any]:
    """The code of `loaded`, which at its first call writes a table of times to the error stream.

    The kernels run on the arguments of that call, of which none is changed.
    """
    entry, first = loaded.entry, iter((True,))

    def told(*arrays: Any) -> Any:
        if next(first, False):
            print(f"symfuse: {loaded.graph.name}\n{_times(loaded, arrays)}", file=sys.stderr)
        return entry(*arrays)

    return told


def _times(loaded: Loaded, arrays: Sequence[Any]) -> str:
    """The table, or why there is none."""
    try:
        return str(loaded.profile(arrays))
    except SymfuseError as error:
        return f"its kernels are not timed: {error.what}"
