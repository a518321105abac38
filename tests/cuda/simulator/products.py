"""Builds the stand-in for the vendor's library of matrix products."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

__all__ = ["library_path"]

_SOURCE = Path(__file__).with_name("cublaslt.cpp")
_FLAGS = ("-std=c++17", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra")


def library_path(folder: Path) -> Path:
    """The stand-in `libcublasLt.so.13` in a folder, built if it is not there or older."""
    target = folder / "libcublasLt.so.13"
    if target.exists() and target.stat().st_mtime >= _SOURCE.stat().st_mtime:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, suffix=".so")
    os.close(handle)
    subprocess.run(["g++", *_FLAGS, str(_SOURCE), "-o", name, "-ldl"], check=True)
    os.replace(name, target)
    return target
