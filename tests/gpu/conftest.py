"""The device of the tests here is a real one; without it they are skipped, and say why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cuda.on_device import REAL
from cuda.programs import KERNELS, Programs

from symfuse.compiler.targets.cuda.nvrtc import Request, translate
from symfuse.runtime.cuda.device import Device, device
from symfuse.runtime.errors import DeviceError

PREAMBLE = Path(__file__).parents[2] / "compiler" / "targets" / "cuda" / "preamble.cu"


@pytest.fixture(scope="session")
def place() -> Device:
    """The device that programs run on."""
    try:
        return device()
    except DeviceError as error:
        pytest.skip(f"needs a GPU: {error.what}")


@pytest.fixture(autouse=True)
def _real(place: Device) -> Iterator[None]:
    """What the tests call the simulated device is the real one here."""
    token = REAL.set(True)
    yield
    REAL.reset(token)


@pytest.fixture(scope="session")
def programs(place: Device) -> Programs:
    """The programs written by hand, for that device."""
    text = PREAMBLE.read_text(encoding="utf-8") + KERNELS
    arch = place.facts.arch
    return Programs(translate(Request("handwritten", text, arch)).code, arch)
