"""A breakpoint where values are."""

from __future__ import annotations

import importlib
import os
import sys

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import TraceError

from ..tracing.dispatch import ACTIVE

__all__ = ["breakpoint"]


def breakpoint() -> None:
    """Stop in Python's debugger at the line of the caller, where arrays have values.

    While a function is traced it raises TraceError: traced arrays have none. PYTHONBREAKPOINT=0
    turns it off, as for Python's own.
    """
    if ACTIVE.get() is not None:
        raise TraceError(
            "debug.breakpoint: the function is being traced, and its arrays have no values yet",
            fix="call the function itself, without jit, grad or vmap; or use sf.debug.print",
            loc=user_location(),
        )
    if os.environ.get("PYTHONBREAKPOINT") != "0":
        debugger = importlib.import_module("pdb")  # takes long to load
        debugger.Pdb().set_trace(sys._getframe(1))
