"""What changes whenever a file of the compiler does, for the keys of caches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec

from symfuse.runtime.host import shipped

__all__ = ["fingerprint"]


@cache
def fingerprint() -> str:
    """The dates of the compiler's files, of the shared code, which is kept with programs, and of
    llvmlite's, which is not loaded for it."""
    dates = sorted([*_dates(os.path.dirname(__file__)), *_dates(shipped.FOLDER)])
    llvm = find_spec("llvmlite")
    if llvm and llvm.origin:
        dates.append((llvm.origin, os.stat(llvm.origin).st_mtime_ns))
    return str(dates)


def _dates(folder: str | os.PathLike[str]) -> Iterator[tuple[str, int]]:
    """The sources in a folder, by plain calls of the system: every process asks for them."""
    for entry in os.scandir(folder):
        if entry.is_dir():
            yield from _dates(entry.path)
        elif entry.name.endswith((".py", ".cu", ".bin")):
            yield entry.name, entry.stat().st_mtime_ns
