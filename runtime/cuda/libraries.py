"""Where the libraries of CUDA are on this machine: wheels first, then the system."""

from __future__ import annotations

import ctypes
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from .. import options
from ..errors import DeviceError

__all__ = [
    "GIVEN",
    "LIBRARIES",
    "Entries",
    "Found",
    "Library",
    "driver_candidates",
    "find",
    "load",
    "opened",
    "preload",
]


@dataclass(frozen=True, slots=True)
class Library:
    """A shared library that symfuse can use, and the package that brings it.

    `companions` are files beside it that it opens by their bare name, so they are loaded first;
    so are the `others`, where they are there.
    """

    file: str
    package: str
    folders: tuple[str, ...]
    purpose: str
    companions: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    versions: str = ""

    @property
    def advice(self) -> str:
        """How to install it."""
        return f'pip install "{self.package}{self.versions}"'


@dataclass(frozen=True, slots=True)
class Found:
    """A library that is there: its path and where that comes from."""

    path: str
    origin: str


class Entries(ABC):
    """The entry points of a library that return a status; `call` raises where it is an error."""

    __slots__ = ("_functions", "path", "version")

    path: str
    version: int
    _functions: Mapping[str, Any]

    @abstractmethod
    def failure(self, name: str, status: int) -> DeviceError:
        """The error that this status of that entry point means."""

    def function(self, name: str) -> Any:
        """The entry point itself, which returns a status; for hot paths."""
        return self._functions[name]

    def call(self, name: str, *args: Any) -> None:
        """Call an entry point; an error names it."""
        if status := self._functions[name](*args):
            raise self.failure(name, status)

    def handle(self, name: str, *args: Any) -> int:
        """What an entry point writes to its first parameter."""
        made = ctypes.c_void_p()
        self.call(name, ctypes.byref(made), *args)
        return made.value or 0


Opened = TypeVar("Opened", bound=Entries)
_opened: dict[tuple[str, str], Any] = {}
_opening = Lock()
_WHEEL = "nvidia/cu13/lib"

LIBRARIES = {
    "nvrtc": Library(
        "libnvrtc.so.13",
        "nvidia-cuda-nvrtc",
        (_WHEEL,),
        "compiles kernels",
        ("libnvrtc-builtins.so.13.*",),
        versions=">=13.0,<14",
    ),
    "cublasLt": Library(
        "libcublasLt.so.13",
        "nvidia-cublas",
        (_WHEEL,),
        "computes products of matrices",
        versions=">=13,<14",
    ),
    "cudnn": Library(
        "libcudnn.so.9",
        "nvidia-cudnn-cu13",
        ("nvidia/cudnn/lib",),
        "computes convolutions and attention",
        others=("nvrtc", "cublasLt"),
        versions=">=9.12,<10",
    ),
}

_DRIVER = "libcuda.so.1"
GIVEN = "beside the given driver"  # the origin of what stands beside the one that an option names


def driver_candidates() -> tuple[str, ...]:
    """The paths under which the driver is looked for, in order; the option names the only one."""
    given = options.get("cuda_driver")
    if given is None:
        # The last is where Windows keeps the driver for Linux beside it.
        return (_DRIVER, "/usr/lib/wsl/lib/libcuda.so.1")
    path = Path(given)
    return (str(path / _DRIVER if path.is_dir() else path),)


def find(name: str) -> Found | None:
    """Where the library is; None if it is nowhere."""
    library = LIBRARIES[name]
    for path, origin in _places(library):
        if path.is_file():
            return Found(str(path), origin)
    return None


@cache
def load(name: str) -> ctypes.CDLL:
    """The library, loaded; DeviceError if it is absent or cannot be loaded."""
    library = LIBRARIES[name]
    advice = f"install it, as by {library.advice}, or the CUDA toolkit 13"
    found = find(name)
    try:
        for companion in _companions(library, found):
            ctypes.CDLL(str(companion))
        return ctypes.CDLL(found.path if found else library.file)
    except OSError as error:
        place = f"{found.path} cannot be loaded: {error}" if found else f"{library.file} is absent"
        raise DeviceError(
            f"{place}; symfuse needs it, because it {library.purpose}", fix=advice
        ) from error


def opened(name: str, make: Callable[[str], Opened]) -> Opened:
    """The entry points of a library as `make` has them, loaded at first use; DeviceError where it
    is absent or cannot be used."""
    library, found = LIBRARIES[name], find(name)
    if found is None:
        raise DeviceError(
            f"{library.file} is absent; the program needs it, because it {library.purpose}",
            fix=library.advice,
        )
    key = name, found.path
    with _opening:
        if key not in _opened:
            try:
                _opened[key] = make(found.path)
            except (OSError, AttributeError) as error:
                raise DeviceError(
                    f"{found.path} cannot be used: {error}", fix=library.advice
                ) from error
        return _opened[key]  # type: ignore[no-any-return]


def preload(name: str) -> None:
    """Load what the library opens by bare names, as far as that is there."""
    found = find(name)
    if found is not None and found.origin != GIVEN:
        for other in LIBRARIES[name].others:
            if find(other) is not None:
                load(other)


def _places(library: Library) -> Iterator[tuple[Path, str]]:
    """Where the file may be, with a name for each place."""
    if (given := options.get("cuda_driver")) is not None:
        path = Path(given)
        yield (path if path.is_dir() else path.parent) / library.file, GIVEN
    for base in sys.path:
        for folder in library.folders:
            yield Path(base, folder, library.file), f"{library.package} {_version(library)}".strip()
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        if root := os.environ.get(variable):
            yield Path(root, "lib64", library.file), variable
    yield Path("/usr/local/cuda/lib64", library.file), "the CUDA toolkit"
    for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"):
        yield Path(folder, library.file), "the system"


def _version(library: Library) -> str:
    try:
        return metadata.version(library.package)
    except metadata.PackageNotFoundError:
        return ""


def _companions(library: Library, found: Found | None) -> Iterator[Path]:
    if found is not None:
        folder = Path(found.path).resolve().parent
        for pattern in library.companions:
            yield from sorted(path for path in folder.glob(pattern) if "alt" not in path.name)
