"""The LAPACK that NumPy or SciPy brings, whose routines compiled code calls."""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from ..errors import DeviceError

__all__ = ["PREFIX", "routine"]

PREFIX = "symfuse_lapack_"

_SPELLINGS = (
    "scipy_{}_64_",  # NumPy's wheels: OpenBLAS with integers of 64 bits
    "{}_64_",
    "{}$NEWLAPACK$ILP64",  # Accelerate
    "scipy_{}_",  # SciPy's wheels: integers of 32 bits
    "{}$NEWLAPACK",
    "{}_",
)


def routine(name: str) -> int:
    """The address of a routine, as `dpotrf`."""
    for library in _libraries():
        for spelling in _SPELLINGS:
            try:
                function = library[spelling.format(name)]
            except AttributeError:
                continue
            return ctypes.cast(function, ctypes.c_void_p).value or 0
    raise DeviceError(
        f"the code calls the LAPACK routine {name}, which neither NumPy nor SciPy brings here",
        fix="install NumPy from its wheels, or SciPy beside it: pip install scipy",
    )


@cache
def _libraries() -> tuple[ctypes.CDLL, ...]:
    found = []
    for path in _extensions():
        try:
            found.append(ctypes.CDLL(str(path)))  # its names and those of what it is linked with
        except OSError:
            continue
    return tuple(found)


def _extensions() -> Iterator[Path]:
    """Extension modules that are linked with LAPACK, NumPy's first."""
    yield from sorted(Path(np.linalg.__file__).parent.glob("_umath_linalg.*"))
    spec = importlib.util.find_spec("scipy")
    for folder in spec.submodule_search_locations or () if spec else ():
        yield from sorted(Path(folder, "linalg").glob("_flapack.*"))
