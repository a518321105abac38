"""What changes whenever a file of the compiler does, for the keys of caches."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

__all__ = ["fingerprint"]


@cache
def fingerprint() -> str:
    """The dates of the compiler's files, and of llvmlite's, which is not loaded for it."""
    folder = Path(__file__).parent
    files = sorted(file for file in folder.rglob("*") if file.suffix in (".py", ".cu"))
    llvm = find_spec("llvmlite")
    files += [Path(llvm.origin)] if llvm and llvm.origin else []
    return str([(file.name, file.stat().st_mtime_ns) for file in files])
