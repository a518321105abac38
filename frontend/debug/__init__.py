"""Looking into traced and compiled functions: printing, checks, the origin of NaN, breakpoints."""

from __future__ import annotations

from .nans import nans
from .reports import check, print
from .stopping import breakpoint

__all__ = ["breakpoint", "check", "nans", "print"]
