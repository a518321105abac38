"""Which device to compile for, and what decides what code comes out for it; loads no compiler."""

from __future__ import annotations

from pathlib import Path

from symfuse.runtime import options
from symfuse.runtime.cuda.device import device_arch
from symfuse.runtime.cuda.libraries import GIVEN, LIBRARIES, find
from symfuse.runtime.errors import DeviceError

__all__ = ["SIMULATED", "USUAL", "architecture", "has_products", "identity", "why_no_cudnn"]

USUAL = "sm_90"
SIMULATED = "sm_00"  # a device that is handed source texts


def architecture() -> str:
    """The architecture of the device of this machine; where there is none, the usual one."""
    return device_arch() or USUAL


def has_products(arch: str) -> bool:
    """Whether a library computes products there; the simulated device takes none but its own."""
    return options.get("cublas") != "never" and _is_usable("cublasLt", arch)


def why_no_cudnn(arch: str) -> str:
    """Why cuDNN is not to be used there; empty if it is. An error if it is absent and asked for."""
    asked = options.get("cudnn")
    if asked == "never":
        return 'the option cudnn is "never"'
    if _is_usable("cudnn", arch):
        return ""
    if asked == "always":
        raise DeviceError(
            f"the option cudnn asks for cuDNN always, and {LIBRARIES['cudnn'].file} is absent",
            fix='pip install "symfuse[cudnn]"',
        )
    return "cuDNN is not installed"


def _is_usable(name: str, arch: str) -> bool:
    found = find(name)
    return found is not None and (arch != SIMULATED or found.origin == GIVEN)


def identity(arch: str) -> str:
    """The architecture, the file of the compiler, and which libraries there are."""
    products = "with products" if has_products(arch) else ""
    products += why_no_cudnn(arch) or f"with cuDNN {options.get('cudnn')}"
    found = find("nvrtc") if arch != SIMULATED else None
    if found is None:
        return f"{arch} {products}"
    told = Path(found.path).stat()
    return f"{arch} {products} {found.path} {told.st_size} {told.st_mtime_ns}"
