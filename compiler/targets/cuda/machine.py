"""Which device to compile for, and what decides what code comes out for it; loads no compiler."""

from __future__ import annotations

from pathlib import Path

from symfuse.runtime.cuda.device import device_arch
from symfuse.runtime.cuda.libraries import find

__all__ = ["SIMULATED", "USUAL", "architecture", "has_products", "identity"]

USUAL = "sm_90"
SIMULATED = "sm_00"  # a device that is handed source texts


def architecture() -> str:
    """The architecture of the device of this machine; where there is none, the usual one."""
    return device_arch() or USUAL


def has_products(arch: str) -> bool:
    """Whether a library computes products there; the simulated device takes none but its own."""
    found = find("cublasLt")
    return found is not None and (arch != SIMULATED or found.origin == "beside the given driver")


def identity(arch: str) -> str:
    """The architecture, the file of the compiler, and whether there is a library of products."""
    products = "with products" if has_products(arch) else ""
    found = find("nvrtc") if arch != SIMULATED else None
    if found is None:
        return f"{arch} {products}"
    told = Path(found.path).stat()
    return f"{arch} {products} {found.path} {told.st_size} {told.st_mtime_ns}"
