"""Builds the stand-ins for the vendor's libraries, which compute on the host."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

__all__ = ["cudnn_path", "library_path"]

_HERE = Path(__file__).parent
_FLAGS = ("-std=c++17", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra")


def library_path(folder: Path) -> Path:
    """The stand-in `libcublasLt.so.13` in a folder, built if it is not there or older."""
    return _built(folder / "libcublasLt.so.13", "cublaslt.cpp", "elements.h")


def cudnn_path(folder: Path) -> Path:
    """The stand-in `libcudnn.so.9` in a folder, built if it is not there or older."""
    return _built(folder / "libcudnn.so.9", "cudnn.cpp", "cudnn_descriptors.h", "elements.h")


def _built(target: Path, *names: str) -> Path:
    sources = [_HERE / name for name in names]
    newest = max(source.stat().st_mtime for source in sources)
    if target.exists() and target.stat().st_mtime >= newest:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, suffix=".so")
    os.close(handle)
    subprocess.run(["g++", *_FLAGS, str(sources[0]), "-o", name, "-ldl"], check=True)
    os.replace(name, target)
    return target
