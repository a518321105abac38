"""Which device to compile for, and what decides what code comes out for it; loads no compiler."""

from __future__ import annotations

from pathlib import Path

from symfuse.runtime.cuda.device import device
from symfuse.runtime.cuda.libraries import find
from symfuse.runtime.errors import DeviceError

__all__ = ["SIMULATED", "USUAL", "architecture", "identity"]

USUAL = "sm_90"
SIMULATED = "sm_00"  # a device that is handed source texts


def architecture() -> str:
    """The architecture of the device of this machine; where there is none, the usual one."""
    try:
        return device().facts.arch
    except DeviceError:
        return USUAL


def identity(arch: str) -> str:
    """The architecture, and the file of the compiler."""
    found = find("nvrtc")
    if arch == SIMULATED or found is None:
        return arch
    told = Path(found.path).stat()
    return f"{arch} {found.path} {told.st_size} {told.st_mtime_ns}"
