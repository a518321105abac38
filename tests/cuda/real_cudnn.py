"""The real cuDNN without a device: what it says to descriptions, in a process of its own.

It wants a driver before it describes anything, so it gets one that has nothing but names.
"""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from symfuse.runtime.cuda import libraries
from symfuse.runtime.cuda.code import DnnLaunch
from symfuse.runtime.cuda.cudnn import LibraryFailed, cudnn
from symfuse.runtime.cuda.cudnn_graphs import Network

__all__ = ["FOUND", "needs_library", "told_by_the_real"]

FOUND = libraries.find("cudnn")
needs_library = pytest.mark.skipif(FOUND is None, reason="cuDNN is not installed")

WANTED = (
    "cuGetErrorString", "cuModuleGetFunction", "cuModuleLoadData", "cuModuleUnload",
    "cuTensorMapEncodeIm2col", "cuTensorMapEncodeTiled",
)  # fmt: skip


def told_by_the_real(launches: Sequence[DnnLaunch], folder: Path) -> list[str]:
    """Of each launch what is wrong with it; empty where the library takes it."""
    source, driver, given = (folder / n for n in ("driver.cpp", "libcuda.so.1", "launches"))
    functions = "\n".join(f"int {name}() {{ return 100; }}" for name in WANTED)
    source.write_text(f'extern "C" {{\n{functions}\n}}\n')
    made = ["g++", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", str(source), "-o", str(driver)]
    subprocess.run(made, check=True)
    given.write_bytes(pickle.dumps(list(launches)))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, __file__, str(driver), str(given)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def _told(launch: DnnLaunch) -> str:
    try:
        Network(cudnn(), launch)
    except LibraryFailed as error:
        return error.what
    return ""


if __name__ == "__main__":
    ctypes.CDLL(sys.argv[1], mode=ctypes.RTLD_GLOBAL)
    print(json.dumps([_told(one) for one in pickle.loads(Path(sys.argv[2]).read_bytes())]))
