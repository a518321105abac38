"""What of CUDA is on this machine: driver, devices, libraries; and why what is missing is."""

from __future__ import annotations

from typing import Any

from ..errors import DeviceError
from .device import count, device
from .driver import driver, version_text
from .libraries import LIBRARIES, find

__all__ = ["inspect_cuda"]


def inspect_cuda() -> dict[str, Any]:
    """Driver, devices and libraries as data; a missing thing has the reason in its place."""
    libraries: dict[str, str] = {}
    for name, library in LIBRARIES.items():
        found = find(name)
        missing = f"not found; it {library.purpose}: {library.advice}"
        libraries[name] = f"{found.path} ({found.origin})" if found else missing
    try:
        loaded = driver()
        told = f"{loaded.path}, for CUDA {version_text(loaded.version)}"
        devices = [_device(ordinal) for ordinal in range(count())]
    except DeviceError as error:
        return {"driver": error.what, "fix": error.fix, "devices": [], "libraries": libraries}
    return {"driver": told, "fix": "", "devices": devices, "libraries": libraries}


def _device(ordinal: int) -> dict[str, Any]:
    found = device(ordinal)
    facts, (free, total) = found.facts, found.room()
    return {
        "device": found.label,
        "name": facts.name,
        "code for": facts.arch,
        "multiprocessors": facts.multiprocessors,
        "bytes": total,
        "free_bytes": free,
    }
